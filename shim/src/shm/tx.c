/* The sending end owns the segment and the pool. Its positions are in private memory, and it trusts no value it
 * reads. */
#include <inttypes.h>
#include <stdlib.h>

#include "abi/link.h"
#include "base/copy.h"
#include "base/monotonic.h"
#include "base/status.h"
#include "base/thread.h"
#include "gpu/queue.h"
#include "host/membarrier.h"
#include "host/pool.h"
#include "shm/tx.h"

#define COLLECT_FIRST (64u << 10)

/* Nanoseconds that close waits at most for GPU work. A caller that can wait without blocking did so
 * (lf_shm_tx_pending). */
#define LAST_WORK_NS ((uint64_t)2000000000)

static void release_producer(lf_shm_tx *p) {
  lf_pool_close(&p->pool);
  lf_segment_close(&p->segment);
  lf_link_release(p->link);
  if (p->device) lf_device_release(p->device);
  free(p->rcache);
  free(p->counters);
  free(p->dropping);
  free(p);
}

/* The work that the peer's queue waits for ends before the peer finds this side gone: its waits end then. */
static void end_work(const lf_shm_tx *p) {
  if (p->device && p->awaited) lf_queue_wait(p->device, p->awaited, LAST_WORK_NS);
}

int32_t lf_shm_tx_open(int32_t link_handle, uint32_t slot_count, int32_t fenced) {
  lf_link *link = lf_link_get(link_handle);
  if (!link) return lf_status_code();
  if (slot_count < LF_SLOTS_MIN || slot_count > LF_SLOTS_MAX || (slot_count & (slot_count - 1)))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a ring of %u slots; a power of two from %u to %u", slot_count,
                   LF_SLOTS_MIN, LF_SLOTS_MAX);
  lf_shm_tx *p = calloc(1, sizeof *p);
  lf_rcache_entry *rcache = calloc(LF_HANDLE_COUNT, sizeof *rcache); /* unused pages are never touched */
  lf_counter *counters = calloc(LF_COUNTERS, sizeof *counters);
  if (!p || !rcache || !counters) {
    free(p);
    free(rcache);
    free(counters);
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a producer of %zu bytes", sizeof *p);
  }
  p->tx.ops = &lf_shm_tx_ops;
  p->rcache = rcache;
  p->counters = counters;
  p->link = lf_link_retain(link);
  p->slot_count = slot_count;
  p->fenced = fenced;
  p->pace = LF_PACE_START;
  lf_pool_open(&p->pool);
  int32_t status = lf_segment_create(lf_ring_bytes(slot_count), &p->segment);
  if (status == LF_OK) {
    p->ring = p->segment.address;
    p->slots = lf_ring_slots(p->ring);
    for (uint32_t i = 0; i < slot_count; i++)
      atomic_store_explicit(&p->slots[i].word, lf_sequence((uint64_t)i - slot_count), memory_order_relaxed);
    uint64_t total = lf_ring_bytes(slot_count);
    p->ring->head =
        (lf_ring_head){LF_RING_MAGIC, LF_WIRE_VERSION, slot_count, LF_SLOT_BYTES, LF_BLOCKS_MAX, total};
    status = lf_link_put(link, LF_KIND_SEGMENT, &total, sizeof total, p->segment.os);
    if (status == LF_FULL) status = lf_fail(LF_EPEER_DIED, "sendmsg", 0, "the peer does not read its connection");
  }
  if (status == 1) {
    /* The mapping is enough from here on, and a process has few descriptors. */
    lf_os_handle_close(p->segment.os);
    p->segment.os = -1;
    return lf_tx_handle(&p->tx);
  }
  release_producer(p);
  return status;
}

/* Frees the blocks that the consumer released: their number, or an error. */
static int32_t collect(lf_shm_tx *p) {
  int32_t count = 0;
  for (; count < (int32_t)LF_BLOCKS_MAX; count++) {
    uint64_t word =
        atomic_load_explicit(&p->ring->returns[p->returned % LF_BLOCKS_MAX], memory_order_acquire);
    if ((uint32_t)word != lf_sequence(p->returned)) break;
    uint32_t block = (uint32_t)(word >> 32);
    if (block >= LF_BLOCKS_MAX || p->pool.blocks[block].state != LF_BLOCK_SENT) return lf_shm_tx_corrupt(p, "block", block);
    lf_pool_release(&p->pool, block);
    p->returned++;
  }
  return count;
}

