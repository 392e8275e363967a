/* The sending end of a channel over MPI: the calls of its user. Slots and bytes are counted here, so that the
 * receiver has memory for every frame in flight. */
#include "ep/tx.h"

#include <inttypes.h>

#include "base/channel_limits.h"
#include "base/monotonic.h"
#include "base/status.h"
#include "host/pool.h"

int32_t lf_ep_tx_connect(lf_ep_tx *s, double address) {
  if (!(address >= 2 && address < 9007199254740992.0) || s->address)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.0f as the address of %s", address, s->peer.who);
  lf_job_lock(s->job);
  s->address = (uint64_t)address;
  s->fragments_apart = s->address & 1;
  if (!s->sticky.code && !s->peer_state) s->slots = s->wanted_slots;
  lf_job_unlock(s->job);
  return LF_OK;
}

/* ---- credits ---- */

static inline int has_slot(const lf_ep_tx *s) { return s->head + s->reserved - s->taken < s->slots; }

/* Two frames may be in flight if one has more than half of LF_POOL_BYTES. */
static inline int has_bytes(const lf_ep_tx *s, uint64_t charge) {
  uint64_t most = charge * 2 > LF_POOL_BYTES ? charge * 2 : LF_POOL_BYTES;
  return s->charged - s->returned + charge <= most;
}

/* LF_OK with credits for one more frame. */
static __attribute__((noinline)) int32_t poll_credits(lf_ep_tx *s, uint64_t charge) {
  for (int polled = 0;; polled++) {
    int32_t status = lf_ep_tx_check(s);
    if (status < 0) return status;
    if (has_slot(s) && has_bytes(s, charge)) return LF_OK;
    if (polled) break;
    lf_ep_tx_post_held(s);
    lf_ep_tx_progress(s);
  }
  s->seen = s->moves;
  return LF_FULL;
}

static inline int32_t credits_for(lf_ep_tx *s, uint64_t charge) {
  if (__builtin_expect(has_slot(s), 1) && (!charge || __builtin_expect(has_bytes(s, charge), 1))) return LF_OK;
  return poll_credits(s, charge);
}

/* ---- frames ---- */

static int32_t post_small(lf_ep_tx *s, const void *data, uint32_t length) {
  int32_t status = lf_ep_tx_post(s, LF_EP_HEADER(LF_EP_FRAME, length), data, length);
  if (__builtin_expect(status != 1, 0)) return status;
  s->head++;
  s->bytes += length;
  if (length > LF_INLINE_MAX) s->charged_sent += lf_ep_charge(length);
  return 1;
}

static int32_t post_large(lf_ep_tx *s, lf_ep_kind kind, uint64_t length, uint64_t charge) {
  int32_t status = lf_ep_tx_post(s, LF_EP_HEADER(kind, length), NULL, 0);
  if (status != 1) return status;
  s->head++;
  s->bytes += length;
  s->charged_sent += charge;
  return 1;
}

/* 1 with a block on loan, and its slot reserved. LF_FULL, LF_RETIRE with its region in *retire. */
static int32_t lend(lf_ep_tx *s, uint64_t length, uint32_t *block, uint32_t *retire) {
  uint64_t charge = lf_ep_charge(length);
  int32_t status = credits_for(s, charge);
  if (status != LF_OK) return status;
  if (!lf_pool_acquire(&s->pool, length, block)) {
    lf_ep_tx_reap(s, 1);
    if (!lf_pool_acquire(&s->pool, length, block)) {
      status = lf_pool_grow(&s->pool, length, retire);
      if (status == LF_FULL) s->seen = s->moves;
      if (status != LF_OK) return status;
      lf_pool_acquire(&s->pool, length, block);
    }
  }
  s->reserved++;
  s->charged += charge;
  return 1;
}

static void unlend(lf_ep_tx *s, uint64_t length) {
  s->reserved--;
  s->charged -= lf_ep_charge(length);
}

/* Commits the block's pages, without the lock. 1; HOST_OUT_OF_MEMORY ends the loan. */
static int32_t ready(lf_ep_tx *s, uint32_t block, uint64_t length) {
  if (lf_pool_ready(&s->pool, block, length) == LF_OK) return 1;
  lf_job_lock(s->job);
  unlend(s, length);
  lf_pool_release(&s->pool, block);
  lf_job_unlock(s->job);
  return LF_EHOST_OUT_OF_MEMORY;
}

