#ifndef LAVAFLOW_SHM_H
#define LAVAFLOW_SHM_H

#include "lavaflow/frame.h"

/* ---- shm: the ends of a ring in shared memory. tx.h and rx.h have the functions of every transport ---- */

/* Makes the segment and sends it over the link, which has to stay open as long as the end.
 * `fenced` 1 unless both processes registered for membarrier (lf_membarrier_viable). */
LF_API int32_t lf_shm_tx_open(int32_t link, uint32_t slot_count, int32_t fenced);
/* From now on GPU memory of the device can be sent. `share_timeline` 1: the peer's queue waits for running work, and
 * sending does not. May be called once per end. */
LF_API int32_t lf_shm_tx_use_device(int32_t tx, int32_t device, int32_t share_timeline);
/* As lf_tx_send, of a payload in shared memory or in memory of the end's device, without a copy. LF_PENDING while work
 * on the memory runs and the peer's queue can't wait for it: no timeline is shared, or the peer's host may read the
 * bytes. EXTERNAL_HANDLE_MISMATCH for memory of another device. */
LF_API int32_t lf_shm_tx_send_memory(int32_t tx, int32_t memory);
/* The same for `size` bytes from `offset` on. The peer maps the whole memory, and the frame is the part. */
LF_API int32_t lf_shm_tx_send_part(int32_t tx, int32_t memory, double offset, double size);
/* 1 with the timeline value of the device that the peer may wait for, if it was not reached; else 0. Close the end
 * after it: the waits of a peer end with the end. */
LF_API int32_t lf_shm_tx_pending(int32_t tx, double *value);
/* The number of frames of the memory that the peer has not released; 0 if none was sent here, and once the peer closed
 * or died. CORRUPT_SEGMENT. */
LF_API int32_t lf_shm_tx_unreleased(int32_t tx, int32_t memory);
/* Tells the peer to unmap the memory. Frames that were sent stay valid. */
LF_API int32_t lf_shm_tx_forget_memory(int32_t tx, int32_t memory);
/* As lf_tx_commit. The frame is a copy of a MemoryBuffer that the peer can't reach. */
LF_API int32_t lf_shm_tx_commit_staged(int32_t tx, uint32_t block, double length);
/* Returns pages of large idle blocks to the system. 1: call again, there may be more. LF_EMPTY: call again later.
 * 0: none is left until another large block is used. */
LF_API int32_t lf_shm_tx_trim(int32_t tx);
/* Asks the kernel whether the consumer lives: CHANNEL_CLOSED or PEER_DIED, which stays. */
LF_API int32_t lf_shm_tx_peer_status(int32_t tx);
/* Polls `spins` times, without a system call. 1: the condition `until` (LF_UNTIL_CREDITS, LF_UNTIL_RELEASED) may
 * hold, or the peer closed; else 0. */
LF_API int32_t lf_shm_tx_poll(int32_t tx, int32_t until, int32_t spins);

/* A handle; LF_EMPTY while the segment has not arrived. */
LF_API int32_t lf_shm_rx_open(int32_t link, int32_t fenced);
/* From now on GPU memory of the device and driver that `uuids` names (2 x LF_UUID_BYTES) can be received. If that is
 * `device`, the memory is imported; else its OS handle is kept for lf_shm_rx_claim. May be called once per end. */
LF_API int32_t lf_shm_rx_use_device(int32_t rx, int32_t device, const uint8_t *uuids);
/* Releases the frames whose work has ended, and ends the waits for a producer that died. 1 with the device's timeline
 * value that the rest waits for (`all` 1: that all work on the peer's memory reaches), else 0. */
LF_API int32_t lf_shm_rx_pending(int32_t rx, int32_t all, double *value);
/* The OS handle of a region of another GPU, owned by the caller. May be called once per region. */
LF_API int32_t lf_shm_rx_claim(int32_t rx, uint32_t region, int64_t *out);
/* Asks the kernel whether the producer lives, LF_OK or LF_EMPTY. The next empty receive asks again. */
LF_API int32_t lf_shm_rx_peer_status(int32_t rx);
/* Polls `spins` times, without a system call. 1: there is a frame, or none will come; else 0. */
LF_API int32_t lf_shm_rx_poll(int32_t rx, int32_t spins);

/* 1 when this process can take part in asymmetric barriers (Linux membarrier), else 0. */
LF_API int32_t lf_membarrier_viable(void);

#endif
