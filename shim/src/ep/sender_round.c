/* What a sender hears of its receiver, its rounds, and how it ends. */
#include <inttypes.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "ep/sender.h"
#include "host/pool.h"
#include "job/control.h"

/* ---- lanes ---- */

typedef struct {
  lf_sender *sender; /* NULL: gone, while the receiver may still look */
  uint64_t address;
  int rank;
  int used; /* LOST: by messages that nobody took out of MPI, and for good */
} lane;
enum { UNUSED, USED, LOST };

static lane *lanes;
static uint32_t lane_count, lane_next;

int32_t lf_lane_take(lf_job *job, lf_sender *s, uint32_t *out) {
  /* The one that was left longest ago comes next. */
  for (uint32_t looked = 0; looked < lane_count; looked++, lane_next++) {
    lane *l = &lanes[lane_next % lane_count];
    if (l->used) continue;
    *l = (lane){.sender = s, .rank = s->peer.rank, .used = USED};
    *out = lane_next++ % lane_count;
    return LF_OK;
  }
  uint32_t count = lane_count ? lane_count * 2 : 16;
  if (count > job->lanes) count = job->lanes;
  if (count == lane_count)
    return lf_fail(LF_ESYSTEM, "", 0, "%u lanes are open, which is what this MPI has tags for: close channels", count);
  lane *more = realloc(lanes, count * sizeof *more);
  if (!more) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "%u lanes", count);
  memset(more + lane_count, 0, (count - lane_count) * sizeof *more);
  lanes = more;
  lane_next = lane_count;
  lane_count = count;
  return lf_lane_take(job, s, out);
}

static void leave_lane(lf_sender *s) {
  lane *l = &lanes[s->lane];
  if (s->peer.known->silent) {
    l->sender = NULL;
    l->used = LOST;
  } else if (s->peer_state == LF_CREDIT_OPEN) {
    l->address = s->address;
    l->sender = NULL;
  } else {
    l->used = UNUSED;
  }
}

/* ---- what the receiver says ---- */

static void trouble(lf_sender *s, int32_t code, const char *what) {
  lf_trouble_set(&s->trouble, code, "%s %s", s->peer.who, what);
  s->slots = 0;
  lf_sender_stir(s);
}

static void corrupt(lf_sender *s, const char *what, uint64_t got) {
  lf_trouble_set(&s->trouble, LF_ECORRUPT_SEGMENT, "%s sent what it can't have: %s %" PRIu64 ", where %" PRIu64
                 " frames were sent", s->peer.who, what, got, s->head);
  s->slots = 0;
  lf_sender_stir(s);
}

static void take_credit(lf_sender *s, const lf_credit *c) {
  if (c->taken > s->head || c->taken < s->taken) return corrupt(s, "position", c->taken);
  if (c->released > c->taken || c->released < s->released) return corrupt(s, "count of released frames", c->released);
  if (c->bytes > s->charged_sent || c->bytes < s->returned) return corrupt(s, "count of released bytes", c->bytes);
  if (c->state > LF_CREDIT_DIED) return corrupt(s, "state", c->state);
  s->taken = c->taken;
  s->released = c->released;
  s->returned = c->bytes;
  s->asked_room = s->asked_released = 0;
  if (c->state && !s->peer_state) {
    s->peer_state = (uint8_t)c->state;
    s->slots = 0;
    lf_sender_end(s, 0); /* it takes all that comes until then */
  }
  lf_sender_stir(s);
}

void lf_sender_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  (void)job;
  lf_credit c;
  if (word != LF_WORD_CREDIT || length != sizeof c) return;
  memcpy(&c, data, sizeof c);
  if (c.lane >= lane_count || !lanes[c.lane].used || lanes[c.lane].rank != from) return; /* of one that is long gone */
  lane *l = &lanes[c.lane];
  lf_sender *s = l->sender;
  if (!s) {
    if (l->used == USED && c.state && (!l->address || c.address == l->address)) l->used = UNUSED;
    return;
  }
  if (s->over || (s->address && c.address != s->address)) return;
  if (!s->trouble.code) take_credit(s, &c);
  else if (c.state == LF_CREDIT_CLOSED || c.state == LF_CREDIT_DIED) s->peer_state = (uint8_t)c.state;
}

