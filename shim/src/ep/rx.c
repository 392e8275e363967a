/* The receiving end of a channel over MPI: the calls of its user. */
#include "ep/rx.h"

#include <inttypes.h>

#include "base/channel_limits.h"
#include "base/copy.h"
#include "base/monotonic.h"
#include "base/status.h"
#include "base/thread.h"
#include "host/pool.h"

/* Polls between two rounds of a waiting receiver: the longest delay of keepalives and credits. */
#define POLLS 256
#define POLLS_LOCKED 16
#define NAP_FIRST_NS ((uint64_t)10000)
#define NAP_LAST_NS ((uint64_t)1000000)

int32_t lf_ep_rx_ready(lf_ep_rx *r, double *address) {
  if (!address) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the address");
  lf_job_lock(r->job);
  if (!r->hello && !r->sticky.code) lf_job_rounds(r->job);
  int32_t status = r->hello ? 1 : r->sticky.code ? lf_sticky_return(&r->sticky) : LF_EMPTY;
  *address = (double)(int64_t)r->address;
  lf_job_unlock(r->job);
  return status;
}

/* ---- receiving ---- */

/* The next frame of a cell with several. Without the lock: the cell belongs to the user's thread. */
static inline int32_t take_next(lf_ep_rx *r, lf_frame *out) {
  uint32_t length = *r->batch;
  lf_copy_inline(out->payload, r->batch + 1, length);
  r->batch += 1 + length;
  if (--r->batch_left == 0) r->batch_done = 1;
  int tell;
  out->sequence = lf_ep_rx_count(r, length, &tell);
  if (__builtin_expect(tell, 0)) {
    lf_job_lock(r->job);
    if (!r->over) lf_ep_rx_send_credits(r);
    lf_job_unlock(r->job);
  }
  return (int32_t)length;
}

/* The first accepted frame, once it is complete. */
static int32_t take_arrival(lf_ep_rx *r, lf_frame *out) {
  lf_arrival *a = lf_fifo_at(&r->arrivals, r->arrivals.head, sizeof *a);
  while (a->cut && !a->missing) {
    lf_pool_release(&r->pool, a->index);
    r->dropped++;
    if (++r->arrivals.head == r->arrivals.tail) return LF_EMPTY;
    a = lf_fifo_at(&r->arrivals, r->arrivals.head, sizeof *a);
  }
  if (a->kind == LF_ARRIVAL_BLOCK && (a->missing || r->arrivals.head == r->rndv_next)) return LF_EMPTY;
  int32_t result = LF_REGION;
  uint64_t length = a->length;
  if (a->frames) {
    r->batch = lf_cell(&r->cells, a->index) + LF_CELL_HEAD + sizeof(uint64_t);
    r->batch_left = a->frames;
    r->batch_cell = a->index;
    if (r->rndv_next == r->arrivals.head) r->rndv_next++;
    r->arrivals.head++;
    return LF_PENDING;
  }
  if (a->kind == LF_ARRIVAL_CELL && length <= LF_INLINE_MAX) {
    lf_copy_inline(out->payload, lf_cell(&r->cells, a->index) + LF_CELL_HEAD + sizeof(uint64_t), (uint32_t)length);
    lf_cells_give(&r->cells, a->index);
    result = (int32_t)length;
  } else if (a->kind == LF_ARRIVAL_CELL) {
    LF_CELL_STATE(r, a->index) = LF_CELL_HELD;
    out->region = a->index / LF_CELLS_A_CHUNK + 1; /* a block's region has a generation above its index */
    out->offset = (double)(a->index % LF_CELLS_A_CHUNK * LF_CELL_BYTES + 64);
    out->token = LF_TOKEN_CELL + a->index;
    out->reach = LF_REACH_LOCAL;
  } else if (a->kind == LF_ARRIVAL_BLOCK) {
    lf_block *b = &r->pool.blocks[a->index];
    b->state = LF_BLOCK_SENT;
    out->region = r->pool.regions[b->region].id;
    out->offset = (double)b->offset;
    out->token = LF_TOKEN_BLOCK + a->index;
    out->reach = LF_REACH_LOCAL;
  } else {
    if (!lf_fifo_reserve(&r->apart, 1, sizeof length))
      return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "a frame in fragments from %s", r->peer.who);
    *(uint64_t *)lf_fifo_at(&r->apart, r->apart.tail++, sizeof length) = length;
    r->apart_held++;
    out->region = 0;
    out->offset = 0;
    out->token = LF_TOKEN_APART;
    out->reach = LF_REACH_STAGED;
  }
  int tell;
  out->length = (double)(int64_t)length;
  out->sequence = lf_ep_rx_count(r, length, &tell);
  if (r->rndv_next == r->arrivals.head) r->rndv_next++;
  r->arrivals.head++;
  if (__builtin_expect(tell, 0)) lf_ep_rx_send_credits(r);
  return result;
}