/* 1 with a block of an announced region; LF_FULL, LF_RETIRE with the region in *retire. */
static int32_t take_block(lf_shm_tx *p, uint64_t length, uint32_t *block, uint32_t *retire) {
  if (!lf_pool_acquire(&p->pool, length, block)) {
    int32_t status = collect(p);
    if (status < 0) return status;
    if (!lf_pool_acquire(&p->pool, length, block)) {
      status = lf_pool_grow(&p->pool, length, retire);
      if (status == LF_FULL) return lf_shm_tx_full(p);
      if (status != LF_OK) return status;
      lf_pool_acquire(&p->pool, length, block);
    }
  }
  int32_t ready = lf_pool_ready(&p->pool, *block, length);
  if (__builtin_expect(ready < 0, 0)) {
    lf_pool_release(&p->pool, *block);
    return ready;
  }
  lf_pool_region *region = &p->pool.regions[p->pool.blocks[*block].region];
  if (__builtin_expect(!region->announced, 0)) {
    lf_region_message message = {.region = region->id, .kind = LF_REGION_POOLED, .size = region->segment.size};
    int32_t status = lf_shm_tx_announce(p, &message, region->segment.os);
    if (status != 1) {
      lf_pool_release(&p->pool, *block);
      return status;
    }
    region->announced = 1;
    lf_os_handle_close(region->segment.os);
    region->segment.os = -1;
  }
  return 1;
}

static int32_t publish_block(lf_shm_tx *p, uint32_t block, uint64_t length, int staged) {
  lf_block *b = &p->pool.blocks[block];
  b->state = LF_BLOCK_SENT;
  lf_descriptor descriptor = {.region = p->pool.regions[b->region].id,
                              .block = block,
                              .offset = b->offset,
                              .length = length,
                              .staged = staged != 0};
  int32_t status = lf_shm_tx_publish_region(p, &descriptor);
  /* The consumer does not wait for this side now, and the next send finds the blocks. p->failed keeps an error. */
  if (status == 1 && lf_pool_empty(&p->pool, b)) collect(p);
  return status;
}

static int32_t send_block(lf_shm_tx *p, const void *data, uint64_t length) {
  if (!lf_shm_tx_has_capacity(p)) {
    int32_t status = lf_shm_tx_check_capacity(p);
    if (status != LF_OK) return status;
  }
  /* A copy of this size is faster into a block that is still in the cache. */
  if (length >= COLLECT_FIRST) {
    int32_t collected = collect(p);
    if (collected < 0) return collected;
  }
  uint32_t block, retire;
  int32_t status = take_block(p, length, &block, &retire);
  if (status != 1) return status;
  memcpy((char *)p->pool.regions[p->pool.blocks[block].region].segment.address + p->pool.blocks[block].offset, data,
         length);
  return publish_block(p, block, length, 0);
}

static int32_t tx_send(lf_tx *tx, const void *data, uint32_t length) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  if (length > LF_INLINE_MAX) return send_block(p, data, length);
  if (__builtin_expect(!lf_shm_tx_has_capacity(p), 0)) {
    int32_t status = lf_shm_tx_check_capacity(p);
    if (status != LF_OK) return status;
  }
  lf_slot *slot = lf_shm_tx_slot(p);
  lf_copy_inline(slot->payload, data, length);
  p->bytes += length;
  return lf_shm_tx_publish(p, slot, length);
}

/* ---- loans ---- */

