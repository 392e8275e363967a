/* The peer table: the ranks that this process has to do with, and whether they are alive. A silent rank is asked for a
 * sign of life. A rank that answers none of many questions is dead. Questions count, and not only time: after a stop
 * (SIGSTOP) a process finds the clock far ahead, and the answers of its peers unread.
 *
 * A rank that was out of reach, because the network was, is heard again. Its connections with this process are over on
 * both sides: each side counts its losses and tells the other, which follows. A peer that was retained before the loss
 * stays dead; a later lf_peer_retain gives another. */
#include <stdlib.h>

#include "base/monotonic.h"
#include "base/rank_map.h"
#include "base/status.h"
#include "job/control.h"
#include "job/job.h"

/* The number of unanswered questions, within the time of silence, after which a rank is dead. */
#define QUESTIONS 10

uint64_t lf_peer_silence = LF_PEER_SILENCE_NS;

static lf_ranks peers; /* as they are now */
static lf_peer *first; /* these, and the earlier ones that are still retained */
static uint64_t next_check;
static int dead_rank = -1;
static lf_peer_calls control;

void lf_peer_open(const lf_peer_calls *calls) { control = *calls; }

static lf_peer *find_or_make(int rank) {
  lf_peer *peer = lf_ranks_find(&peers, rank);
  if (peer) return peer;
  peer = calloc(1, sizeof *peer);
  if (!peer) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "the peer table's entry of rank %d", rank);
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

/* Milliseconds. A rank whose processors are busy may be silent for less; more than an hour is no limit. */
#define SILENCE_MIN_MS 1000u
#define SILENCE_MAX_MS 3600000u

int32_t lf_peer_read_silence(void) {
  const char *text = getenv("LAVA_FLOW_PEER_SILENCE_MS");
  if (!text || !text[0]) return LF_OK;
  char *end = NULL;
  unsigned long ms = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
  if (!end || *end || ms < SILENCE_MIN_MS || ms > SILENCE_MAX_MS)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "LAVA_FLOW_PEER_SILENCE_MS is \"%.40s\": it takes a whole number of milliseconds, from %u to %u", text,
                   SILENCE_MIN_MS, SILENCE_MAX_MS);
  lf_peer_silence = (uint64_t)ms * 1000000;
  return LF_OK;
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

/* lf_peer_round frees peers without a user. */
void lf_peer_release(lf_job *job, lf_peer *peer) {
  (void)job;
  if (peer) peer->users--;
}

static void becomes_silent(lf_peer *peer) {
  peer->dead = peer->silent = 1;
  control.forget(peer->rank);
}

void lf_peer_left(int rank, int silent) {
  lf_peer *peer = lf_ranks_find(&peers, rank);
  if (!peer) return;
  peer->dead = 1;
  if (silent) {
    peer->left = 1;
    becomes_silent(peer);
  }
}

static void found_dead(lf_peer *peer) {
  if (dead_rank < 0) dead_rank = peer->rank;
  peer->losses++;
  becomes_silent(peer);
}

/* The earlier peer stays dead for those that retain it. */
static void begin_again(lf_peer *peer) {
  int rank = peer->rank;
  uint32_t losses = peer->losses;
  peer->past = 1;
  lf_ranks_remove(&peers, rank);
  dead_rank = -1;
  for (const lf_peer *p = first; p; p = p->next)
    if (p->silent && !p->left && !p->past) dead_rank = p->rank;
  lf_peer *again = find_or_make(rank);
  if (again) again->losses = losses;
  control.recall(rank);
}

void lf_peer_heard(lf_job *job, int rank, uint64_t now) {
  lf_peer *peer = lf_ranks_find(&peers, rank);
  if (!peer) return;
  peer->heard = now;
  if (!peer->silent || peer->left) return;
  uint32_t losses = peer->losses;
  begin_again(peer);
  control.post(job, rank, LF_WORD_LOST, &losses, sizeof losses);
}

void lf_peer_word(lf_job *job, int from, const uint8_t *data, uint32_t length) {
  uint32_t losses;
  if (length != sizeof losses || from == job->info.rank) return;
  memcpy(&losses, data, sizeof losses);
  lf_peer *peer = find_or_make(from);
  if (!peer || peer->left) return;
  if (losses - peer->losses - 1 >= UINT32_MAX / 2) return; /* this side has counted the loss too */
  peer->losses = losses;
  becomes_silent(peer);
  begin_again(peer);
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

/* `now` is when the round began: `since` may be later. */
static int is_over(uint64_t since, uint64_t span, uint64_t now) { return now > since && now - since >= span; }

static void check_peer(lf_job *job, lf_peer *peer, uint64_t now) {
  uint64_t turn = lf_peer_silence / QUESTIONS;
  if (peer->heard >= peer->asked) peer->unanswered = 0;
  if (!is_over(peer->heard, turn, now) || !is_over(peer->asked, turn, now)) return;
  if (peer->unanswered >= QUESTIONS - 1 && is_over(peer->heard, lf_peer_silence, now)) {
    found_dead(peer);
  } else if (control.post(job, peer->rank, LF_WORD_PING, NULL, 0) >= 0) {
    peer->asked = now;
    peer->unanswered++;
  }
}

void lf_peer_round(lf_job *job, uint64_t now) {
  if (now < next_check) return;
  next_check = now + lf_peer_silence / QUESTIONS / 4;
  for (lf_peer **at = &first; *at;) {
    lf_peer *peer = *at;
    if (!peer->users && (peer->past || (!peer->silent && !peer->losses))) {
      *at = peer->next;
      if (!peer->past) lf_ranks_remove(&peers, peer->rank);
      free(peer);
      continue;
    }
    if (peer->users && !peer->vouched && !peer->silent && peer->rank != job->info.rank) check_peer(job, peer, now);
    at = &peer->next;
  }
}

void lf_peer_each(lf_job *job, void (*call)(lf_job *job, int rank)) {
  for (lf_peer *peer = first; peer; peer = peer->next)
    if (peer->users && !peer->silent && peer->rank != job->info.rank) call(job, peer->rank);
}