/* No frame has arrived: LF_EMPTY, or the reason why none will. */
static int32_t nothing(lf_ep_rx *r, lf_frame *out) {
  if (r->sticky.code) return lf_sticky_return(&r->sticky);
  if (lf_fifo_count(&r->arrivals)) {
    if (r->retire && lf_pool_idle(&r->pool, &out->region) == 1) return LF_RETIRE;
    return LF_EMPTY;
  }
  if (r->ended == LF_CREDIT_CLOSED)
    return lf_fail(LF_ECHANNEL_CLOSED, "", 0, "%s closed the channel, and all was received", r->peer.who);
  if (r->ended)
    return lf_fail(LF_EPEER_DIED, "", 0, "%s ended without closing the channel; %" PRIu64 " messages were received",
                   r->peer.who, r->taken);
  return LF_EMPTY;
}

/* The next frame, or LF_EMPTY; LF_PENDING if it is in the batch. */
static inline int32_t poll_frame(lf_ep_rx *r, lf_frame *out) {
  if (__builtin_expect(r->batch_done, 0)) {
    r->batch_done = 0;
    lf_cells_give(&r->cells, r->batch_cell);
  }
  for (;;) {
    if (__builtin_expect(lf_fifo_count(&r->arrivals) != 0, 0)) {
      int32_t result = take_arrival(r, out);
      if (result != LF_EMPTY || !lf_fifo_count(&r->arrivals)) return result;
      lf_ep_rx_poll(r, NULL);
      /* One poll: a large frame has many messages, and other threads wait for the lock. */
      return lf_ep_rx_progress_rndv(r) ? take_arrival(r, out) : LF_EMPTY;
    } else {
      int32_t result = lf_ep_rx_poll(r, out);
      if (__builtin_expect(result != LF_PENDING, 1)) return result < 0 ? LF_EMPTY : result;
    }
  }
}

static inline int32_t receive(lf_ep_rx *r, lf_frame *out) {
  int32_t result = poll_frame(r, out);
  if (result == LF_EMPTY) lf_ep_post_held();
  if (result == LF_EMPTY && r->peer.rank == r->job->info.rank) {
    lf_job_rounds(r->job); /* a sender in this process has posted its frames */
    result = poll_frame(r, out);
  }
  if (result == LF_EMPTY) result = nothing(r, out);
  if (r->next - r->first < LF_POSTED / 2) lf_ep_rx_post(r, LF_POSTED);
  return result;
}

static int32_t rx_receive(lf_rx *rx, lf_frame *out) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  if (r->batch_left) return take_next(r, out);
  lf_job_lock(r->job);
  int32_t result = receive(r, out);
  lf_job_unlock(r->job);
  return result == LF_PENDING ? take_next(r, out) : result;
}

/* Under the lock: no atomic addition is needed. */
static inline void spinning(lf_job *job, uint32_t change) {
  uint32_t now = atomic_load_explicit(&job->spinning, memory_order_relaxed);
  atomic_store_explicit(&job->spinning, now + change, memory_order_relaxed);
}

