#ifndef LAVAFLOW_EP_H
#define LAVAFLOW_EP_H

#include "lavaflow/frame.h"

/* ---- sender and receiver: the two ends of a channel over MPI ----
 * A sender numbers its lanes; a lane's messages go to one receiver, which tells the sender with credits what was
 * released. Functions that have the name of a producer's or consumer's do what that does. */

/* What goes with a frame over MPI that the receiver's side puts into memory of its own choice, in pieces. */
#define LF_FRAGMENT_BYTES (4u << 20)

/* To `rank`, with up to `slots` frames under way. `link`: a link to that process when both share a host (it proves that
 * the peer lives), else 0. `who` names the peer in errors, UTF-8. `lane` is what the receiver has to be told. */
LF_API int32_t lf_sender_open(int32_t rank, int32_t link, uint32_t slots, const char *who, uint32_t who_bytes,
                              uint32_t *lane);
/* The receiver is there, under this address; before this, nothing is sent but the lane's first message. */
LF_API int32_t lf_sender_agree(int32_t sender, double address);
LF_API int32_t lf_sender_send(int32_t sender, const void *data, uint32_t length);
/* The same; but of small frames that follow each other closely, all after the first may wait for company: 2 for one that
 * does, until lf_sender_flush, or until this process waits for something to come. */
LF_API int32_t lf_sender_put(int32_t sender, const void *data, uint32_t length);
LF_API int32_t lf_sender_flush(int32_t sender);
/* Sends from the caller's memory, which must stay as it is until lf_sender_sent says so: a ticket, 1 and up. LF_FULL. */
LF_API int32_t lf_sender_start(int32_t sender, const void *data, double length, double *ticket);
/* A frame that is sent in pieces of LF_FRAGMENT_BYTES (the last one shorter), each with lf_sender_piece, before any other
 * frame: 1. LF_FULL. */
LF_API int32_t lf_sender_begin(int32_t sender, double length);
LF_API int32_t lf_sender_piece(int32_t sender, const void *data, double length, double *ticket);
/* The last ticket before which, and with which, everything has left the caller's memory. */
LF_API int32_t lf_sender_sent(int32_t sender, double *ticket);
LF_API int32_t lf_sender_loan(int32_t sender, double length, lf_loan *out);
LF_API int32_t lf_sender_commit(int32_t sender, uint32_t block, double length);
LF_API int32_t lf_sender_abort(int32_t sender, uint32_t block);
LF_API int32_t lf_sender_reserve(int32_t sender);
LF_API int32_t lf_sender_commit_inline(int32_t sender, const void *data, uint32_t length);
LF_API int32_t lf_sender_abort_inline(int32_t sender);
LF_API int32_t lf_sender_region(int32_t sender, uint32_t region, lf_region_info *out);
LF_API int32_t lf_sender_retirable(int32_t sender, uint32_t *out);
LF_API int32_t lf_sender_retire(int32_t sender, uint32_t region);
/* Rings its bell when `until` has come: room may be there, all is released, or a ticket more was sent. */
LF_API int32_t lf_sender_arm(int32_t sender, int32_t until);
/* A descriptor that becomes readable when what was armed for has come; the caller owns it. LF_EMPTY where the system
 * has no such thing: then poll. */
LF_API int32_t lf_sender_bell(int32_t sender, int64_t *out);
LF_API int32_t lf_sender_stats(int32_t sender, lf_end_stats *out);
LF_API int32_t lf_sender_close(int32_t sender);

/* The other end of a lane of `rank`. `pieces` 1: frames that are sent in pieces are put where lf_receiver_piece says;
 * 0: into blocks, like all others. */
LF_API int32_t lf_receiver_open(int32_t rank, int32_t link, uint32_t lane, uint32_t slots, int32_t pieces,
                                const char *who, uint32_t who_bytes);
/* 1 with its address once the lane's first message has come, else LF_EMPTY. */
LF_API int32_t lf_receiver_ready(int32_t receiver, double *address);
/* As lf_rx_receive; a frame that comes in pieces is LF_REGION with `reach` LF_REACH_STAGED, region 0 and its
 * length. */
LF_API int32_t lf_receiver_receive(int32_t receiver, lf_frame *out);
LF_API int32_t lf_receiver_receive_wait(int32_t receiver, double timeout_ms, double spin_us, lf_frame *out);
/* The next piece of the frames that come in pieces, in order, goes to `data`: a ticket. */
LF_API int32_t lf_receiver_piece(int32_t receiver, void *data, double length, double *ticket);
/* The last ticket before which, and with which, every piece is there. */
LF_API int32_t lf_receiver_arrived(int32_t receiver, double *ticket);
LF_API int32_t lf_receiver_release(int32_t receiver, uint32_t token);
LF_API int32_t lf_receiver_region(int32_t receiver, uint32_t region, lf_region_info *out);
/* 1 with a region that has to go before more can be taken from the sender, else LF_EMPTY. The bell rings for it, armed or
 * not. */
LF_API int32_t lf_receiver_retirable(int32_t receiver, uint32_t *out);
LF_API int32_t lf_receiver_retire(int32_t receiver, uint32_t region);
/* Rings its bell at the next frame, and when a piece has arrived. */
LF_API int32_t lf_receiver_arm(int32_t receiver);
LF_API int32_t lf_receiver_bell(int32_t receiver, int64_t *out);
LF_API int32_t lf_receiver_stats(int32_t receiver, lf_end_stats *out);
LF_API int32_t lf_receiver_close(int32_t receiver);

#endif
