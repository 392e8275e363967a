/* Reads the ring. Every word of the producer is read once, into private memory, and checked there. */
#include <inttypes.h>

#include "base/copy.h"
#include "base/monotonic.h"
#include "base/status.h"
#include "base/thread.h"
#include "host/membarrier.h"
#include "host/pool.h"
#include "shm/rx.h"

/* Nanoseconds that a waiting receive parks at most: a lost event delays the channel, and does not stop it. Shorter
 * while released frames wait for GPU work, whose end brings no event. */
#define NAP_NS ((uint64_t)250000000)
#define NAP_ENDING_NS ((uint64_t)200000)

/* A frame in a region. The slot has its descriptor. */
static int32_t take_region(lf_shm_rx *c, const lf_slot *slot, lf_frame *out) {
  lf_descriptor d;
  lf_copy_private(&d, slot->payload, sizeof d);
  lf_region *r = lf_regions_find(&c->regions, d.region);
  if (!r) { /* its announcement was sent before the frame, and has arrived */
    int32_t status = lf_shm_rx_read_link(c);
    if (status < 0) return status;
    r = lf_regions_find(&c->regions, d.region);
    if (!r) return lf_shm_rx_corrupt(c, "region", d.region);
  }
  uint32_t index = (uint32_t)(r - c->regions.all), token;
  if (d.length > r->size) return lf_shm_rx_corrupt(c, "length", d.length);
  if (d.offset > r->size - d.length) return lf_shm_rx_corrupt(c, "offset", d.offset);
  if (d.staged > 1 || d.reserved) return lf_shm_rx_corrupt(c, "flag", d.staged);
  /* Only a loan may have no bytes. */
  if (!d.length && (d.staged || d.block == LF_NO_BLOCK)) return lf_shm_rx_corrupt(c, "length", d.length);
  if (d.block != LF_NO_BLOCK) {
    if (r->kind != LF_REGION_POOLED || d.wait || d.block >= LF_BLOCKS_MAX || c->block_region[d.block])
      return lf_shm_rx_corrupt(c, "block", d.block);
    c->block_region[d.block] = index + 1;
    token = d.block + 1;
  } else {
    if (r->kind == LF_REGION_POOLED || d.staged) return lf_shm_rx_corrupt(c, "frame without a block in region", d.region);
    if (d.wait) {
      int32_t status = lf_regions_await(&c->regions, r, d.wait, c->position);
      if (status < 0) return c->failed = status;
    }
    token = 0x80000000u | index;
  }
  r->outstanding++;
  out->region = d.region;
  out->token = token;
  /* Signed numbers become doubles in one instruction; sizes end far below the sign. */
  out->offset = (double)(int64_t)d.offset;
  out->length = (double)(int64_t)d.length;
  out->reach = d.staged ? LF_REACH_STAGED : r->kind == LF_REGION_GPU && !r->gpu ? LF_REACH_REMOTE : LF_REACH_LOCAL;
  return LF_REGION;
}

static int32_t take_slot(lf_shm_rx *c, const lf_slot *slot, uint64_t word, lf_frame *out) {
  uint32_t length = (uint32_t)(word >> 32);
  int32_t result;
  if (__builtin_expect(length <= LF_INLINE_MAX, 1)) {
    lf_copy_inline(out->payload, slot->payload, length);
    result = (int32_t)length;
  } else if (length == LF_LENGTH_REGION) {
    result = take_region(c, slot, out);
    if (result != LF_REGION) return result;
  } else {
    return lf_shm_rx_corrupt(c, "length", length);
  }
  out->sequence = (double)(int64_t)c->position++;
  c->bytes += result == LF_REGION ? (uint64_t)out->length : length;
  atomic_store_explicit(&c->ring->taken, c->position, memory_order_release);
  lf_shm_rx_wake_peer(c);
  if (__builtin_expect((c->position & 4095) == 0, 0)) { /* drop messages, for an end that never parks */
    int32_t status = lf_shm_rx_read_link(c);
    (void)status; /* c->failed keeps it; this frame is valid */
  }
  return result;
}

static inline const lf_slot *current_slot(const lf_shm_rx *c) { return &c->slots[c->position & (c->slot_count - 1)]; }

/* No frame in the slot: LF_EMPTY, or why none will come, or CORRUPT_SEGMENT. */
static int32_t nothing(lf_shm_rx *c, const lf_slot *slot, uint64_t word, lf_frame *out) {
  if ((uint32_t)word != lf_sequence(c->position - c->slot_count)) return lf_shm_rx_corrupt(c, "sequence", word);
  int closed = atomic_load_explicit(&c->ring->producer.closed, memory_order_acquire) != 0;
  int dead = 0;
  int due = lf_pace_due(&c->pace);
  if (!closed && ((++c->misses & 1023) == 0 || due)) {
    dead = !lf_shm_rx_peer_alive(c);
    int32_t status = lf_shm_rx_read_link(c); /* drop messages, for an end that only polls */
    if (status < 0) return status;
  }
  if (!closed && !dead) return LF_EMPTY;
  if (dead) c->misses = 1023; /* the next call asks again */
  /* The frames that it committed before are visible now. */
  closed = atomic_load_explicit(&c->ring->producer.closed, memory_order_acquire) != 0;
  word = lf_slot_word(slot);
  if ((uint32_t)word == lf_sequence(c->position)) return take_slot(c, slot, word, out);
  if (closed) return lf_fail(LF_ECHANNEL_CLOSED, "", 0, "the producer closed the channel, and all was received");
  return lf_fail(LF_EPEER_DIED, "", 0, "the producer died; %" PRIu64 " messages it committed were received", c->position);
}