/* Under the lock, which is released between some polls. */
static int32_t wait_for(lf_ep_rx *r, uint64_t limit, uint64_t spin, lf_frame *out) {
  lf_job *job = r->job;
  uint64_t start = 0, sleep = NAP_FIRST_NS;
  for (;;) {
    for (int i = 0; i < POLLS; i++) {
      int32_t result = poll_frame(r, out);
      if (__builtin_expect(result != LF_EMPTY, 0)) return result;
      /* Posts the receive that the last message used up. */
      if (r->next - r->first < LF_POSTED) lf_ep_rx_post(r, 1);
      if (i % POLLS_LOCKED != 0) continue;
      lf_job_unlock(job);
      lf_relax();
      lf_job_lock(job);
    }
    uint64_t now = lf_now();
    if (!start) start = now;
    lf_job_round(job, now);
    int32_t result = receive(r, out);
    if (result != LF_EMPTY) return result;
    uint64_t passed = now - start;
    if (passed >= limit) return LF_TIMEOUT;
    if (passed < spin) continue;
    lf_job_unlock(job);
    lf_thread_nap(limit - passed < sleep ? limit - passed : sleep);
    lf_job_lock(job);
    sleep = sleep * 2 < NAP_LAST_NS ? sleep * 2 : NAP_LAST_NS;
  }
}

static int32_t rx_receive_wait(lf_rx *rx, uint64_t limit, uint64_t spin, lf_frame *out) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  if (r->batch_left) return take_next(r, out);
  lf_job *job = r->job;
  lf_job_lock(job);
  int32_t result;
  if (limit == 0) {
    result = receive(r, out);
    if (result == LF_EMPTY) result = LF_TIMEOUT;
  } else {
    result = poll_frame(r, out);
    if (result == LF_EMPTY) {
      lf_ep_post_held();
      spinning(job, 1);
      result = wait_for(r, limit, spin, out);
      spinning(job, (uint32_t)-1);
    }
    if (__builtin_expect(r->next - r->first < LF_POSTED / 2, 0)) lf_ep_rx_post(r, LF_POSTED);
  }
  lf_job_unlock(job);
  return result == LF_PENDING ? take_next(r, out) : result;
}

/* ---- frames in fragments ---- */

int32_t lf_ep_rx_receive_fragment(lf_ep_rx *r, void *data, double length, double *ticket) {
  lf_job_lock(r->job);
  uint64_t none = 0, *left = lf_fifo_count(&r->apart) ? lf_fifo_at(&r->apart, r->apart.head, sizeof *left) : &none;
  uint64_t wanted = *left < LF_FRAGMENT_BYTES ? *left : LF_FRAGMENT_BYTES;
  int32_t status;
  if (!data || !ticket || !wanted || length != (double)wanted)
    status = lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                     "memory for a fragment of %.0f bytes, where one of %" PRIu64 " comes next", length, wanted);
  else if (r->sticky.code) status = lf_sticky_return(&r->sticky);
  else status = lf_ep_rx_expect(r, data, (uint32_t)wanted, 0, r->tickets + 1);
  if (status == 1) {
    *ticket = (double)++r->tickets;
    *left -= wanted;
    if (!*left) r->apart.head++;
  }
  lf_job_unlock(r->job);
  return status;
}

int32_t lf_ep_rx_arrived(lf_ep_rx *r, double *ticket) {
  if (!ticket) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the ticket");
  int32_t status = LF_OK;
  lf_job_lock(r->job);
  lf_ep_rx_progress_rndv(r);
  r->arrived_told = r->arrived;
  *ticket = (double)r->arrived;
  if (r->cut) status = lf_fail(LF_EPEER_DIED, "", 0, "%s ended before it had sent all of a frame", r->peer.who);
  else if (r->arrived < r->tickets && r->sticky.code) status = lf_sticky_return(&r->sticky);
  lf_job_unlock(r->job);
  return status;
}

/* ---- release ---- */

static int32_t not_held(uint32_t token) { return lf_fail(LF_ECLOSED, "", 0, "frame 0x%x is not held", token); }

static int32_t release_token(lf_ep_rx *r, uint32_t token) {
  if (token == LF_TOKEN_APART) {
    if (!r->apart_held) return not_held(token);
    r->apart_held--;
  } else if (token >= LF_TOKEN_CELL) {
    uint32_t cell = token - LF_TOKEN_CELL;
    if (cell >= r->cells.count || LF_CELL_STATE(r, cell) != LF_CELL_HELD) return not_held(token);
    LF_CELL_STATE(r, cell) = LF_CELL_FREE;
    lf_cells_give(&r->cells, cell);
    r->returned += lf_ep_charge(LF_EAGER_MAX);
  } else {
    uint32_t block = token - LF_TOKEN_BLOCK;
    if (r->pool.blocks[block].state != LF_BLOCK_SENT) return not_held(token);
    r->returned += lf_ep_charge(r->pool.regions[r->pool.blocks[block].region].block_bytes);
    lf_pool_release(&r->pool, block);
  }
  return LF_OK;
}

