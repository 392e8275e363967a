#include "job/job.h"

#include <stdio.h>

#include "base/monotonic.h"
#include "base/output.h"
#include "base/status.h"
#include "base/thread.h"
#include "job/control.h"
#include "mpi/mpi_library.h"

/* ---- its states ---- */

/* CLOSING is the moment in which a job that was never opened is closed. */
enum { NONE, STARTING, READY, FAILED, OVER, CLOSING };
#define LEFT "this process has left the MPI job"

static lf_job job;
static _Atomic int state;
static lf_status failure;        /* of FAILED and OVER */
static lf_sleeper thread_sleeps; /* the job's thread, between rounds */
static lf_sleeper closer_sleeps; /* the caller of lf_job_close */
static _Atomic int napping;      /* the thread sleeps for longer than LONG_NS: it has to be woken */
static _Atomic uint32_t steps;   /* the thread's; it hangs in MPI when this stands still */
static _Atomic uintptr_t thread; /* its lf_thread_self */
static uint64_t began;           /* when the thread was started */
static _Atomic int ended;        /* the thread makes no call of MPI any more */
static int finalised;            /* then: whether it finalised MPI */
static int finalise_error;

static struct {
  _Atomic int asked;
  int begun;
  int32_t status;
  uint64_t timeout_ns;
} closing;

static void fail_from_now_on(int next) {
  lf_status_last(&failure);
  atomic_store(&state, next);
}

static int32_t tell_failure(void) {
  return lf_fail(failure.code, failure.api, failure.native_status, "%s", failure.text);
}

lf_job *lf_job_get(void) {
  int now = atomic_load_explicit(&state, memory_order_acquire);
  if (__builtin_expect(now == READY, 1)) return &job;
  if (now == FAILED || now == OVER) tell_failure();
  else lf_fail(LF_EMPI_UNAVAILABLE, "", 0, "MPI is not initialised%s", now == STARTING ? " yet" : "");
  return NULL;
}

lf_job *lf_job_enter(void) {
  if (!lf_job_get()) return NULL;
  lf_job_lock(&job);
  if (lf_job_get()) return &job;
  lf_job_unlock(&job);
  return NULL;
}

/* ---- rounds ---- */

int lf_job_round(lf_job *j, uint64_t now) {
  static int within;
  if (within || j->over) return 0;
  within = 1;
  int said = lf_control_dispatch(j, now), of_ends = 0;
  if (!j->over) said |= lf_control_flush(j, now);
  lf_peer_round(j, now);
  for (lf_job_end *end = j->ends, *next; end && !j->over; end = next) {
    next = end->next;
    of_ends |= end->round(end, now);
  }
  j->said = of_ends;
  within = 0;
  return said | of_ends;
}

void lf_job_rounds(lf_job *j) {
  for (int i = 0; i < 32 && (lf_job_round(j, lf_now()) & LF_MOVED); i++) continue;
}

static void broken(lf_job *j, const char *api, int code, const char *what) {
  lf_mpi_fail(j->mpi, api, code, "%s", what);
  if (atomic_load(&state) == READY) fail_from_now_on(OVER);
  j->over = 1;
  lf_job_end_all(j, failure.text);
}

/* ---- the thread ---- */

/* Nanoseconds between two rounds, at most: while a caller waits, and while none does. If waking up costs more than a
 * hundredth, or a thousandth, of a processor then (20 to 40 us a time on virtual machines), naps are longer, up to
 * LONGER times that. */
#define AWAITED_NS 1000000u
#define IDLE_NS 10000000u
#define LONGER 5u
#define SHARE 8000u     /* 10000 would be exactly those shares; MPI may have threads too */
#define BUSY_NS 30000u  /* while MPI has bytes under way and none has moved for long */
/* Nanoseconds without a move for which the thread does not nap: some transports within a host move bytes only while
 * both sides are in MPI. */
#define PUMPED_NS 200000000u
#define TURNS 16u /* rounds meanwhile, after which the thread yields its processor once */
#define SHORT_NS 5000u  /* less is not worth going to sleep */
#define LONG_NS 100000u /* more is worth being woken from */