static int32_t tx_loan(lf_tx *tx, double length, lf_loan *out) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  if (!lf_shm_tx_has_capacity(p)) {
    int32_t status = lf_shm_tx_check_capacity(p);
    if (status != LF_OK) return status;
  }
  uint32_t block, retire = 0;
  int32_t status = take_block(p, (uint64_t)length, &block, &retire);
  if (status != 1) {
    out->region = retire;
    return status;
  }
  lf_block *b = &p->pool.blocks[block];
  p->reserved++;
  out->region = p->pool.regions[b->region].id;
  out->block = block;
  out->offset = (double)b->offset;
  return 1;
}

static lf_block *loaned(lf_shm_tx *p, uint32_t block) {
  if (block < LF_BLOCKS_MAX && p->pool.blocks[block].state == LF_BLOCK_LOANED) return &p->pool.blocks[block];
  lf_fail(LF_ECLOSED, "", 0, "block %u is not on loan", block);
  return NULL;
}

static int32_t commit(lf_shm_tx *p, uint32_t block, double length, int staged) {
  lf_block *b = loaned(p, block);
  if (!b) return LF_ECLOSED;
  lf_pool_region *region = &p->pool.regions[b->region];
  if (!(length >= 0 && length <= (double)region->block_bytes))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.0f bytes of a loan that has %" PRIu64, length, region->block_bytes);
  if (p->failed) return lf_shm_tx_failed(p);
  p->reserved--;
  return publish_block(p, block, (uint64_t)length, staged);
}

static int32_t tx_commit(lf_tx *tx, uint32_t block, double length) {
  return commit((lf_shm_tx *)tx, block, length, 0);
}

int32_t lf_shm_tx_commit_staged(int32_t handle, uint32_t block, double length) {
  LF_FIND_SHM_TX(p, handle);
  return commit(p, block, length, 1);
}

static int32_t tx_abort(lf_tx *tx, uint32_t block) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  if (!loaned(p, block)) return LF_ECLOSED;
  p->reserved--;
  lf_pool_release(&p->pool, block);
  return LF_OK;
}

static int32_t tx_reserve(lf_tx *tx) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  if (!lf_shm_tx_has_capacity(p)) {
    int32_t status = lf_shm_tx_check_capacity(p);
    if (status != LF_OK) return status;
  }
  p->reserved++;
  p->reserved_inline++;
  return 1;
}

static int32_t unreserve(lf_shm_tx *p) {
  if (!p->reserved_inline) return lf_fail(LF_ECLOSED, "", 0, "no small loan is open");
  p->reserved--;
  p->reserved_inline--;
  return LF_OK;
}

static int32_t tx_commit_inline(lf_tx *tx, const void *data, uint32_t length) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  int32_t status = unreserve(p);
  if (status < 0) return status;
  if (p->failed) return lf_shm_tx_failed(p);
  lf_slot *slot = lf_shm_tx_slot(p);
  lf_copy_inline(slot->payload, data, length);
  p->bytes += length;
  return lf_shm_tx_publish(p, slot, length);
}

static int32_t tx_abort_inline(lf_tx *tx) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  return unreserve(p);
}

/* ---- regions ---- */

static int32_t tx_region(lf_tx *tx, uint32_t id, lf_region_info *out) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  lf_pool_region *region = lf_pool_region_of(&p->pool, id);
  if (!region) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", id);
  *out = (lf_region_info){.address = (uint64_t)(uintptr_t)region->segment.address, .size = (double)region->segment.size};
  return LF_OK;
}

static int32_t tx_retirable(lf_tx *tx, uint32_t *out) { return lf_pool_idle(&((lf_shm_tx *)tx)->pool, out); }

static int32_t tx_retire(lf_tx *tx, uint32_t id) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  lf_pool_region *region = lf_pool_region_of(&p->pool, id);
  int announced = region && region->announced;
  int32_t status = lf_pool_retire(&p->pool, id);
  if (status < 0 || !announced) return status;
  region->announced = 1; /* its number stays in use until the drop message was sent */
  return lf_shm_tx_drop(p, id);
}

int32_t lf_shm_tx_trim(int32_t handle) {
  LF_FIND_SHM_TX(p, handle);
  if (p->failed) return 0;
  int32_t collected = collect(p);
  if (collected < 0) return collected;
  if (lf_pool_trim(&p->pool, lf_now())) return 1;
  return lf_pool_may_trim(&p->pool) ? LF_EMPTY : 0;
}