static int32_t rx_release(lf_rx *rx, uint32_t token) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  uint64_t released = lf_ep_rx_released(r);
  if (__builtin_expect(released >= lf_ep_rx_taken(r), 0)) return lf_fail(LF_ECLOSED, "", 0, "no frame is held");
  int32_t status = LF_OK;
  if (token) {
    lf_job_lock(r->job);
    status = release_token(r, token);
    if (r->returned - r->returned_told >= LF_POOL_BYTES / 4)
      atomic_store_explicit(&r->tell_next, 1, memory_order_relaxed);
    lf_job_unlock(r->job);
    if (status < 0) return status;
  }
  atomic_store_explicit(&r->released, released + 1, memory_order_relaxed);
  if (__builtin_expect(atomic_load_explicit(&r->tell_next, memory_order_relaxed), 0)) {
    lf_job_lock(r->job);
    lf_ep_rx_answer(r);
    lf_job_unlock(r->job);
  }
  return LF_OK;
}

/* ---- waiting ---- */

static int ready(const lf_ep_rx *r) {
  if (r->sticky.code || r->retire || r->arrived != r->arrived_told) return 1;
  if (r->arrived < r->tickets) return r->cut; /* the user waits for the next fragment, not for later frames */
  if (!lf_fifo_count(&r->arrivals)) return r->ended != 0;
  const lf_arrival *a = lf_fifo_at(&r->arrivals, r->arrivals.head, sizeof *a);
  return a->kind != LF_ARRIVAL_BLOCK || (!a->missing && r->arrivals.head != r->rndv_next);
}

static int32_t rx_arm(lf_rx *rx) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  if (r->batch_left) return 1;
  lf_job_lock(r->job);
  lf_ep_post_held();
  if (!ready(r)) {
    if (r->peer.rank == r->job->info.rank) lf_job_rounds(r->job);
    else lf_job_round(r->job, lf_now());
  }
  int there = ready(r);
  if (!there) {
    r->armed = 1;
    if (!r->waits) lf_job_wait_begin(r->job);
    r->waits = 1;
  }
  lf_job_unlock(r->job);
  return there;
}

static int32_t rx_event_fd(lf_rx *rx, int64_t *out) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  lf_job_lock(r->job);
  int32_t status = r->has_event ? LF_OK : lf_event_open(&r->event);
  r->has_event = status == LF_OK;
  if (status == LF_OK) status = lf_event_copy(&r->event, out);
  lf_job_unlock(r->job);
  return status;
}

static void rx_stats(lf_rx *rx, lf_end_stats *out) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  lf_job_lock(r->job);
  uint64_t before;
  do {
    before = r->accepted;
    lf_job_rounds(r->job);
  } while (r->accepted != before);
  out->queued = (double)(r->accepted - r->dropped - lf_ep_rx_taken(r));
  out->regions = r->cells.count / LF_CELLS_A_CHUNK;
  for (uint32_t i = 0; i < r->pool.region_capacity; i++) out->regions += r->pool.regions[i].segment.address != NULL;
  out->region_bytes = (double)lf_pool_held(&r->pool) + (double)r->cells.count * LF_CELL_BYTES;
  out->frames = (double)lf_ep_rx_taken(r);
  out->bytes = (double)r->bytes;
  out->held = (double)(lf_ep_rx_taken(r) - lf_ep_rx_released(r));
  out->peer = r->ended ? r->ended : r->sticky.code ? 2 : 0;
  lf_job_unlock(r->job);
}

/* ---- regions ---- */

