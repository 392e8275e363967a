/* The credits of the receiver, the rounds of a sending end, and its end. */
#include <inttypes.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "ep/tx.h"
#include "host/pool.h"
#include "job/control.h"

/* ---- tags ---- */

typedef struct {
  lf_ep_tx *sender; /* NULL: freed, while the receiver may still use the tag */
  uint64_t address;
  int rank;
  int used; /* LOST: for ever, as MPI keeps messages that the receiver never took */
} tag_entry;
enum { UNUSED, USED, LOST };

static tag_entry *tags;
static uint32_t tag_count, tag_next;

int32_t lf_ep_acquire_tag(lf_job *job, lf_ep_tx *s, uint32_t *out) {
  /* The tag that was released first comes next. */
  for (uint32_t tried = 0; tried < tag_count; tried++, tag_next++) {
    tag_entry *l = &tags[tag_next % tag_count];
    if (l->used) continue;
    *l = (tag_entry){.sender = s, .rank = s->peer.rank, .used = USED};
    *out = tag_next++ % tag_count;
    return LF_OK;
  }
  uint32_t count = tag_count ? tag_count * 2 : 16;
  if (count > job->tags) count = job->tags;
  if (count == tag_count)
    return lf_fail(LF_ESYSTEM, "", 0, "%u endpoints are open, which is what this MPI has tags for: close channels",
                   count);
  tag_entry *more = realloc(tags, count * sizeof *more);
  if (!more) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "%u tags", count);
  memset(more + tag_count, 0, (count - tag_count) * sizeof *more);
  tags = more;
  tag_next = tag_count;
  tag_count = count;
  return lf_ep_acquire_tag(job, s, out);
}

static void leave_tag(lf_ep_tx *s) {
  tag_entry *l = &tags[s->tag];
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

/* ---- credits ---- */

static void sticky(lf_ep_tx *s, int32_t code, const char *what) {
  lf_sticky_set(&s->sticky, code, "%s %s", s->peer.who, what);
  s->slots = 0;
  lf_ep_tx_notify(s);
}

static void corrupt(lf_ep_tx *s, const char *what, uint64_t got) {
  lf_sticky_set(&s->sticky, LF_ECORRUPT_SEGMENT, "%s sent what it can't have: %s %" PRIu64 ", where %" PRIu64
                 " frames were sent", s->peer.who, what, got, s->head);
  s->slots = 0;
  lf_ep_tx_notify(s);
}

static void take_credit(lf_ep_tx *s, const lf_credit *c) {
  if (c->taken > s->head || c->taken < s->taken) return corrupt(s, "position", c->taken);
  if (c->released > c->taken || c->released < s->released) return corrupt(s, "count of released frames", c->released);
  if (c->bytes > s->charged_sent || c->bytes < s->returned) return corrupt(s, "count of released bytes", c->bytes);
  if (c->state > LF_CREDIT_DIED) return corrupt(s, "state", c->state);
  s->taken = c->taken;
  s->released = c->released;
  s->returned = c->bytes;
  s->asked_credits = s->asked_released = 0;
  if (c->state && !s->peer_state) {
    s->peer_state = (uint8_t)c->state;
    s->slots = 0;
    lf_ep_tx_end(s, 0); /* the receiver accepts every message before it */
  }
  lf_ep_tx_notify(s);
}

void lf_ep_tx_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  (void)job;
  lf_credit c;
  if (word != LF_WORD_CREDIT || length != sizeof c) return;
  memcpy(&c, data, sizeof c);
  if (c.tag >= tag_count || !tags[c.tag].used || tags[c.tag].rank != from) return; /* for an end that was freed */
  tag_entry *l = &tags[c.tag];
  lf_ep_tx *s = l->sender;
  if (!s) {
    if (l->used == USED && c.state && (!l->address || c.address == l->address)) l->used = UNUSED;
    return;
  }
  if (s->over || (s->address && c.address != s->address)) return;
  if (!s->sticky.code) take_credit(s, &c);
  else if (c.state == LF_CREDIT_CLOSED || c.state == LF_CREDIT_DIED) s->peer_state = (uint8_t)c.state;
}