static void *block_address(const lf_ep_tx *s, uint32_t block) {
  const lf_block *b = &s->pool.blocks[block];
  return (char *)s->pool.regions[b->region].segment.address + b->offset;
}

/* Sends the first bytes of a block that was lent for `lent`. */
static int32_t send_block(lf_ep_tx *s, uint32_t block, uint64_t lent, uint64_t length) {
  unlend(s, lent);
  int32_t status = lf_ep_tx_check(s);
  if (status == LF_OK) {
    uint64_t charge = lf_ep_charge(length);
    s->charged += charge;
    if (length <= LF_EAGER_MAX) {
      status = post_small(s, block_address(s, block), (uint32_t)length);
    } else {
      status = post_large(s, LF_EP_RNDV, length, charge);
      if (status == 1) {
        s->pool.blocks[block].state = LF_BLOCK_SENT;
        return lf_ep_tx_post_rndv(s, block_address(s, block), length, block, 0);
      }
    }
    if (status < 0) s->charged -= charge;
  }
  lf_pool_release(&s->pool, block);
  return status;
}

static __attribute__((noinline)) int32_t send_large(lf_ep_tx *s, const void *data, uint64_t length) {
  uint32_t block, retire;
  lf_job_lock(s->job);
  int32_t status = lend(s, length, &block, &retire);
  lf_job_unlock(s->job);
  if (status == 1) status = ready(s, block, length);
  if (status != 1) return status;
  memcpy(block_address(s, block), data, length);
  lf_job_lock(s->job);
  status = send_block(s, block, length, length);
  lf_ep_tx_reap(s, 0);
  lf_job_unlock(s->job);
  return status;
}

static int32_t tx_send(lf_tx *tx, const void *data, uint32_t length) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  if (length > LF_EAGER_MAX) return send_large(s, data, length);
  uint64_t charge = lf_ep_charge(length);
  lf_job_lock(s->job);
  int32_t status = credits_for(s, charge);
  if (status == LF_OK) {
    status = post_small(s, data, length);
    if (status == 1) s->charged += charge;
    lf_ep_tx_reap(s, 0);
  }
  lf_job_unlock(s->job);
  return status;
}

int32_t lf_ep_tx_send_coalesced(lf_ep_tx *s, const void *data, uint32_t length) {
  if (length > LF_INLINE_MAX) return tx_send(&s->tx, data, length);
  lf_job_lock(s->job);
  int32_t status = credits_for(s, 0);
  if (status == LF_OK) {
    status = lf_ep_tx_post_coalesced(s, data, length);
    if (status > 0) {
      s->head++;
      s->bytes += length;
    }
    lf_ep_tx_reap(s, 0);
  }
  lf_job_unlock(s->job);
  return status;
}

int32_t lf_ep_tx_flush(lf_ep_tx *s) {
  lf_job_lock(s->job);
  lf_ep_tx_post_held(s);
  if (s->open) lf_ep_tx_unlist(s);
  int32_t status = s->sticky.code ? lf_sticky_return(&s->sticky) : LF_OK;
  lf_job_unlock(s->job);
  return status;
}

/* ---- from the caller's memory ---- */

static int32_t start(lf_ep_tx *s, const void *data, uint64_t length, uint64_t *ticket) {
  if (s->fragments_left)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a frame of which %" PRIu64 " fragments are missing comes first",
                   s->fragments_left);
  uint64_t charge = lf_ep_charge(length);
  int32_t status = credits_for(s, charge);
  if (status != LF_OK) return status;
  *ticket = s->tickets + 1;
  if (length > LF_EAGER_MAX) {
    status = post_large(s, LF_EP_RNDV, length, charge);
    if (status == 1) {
      s->charged += charge;
      s->tickets++;
      status = lf_ep_tx_post_rndv(s, data, length, LF_NO_BLOCK, *ticket);
    }
    return status;
  }
  status = post_small(s, data, (uint32_t)length);
  if (status != 1) return status;
  s->charged += charge;
  s->tickets++;
  /* The payload was copied, but tickets complete in order. */
  if (!lf_fifo_count(&s->rndv)) s->sent = *ticket;
  else ((lf_rndv_message *)lf_fifo_at(&s->rndv, s->rndv.tail - 1, sizeof(lf_rndv_message)))->ticket = *ticket;
  return 1;
}

