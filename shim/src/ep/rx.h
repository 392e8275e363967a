/*
 * The receiving end: rx.c has the calls of the user, rx_poll.c receives messages from MPI, rx_credit.c sends credits.
 * The job's lock guards all of it, except the counts of taken and released frames.
 */
#ifndef LF_EP_RX_H
#define LF_EP_RX_H

#include <stddef.h>

#include "base/fifo.h"
#include "base/rx.h"
#include "ep/ep.h"
#include "host/event.h"
#include "host/pool.h"

/* Receives that are posted at once. MPI matches each message against the posted receives of all endpoints, so they
 * are few. Without a posted receive a message passes through MPI's own memory. */
#define LF_POSTED 4u

typedef struct {
  lf_mpi_request request;
  uint32_t cell;
} lf_posted;

/* A frame that has arrived, or was announced, and is not received. */
typedef enum { LF_ARRIVAL_CELL, LF_ARRIVAL_BLOCK, LF_ARRIVAL_APART } lf_arrival_kind;
typedef struct {
  uint64_t length;
  uint64_t message_bytes; /* bytes of each rendezvous message but the last */
  uint64_t asked;         /* bytes for which receives were posted */
  uint32_t missing;       /* rendezvous messages that have not arrived */
  uint32_t frames;        /* in a cell with several frames; else 0 */
  uint32_t index;         /* cell or block */
  uint8_t kind;
  uint8_t placed; /* it has its block */
  uint8_t cut;    /* the sender ended before it had sent all bytes */
} lf_arrival;

/* A posted receive of a rendezvous message. */
typedef struct {
  lf_mpi_request request;
  uint64_t ticket;  /* of a fragment; 0: the message belongs to an arrival, */
  uint32_t arrival; /* at this position */
  uint32_t bytes;
} lf_incoming;

/* The state of a cell, in its first byte. */
enum { LF_CELL_FREE = 0, LF_CELL_QUEUED = 1, LF_CELL_HELD = 2 };
#define LF_CELL_STATE(r, cell) (*lf_cell(&(r)->cells, cell))

typedef struct {
  lf_rx rx;
  lf_job_end end;
  lf_job *job;
  /* what every receive touches */
  lf_posted posted[LF_POSTED];
  uint32_t first, next; /* positions in `posted`: the oldest, and the next to be posted */
  uint32_t tag, slots;
  uint64_t accepted, bytes;
  uint64_t taken_told; /* as of the last credits sent */
  /* Only the user's thread writes these, with or without the lock. */
  _Atomic uint64_t taken, released;
  const uint8_t *batch; /* the next frame of a cell with several */
  uint32_t batch_left, batch_cell;
  uint8_t batch_done;         /* the cell has to be released */
  _Atomic uint64_t tell_at;   /* credits are sent at this number of taken frames; under the lock, as the next */
  _Atomic uint8_t tell_next;  /* credits may be sent at the next release */
  lf_fifo arrivals;
  lf_cells cells;
  lf_ep_peer peer;
  /* rendezvous */
  lf_fifo incoming;
  lf_fifo apart;      /* frames in fragments that were received: bytes whose fragments were not requested */
  uint32_t rndv_next; /* position in `arrivals` of the first without posted receives */
  uint64_t apart_held, tickets, arrived, arrived_told;
  lf_pool pool;
  /* the rest */
  uint64_t released_told, returned, returned_told;
  uint64_t wanted_released; /* the number that the sender waits for; 0: none */
  uint64_t incoming_bytes;  /* of `incoming` */
  uint64_t dropped;         /* accepted frames that the sender did not send completely */
  uint64_t address;         /* unique in this process */
  uint8_t *scratch;         /* of a closed end: receives the remaining fragments */
  uint8_t wanted_credits;
  uint8_t fragments; /* the user receives fragments */
  uint8_t hello;     /* the first message has arrived */
  uint8_t ended;     /* the last message has arrived: LF_CREDIT_... */
  uint8_t retire;    /* a region has to be retired before the next block can be acquired */
  uint8_t cut;       /* a fragment that the user requested was never sent */
  uint8_t working;   /* as of lf_ep_work */
  uint8_t kept;      /* MPI may still write the memory after the last round */
  uint8_t finished;  /* the user closed it; `closed` alone: the thread ended */
  uint8_t armed, waits, closed, closed_told, over, cancelled, has_event;
  lf_event event;
  lf_sticky_error sticky;
} lf_ep_rx;

