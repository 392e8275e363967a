#ifndef LAVAFLOW_RX_H
#define LAVAFLOW_RX_H

#include "lavaflow/frame.h"

/* ---- rx: the receiving end of a channel, of every transport (lf_shm_rx_open, lf_mpi_rx_open) ---- */

/* 0..LF_INLINE_MAX: an inline payload of that length. LF_REGION, LF_EMPTY, LF_RETIRE (detach the views of out->region,
 * call lf_rx_retire, call again); CHANNEL_CLOSED or PEER_DIED once every frame was received. */
LF_API int32_t lf_rx_receive(int32_t rx, lf_frame *out);
/* Blocks the thread: busy-polls for up to `spin_us`, then parks. Also LF_TIMEOUT. */
LF_API int32_t lf_rx_receive_wait(int32_t rx, double timeout_ms, double spin_us, lf_frame *out);
/* `token` 0 for an inline payload. LF_PENDING: work of this side on the memory runs. The first call after the end of
 * the work releases the frame (see lf_shm_rx_pending). */
LF_API int32_t lf_rx_release(int32_t rx, uint32_t token);
LF_API int32_t lf_rx_region(int32_t rx, uint32_t region, lf_region_info *out);
LF_API int32_t lf_rx_retire(int32_t rx, uint32_t region);
/* Requests one event for the next frame. 1: a frame is there already, or none will come, and no event comes. */
LF_API int32_t lf_rx_arm(int32_t rx);
/* As lf_tx_event_fd. */
LF_API int32_t lf_rx_event_fd(int32_t rx, int64_t *out);
LF_API int32_t lf_rx_stats(int32_t rx, lf_end_stats *out);
LF_API int32_t lf_rx_close(int32_t rx);

#endif