/* Nanoseconds. */
static uint64_t longest_nap(int awaited) {
  static uint64_t used_before, cost; /* of one nap and one round */
  uint64_t used = lf_thread_used();
  /* Between two long naps there may have been work: that is no cost of a nap. */
  if (used - used_before < LONG_NS) cost = cost - cost / 8 + (used - used_before) / 8;
  used_before = used;
  uint64_t least = awaited ? AWAITED_NS : IDLE_NS, nap = cost * (least / SHARE);
  if (nap < least) return least;
  return nap < least * LONGER ? nap : least * LONGER;
}

/* Sleeps for what is right after a round that said `said`, `quiet` ns after something moved last, and no longer than
 * until `due`. 1: it was woken. */
static int rest(int said, uint64_t quiet, uint64_t due) {
  uint64_t nap = quiet / 8;
  int leaving = atomic_load(&closing.asked), spun = atomic_load(&job.spinning) != 0 && !leaving;
  if (spun) nap = IDLE_NS;
  else if (said & LF_BUSY) nap = quiet < PUMPED_NS ? 0 : BUSY_NS;
  if (due != UINT64_MAX) {
    uint64_t now = lf_now(), left = due > now ? due - now : 0;
    if (nap > left) nap = left;
  }
  if (nap < SHORT_NS) {
    static uint32_t turns;
    if ((said & LF_BUSY) && ++turns % TURNS == 0) lf_thread_yield();
    return 0;
  }
  if (nap > LONG_NS) {
    atomic_store(&napping, 1); /* before `waiting` is read: a later waiter wakes this thread */
    uint64_t most = longest_nap(leaving || (atomic_load(&job.waiting) && !spun));
    if (nap > most) nap = most;
  }
  int woken = lf_sleeper_sleep(&thread_sleeps, nap);
  atomic_store(&napping, 0);
  return woken;
}

void lf_job_wait_begin(lf_job *j) {
  atomic_fetch_add(&j->waiting, 1);
  if (atomic_load(&napping)) lf_sleeper_wake(&thread_sleeps);
}

void lf_job_wait_end(lf_job *j) { atomic_fetch_sub(&j->waiting, 1); }

/* The last of it. Without the lock, as MPI_Finalize calls back. */
static void finalise(void) {
  finalise_error = job.mpi->Finalize();
  finalised = finalise_error == 0;
}

static void leave(void) {
  atomic_store(&ended, 1);
  lf_sleeper_wake(&closer_sleeps);
}

static void make_rounds(void) {
  uint64_t moved = lf_now();
  for (int parted = 0; !parted;) {
    lf_job_lock(&job);
    uint64_t now = lf_now();
    if (atomic_load(&closing.asked) && !closing.begun) {
      closing.begun = 1;
      lf_finalize_begin(&job, closing.status, closing.timeout_ns, now);
    }
    int said = lf_job_round(&job, now);
    if (job.over) parted = LF_FINALIZE_DONE;
    else if (closing.begun) parted = lf_finalize_step(&job, now);
    uint64_t due = lf_control_due();
    if (parted == LF_FINALIZE_MPI) lf_control_over(&job);
    if (parted) job.over = 1;
    lf_job_unlock(&job);
    atomic_fetch_add(&steps, 1);
    if (parted == LF_FINALIZE_MPI) finalise();
    if (said & LF_MOVED) moved = now;
    else if (!parted && rest(said, now - moved, due)) moved = lf_now();
  }
}

/* MPI is about to end the process, in any thread. In the job's own, MPI is at an end and the program goes on: that
 * thread stays here, because it can't return from the library. If the program initialised MPI itself, the process
 * ends. */
static void mpi_gives_up(void) {
  int now = atomic_load(&state), starts = now == STARTING;
  if (lf_thread_self() != atomic_load(&thread) || atomic_load(&ended) || (!starts && !job.info.ours)) return;
  const lf_mpi *mpi = lf_mpi_load();
  lf_fail(LF_EMPI_FAILED, starts ? "MPI_Init_thread" : "", 0,
          "%s %s gave up, and would have ended this process: what it printed says why", mpi->info.implementation,
          mpi->info.version);
  finalise_error = now == OVER;
  if (starts || now == READY) fail_from_now_on(starts ? FAILED : OVER);
  if (atomic_load(&job.lock) == lf_thread_self()) {
    job.mpi = lf_mpi_dead(mpi);
    job.over = 1;
    lf_job_end_all(&job, failure.text);
    lf_job_unlock(&job);
  }
  leave();
  for (;;) lf_thread_nap((uint64_t)3600 * 1000000000);
}

