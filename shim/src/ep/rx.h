/*
 * The receiving end of a lane, as rx.c makes it and keeps it, and rx_poll.c takes its messages out of MPI. All of it
 * is under the job's lock, but for the count of released frames.
 */
#ifndef LF_RECEIVER_H
#define LF_RECEIVER_H

#include "base/fifo.h"
#include "base/rx.h"
#include "ep/ep.h"
#include "host/event.h"
#include "host/pool.h"

/* Receives that wait for the lane's next messages. MPI compares a message with those of other lanes, too, so they are no
 * more than it takes: what comes between two looks goes through MPI's own memory where there is none. */
#define LF_POSTED 4u

typedef struct {
  lf_mpi_request request;
  uint32_t cell;
} lf_posted;

/* A frame that was accepted and is not received yet. */
typedef enum { LF_ARRIVAL_CELL, LF_ARRIVAL_BLOCK, LF_ARRIVAL_APART } lf_arrival_kind;
typedef struct {
  uint64_t length;
  uint64_t message_bytes; /* of its bulk; the last one is shorter */
  uint64_t asked;         /* so many bytes MPI was asked for */
  uint32_t missing;       /* messages of bulk that have not come */
  uint32_t frames;        /* in a cell that has several; else 0 */
  uint32_t index;         /* cell or block */
  uint8_t kind;
  uint8_t placed; /* it has its block */
  uint8_t cut; /* the sender ended before all of it was sent */
} lf_arrival;

/* A message of bulk that is to come. */
typedef struct {
  lf_mpi_request request;
  uint64_t ticket;   /* 0: of an arrival, */
  uint32_t arrival;  /* which has this position */
  uint32_t bytes;
} lf_incoming;

/* What stands in an unused part of a cell. */
enum { LF_CELL_FREE = 0, LF_CELL_QUEUED = 1, LF_CELL_HELD = 2 };
#define LF_CELL_STATE(r, cell) (*lf_cell(&(r)->cells, cell))

typedef struct {
  lf_rx rx;
  lf_job_end end;
  lf_job *job;
  /* what every receive touches */
  lf_posted posted[LF_POSTED];
  uint32_t first, next; /* positions in `posted` of the oldest one and of the next to be posted */
  uint32_t tag, slots;
  uint64_t accepted, bytes;
  uint64_t taken_told; /* what the sender knows */
  /* The user's thread alone writes these, also without the lock. */
  _Atomic uint64_t taken, released;
  const uint8_t *batch; /* the next of the frames that came in one cell */
  uint32_t batch_left, batch_cell;
  uint8_t batch_done;         /* the cell is to be given back */
  _Atomic uint64_t tell_at;   /* how many taken ones are worth a message to the sender; under the lock, as the next */
  _Atomic uint8_t tell_next;  /* the next release is */
  lf_fifo arrivals;
  lf_cells cells;
  lf_ep_peer peer;
  /* bulk */
  lf_fifo incoming;
  lf_fifo apart;      /* frames in fragments that were received: bytes that were not asked for yet */
  uint32_t rndv_next; /* position in `arrivals` of the first whose bulk is not asked for */
  uint64_t apart_held, tickets, arrived, arrived_told;
  lf_pool pool;
  /* the rest */
  uint64_t released_told, returned, returned_told;
  uint64_t wanted_released; /* the sender waits for so many; 0: it does not */
  uint64_t incoming_bytes;  /* of `incoming` */
  uint64_t dropped;         /* accepted frames of which the sender did not send all */
  uint64_t address;         /* a number that no other receiver of this process had */
  uint8_t *scratch;         /* of a closed one: where the rest goes */
  uint8_t wanted_credits;
  uint8_t fragments;  /* frames in fragments are put where the user says */
  uint8_t hello;   /* the first message has come */
  uint8_t ended;   /* the last one has: LF_CREDIT_... */
  uint8_t retire;  /* a region has to go before the next block can be had */
  uint8_t cut;     /* a fragment that the user gave a place for was never sent */
  uint8_t working; /* counts as one who waits, as MPI has bulk under way */
  uint8_t kept;    /* MPI may still write to its memory, when there are no rounds any more */
  uint8_t finished; /* the user closed it; `closed` alone: the thread ended */
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

/* Tokens: 0 for what was copied out; then blocks, cells, and all frames in fragments. */
#define LF_TOKEN_BLOCK 1u
#define LF_TOKEN_CELL (LF_TOKEN_BLOCK + LF_BLOCKS_MAX)
#define LF_TOKEN_APART 0x3fffffffu

/* ---- rx_poll.c ---- */

/* A look at the lane: LF_PENDING with the next message taken in, LF_EMPTY, or the sticky. Where `out` is given, and the
 * message is a small frame, it is received at once: its length. */
int32_t lf_ep_rx_poll(lf_ep_rx *r, lf_frame *out);
/* Posts up to `most` receives in the places of those that were used. */
void lf_ep_rx_post(lf_ep_rx *r, uint32_t most);
/* Asks for bulk of announced frames and takes in what has come. 1 when something moved. */
int lf_ep_rx_progress_rndv(lf_ep_rx *r);
/* One message of bulk into `data`: 1, or what failed. */
int32_t lf_ep_rx_expect(lf_ep_rx *r, void *data, uint32_t bytes, uint32_t arrival, uint64_t ticket);
/* Takes back from MPI what it was asked for and will not come: 1 when it has nothing left. */
int lf_ep_rx_cancel(lf_ep_rx *r);

/* ---- rx_round.c ---- */

int lf_ep_rx_round(lf_job_end *end, uint64_t now);
void lf_ep_rx_over(lf_job_end *end, const char *reason);
void lf_ep_rx_free(lf_ep_rx *r);

/* ---- rx_credit.c ---- */

/* Whether the sender does not know all that was taken and released. */
int lf_ep_rx_owes_credits(const lf_ep_rx *r);
/* Tells the sender what was taken and released, where it does not know it. */
void lf_ep_rx_send_credits(lf_ep_rx *r);
/* What it asked for is there already? Then it is told. */
void lf_ep_rx_answer(lf_ep_rx *r);
void lf_ep_rx_corrupt(lf_ep_rx *r, const char *what, uint64_t got);

/* ---- notify.c ---- */

/* Something came that the user may wait for: rings, where that was asked for. */
void lf_ep_rx_notify(lf_ep_rx *r);
/* Rings in any case. */
void lf_ep_rx_signal(lf_ep_rx *r);

static inline uint64_t lf_ep_rx_released(const lf_ep_rx *r) {
  return atomic_load_explicit(&r->released, memory_order_relaxed);
}
static inline uint64_t lf_ep_rx_taken(const lf_ep_rx *r) {
  return atomic_load_explicit(&r->taken, memory_order_relaxed);
}

/* One more was received; its number. 1 in *tell when that is worth a message to the sender. */
static inline double lf_ep_rx_count(lf_ep_rx *r, uint64_t length, int *tell) {
  uint64_t taken = lf_ep_rx_taken(r);
  atomic_store_explicit(&r->taken, taken + 1, memory_order_relaxed);
  r->bytes += length;
  *tell = taken + 1 >= atomic_load_explicit(&r->tell_at, memory_order_relaxed);
  return (double)(int64_t)taken;
}

#endif