/* ---- waiting ---- */

/* A sent payload was copied or passed. */
static int32_t tx_arm(lf_tx *tx, int32_t until) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  if (p->failed) return lf_shm_tx_failed(p);
  if (until == LF_UNTIL_SENT) return 1;
  if (p->dropping_count) lf_shm_tx_retry_drops(p);
  atomic_store_explicit(&p->ring->producer.waiting, 1, memory_order_relaxed);
  lf_barrier_of_sleeper(p->fenced);
  int32_t peer = lf_shm_tx_check_peer(p);
  if (until == LF_UNTIL_RELEASED) {
    uint64_t released = atomic_load_explicit(&p->ring->released, memory_order_acquire);
    if (released > p->head || released < p->released) return lf_shm_tx_corrupt(p, "count of released frames", released);
    p->released = released;
    if (released == p->head) return 1;
    return peer < 0 ? peer : 0;
  }
  if (peer < 0) return peer;
  int32_t moved = lf_shm_tx_read_taken(p);
  if (moved < 0) return moved;
  int32_t collected = collect(p);
  if (collected < 0) return collected;
  return moved || collected;
}

static int32_t tx_event_fd(lf_tx *tx, int64_t *out) { return lf_link_copy_event_fd(((lf_shm_tx *)tx)->link, out); }

int32_t lf_shm_tx_peer_status(int32_t handle) {
  LF_FIND_SHM_TX(p, handle);
  return p->failed ? lf_shm_tx_failed(p) : lf_shm_tx_check_peer(p);
}

int32_t lf_shm_tx_poll(int32_t handle, int32_t until, int32_t spins) {
  LF_FIND_SHM_TX(p, handle);
  if (p->failed) return 1;
  int full = !lf_shm_tx_has_capacity(p);
  for (int32_t i = 0; i < spins; i++) {
    if (until == LF_UNTIL_RELEASED) {
      if (atomic_load_explicit(&p->ring->released, memory_order_relaxed) == p->head) return 1;
    } else if (full) {
      if (atomic_load_explicit(&p->ring->taken, memory_order_relaxed) != p->taken) return 1;
    } else { /* no block was free */
      uint64_t word = atomic_load_explicit(&p->ring->returns[p->returned % LF_BLOCKS_MAX], memory_order_relaxed);
      if ((uint32_t)word == lf_sequence(p->returned)) return 1;
    }
    lf_relax();
  }
  return atomic_load_explicit(&p->ring->consumer.closed, memory_order_relaxed) != 0;
}

static void tx_stats(lf_tx *tx, lf_end_stats *out) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  uint64_t released = atomic_load_explicit(&p->ring->released, memory_order_acquire);
  out->queued = released <= p->head ? (double)(p->head - released) : 0;
  for (uint32_t i = 0; i < p->pool.region_capacity; i++) out->regions += p->pool.regions[i].segment.address != NULL;
  out->region_bytes = (double)lf_pool_held(&p->pool);
  out->imports = p->imports;
  out->frames = (double)p->head;
  out->bytes = (double)p->bytes;
  uint64_t taken = atomic_load_explicit(&p->ring->taken, memory_order_acquire);
  if (taken <= p->head && released <= taken) out->held = (double)(taken - released);
  int32_t peer = lf_shm_tx_check_peer(p);
  out->peer = peer == LF_ECHANNEL_CLOSED ? 1 : peer < 0 ? 2 : 0;
}

static void tx_close(lf_tx *tx, int died) {
  lf_shm_tx *p = (lf_shm_tx *)tx;
  lf_link *link = died ? lf_link_retain(p->link) : NULL;
  end_work(p);
  if (!died) {
    atomic_store_explicit(&p->ring->producer.closed, 1, memory_order_release);
    lf_shm_tx_wake_peer(p);
  }
  release_producer(p);
  if (!link) return;
  lf_link_hang_up(link);
  lf_link_release(link);
}

const lf_tx_ops lf_shm_tx_ops = {
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