static int32_t no_region(uint32_t id) { return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", id); }

static int32_t rx_region(lf_rx *rx, uint32_t id, lf_region_info *out) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  int32_t status = LF_OK;
  lf_job_lock(r->job);
  lf_pool_region *region = lf_pool_region_of(&r->pool, id);
  if (region) {
    region->announced = 1;
    *out = (lf_region_info){.address = (uint64_t)(uintptr_t)region->segment.address,
                            .size = (double)region->segment.size};
  } else if (id >= 1 && id <= r->cells.count / LF_CELLS_A_CHUNK) {
    *out = (lf_region_info){.address = (uint64_t)(uintptr_t)r->cells.chunks[id - 1],
                            .size = (double)(LF_CELLS_A_CHUNK * LF_CELL_BYTES)};
  } else {
    status = no_region(id);
  }
  lf_job_unlock(r->job);
  return status;
}

int32_t lf_ep_rx_retirable(lf_ep_rx *r, uint32_t *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the region");
  lf_job_lock(r->job);
  int32_t status = r->retire ? lf_pool_idle(&r->pool, out) : LF_EMPTY;
  lf_job_unlock(r->job);
  return status;
}

static int32_t rx_retire(lf_rx *rx, uint32_t id) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  int32_t status = LF_OK;
  lf_job_lock(r->job);
  lf_pool_region *region = lf_pool_region_of(&r->pool, id);
  if (!region) status = no_region(id);
  else if (region->free == region->blocks) status = lf_pool_retire(&r->pool, id);
  else region->announced = 0; /* in use again, without a view */
  lf_ep_rx_progress_rndv(r);
  lf_job_unlock(r->job);
  return status;
}

/* ---- open and close ---- */

static void rx_close(lf_rx *rx, int died) {
  lf_ep_rx *r = (lf_ep_rx *)rx;
  lf_job *job = r->job;
  lf_job_lock(job);
  r->finished = !died;
  r->closed = 1;
  if (r->waits) lf_job_wait_end(job);
  r->waits = r->armed = 0;
  if (r->has_event) lf_event_close(&r->event);
  r->has_event = 0;
  if (!r->over) {
    lf_ep_rx_send_credits(r);
    r->end.round(&r->end, lf_now());
  } else if (!r->kept) {
    lf_ep_rx_free(r);
  }
  lf_job_unlock(job);
}

const lf_rx_ops lf_ep_rx_ops = {
    .receive = rx_receive,
    .receive_wait = rx_receive_wait,
    .release = rx_release,
    .region = rx_region,
    .retire = rx_retire,
    .arm = rx_arm,
    .event_fd = rx_event_fd,
    .stats = rx_stats,
    .close = rx_close,
};

int32_t lf_ep_rx_open(int32_t rank, lf_link *link, uint32_t tag, uint32_t slots, int32_t fragments, const char *who,
                      uint32_t who_bytes, lf_ep_rx **out) {
  static _Atomic uint64_t opened;
  lf_job *job = lf_job_get();
  if (!job) return lf_status_code();
  if (tag >= job->tags || slots < LF_SLOTS_MIN || slots > LF_SLOTS_MAX || (slots & (slots - 1)))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "tag %u with %u slots; below %u, with a power of two from %u to %u",
                   tag, slots, job->tags, LF_SLOTS_MIN, LF_SLOTS_MAX);
  lf_ep_rx *r = calloc(1, sizeof *r);
  if (!r) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a receiver of %zu bytes", sizeof *r);
  r->rx.ops = &lf_ep_rx_ops;
  r->job = job;
  r->tag = tag;
  r->slots = slots;
  atomic_init(&r->tell_at, slots / 4 ? slots / 4 : 1);
  r->fragments = fragments != 0;
  r->address = (atomic_fetch_add(&opened, 1) + 1) << 1 | r->fragments;
  r->end.round = lf_ep_rx_round;
  r->end.over = lf_ep_rx_over;
  lf_pool_open_private(&r->pool);
  if (!lf_job_enter()) {
    free(r);
    return lf_status_code();
  }
  int32_t status = lf_ep_peer_open(job, rank, link, who, who_bytes, &r->peer);
  if (status == LF_OK) {
    lf_job_add(job, &r->end);
    lf_ep_rx_post(r, LF_POSTED);
    *out = r;
  } else {
    lf_ep_rx_free(r);
  }
  lf_job_unlock(job);
  return status;
}