void lf_ep_tx_progress(lf_ep_tx *s) {
  if (s->peer.rank == s->job->info.rank) lf_job_rounds(s->job);
  else lf_job_round(s->job, lf_now());
}

int32_t lf_ep_tx_check(lf_ep_tx *s) {
  if (s->sticky.code) return lf_sticky_return(&s->sticky);
  if (s->peer_state == LF_CREDIT_CLOSED)
    return lf_fail(LF_ECHANNEL_CLOSED, "", 0, "%s closed the channel", s->peer.who);
  if (s->peer_state) return lf_fail(LF_EPEER_DIED, "", 0, "%s ended without closing the channel", s->peer.who);
  if (!s->address) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%s has not been agreed with", s->peer.who);
  return LF_OK;
}

/* ---- rounds, and the end ---- */

void lf_ep_tx_end(lf_ep_tx *s, int died) {
  if (s->ended) return;
  lf_ep_end end = {.died = died != 0};
  for (; s->fragments_left; s->fragments_left--)
    if (lf_ep_tx_post_fragment(s, NULL, 0, 0) != 1) return;
  /* After a failure the next round tries again. */
  if (lf_ep_tx_post(s, LF_EP_HEADER(LF_EP_END, s->head), &end, sizeof end) != 1) return;
  s->ended = 1;
  lf_ep_tx_resume(s);
}

void lf_ep_tx_free(lf_ep_tx *s) {
  if (s->open) lf_ep_tx_unlist(s);
  lf_ep_peer_close(s->job, &s->peer);
  lf_pool_close(&s->pool);
  lf_cells_close(&s->cells);
  lf_fifo_close(&s->postings);
  lf_fifo_close(&s->rndv);
  lf_fifo_close(&s->deferred);
  free(s);
}

int lf_ep_tx_round(lf_job_end *end, uint64_t now) {
  lf_ep_tx *s = lf_ep_tx_of(end);
  int did = 0;
  lf_ep_tx_post_held(s);
  if (s->open) lf_ep_tx_unlist(s);
  if (lf_ep_tx_busy(s)) {
    if (lf_ep_tx_reap(s, 1)) {
      s->peer.moved = 1;
      did = LF_MOVED;
    }
    if (lf_fifo_count(&s->deferred) && !s->fragments_left) lf_ep_tx_resume(s);
  }
  int died = lf_ep_peer_died(&s->peer, now);
  if (died && !s->peer_state && !s->sticky.code) sticky(s, LF_EPEER_DIED, "died");
  if (lf_pool_trim(&s->pool, now)) did = LF_MOVED;
  if (!s->closed) return did | (lf_ep_tx_busy(s) ? LF_BUSY : 0);
  if (!s->ended && !died) lf_ep_tx_end(s, !s->finished);
  if (lf_ep_tx_busy(s) && !died) return did | LF_BUSY;
  if (!s->ended && !died) return did | LF_BUSY;
  lf_job_remove(s->job, &s->end);
  leave_tag(s);
  lf_ep_work(s->job, &s->working, 0);
  /* MPI may still read messages to a peer that died: their memory is never freed. */
  if (!lf_ep_tx_busy(s)) lf_ep_tx_free(s);
  else if (s->open) lf_ep_tx_unlist(s);
  return did;
}

void lf_ep_tx_over(lf_job_end *end, const char *reason) {
  lf_ep_tx *s = lf_ep_tx_of(end);
  lf_ep_tx_end(s, 1);
  lf_ep_tx_reap(s, 1);
  s->kept = lf_ep_tx_busy(s) != 0;
  s->postings.head = s->postings.tail;
  s->posting = s->postings.tail;
  s->rndv.head = s->rndv_started = s->rndv.tail;
  s->deferred.head = s->deferred.tail;
  if (s->open) lf_ep_tx_unlist(s);
  lf_ep_work(s->job, &s->working, 0);
  lf_sticky_over(&s->sticky, reason);
  s->over = 1;
  s->slots = 0;
  if (s->closed && !s->kept) lf_ep_tx_free(s);
  else lf_ep_tx_notify(s);
}
