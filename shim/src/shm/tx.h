/* The sending end: tx.c makes it, rcache.c sends MemoryBuffers with it, tx_peer.c reads what the consumer writes, and
 * tx_announce.c announces regions to it. */
#ifndef LF_SHM_TX_H
#define LF_SHM_TX_H

#include "abi/tx.h"
#include "gpu/gpu_memory.h"
#include "host/membarrier.h"
#include "host/pool.h"
#include "ipc/link.h"
#include "shm/ring.h"

/* A MemoryBuffer that the peer has mapped or imported, in the registration cache. */
typedef struct {
  int32_t memory;
  uint32_t region;
  uint64_t size;
  lf_gpu_memory *gpu; /* NULL for shared memory; valid while the handle is */
  uint32_t counter;
} lf_rcache_entry;

/* This side's view of a counter in the ring's memory_released. All modulo 2^32. */
typedef struct {
  uint32_t sent;
  uint32_t released; /* as last read */
  uint32_t users;    /* MemoryBuffers in the registration cache */
} lf_counter;

typedef struct {
  lf_tx tx;
  /* what every send touches */
  lf_slot *slots;
  lf_ring *ring;
  uint64_t head;  /* messages committed */
  uint64_t bytes;
  uint64_t taken; /* by the consumer, as last read */
  uint32_t slot_count;
  uint32_t reserved; /* slots for loans */
  int32_t fenced;
  int32_t failed; /* the sticky error: the segment is not trusted any more */
  lf_pace pace;
  lf_link *link;
  lf_rcache_entry *rcache; /* by the index of a memory handle */
  lf_counter *counters;    /* LF_COUNTERS */
  uint64_t reached;        /* by the device's queue, as last read */
  /* the rest */
  uint64_t released;
  uint64_t returned; /* blocks that the consumer has released */
  uint64_t next_check;
  uint32_t reserved_inline;
  uint32_t imports;
  lf_device *device; /* whose memory can be sent, or NULL */
  uint64_t awaited;  /* the highest value of its timeline that the peer may wait for */
  uint8_t share_timeline;
  uint8_t timeline_sent;
  lf_segment segment;
  uint32_t *dropping; /* regions whose drop message was not sent yet */
  uint32_t dropping_count, dropping_capacity;
  lf_pool pool;
} lf_shm_tx;

extern const lf_tx_ops lf_shm_tx_ops;

#define LF_FIND_SHM_TX(p, handle) \
  lf_shm_tx *p = lf_tx_get(handle, &lf_shm_tx_ops); \
  if (__builtin_expect(!p, 0)) return lf_status_code()

/* ---- tx_peer.c ---- */

void lf_shm_tx_wake_peer(lf_shm_tx *p);
/* Notifies a consumer that is parked: 1, CHANNEL_CLOSED or PEER_DIED. */
int32_t lf_shm_tx_wake(lf_shm_tx *p);
/* CHANNEL_CLOSED or PEER_DIED; LF_OK while the consumer lives. */
int32_t lf_shm_tx_check_peer(lf_shm_tx *p);
/* Fails the end: the consumer wrote an invalid value. CORRUPT_SEGMENT. */
int32_t lf_shm_tx_corrupt(lf_shm_tx *p, const char *what, uint64_t got);
/* Nothing was sent: LF_FULL, unless the consumer closed or died. */
int32_t lf_shm_tx_full(lf_shm_tx *p);
/* The error of an end that failed before. */
int32_t lf_shm_tx_failed(const lf_shm_tx *p);
/* Reads the consumer's position: 1 if it has changed, 0, or an error. */
int32_t lf_shm_tx_read_taken(lf_shm_tx *p);
/* LF_OK with a free slot. */
int32_t lf_shm_tx_check_capacity(lf_shm_tx *p);

/* ---- tx_announce.c ---- */

/* Sends a message on the connection: 1; LF_FULL. The caller keeps `os`. */
int32_t lf_shm_tx_put(lf_shm_tx *p, uint32_t kind, const void *message, uint32_t length, int64_t os);

/* Announces a region to the peer: 1; LF_FULL. The caller keeps `os`. */
int32_t lf_shm_tx_announce(lf_shm_tx *p, const lf_region_message *message, int64_t os);
/* Sends a drop message for the region, at once or as soon as the connection accepts it. */
int32_t lf_shm_tx_drop(lf_shm_tx *p, uint32_t id);
void lf_shm_tx_retry_drops(lf_shm_tx *p);

/* ---- sending ---- */

static inline int lf_shm_tx_has_capacity(const lf_shm_tx *p) {
  return p->head + p->reserved - p->taken < p->slot_count;
}

static inline lf_slot *lf_shm_tx_slot(lf_shm_tx *p) { return &p->slots[p->head & (p->slot_count - 1)]; }

/* Makes the frame visible to the consumer: 1, CHANNEL_CLOSED or PEER_DIED. */
static inline int32_t lf_shm_tx_publish(lf_shm_tx *p, lf_slot *slot, uint32_t length) {
  uint64_t word = (uint64_t)length << 32 | lf_sequence(p->head);
  atomic_store_explicit(&slot->word, word, memory_order_release);
  p->head++;
  lf_barrier_of_waker(p->fenced);
  if (__builtin_expect(lf_side_read(&p->ring->consumer) != 0, 0)) return lf_shm_tx_wake(p);
  /* A producer that never finds the ring full learns of the consumer's death here. */
  if (lf_pace_due(&p->pace)) {
    if (p->dropping_count) lf_shm_tx_retry_drops(p);
    int32_t status = lf_shm_tx_check_peer(p);
    if (status < 0) return status;
  }
  return 1;
}

static inline int32_t lf_shm_tx_publish_region(lf_shm_tx *p, const lf_descriptor *descriptor) {
  lf_slot *slot = lf_shm_tx_slot(p);
  p->bytes += descriptor->length;
  memcpy(slot->payload, descriptor, sizeof *descriptor);
  return lf_shm_tx_publish(p, slot, LF_LENGTH_REGION);
}

#endif