int32_t lf_ep_tx_send_zcopy(lf_ep_tx *s, const void *data, double length, double *ticket) {
  if (!(length >= 0 && length <= (double)LF_FRAME_MAX) || (!data && length > 0) || !ticket)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a payload of %.0f bytes%s", length, data ? "" : " at no address");
  uint64_t given = 0;
  lf_job_lock(s->job);
  int32_t status = start(s, data, (uint64_t)length, &given);
  lf_ep_tx_reap(s, 0);
  lf_job_unlock(s->job);
  *ticket = (double)given;
  return status;
}

/* A frame in fragments needs a block of the receiver, unless its user receives the fragments. */
static uint64_t charge_of_fragments(const lf_ep_tx *s, uint64_t length) {
  return s->fragments_apart ? 0 : lf_ep_charge(length > LF_EAGER_MAX ? length : LF_EAGER_MAX + 1);
}

int32_t lf_ep_tx_begin_fragments(lf_ep_tx *s, double length) {
  double most = s->fragments_apart ? (double)LF_GPU_BYTES_MAX : (double)LF_FRAME_MAX;
  if (!(length >= 1 && length <= most) || s->fragments_left)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a frame of %.0f bytes in fragments, where %s takes %.0f%s", length,
                   s->peer.who, most, s->fragments_left ? " and fragments of another are missing" : "");
  uint64_t bytes = (uint64_t)length, charge = charge_of_fragments(s, bytes);
  lf_job_lock(s->job);
  int32_t status = credits_for(s, charge);
  if (status == LF_OK) status = post_large(s, LF_EP_FRAGMENTS, bytes, charge);
  if (status == 1) {
    s->charged += charge;
    s->fragments_left = lf_ep_messages(bytes, LF_FRAGMENT_BYTES);
    s->fragment_bytes_left = bytes;
  }
  lf_job_unlock(s->job);
  return status;
}

int32_t lf_ep_tx_send_fragment(lf_ep_tx *s, const void *data, double length, double *ticket) {
  uint64_t wanted = s->fragment_bytes_left < LF_FRAGMENT_BYTES ? s->fragment_bytes_left : LF_FRAGMENT_BYTES;
  if (!data || !ticket || !s->fragments_left || length != (double)wanted)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a fragment of %.0f bytes, where one of %" PRIu64 " comes next", length,
                   wanted);
  lf_job_lock(s->job);
  int32_t status = lf_ep_tx_check(s);
  if (status == LF_OK) status = lf_ep_tx_post_fragment(s, data, (uint32_t)wanted, s->tickets + 1);
  if (status == 1) {
    *ticket = (double)++s->tickets;
    s->fragment_bytes_left -= wanted;
    if (--s->fragments_left == 0) lf_ep_tx_resume(s);
  }
  lf_ep_tx_reap(s, 0);
  lf_job_unlock(s->job);
  return status;
}

int32_t lf_ep_tx_sent(lf_ep_tx *s, double *ticket) {
  if (!ticket) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the ticket");
  int32_t status = LF_OK;
  lf_job_lock(s->job);
  if (!s->over && !lf_ep_tx_reap(s, 1) && s->sent < s->tickets) lf_job_round(s->job, lf_now());
  s->sent_told = s->sent;
  *ticket = (double)s->sent;
  /* MPI will not read the other payloads, but may still access their memory. */
  if (s->sent < s->tickets && s->sticky.code) status = lf_sticky_return(&s->sticky);
  lf_job_unlock(s->job);
  return status;
}

/* ---- loans ---- */

static int32_t tx_loan(lf_tx *tx, double length, lf_loan *out) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  uint32_t block, retire = 0;
  lf_job_lock(s->job);
  int32_t status = lend(s, (uint64_t)length, &block, &retire);
  if (status == 1) {
    lf_block *b = &s->pool.blocks[block];
    b->next = (uint32_t)((uint64_t)length - 1); /* a block on loan is in no list */
    *out = (lf_loan){s->pool.regions[b->region].id, block, (double)b->offset};
  } else {
    out->region = retire;
  }
  lf_job_unlock(s->job);
  return status == 1 ? ready(s, block, (uint64_t)length) : status;
}

