#ifndef LAVAFLOW_TX_H
#define LAVAFLOW_TX_H

#include "lavaflow/frame.h"

/* ---- tx: the sending end of a channel, of every transport (lf_shm_tx_open, lf_mpi_tx_open) ----
 * CHANNEL_CLOSED or PEER_DIED from every call that can't succeed any more. */

/* 1: sent. LF_FULL, or LF_RETIRE: see lf_tx_retirable. */
LF_API int32_t lf_tx_send(int32_t tx, const void *data, uint32_t length);
/* 1: `out` has the block, and a slot is reserved for it. LF_FULL, LF_RETIRE. */
LF_API int32_t lf_tx_loan(int32_t tx, double length, lf_loan *out);
/* Sends the first `length` bytes of a block. */
LF_API int32_t lf_tx_commit(int32_t tx, uint32_t block, double length);
LF_API int32_t lf_tx_abort(int32_t tx, uint32_t block);
/* Reserves one slot for a payload of up to LF_INLINE_MAX bytes. commit_inline uses the slot, abort_inline releases
 * it. */
LF_API int32_t lf_tx_reserve(int32_t tx);
LF_API int32_t lf_tx_commit_inline(int32_t tx, const void *data, uint32_t length);
LF_API int32_t lf_tx_abort_inline(int32_t tx);
LF_API int32_t lf_tx_region(int32_t tx, uint32_t region, lf_region_info *out);
/* 1 with the region that LF_RETIRE is about, else LF_EMPTY. The caller detaches its views, then calls lf_tx_retire. */
LF_API int32_t lf_tx_retirable(int32_t tx, uint32_t *out);
LF_API int32_t lf_tx_retire(int32_t tx, uint32_t region);
/* Requests one event for a condition: credits for a frame, all frames released, or a payload sent that the transport
 * reads in the caller's memory. 1: the state changed already, and no event comes. */
enum { LF_UNTIL_CREDITS = 0, LF_UNTIL_RELEASED = 1, LF_UNTIL_SENT = 2 };
LF_API int32_t lf_tx_arm(int32_t tx, int32_t until);
/* A descriptor that becomes readable at an event. The caller owns it. LF_EMPTY if the system has none: then poll. */
LF_API int32_t lf_tx_event_fd(int32_t tx, int64_t *out);
LF_API int32_t lf_tx_stats(int32_t tx, lf_end_stats *out);
LF_API int32_t lf_tx_close(int32_t tx);

#endif
