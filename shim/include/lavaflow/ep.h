#ifndef LAVAFLOW_EP_H
#define LAVAFLOW_EP_H

#include "lavaflow/frame.h"

/* ---- ep: the endpoints of a channel over MPI. tx.h and rx.h have the functions of every transport ----
 * A sending end has a tag, and its messages go to one receiving end. Credits tell it which frames were released. */

/* Bytes of one fragment of a frame that the receiver puts into memory of its own choice. */
#define LF_FRAGMENT_BYTES (4u << 20)

/* To `rank`, with at most `slots` frames queued. `link`: a link to that process if both share a host (its end proves
 * the peer's death), else 0. `who` names the peer in errors, UTF-8. The receiver has to know `tag`. */
LF_API int32_t lf_mpi_tx_open(int32_t rank, int32_t link, uint32_t slots, const char *who, uint32_t who_bytes,
                              uint32_t *tag);
/* The receiver exists and has this address. Before this call nothing but the first message is sent. */
LF_API int32_t lf_mpi_tx_connect(int32_t tx, double address);
/* As lf_tx_send, but small frames that follow each other closely share messages. 2: the frame is held back until
 * lf_mpi_tx_flush, or until this process waits for a frame or an event. */
LF_API int32_t lf_mpi_tx_send_coalesced(int32_t tx, const void *data, uint32_t length);
LF_API int32_t lf_mpi_tx_flush(int32_t tx);
/* Sends from the caller's memory, which must not change until lf_mpi_tx_sent returns the ticket: 1. Tickets count from
 * 1. LF_FULL. */
LF_API int32_t lf_mpi_tx_send_zcopy(int32_t tx, const void *data, double length, double *ticket);
/* Announces a frame in fragments of LF_FRAGMENT_BYTES (the last is shorter): 1. lf_mpi_tx_send_fragment sends each of
 * them before any other frame. LF_FULL. */
LF_API int32_t lf_mpi_tx_begin_fragments(int32_t tx, double length);
LF_API int32_t lf_mpi_tx_send_fragment(int32_t tx, const void *data, double length, double *ticket);
/* The last ticket up to which MPI reads no memory of the caller. */
LF_API int32_t lf_mpi_tx_sent(int32_t tx, double *ticket);

/* The receiving end for a tag of `rank`. `fragments` 1: the caller receives fragments with lf_mpi_rx_receive_fragment;
 * 0: they arrive in blocks, as all other frames. */
LF_API int32_t lf_mpi_rx_open(int32_t rank, int32_t link, uint32_t tag, uint32_t slots, int32_t fragments,
                              const char *who, uint32_t who_bytes);
/* 1 with the end's address once the first message has arrived, else LF_EMPTY. lf_rx_receive returns LF_REGION for a
 * frame in fragments, with `reach` LF_REACH_STAGED, region 0 and the length of the frame. */
LF_API int32_t lf_mpi_rx_ready(int32_t rx, double *address);
/* Receives the next fragment, in the order of the frames, into `data`: 1 with a ticket. */
LF_API int32_t lf_mpi_rx_receive_fragment(int32_t rx, void *data, double length, double *ticket);
/* The last ticket up to which every fragment has arrived. lf_rx_arm also requests an event for the next one. */
LF_API int32_t lf_mpi_rx_arrived(int32_t rx, double *ticket);
/* 1 with a region that has to be retired before the end can receive more, else LF_EMPTY. An event tells of it, armed or
 * not. */
LF_API int32_t lf_mpi_rx_retirable(int32_t rx, uint32_t *out);

#endif