static void host_finalises(void);

static void live(void *unused) {
  (void)unused;
  atomic_store(&thread, lf_thread_self());
  if (lf_mpi_load()) lf_mpi_ask_before_exit(mpi_gives_up);
  job.broken = broken;
  lf_peer_open(&(lf_peer_calls){lf_control_post, lf_control_forget, lf_control_recall});
  if (lf_job_start(&job, host_finalises) == LF_OK) {
    atomic_store(&state, READY);
    make_rounds();
  } else {
    fail_from_now_on(FAILED);
    if (job.info.ours) finalise();
  }
  leave();
}

/* ---- its end ---- */

static void host_finalises(void) {
  int now = atomic_load(&state);
  if (now != READY && now != OVER) return; /* a beginning that failed, and finalises what it initialised */
  lf_mpi_begins_to_finalise();
  lf_job_lock(&job);
  if (!job.over) {
    lf_fail(LF_EMPI_FAILED, "MPI_Finalize", 0, "MPI was finalised by %s",
            job.info.ours ? "another part of this program" : "the program that initialised it");
    if (atomic_load(&state) == READY) fail_from_now_on(OVER);
    lf_finalize_by_host(&job);
    lf_job_end_all(&job, failure.text);
    lf_job_rounds(&job);
    lf_control_over(&job);
    job.over = 1;
  }
  lf_job_unlock(&job);
  lf_sleeper_wake(&thread_sleeps);
}

/* Nanoseconds after which a thread that has not come back from MPI counts as hanging. */
#define STUCK_NS ((uint64_t)30 * 1000000000)
/* Nanoseconds between two checks of that. */
#define CHECK_NS 100000000u

/* Whether the lock could be had. Its holder may hang in a call of MPI, and a process that ends should not hang too. */
static int lock_within(uint64_t ns) {
  for (uint64_t end = lf_now() + ns; !lf_job_try_lock(&job); lf_thread_nap(LF_LOCK_NAP_NS))
    if (lf_now() >= end) return 0;
  return 1;
}

/* MPI was waited for in vain once: a second lf_job_close (of the program's handler, then of the process's) does not
 * wait again. */
static _Atomic int given_up;

static int32_t stuck(void) {
  atomic_store(&given_up, 1);
  return lf_fail(LF_EMPI_FAILED, "", 0, "%s %s has not come back from a call for %d s", job.mpi->info.implementation,
                 job.mpi->info.version, (int)(STUCK_NS / 1000000000u));
}

/* Until the thread makes no call of MPI any more. */
static int32_t await_thread(void) {
  uint32_t seen = atomic_load(&steps);
  for (uint64_t end = lf_now() + STUCK_NS; !atomic_load(&ended) && lf_now() < end;) {
    lf_sleeper_sleep(&closer_sleeps, CHECK_NS);
    if (atomic_load(&steps) == seen) continue;
    seen = atomic_load(&steps);
    end = lf_now() + STUCK_NS;
  }
  if (!atomic_load(&ended)) return stuck();
  if (finalise_error)
    return lf_fail(LF_EMPI_FAILED, "MPI_Finalize", finalise_error, "error %d of %s", finalise_error,
                   job.mpi->info.implementation);
  return finalised;
}

/* The others have that long to come to MPI, from this rank's first channel on: then it has waited often enough. */
static int32_t await_start(uint64_t timeout_ns) {
  for (uint64_t end = began + timeout_ns; atomic_load(&state) == STARTING; lf_thread_nap(AWAITED_NS))
    if (lf_now() >= end)
      return lf_fail(LF_ETIMEOUT, "", 0, "other ranks have not initialised MPI, so this one leaves without it");
  return LF_OK;
}

