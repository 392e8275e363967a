#ifndef LAVAFLOW_SHM_H
#define LAVAFLOW_SHM_H

#include "lavaflow/status.h"

/* ---- producer and consumer: the two ends of a ring in shared memory ---- */

/* Payloads up to this many bytes ride in the slot itself. */
#define LF_INLINE_MAX 120

/* Room for one message outside the ring, in a region that both sides have mapped. */
typedef struct {
  uint32_t region;
  uint32_t block; /* token for commit and abort */
  double offset;  /* in the region, bytes */
} lf_loan;

/* One received message. */
typedef struct {
  uint8_t payload[LF_INLINE_MAX]; /* where the result was a length */
  uint32_t region;                /* else: which region, */
  uint32_t token;                 /* what to release, */
  double offset;                  /* where in the region, bytes, */
  double length;                  /* and how many bytes; */
  double sequence;                /* of either kind: the message's number, from 0 */
  uint32_t reach; /* in a region: LF_REACH_... */
  uint32_t reserved;
} lf_frame;

enum {
  LF_REACH_HERE = 0,
  LF_REACH_STAGED = 1, /* a copy of a MemoryBuffer that this side can't reach */
  LF_REACH_FOREIGN = 2 /* memory of another GPU */
};

enum {
  LF_REGION_POOLED = 0, /* blocks of the ring */
  LF_REGION_HOST = 1,   /* a MemoryBuffer in shared memory */
  LF_REGION_GPU = 2     /* a MemoryBuffer on a GPU */
};

typedef struct {
  uint64_t address; /* 0 where it is not mapped */
  double size;
  double allocation; /* GPU memory: bytes that the producer's driver allocated */
  int32_t memory;    /* handle of the imported memory; 0 for pooled blocks, and for memory of another GPU */
  uint32_t kind;     /* LF_REGION_... */
  uint32_t host_visible;
  uint32_t reserved;
} lf_region_info;

typedef struct {
  double queued;  /* producer: sent and not yet released; consumer: committed and not yet received */
  double regions; /* mapped now */
  double region_bytes;
  double imports; /* consumer: MemoryBuffers mapped; producer: MemoryBuffers known to the peer */
  double peer;    /* 0 open, 1 closed, 2 died */
  double frames;  /* that went through this end */
  double bytes;
  double held; /* received there and not yet released; 0 where the end can't know (a sender of a job) */
} lf_port_stats;

/* Makes the segment and passes it over the link, which must stay open as long as the producer.
 * `fenced` is 1 unless both processes registered for membarrier (lf_membarrier_viable). */
LF_API int32_t lf_shm_tx_open(int32_t link, uint32_t slot_count, int32_t fenced);
/* From now on GPU memory of the device can be sent. `share_timeline` 1: the peer waits for work under way on its own
 * queue, so that sending need not. Once a producer. */
LF_API int32_t lf_shm_tx_use_device(int32_t producer, int32_t device, int32_t share_timeline);
/* 1: sent. LF_FULL, or LF_RETIRE: see lf_tx_retirable. */
LF_API int32_t lf_tx_send(int32_t producer, const void *data, uint32_t length);
/* The same for a payload in shared memory or in memory of the producer's device: nothing is copied. LF_PENDING while
 * work on it is under way and the peer can't wait for that itself: no timeline is shared, or it may look at the bytes.
 * EXTERNAL_HANDLE_MISMATCH for memory of another device. */
LF_API int32_t lf_shm_tx_send_memory(int32_t producer, int32_t memory);
/* The same for `size` bytes of it from `offset` on: the peer knows the whole memory, and the frame is the part. */
LF_API int32_t lf_shm_tx_send_part(int32_t producer, int32_t memory, double offset, double size);
/* 1 with the device's `value` when the peer may wait for work up to there that has not ended, else 0. Close afterwards:
 * a peer whose producer is gone waits no more. */
LF_API int32_t lf_shm_tx_pending(int32_t producer, double *value);
/* How many frames of it the peer has not released: 0 where it never was sent here, and once the peer closed or died.
 * CORRUPT_SEGMENT. */