/* The bytes of the loan; 0 if the block is not on loan. */
static uint64_t loaned(const lf_ep_tx *s, uint32_t block) {
  if (block < LF_BLOCKS_MAX && s->pool.blocks[block].state == LF_BLOCK_LOANED)
    return (uint64_t)s->pool.blocks[block].next + 1;
  lf_fail(LF_ECLOSED, "", 0, "block %u is not on loan", block);
  return 0;
}

static int32_t tx_commit(lf_tx *tx, uint32_t block, double length) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  uint64_t lent = loaned(s, block);
  int32_t status = LF_ECLOSED;
  if (lent && !(length >= 0 && length <= (double)lent)) {
    status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.0f bytes of a loan that has %" PRIu64, length, lent);
  } else if (lent) {
    status = send_block(s, block, lent, (uint64_t)length);
    lf_ep_tx_reap(s, 0);
  }
  lf_job_unlock(s->job);
  return status;
}

static int32_t tx_abort(lf_tx *tx, uint32_t block) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  uint64_t lent = loaned(s, block);
  if (lent) {
    unlend(s, lent);
    lf_pool_release(&s->pool, block);
  }
  lf_job_unlock(s->job);
  return lent ? LF_OK : LF_ECLOSED;
}

static int32_t tx_reserve(lf_tx *tx) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  int32_t status = credits_for(s, 0);
  if (status == LF_OK) {
    s->reserved++;
    s->reserved_inline++;
    status = 1;
  }
  lf_job_unlock(s->job);
  return status;
}

static int32_t unreserve(lf_ep_tx *s) {
  if (!s->reserved_inline) return lf_fail(LF_ECLOSED, "", 0, "no small loan is open");
  s->reserved--;
  s->reserved_inline--;
  return LF_OK;
}

static int32_t tx_commit_inline(lf_tx *tx, const void *data, uint32_t length) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  int32_t status = unreserve(s);
  if (status == LF_OK) status = lf_ep_tx_check(s);
  if (status == LF_OK) {
    status = post_small(s, data, length);
    lf_ep_tx_reap(s, 0);
  }
  lf_job_unlock(s->job);
  return status;
}

static int32_t tx_abort_inline(lf_tx *tx) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  int32_t status = unreserve(s);
  lf_job_unlock(s->job);
  return status;
}

/* ---- waiting ---- */

static void ask(lf_ep_tx *s, uint8_t *asked, uint64_t released) {
  if (*asked) return;
  *asked = lf_ep_tx_post(s, LF_EP_HEADER(LF_EP_ASK, released), NULL, 0) == 1;
}

static int32_t arm(lf_ep_tx *s, int until) {
  lf_ep_post_held();
  lf_ep_tx_progress(s);
  if (until == LF_UNTIL_RELEASED && s->released == s->head) return 1;
  if (until == LF_UNTIL_SENT && s->sent != s->sent_told) {
    s->sent_told = s->sent;
    return 1;
  }
  int32_t status = lf_ep_tx_check(s);
  if (status < 0) return status;
  if (until == LF_UNTIL_SENT) {
    s->armed_sent = 1;
  } else if (until == LF_UNTIL_RELEASED) {
    s->armed_released = 1;
    ask(s, &s->asked_released, s->head);
  } else if (s->moves != s->seen) {
    s->seen = s->moves;
    return 1;
  } else {
    s->armed_credits = 1;
    ask(s, &s->asked_credits, 0);
  }
  if (!s->waits) lf_job_wait_begin(s->job);
  s->waits = 1;
  return 0;
}

static int32_t tx_arm(lf_tx *tx, int32_t until) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  int32_t status = arm(s, until);
  lf_job_unlock(s->job);
  return status;
}

static int32_t tx_event_fd(lf_tx *tx, int64_t *out) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  int32_t status = s->has_event ? LF_OK : lf_event_open(&s->event);
  s->has_event = status == LF_OK;
  if (status == LF_OK) status = lf_event_copy(&s->event, out);
  lf_job_unlock(s->job);
  return status;
}

