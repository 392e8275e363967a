/* The receiving end: rx.c makes it, rx_receive.c reads the ring, rx_release.c releases frames, and rx_peer.c sees the
 * producer. */
#ifndef LF_SHM_RX_H
#define LF_SHM_RX_H

#include "abi/rx.h"
#include "host/membarrier.h"
#include "host/pool.h"
#include "ipc/link.h"
#include "shm/region.h"
#include "shm/ring.h"

/* A frame that the user released while work of this side on its memory ran. */
typedef struct {
  uint64_t value;  /* of the device's timeline, at which the work ends */
  uint32_t region; /* its index */
} ending_frame;

typedef struct {
  lf_rx rx;
  /* what every receive touches */
  lf_slot *slots;
  lf_ring *ring;
  uint64_t position; /* slots read */
  uint64_t bytes;
  uint64_t released;
  uint32_t slot_count;
  int32_t fenced;
  int32_t failed;
  uint32_t misses; /* empty polls since the kernel was last asked whether the peer lives */
  lf_pace pace;    /* of empty polls */
  lf_link *link;
  uint64_t reached; /* by the device's queue, as last read */
  uint32_t ending_count;
  lf_regions regions;
  /* the rest */
  ending_frame *ending;
  uint32_t ending_capacity;
  uint64_t returned;
  lf_segment segment;
  uint32_t block_region[LF_BLOCKS_MAX]; /* index of the region + 1, of a block that the user holds; else 0 */
} lf_shm_rx;

extern const lf_rx_ops lf_shm_rx_ops;

#define LF_FIND_SHM_RX(c, handle) \
  lf_shm_rx *c = lf_rx_get(handle, &lf_shm_rx_ops); \
  if (__builtin_expect(!c, 0)) return lf_status_code()

static inline void lf_shm_rx_wake_peer(lf_shm_rx *c) {
  lf_barrier_of_waker(c->fenced);
  if (__builtin_expect(atomic_load_explicit(&c->ring->producer.waiting, memory_order_relaxed), 0) &&
      atomic_exchange_explicit(&c->ring->producer.waiting, 0, memory_order_relaxed))
    lf_link_notify(c->link);
}

/* ---- rx_peer.c ---- */

/* Asks the kernel. A producer that died signals its timeline no more: the waits for the timeline end here. */
int lf_shm_rx_peer_alive(lf_shm_rx *c);
/* Reads the producer's messages about regions. An error stays in c->failed. */
int32_t lf_shm_rx_read_link(lf_shm_rx *c);
/* Fails the end: the producer wrote an invalid value. CORRUPT_SEGMENT. */
int32_t lf_shm_rx_corrupt(lf_shm_rx *c, const char *what, uint64_t got);
/* The error of an end that failed before. */
int32_t lf_shm_rx_failed(lf_shm_rx *c);

/* ---- rx_release.c ---- */

int32_t lf_shm_rx_release(lf_rx *rx, uint32_t token);
/* Releases the frames whose work has ended. */
void lf_shm_rx_end_frames(lf_shm_rx *c);

/* ---- rx_receive.c ---- */

int32_t lf_shm_rx_receive(lf_rx *rx, lf_frame *out);
int32_t lf_shm_rx_receive_wait(lf_rx *rx, uint64_t limit, uint64_t spin, lf_frame *out);
int32_t lf_shm_rx_arm(lf_rx *rx);

#endif