int32_t lf_job_close(int32_t status, double timeout_ms) {
  if (!(timeout_ms >= 0 && timeout_ms <= 1e9))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a timeout of %g ms", timeout_ms);
  uint64_t timeout_ns = (uint64_t)(timeout_ms * 1e6);
  int was = NONE;
  if (atomic_load(&job.lock) == lf_thread_self() || atomic_load(&thread) == lf_thread_self())
    return lf_fail(LF_EMPI_FAILED, "", 0, "MPI ends this process from within a call: there is no leaving the job from there");
  if (atomic_load(&given_up)) return stuck();
  if (atomic_compare_exchange_strong(&state, &was, CLOSING)) {
    lf_fail(LF_EMPI_FAILED, "", 0, LEFT);
    fail_from_now_on(FAILED);
    atomic_store(&ended, 1);
    return 0;
  }
  int32_t started = await_start(status == 0 ? timeout_ns : 0);
  if (started < 0) return started;
  if (atomic_load(&state) == FAILED) return await_thread();
  if (!lock_within(STUCK_NS)) return stuck();
  if (atomic_load(&state) == READY) {
    lf_fail(LF_EMPI_FAILED, "", 0, LEFT);
    fail_from_now_on(OVER);
    closing.status = status;
    closing.timeout_ns = timeout_ns;
    atomic_store(&closing.asked, 1);
  }
  lf_job_unlock(&job);
  lf_sleeper_wake(&thread_sleeps);
  return await_thread();
}

int32_t lf_job_abort(int32_t status, const char *text, uint32_t text_bytes) {
  if (!text && text_bytes) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a text of %u bytes at no address", text_bytes);
  int now = atomic_load(&state);
  if (now == NONE || now == CLOSING || atomic_load(&ended)) return 0;
  if (text_bytes) fprintf(stderr, "%.*s%s", (int)text_bytes, text, text[text_bytes - 1] == '\n' ? "" : "\n");
  fflush(stderr);
  lf_output_drain();
  if (now == STARTING) return lf_fail(LF_EMPI_FAILED, "", 0, "MPI is not initialised yet, so it can end no other rank");
  lock_within(1000000000u); /* without it, if need be: this is the end in any case */
  int error = job.mpi->Abort(job.mpi->comm_world, status ? status : 1);
  return lf_mpi_fail(job.mpi, "MPI_Abort", error, "ending the job");
}

/* ---- its beginning ---- */

int lf_job_in_process(void) {
  int initialised = 0;
  if (atomic_load(&state) == READY) return 1;
  /* A library is examined only if another part of the process has loaded it. */
  for (const char *const *name = lf_mpi_names(LF_MPI_BY_ANYONE); *name; name++) {
    if (!lf_mpi_is_loaded(*name)) continue;
    const lf_mpi *mpi = lf_mpi_load();
    return mpi && mpi->Initialized(&initialised) == 0 && initialised;
  }
  return 0;
}

int32_t lf_job_awaits(void) {
  if (atomic_load(&state) != STARTING) return LF_JOB_NOTHING;
  return lf_job_has_begun() ? LF_JOB_NETWORK : LF_JOB_RANKS;
}

int32_t lf_job_begin(const lf_word_handler *handlers) {
  int was = NONE;
  if (atomic_compare_exchange_strong(&state, &was, STARTING)) {
    job.handlers = handlers;
    began = lf_now();
    int32_t status = lf_peer_read_silence();
    if (status == LF_OK) status = lf_sleeper_open(&thread_sleeps);
    if (status == LF_OK) status = lf_sleeper_open(&closer_sleeps);
    if (status == LF_OK) status = lf_thread_start(live, NULL);
    if (status == LF_OK) return LF_PENDING;
    fail_from_now_on(FAILED);
    atomic_store(&ended, 1);
    return status;
  }
  if (was == STARTING || was == CLOSING) return LF_PENDING;
  return was == READY ? 1 : tell_failure();
}

int32_t lf_job_describe(lf_job_info *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the job's description was given");
  if (!lf_job_get()) return lf_status_code();
  *out = job.info;
  return LF_OK;
}