LF_API int32_t lf_shm_tx_unreleased(int32_t producer, int32_t memory);
/* Tells the peer to unmap it; frames under way stay valid. */
LF_API int32_t lf_shm_tx_forget_memory(int32_t producer, int32_t memory);
/* 1: `out` says where; its slot in the ring is kept free. LF_FULL, LF_RETIRE. */
LF_API int32_t lf_tx_loan(int32_t producer, double length, lf_loan *out);
/* `staged` 1: the bytes are a copy of a MemoryBuffer that the peer can't reach. */
LF_API int32_t lf_tx_commit(int32_t producer, uint32_t block, double length, int32_t staged);
LF_API int32_t lf_tx_abort(int32_t producer, uint32_t block);
/* Keeps one slot for a small payload that is committed later; commit_inline uses it, abort_inline gives it back. */
LF_API int32_t lf_tx_reserve(int32_t producer);
LF_API int32_t lf_tx_commit_inline(int32_t producer, const void *data, uint32_t length);
LF_API int32_t lf_tx_abort_inline(int32_t producer);
LF_API int32_t lf_tx_region(int32_t producer, uint32_t region, lf_region_info *out);
/* The region that LF_RETIRE is about; the caller detaches its views, then calls lf_tx_retire. */
LF_API int32_t lf_tx_retirable(int32_t producer, uint32_t *out);
LF_API int32_t lf_tx_retire(int32_t producer, uint32_t region);
/* A step towards giving back the pages of large blocks that have been idle for a while: 1 when pages went, and there may be
 * more; LF_EMPTY: some may go later; 0: none is left that would, until another large block is used. */
LF_API int32_t lf_shm_tx_trim(int32_t handle);
/* Asks for the bell. 1: something changed already (room, or everything is released), do not sleep. CHANNEL_CLOSED or
 * PEER_DIED when what is waited for can't come any more. */
LF_API int32_t lf_tx_arm(int32_t producer, int32_t until_released);
/* Asks the kernel whether the consumer lives, whoever sends or not: CHANNEL_CLOSED or PEER_DIED, which stays. */
LF_API int32_t lf_shm_tx_peer_status(int32_t producer);
/* Looks `spins` times, without a system call: 1 as soon as trying again may help (the peer took or gave back what there is
 * no room without, or closed; with `until_released`, everything is released), else 0. */
LF_API int32_t lf_shm_tx_poll(int32_t producer, int32_t until_released, int32_t spins);
LF_API int32_t lf_tx_stats(int32_t producer, lf_port_stats *out);
LF_API int32_t lf_tx_close(int32_t producer);

/* A handle, or LF_EMPTY while the segment has not arrived. */
LF_API int32_t lf_shm_rx_open(int32_t link, int32_t fenced);
/* From now on GPU memory can be received: of the device and driver that `uuids` names (2 x LF_UUID_BYTES). It is imported
 * when that is `device`, else its OS handle is kept for lf_shm_rx_claim. Once a consumer. */
LF_API int32_t lf_shm_rx_use_device(int32_t consumer, int32_t device, const uint8_t *uuids);
/* 0..LF_INLINE_MAX: an inline payload of that length. LF_REGION, LF_EMPTY, LF_RETIRE (detach the views of
 * out->region, call lf_rx_retire, try again); CHANNEL_CLOSED or PEER_DIED once drained. */
LF_API int32_t lf_rx_receive(int32_t consumer, lf_frame *out);
/* Blocks the thread: spins, then sleeps. Also LF_TIMEOUT. */
LF_API int32_t lf_rx_receive_wait(int32_t consumer, double timeout_ms, double spin_us, lf_frame *out);
/* `token` 0 for an inline payload. LF_PENDING: work of this side on the memory is under way; the frame is released when
 * that has ended, by whichever call comes next (see lf_shm_rx_pending). */
LF_API int32_t lf_rx_release(int32_t consumer, uint32_t token);
/* Looks at what went on without the ring: releases frames whose work has ended, and lets work go on that waits for a
 * producer that died. 1 with the device's `value` to wait for when frames are still to be released (`all` 1: when
 * any work on the peer's memory is under way), else 0. */
LF_API int32_t lf_shm_rx_pending(int32_t consumer, int32_t all, double *value);
LF_API int32_t lf_rx_region(int32_t consumer, uint32_t region, lf_region_info *out);
/* The OS handle of a region of another GPU; the caller owns it from now on. Once a region. */
LF_API int32_t lf_shm_rx_claim(int32_t consumer, uint32_t region, int64_t *out);
LF_API int32_t lf_rx_retire(int32_t consumer, uint32_t region);
LF_API int32_t lf_rx_arm(int32_t consumer);
/* Asks the kernel whether the producer lives, LF_OK or LF_EMPTY, and the next empty receive does so again. */
LF_API int32_t lf_shm_rx_peer_status(int32_t consumer);
/* Looks `spins` times, without a system call: 1 as soon as there is a message, or the end of them, else 0. */
LF_API int32_t lf_shm_rx_poll(int32_t consumer, int32_t spins);
LF_API int32_t lf_rx_stats(int32_t consumer, lf_port_stats *out);
LF_API int32_t lf_rx_close(int32_t consumer);

/* 1 when this process can take part in asymmetric barriers (Linux membarrier), else 0. */
LF_API int32_t lf_membarrier_viable(void);

#endif
