/*
 * How a process leaves the job. First its ends send what they have under way. Then its peers are told that its channels
 * are over. Then it waits for the other ranks, because MPI_Finalize does, and because it is still a shard of the lease
 * map.
 *
 * The wait is a dissemination barrier: in step k a rank tells the rank 2^k after it, and waits for the rank 2^k before
 * it. After log2(size) steps each rank knows that all have come. A rank watches the one that it waits for. If that is
 * dead, or leaves without waiting, the barrier is broken, because MPI_Finalize might never return then. All ranks of
 * the barrier's steps are told at once, and pass it on through the job.
 */
#include "job/control.h"
#include "job/job.h"

/* The first byte of LF_WORD_FINALIZE. */
enum {
  TOKEN = 1, /* the sender has come to a step of the barrier: the second byte */
  BROKEN,    /* there will be no barrier */
  GOODBYE,   /* the channels to this process are over */
  GONE       /* the process is no shard any more either */
};

static enum { STAYING, DRAINING, WAITING, FLUSHING } phase;
static struct {
  int32_t status;
  uint64_t timeout_ns;
  uint64_t moved;   /* when something progressed last */
  uint64_t batches; /* the number that waited for MPI then */
} leaving;
static uint32_t tokens; /* bit k: the rank 2^k before this one has come to step k */
static uint32_t step;
static lf_peer *watched;
static int broken;

static uint32_t steps_of(const lf_job *job) {
  uint32_t steps = 0;
  while (steps < 31 && (1u << steps) < (uint32_t)job->info.size) steps++;
  return steps;
}

static int after(const lf_job *job, uint32_t k) {
  return (int)(((int64_t)job->info.rank + ((int64_t)1 << k)) % job->info.size);
}

static int before(const lf_job *job, uint32_t k) {
  return (int)(((int64_t)job->info.rank + job->info.size - ((int64_t)1 << k)) % job->info.size);
}

static void say(lf_job *job, int rank, uint8_t what, uint32_t k) {
  const uint8_t word[2] = {what, (uint8_t)k};
  lf_control_post(job, rank, LF_WORD_FINALIZE, word, sizeof word);
}

static void say_goodbye(lf_job *job, int rank) { say(job, rank, GOODBYE, 0); }
static void say_gone(lf_job *job, int rank) { say(job, rank, GONE, 0); }

static void break_barrier(lf_job *job) {
  if (broken) return;
  broken = 1;
  for (uint32_t k = 0; k < steps_of(job); k++) {
    say(job, after(job, k), BROKEN, 0);
    say(job, before(job, k), BROKEN, 0);
  }
}

static int is_barrier_peer(const lf_job *job, int rank) {
  for (uint32_t k = 0; k < steps_of(job); k++)
    if (rank == after(job, k) || rank == before(job, k)) return 1;
  return 0;
}

void lf_finalize_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  (void)word;
  if (length != 2) return;
  switch (data[0]) {
    case TOKEN:
      if (data[1] < steps_of(job) && from == before(job, data[1])) tokens |= 1u << data[1];
      break;
    case BROKEN:
      if (is_barrier_peer(job, from)) break_barrier(job);
      break;
    case GOODBYE:
      lf_peer_left(from, 0);
      break;
    case GONE:
      lf_peer_left(from, 1);
      break;
  }
}

/* ---- its own ---- */

void lf_finalize_begin(lf_job *job, int32_t status, uint64_t timeout_ns, uint64_t now) {
  (void)job;
  lf_control_hurry();
  phase = DRAINING;
  leaving.status = status;
  leaving.timeout_ns = timeout_ns;
  leaving.moved = now;
  leaving.batches = lf_control_count()->waiting;
}

/* Whether nothing is under way, or nothing has progressed for the timeout. Signs of life are no progress. */
static int is_still(lf_job *job, uint64_t now) {
  if (lf_control_sent(job) && !(job->said & LF_BUSY)) return 1;
  uint64_t batches = lf_control_count()->waiting;
  if ((job->said & LF_MOVED) || batches < leaving.batches) leaving.moved = now;
  leaving.batches = batches;
  return now - leaving.moved >= leaving.timeout_ns;
}

/* A process whose MPI another part of the program finalises does not wait; the other ranks need not wait for it. */
static void give_all_tokens(lf_job *job) {
  for (uint32_t k = 0; k < steps_of(job); k++) say(job, after(job, k), TOKEN, k);
}

static void leave_now(lf_job *job, uint64_t now) {
  if (watched) lf_peer_release(job, watched);
  watched = NULL;
  phase = FLUSHING;
  leaving.moved = now;
}

static void end_channels(lf_job *job, uint64_t now) {
  int waits = leaving.status == 0 && !broken && lf_peer_any_dead() < 0 && job->info.ours;
  lf_peer_each(job, waits ? say_goodbye : say_gone);
  lf_job_end_all(job, NULL);
  if (waits) {
    phase = WAITING;
    return;
  }
  if (leaving.status == 0 && !job->info.ours) give_all_tokens(job);
  else break_barrier(job);
  leave_now(job, now);
}

static void wait_for_others(lf_job *job, uint64_t now) {
  if (lf_peer_any_dead() >= 0) break_barrier(job); /* a rank died meanwhile */
  while (step < steps_of(job) && !broken) {
    if (!watched) {
      say(job, after(job, step), TOKEN, step);
      watched = lf_peer_retain(job, before(job, step));
    }
    if (tokens & 1u << step) {
      lf_peer_release(job, watched);
      watched = NULL;
      step++;
    } else if (!watched || watched->silent) {
      break_barrier(job);
    } else {
      return;
    }
  }
  leave_now(job, now);
}

int lf_finalize_step(lf_job *job, uint64_t now) {
  if (phase == DRAINING && is_still(job, now)) end_channels(job, now);
  if (phase == WAITING) wait_for_others(job, now);
  if (phase != FLUSHING || !is_still(job, now)) return 0;
  int whole = step == steps_of(job) && !broken && job->info.ours && leaving.status == 0;
  return whole ? LF_FINALIZE_MPI : LF_FINALIZE_DONE;
}

void lf_finalize_answer(lf_job *job, int rank) {
  if (phase == WAITING || phase == FLUSHING) say_goodbye(job, rank);
}

void lf_finalize_by_host(lf_job *job) {
  give_all_tokens(job);
  lf_peer_each(job, say_gone);
}