static int32_t retire_first(lf_shm_rx *c, lf_frame *out) {
  lf_region *r = lf_regions_droppable(&c->regions, c->position);
  if (!r) return LF_EMPTY;
  out->region = r->id;
  return LF_RETIRE;
}

/* Behind a frame that was there already are likely others: the prefetch hides the latency between the cores. (A slot
 * that the producer has not written since the last lap is still in this cache, and moves nothing.) */
static inline void prefetch_next(const lf_shm_rx *c) {
  const lf_slot *next = &c->slots[(c->position + 8) & (c->slot_count - 1)];
  __builtin_prefetch(next);
  __builtin_prefetch(next->payload + LF_INLINE_MAX - 1);
}

static inline int32_t receive(lf_shm_rx *c, lf_frame *out) {
  if (__builtin_expect(c->failed | (int32_t)c->regions.dropping | (int32_t)c->ending_count, 0)) {
    if (c->failed) return lf_shm_rx_failed(c);
    if (c->ending_count) lf_shm_rx_end_frames(c);
    if (retire_first(c, out) == LF_RETIRE) return LF_RETIRE;
  }
  const lf_slot *slot = current_slot(c);
  uint64_t word = lf_slot_word(slot);
  if (__builtin_expect((uint32_t)word == lf_sequence(c->position), 1)) {
    prefetch_next(c);
    return take_slot(c, slot, word, out);
  }
  return nothing(c, slot, word, out);
}

int32_t lf_shm_rx_receive(lf_rx *rx, lf_frame *out) { return receive((lf_shm_rx *)rx, out); }

static int32_t arm(lf_shm_rx *c) {
  if (c->failed) return lf_shm_rx_failed(c);
  atomic_store_explicit(&c->ring->consumer.waiting, 1, memory_order_relaxed);
  lf_barrier_of_sleeper(c->fenced);
  int32_t status = lf_shm_rx_read_link(c);
  if (status < 0) return status;
  uint64_t word = lf_slot_word(current_slot(c));
  int ready = (uint32_t)word != lf_sequence(c->position - c->slot_count) ||
              atomic_load_explicit(&c->ring->producer.closed, memory_order_acquire) || !lf_shm_rx_peer_alive(c) ||
              (c->regions.dropping && lf_regions_droppable(&c->regions, c->position));
  if (!ready) return 0;
  c->misses = 1023; /* the next receive asks again whether the peer lives */
  atomic_store_explicit(&c->ring->consumer.waiting, 0, memory_order_relaxed);
  return 1;
}

int32_t lf_shm_rx_arm(lf_rx *rx) { return arm((lf_shm_rx *)rx); }

int32_t lf_shm_rx_peer_status(int32_t handle) {
  LF_FIND_SHM_RX(c, handle);
  c->misses = 1023;
  return lf_shm_rx_peer_alive(c) ? LF_OK : LF_EMPTY;
}

int32_t lf_shm_rx_poll(int32_t handle, int32_t spins) {
  LF_FIND_SHM_RX(c, handle);
  if (c->failed || c->regions.dropping || c->ending_count) return 1;
  const lf_slot *slot = current_slot(c);
  uint32_t before = lf_sequence(c->position - c->slot_count);
  for (int32_t i = 0; i < spins; i++) {
    if ((uint32_t)lf_slot_word(slot) != before) return 1;
    (void)*(const volatile uint8_t *)(slot->payload + LF_INLINE_MAX - 1); /* as below */
    lf_relax();
  }
  return atomic_load_explicit(&c->ring->producer.closed, memory_order_relaxed) != 0;
}

int32_t lf_shm_rx_receive_wait(lf_rx *rx, uint64_t limit, uint64_t spin, lf_frame *out) {
  lf_shm_rx *c = (lf_shm_rx *)rx;
  int32_t result;
  if (c->failed || c->regions.dropping || c->ending_count || limit == 0) {
    result = receive(c, out);
    if (result != LF_EMPTY || limit == 0) return result == LF_EMPTY ? LF_TIMEOUT : result;
  }
  uint64_t start = 0; /* read after the first round: on some machines a read of the clock takes longer than a frame */
  uint64_t spin_end = spin < limit ? spin : limit;
  for (;;) {
    /* The clock is read once in 512 polls: a frame that arrives meanwhile waits. */
    const lf_slot *slot = current_slot(c);
    uint32_t wanted = lf_sequence(c->position);
    for (int i = 0; i < 512; i++) {
      uint64_t word = lf_slot_word(slot);
      /* Reads both lines of the slot: the second then arrives with the first, not after it. */
      (void)*(const volatile uint8_t *)(slot->payload + LF_INLINE_MAX - 1);
      if ((uint32_t)word == wanted) {
        if (i == 0) prefetch_next(c);
        return take_slot(c, slot, word, out);
      }
      lf_relax();
    }
    result = receive(c, out); /* closed, died, corrupt */
    if (result != LF_EMPTY) return result;
    if (!start) start = lf_now();
    uint64_t passed = lf_now() - start;
    if (passed < spin_end) continue;
    if (passed >= limit) return LF_TIMEOUT;
    result = arm(c);
    if (result < 0) return result;
    if (result == 0) {
      uint64_t left = limit - passed, nap = c->ending_count ? NAP_ENDING_NS : NAP_NS;
      result = lf_link_sleep(c->link, left < nap ? left : nap);
      if (result < 0) return result;
      atomic_store_explicit(&c->ring->consumer.waiting, 0, memory_order_relaxed);
      c->misses = 1023;
    }
    result = receive(c, out);
    if (result != LF_EMPTY) return result;
    if (spin_end < limit) { /* after a wake-up the next frame is likely soon: busy-poll again */
      uint64_t now = lf_now() - start;
      spin_end = now + spin < limit ? now + spin : limit;
    }
  }
}

