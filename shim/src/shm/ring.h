/*
 * The shared segment of a channel: a ring of slots from one producer to one consumer, and a smaller ring of block
 * numbers in the other direction. docs/segment-layout.md draws it.
 *
 * A slot's first word publishes it: sequence number and length in one 64-bit store. So an idle consumer polls the
 * cache line of the next frame itself, and no index crosses between the cores. All other shared words are 128 bytes
 * apart (two cache lines: processors fetch them in pairs) and are read rarely.
 *
 * No side trusts a value of the other. Both keep their positions in private memory.
 */
#ifndef LF_RING_H
#define LF_RING_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/channel_limits.h"
#include "host/pool.h"
#include "lavaflow.h"

#define LF_RING_MAGIC 0x474e495256414c00u /* "\0LAVRING" */
#define LF_SLOT_BYTES 128
#define LF_LINE 128
/* Counters of released frames of MemoryBuffers. Each buffer has its own while the peer has mapped no more buffers. */
#define LF_COUNTERS 4096u

/* A slot's length field if the payload is in a region. */
#define LF_LENGTH_REGION 0xffffffu

typedef struct {
  _Alignas(LF_SLOT_BYTES) _Atomic uint64_t word; /* sequence | length << 32 */
  uint8_t payload[LF_INLINE_MAX];
} lf_slot;

/* The payload of a slot with LF_LENGTH_REGION. */
typedef struct {
  uint32_t region;
  uint32_t block; /* LF_NO_BLOCK for a MemoryBuffer */
  uint64_t offset;
  uint64_t length;
  uint64_t wait;     /* GPU memory: the value of the producer's timeline at which its work ends; 0: it has ended */
  uint32_t staged;   /* 1: a block with a copy of a MemoryBuffer that the consumer can't reach */
  uint32_t reserved; /* 0 */
} lf_descriptor;

/* One side's flags: it is parked, it has closed. Every send or receive reads both, so they share a cache line. */
#define LF_FLAG_WAITING ((uint64_t)1)
#define LF_FLAG_CLOSED ((uint64_t)1 << 32)
typedef struct {
  _Alignas(LF_LINE) _Atomic uint32_t waiting;
  _Atomic uint32_t closed;
} lf_side;

/* The consumer checks it once, on a private copy. */
typedef struct {
  uint64_t magic;
  uint32_t wire_version;
  uint32_t slot_count;
  uint32_t slot_bytes;
  uint32_t block_count;
  uint64_t total_bytes;
} lf_ring_head;

typedef struct {
  lf_ring_head head;
  lf_side producer;
  _Alignas(LF_LINE) _Atomic uint64_t taken;    /* by the consumer: slots it has read */
  _Alignas(LF_LINE) _Atomic uint64_t released; /* by the consumer: frames that its user released */
  lf_side consumer;
  _Alignas(LF_LINE) _Atomic uint64_t returns[LF_BLOCKS_MAX]; /* by the consumer: sequence | block << 32 */
  _Atomic uint32_t memory_released[LF_COUNTERS]; /* by the consumer: frames of MemoryBuffers, by the region's counter */
} lf_ring;

/* As in docs/segment-layout.md. */
_Static_assert(sizeof(lf_slot) == 128 && offsetof(lf_slot, payload) == 8, "a slot");
_Static_assert(offsetof(lf_ring, producer) == 128 && offsetof(lf_side, closed) == 4, "the producer's flags");
_Static_assert(offsetof(lf_ring, taken) == 256 && offsetof(lf_ring, released) == 384, "the consumer's counts");
_Static_assert(offsetof(lf_ring, consumer) == 512, "the consumer's flags");
_Static_assert(offsetof(lf_ring, returns) == 640 && offsetof(lf_ring, memory_released) == 33408, "what comes back");
_Static_assert(sizeof(lf_ring) == 49792, "the slots");

static inline lf_slot *lf_ring_slots(lf_ring *ring) { return (lf_slot *)((char *)ring + sizeof(lf_ring)); }
static inline size_t lf_ring_bytes(uint32_t slot_count) {
  return sizeof(lf_ring) + (size_t)slot_count * sizeof(lf_slot);
}

/* A region announced over the link, with the OS handle of its memory. */
typedef struct {
  uint32_t region;
  uint32_t kind; /* LF_REGION_... */
  uint64_t size;
  uint64_t allocation;              /* GPU memory: bytes that the producer's driver allocated; else 0 */
  uint32_t host_visible;            /* GPU memory; else 0 */
  uint32_t counter;                 /* in memory_released; 0 for pooled blocks */
  uint8_t uuids[2 * LF_UUID_BYTES]; /* GPU memory: of its device and driver; else 0 */
} lf_region_message;

/* The timeline of the producer's device, with its OS handle. Sent before the first region of GPU memory. */
typedef struct {
  uint8_t uuids[2 * LF_UUID_BYTES];
} lf_timeline_message;

/* A region that is dropped: no frame from `position` on uses it. */
typedef struct {
  uint32_t region;
  uint32_t reserved;
  uint64_t position;
} lf_drop_message;

static inline uint64_t lf_slot_word(const lf_slot *slot) {
  return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&slot->word, memory_order_acquire);
}

static inline uint32_t lf_sequence(uint64_t position) { return (uint32_t)(position + 1); }

static inline uint64_t lf_side_read(lf_side *side) {
  uint64_t waiting = atomic_load_explicit(&side->waiting, memory_order_relaxed);
  uint64_t closed = atomic_load_explicit(&side->closed, memory_order_relaxed);
  return (waiting ? LF_FLAG_WAITING : 0) | (closed ? LF_FLAG_CLOSED : 0);
}

#endif
