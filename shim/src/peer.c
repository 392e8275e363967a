/* Ranks that this process has to do with, and whether they live. A rank that says nothing for a while is asked; one
 * that answers none of many questions is dead. Questions count, and not only time: a process that was stopped itself
 * finds the clock far ahead, and its peers' answers not read yet. */
#include <stdlib.h>

#include "job.h"
#include "link.h"
#include "mail.h"
#include "ranks.h"
#include "status.h"

#define QUESTIONS 10 /* within the time of silence */

uint64_t lf_peer_silence = LF_PEER_SILENCE_NS;

static lf_ranks peers;
static lf_peer *first;
static uint64_t next_look;
static int dead_rank = -1;

static lf_peer *find_or_make(int rank) {
  lf_peer *peer = lf_ranks_find(&peers, rank);
  if (peer) return peer;
  peer = calloc(1, sizeof *peer);
  if (!peer) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "what is known of rank %d", rank);
    return NULL;
  }
  peer->rank = rank;
  if (lf_ranks_add(&peers, rank, peer) < 0) {
    free(peer);
    return NULL;
  }
  peer->next = first;
  first = peer;
  return peer;
}

lf_peer *lf_peer_retain(lf_job *job, int rank) {
  if (rank < 0 || rank >= job->info.size) {
    lf_fail(LF_EINVALID_ARGUMENT, "", 0, "rank %d of a job of %d", rank, job->info.size);
    return NULL;
  }
  lf_peer *peer = find_or_make(rank);
  if (!peer) return NULL;
  if (peer->users++ == 0) {
    peer->heard = lf_now();
    peer->asked = 0;
    peer->unanswered = 0;
  }
  return peer;
}

/* Those that nobody retains go with the next look. */
void lf_peer_release(lf_job *job, lf_peer *peer) {
  (void)job;
  if (peer) peer->users--;
}

void lf_peer_heard(int rank, uint64_t now) {
  lf_peer *peer = lf_ranks_find(&peers, rank);
  if (peer) peer->heard = now;
}

static void becomes_silent(lf_peer *peer) {
  peer->dead = peer->silent = 1;
  lf_mail_forget(peer->rank);
}

void lf_peer_parted(int rank, int silent) {
  lf_peer *peer = lf_ranks_find(&peers, rank);
  if (!peer) return;
  peer->dead = 1;
  if (silent) becomes_silent(peer);
}

static void found_dead(lf_peer *peer) {
  if (dead_rank < 0) dead_rank = peer->rank;
  becomes_silent(peer);
}

void lf_peer_lost(lf_job *job, int rank) {
  lf_peer *peer = rank == job->info.rank ? NULL : find_or_make(rank);
  if (peer && !peer->silent) found_dead(peer);
}

int lf_peer_is_silent(int rank) {
  const lf_peer *peer = lf_ranks_find(&peers, rank);
  return peer && peer->silent;
}

int lf_peer_any_dead(void) { return dead_rank; }

/* `now` is when the round began: something may have come since. */
static int is_over(uint64_t since, uint64_t span, uint64_t now) { return now > since && now - since >= span; }

static void look_at(lf_job *job, lf_peer *peer, uint64_t now) {
  uint64_t turn = lf_peer_silence / QUESTIONS;
  if (peer->heard >= peer->asked) peer->unanswered = 0;
  if (!is_over(peer->heard, turn, now) || !is_over(peer->asked, turn, now)) return;
  if (peer->unanswered >= QUESTIONS - 1 && is_over(peer->heard, lf_peer_silence, now)) {
    found_dead(peer);
  } else if (lf_mail_post(job, peer->rank, LF_WORD_PING, NULL, 0) >= 0) {
    peer->asked = now;
    peer->unanswered++;
  }
}

void lf_peer_round(lf_job *job, uint64_t now) {
  if (now < next_look) return;
  next_look = now + lf_peer_silence / QUESTIONS / 4;
  for (lf_peer **at = &first; *at;) {
    lf_peer *peer = *at;
    if (!peer->users && !peer->silent) {
      *at = peer->next;
      lf_ranks_remove(&peers, peer->rank);
      free(peer);
      continue;
    }
    if (peer->users && !peer->vouched && !peer->silent && peer->rank != job->info.rank) look_at(job, peer, now);
    at = &peer->next;
  }
}

void lf_peer_each(lf_job *job, void (*call)(lf_job *job, int rank)) {
  for (lf_peer *peer = first; peer; peer = peer->next)
    if (peer->users && !peer->silent && peer->rank != job->info.rank) call(job, peer->rank);
}