void lf_sender_catch_up(lf_sender *s) {
  if (s->peer.rank == s->job->info.rank) lf_job_settle(s->job);
  else lf_job_round(s->job, lf_now());
}

int32_t lf_sender_check(lf_sender *s) {
  if (s->trouble.code) return lf_trouble_tell(&s->trouble);
  if (s->peer_state == LF_CREDIT_CLOSED) return lf_fail(LF_ECHANNEL_CLOSED, "", 0, "%s closed the channel", s->peer.who);
  if (s->peer_state) return lf_fail(LF_EPEER_DIED, "", 0, "%s ended without closing the channel", s->peer.who);
  if (!s->address) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%s has not been agreed with", s->peer.who);
  return LF_OK;
}

/* ---- rounds, and the end ---- */

void lf_sender_end(lf_sender *s, int died) {
  if (s->ended) return;
  lf_lane_end end = {.died = died != 0};
  for (; s->pieces_left; s->pieces_left--)
    if (lf_outbox_piece(s, NULL, 0, 0) != 1) return;
  if (lf_outbox_post(s, LF_LANE_WORD(LF_LANE_END, s->head), &end, sizeof end) != 1) return; /* the next round will */
  s->ended = 1;
  lf_outbox_resume(s);
}

void lf_sender_free(lf_sender *s) {
  if (s->open) lf_outbox_unlist(s);
  lf_lane_peer_close(s->job, &s->peer);
  lf_pool_close(&s->pool);
  lf_cells_close(&s->cells);
  lf_fifo_close(&s->postings);
  lf_fifo_close(&s->bulk);
  lf_fifo_close(&s->deferred);
  free(s);
}

int lf_sender_round(lf_job_end *end, uint64_t now) {
  lf_sender *s = (lf_sender *)end;
  int did = 0;
  lf_outbox_flush(s);
  if (s->open) lf_outbox_unlist(s);
  if (lf_outbox_busy(s)) {
    if (lf_outbox_reap(s, 1)) {
      s->peer.moved = 1;
      did = LF_MOVED;
    }
    if (lf_fifo_count(&s->deferred) && !s->pieces_left) lf_outbox_resume(s);
  }
  int died = lf_lane_peer_died(&s->peer, now);
  if (died && !s->peer_state && !s->trouble.code) trouble(s, LF_EPEER_DIED, "died");
  if (lf_pool_trim(&s->pool, now)) did = LF_MOVED;
  if (!s->closed) return did | (lf_outbox_busy(s) ? LF_BUSY : 0);
  if (!s->ended && !died) lf_sender_end(s, !s->finished);
  if (lf_outbox_busy(s) && !died) return did | LF_BUSY;
  if (!s->ended && !died) return did | LF_BUSY;
  lf_job_remove(s->job, &s->end);
  leave_lane(s);
  lf_lane_work(s->job, &s->working, 0);
  /* What MPI did not send to a dead peer it may still hold: that memory stays. */
  if (!lf_outbox_busy(s)) lf_sender_free(s);
  else if (s->open) lf_outbox_unlist(s);
  return did;
}

void lf_sender_over(lf_job_end *end, const char *reason) {
  lf_sender *s = (lf_sender *)end;
  lf_sender_end(s, 1);
  lf_outbox_reap(s, 1);
  s->kept = lf_outbox_busy(s) != 0;
  s->postings.head = s->postings.tail;
  s->posting = s->postings.tail;
  s->bulk.head = s->bulk_started = s->bulk.tail;
  s->deferred.head = s->deferred.tail;
  if (s->open) lf_outbox_unlist(s);
  lf_lane_work(s->job, &s->working, 0);
  lf_trouble_over(&s->trouble, reason);
  s->over = 1;
  s->slots = 0;
  if (s->closed && !s->kept) lf_sender_free(s);
  else lf_sender_stir(s);
}