extern const lf_rx_ops lf_ep_rx_ops;

static inline lf_ep_rx *lf_ep_rx_of(lf_job_end *end) {
  return (lf_ep_rx *)((char *)end - offsetof(lf_ep_rx, end));
}

/* ---- rx.c: as the functions lf_mpi_rx_* (lavaflow/ep.h) ---- */

/* LF_OK with the end. The caller owns it, and its lf_rx_ops close it. */
int32_t lf_ep_rx_open(int32_t rank, lf_link *link, uint32_t tag, uint32_t slots, int32_t fragments, const char *who,
                      uint32_t who_bytes, lf_ep_rx **out);
int32_t lf_ep_rx_ready(lf_ep_rx *r, double *address);
int32_t lf_ep_rx_receive_fragment(lf_ep_rx *r, void *data, double length, double *ticket);
int32_t lf_ep_rx_arrived(lf_ep_rx *r, double *ticket);
int32_t lf_ep_rx_retirable(lf_ep_rx *r, uint32_t *out);

/* Tokens: 0 for a frame that was copied out; then blocks, cells, and one for all frames in fragments. */
#define LF_TOKEN_BLOCK 1u
#define LF_TOKEN_CELL (LF_TOKEN_BLOCK + LF_BLOCKS_MAX)
#define LF_TOKEN_APART 0x3fffffffu

/* ---- rx_poll.c ---- */

/* Polls: LF_PENDING if a message was accepted, LF_EMPTY, or the sticky error. With `out` a small frame is received
 * at once: its length. */
int32_t lf_ep_rx_poll(lf_ep_rx *r, lf_frame *out);
/* Posts up to `most` receives, as long as fewer than LF_POSTED are posted. */
void lf_ep_rx_post(lf_ep_rx *r, uint32_t most);
/* Posts receives for announced frames, and accepts the rendezvous messages that have arrived. 1: there was progress. */
int lf_ep_rx_progress_rndv(lf_ep_rx *r);
/* Posts the receive of one rendezvous message into `data`: 1, or the failure. */
int32_t lf_ep_rx_expect(lf_ep_rx *r, void *data, uint32_t bytes, uint32_t arrival, uint64_t ticket);
/* Cancels the posted receives: 1 once MPI has none. */
int lf_ep_rx_cancel(lf_ep_rx *r);

/* ---- rx_round.c ---- */

int lf_ep_rx_round(lf_job_end *end, uint64_t now);
void lf_ep_rx_over(lf_job_end *end, const char *reason);
void lf_ep_rx_free(lf_ep_rx *r);

/* ---- rx_credit.c ---- */

/* Whether frames were taken or released since the last credits. */
int lf_ep_rx_owes_credits(const lf_ep_rx *r);
/* Sends the counts of taken and released frames. */
void lf_ep_rx_send_credits(lf_ep_rx *r);
/* Sends credits if the sender waits for the ones that there are. */
void lf_ep_rx_answer(lf_ep_rx *r);
void lf_ep_rx_corrupt(lf_ep_rx *r, const char *what, uint64_t got);

/* ---- notify.c ---- */

/* A change that the user may wait for: notifies an armed user. */
void lf_ep_rx_notify(lf_ep_rx *r);
/* Notifies in any case. */
void lf_ep_rx_signal(lf_ep_rx *r);

static inline uint64_t lf_ep_rx_released(const lf_ep_rx *r) {
  return atomic_load_explicit(&r->released, memory_order_relaxed);
}
static inline uint64_t lf_ep_rx_taken(const lf_ep_rx *r) {
  return atomic_load_explicit(&r->taken, memory_order_relaxed);
}

/* Counts a received frame: its number. 1 in *tell if credits have to be sent. */
static inline double lf_ep_rx_count(lf_ep_rx *r, uint64_t length, int *tell) {
  uint64_t taken = lf_ep_rx_taken(r);
  atomic_store_explicit(&r->taken, taken + 1, memory_order_relaxed);
  r->bytes += length;
  *tell = taken + 1 >= atomic_load_explicit(&r->tell_at, memory_order_relaxed);
  return (double)(int64_t)taken;
}

#endif