static void tx_stats(lf_tx *tx, lf_end_stats *out) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  lf_job_rounds(s->job);
  out->queued = (double)(s->head - s->released);
  for (uint32_t i = 0; i < s->pool.region_capacity; i++) out->regions += s->pool.regions[i].segment.address != NULL;
  out->region_bytes = (double)lf_pool_held(&s->pool);
  out->frames = (double)s->head;
  out->bytes = (double)s->bytes;
  out->peer = s->sticky.code ? 2 : s->peer_state;
  lf_job_unlock(s->job);
}

/* ---- regions ---- */

static int32_t no_region(uint32_t id) { return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", id); }

static int32_t tx_region(lf_tx *tx, uint32_t id, lf_region_info *out) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_pool_region *region = lf_pool_region_of(&s->pool, id);
  if (!region) return no_region(id);
  *out = (lf_region_info){.address = (uint64_t)(uintptr_t)region->segment.address, .size = (double)region->segment.size};
  return LF_OK;
}

static int32_t tx_retirable(lf_tx *tx, uint32_t *out) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  int32_t status = lf_pool_idle(&s->pool, out);
  lf_job_unlock(s->job);
  return status;
}

static int32_t tx_retire(lf_tx *tx, uint32_t id) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job_lock(s->job);
  int32_t status = lf_pool_retire(&s->pool, id);
  lf_job_unlock(s->job);
  return status;
}

/* ---- open and close ---- */

static void tx_close(lf_tx *tx, int died) {
  lf_ep_tx *s = (lf_ep_tx *)tx;
  lf_job *job = s->job;
  lf_job_lock(job);
  s->finished = !died;
  s->closed = 1;
  s->slots = 0;
  if (s->waits) lf_job_wait_end(job);
  s->waits = 0;
  if (s->has_event) lf_event_close(&s->event);
  s->has_event = 0;
  if (!s->over) {
    lf_ep_tx_end(s, died);
    s->end.round(&s->end, lf_now()); /* MPI has mostly sent everything by now */
  } else if (!s->kept) {
    lf_ep_tx_free(s);
  }
  lf_job_unlock(job);
}

const lf_tx_ops lf_ep_tx_ops = {
    .send = tx_send,
    .loan = tx_loan,
    .commit = tx_commit,
    .abort = tx_abort,
    .reserve = tx_reserve,
    .commit_inline = tx_commit_inline,
    .abort_inline = tx_abort_inline,
    .region = tx_region,
    .retirable = tx_retirable,
    .retire = tx_retire,
    .arm = tx_arm,
    .event_fd = tx_event_fd,
    .stats = tx_stats,
    .close = tx_close,
};

int32_t lf_ep_tx_open(int32_t rank, lf_link *link, uint32_t slots, const char *who, uint32_t who_bytes,
                      lf_ep_tx **out) {
  if (slots < LF_SLOTS_MIN || slots > LF_SLOTS_MAX || (slots & (slots - 1)))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a sender with %u slots; a power of two from %u to %u", slots,
                   LF_SLOTS_MIN, LF_SLOTS_MAX);
  lf_ep_tx *s = calloc(1, sizeof *s);
  if (!s) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a sender of %zu bytes", sizeof *s);
  lf_job *job = lf_job_enter();
  if (!job) {
    free(s);
    return lf_status_code();
  }
  s->tx.ops = &lf_ep_tx_ops;
  s->job = job;
  s->wanted_slots = slots;
  s->end.round = lf_ep_tx_round;
  s->end.over = lf_ep_tx_over;
  lf_pool_open_private(&s->pool);
  int32_t status = lf_ep_peer_open(job, rank, link, who, who_bytes, &s->peer);
  if (status == LF_OK) status = lf_ep_acquire_tag(job, s, &s->tag);
  if (status == LF_OK) {
    lf_ep_hello hello = {LF_EP_MAGIC, LF_WIRE_VERSION, LF_FRAGMENT_BYTES};
    status = lf_ep_tx_post(s, LF_EP_HEADER(LF_EP_HELLO, slots), &hello, sizeof hello);
    lf_job_add(job, &s->end);
    if (status < 0) { /* a later round frees the memory that MPI reads */
      s->closed = 1;
      lf_ep_tx_end(s, 0);
    }
  } else {
    lf_ep_peer_close(job, &s->peer);
    free(s);
  }
  lf_job_unlock(job);
  if (status > 0) *out = s;
  return status;
}
