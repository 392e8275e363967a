/*
 * The sending end: tx.c has the calls of the user, tx_post.c gives messages to MPI, tx_round.c reads credits. The job's
 * lock guards all of it, except the copy into a block that is on loan.
 */
#ifndef LF_EP_TX_H
#define LF_EP_TX_H

#include <stddef.h>

#include "base/fifo.h"
#include "base/tx.h"
#include "ep/ep.h"
#include "host/event.h"
#include "host/pool.h"

/* A message with a header. */
typedef struct {
  lf_mpi_request request;
  uint32_t cell;
  uint32_t bytes;
  uint64_t up_to; /* a synchronous send: `posted` after this message; else 0 */
} lf_posting;

/* A rendezvous message. */
typedef struct {
  lf_mpi_request request;
  const void *data;
  uint64_t ticket; /* complete with this message; 0: none */
  int32_t bytes;
  uint32_t block; /* released with this message; LF_NO_BLOCK: none */
} lf_rndv_message;

typedef struct lf_ep_tx lf_ep_tx;
struct lf_ep_tx {
  lf_tx tx;
  lf_job_end end;
  lf_job *job;
  /* what every send touches */
  uint64_t head;  /* frames sent */
  uint64_t taken; /* by the receiver */
  uint64_t bytes;
  uint64_t charged, returned; /* of frames sent and on loan; of frames released */
  uint32_t slots;             /* 0 before the receiver has connected, and after a failure: every send then checks */
  uint32_t reserved, reserved_inline;
  uint32_t tag;
  lf_fifo postings;
  uint32_t posting; /* position of the first that was not given to MPI */
  uint64_t posted, accepted; /* bytes given to MPI; bytes that the receiver has taken, as far as is known */
  uint8_t synchronous;       /* a synchronous send is in flight */
  lf_cells cells;
  lf_ep_peer peer;
  /* coalescing: frames that are held back */
  lf_ep_tx *next_open; /* in the list of the ends that hold frames back, or have just sent one */
  uint32_t held, held_bytes, held_cell;
  uint8_t open; /* in that list */
  /* rendezvous */
  lf_fifo rndv;
  uint32_t rndv_started; /* position of the first that was not given to MPI */
  lf_fifo deferred;      /* behind a frame whose fragments were not all sent */
  uint64_t fragments_left, fragment_bytes_left;
  uint64_t tickets, sent, sent_told; /* the last one; the last complete one; the last one returned by lf_ep_tx_sent */
  lf_pool pool;
  /* the rest */
  uint64_t released;
  uint64_t charged_sent; /* the part of `charged` that was sent */
  uint64_t address;      /* the receiver's; 0: unknown */
  uint64_t moves, seen;  /* changes that may have brought credits; those that the user has seen */
  uint32_t wanted_slots;
  uint8_t fragments_apart; /* the receiver's user receives fragments */
  uint8_t armed_credits, armed_released, armed_sent, waits;
  uint8_t asked_credits, asked_released;
  uint8_t peer_state; /* LF_CREDIT_... */
  uint8_t ended;      /* the last message was posted */
  uint8_t closed;     /* the user closed it, or the thread ended */
  uint8_t finished;   /* the user closed it */
  uint8_t over;       /* MPI is finalized */
  uint8_t working;    /* as of lf_ep_work */
  uint8_t kept;       /* MPI may still read the memory after the last round */
  uint8_t has_event;
  lf_event event;
  lf_sticky_error sticky;
};

extern const lf_tx_ops lf_ep_tx_ops;

static inline lf_ep_tx *lf_ep_tx_of(lf_job_end *end) {
  return (lf_ep_tx *)((char *)end - offsetof(lf_ep_tx, end));
}

/* ---- tx.c: as the functions lf_mpi_tx_* (lavaflow/ep.h) ---- */

/* The end and its first message. The caller owns the end, and its lf_tx_ops close it. */
int32_t lf_ep_tx_open(int32_t rank, lf_link *link, uint32_t slots, const char *who, uint32_t who_bytes,
                      lf_ep_tx **out);
int32_t lf_ep_tx_connect(lf_ep_tx *s, double address);
int32_t lf_ep_tx_send_coalesced(lf_ep_tx *s, const void *data, uint32_t length);
int32_t lf_ep_tx_flush(lf_ep_tx *s);
int32_t lf_ep_tx_send_zcopy(lf_ep_tx *s, const void *data, double length, double *ticket);
int32_t lf_ep_tx_begin_fragments(lf_ep_tx *s, double length);
int32_t lf_ep_tx_send_fragment(lf_ep_tx *s, const void *data, double length, double *ticket);
int32_t lf_ep_tx_sent(lf_ep_tx *s, double *ticket);

/* ---- tx_post.c ---- */

/* A message of up to LF_EAGER_MAX bytes after its header: 1; HOST_OUT_OF_MEMORY, MPI_FAILED. */
int32_t lf_ep_tx_post(lf_ep_tx *s, uint64_t word, const void *data, uint32_t length);
/* A frame of up to LF_INLINE_MAX bytes: 1 if it was posted, 2 if it is held back. */
int32_t lf_ep_tx_post_coalesced(lf_ep_tx *s, const void *data, uint32_t length);
/* Posts the frames that are held back. */
void lf_ep_tx_post_held(lf_ep_tx *s);
/* Takes the end out of the list for coalescing. */
void lf_ep_tx_unlist(lf_ep_tx *s);
/* The bytes of an announced frame: 1, or as lf_ep_tx_post. MPI's last read releases `block`. */
int32_t lf_ep_tx_post_rndv(lf_ep_tx *s, const void *data, uint64_t length, uint32_t block, uint64_t ticket);
/* The next fragment of the announced frame. */
int32_t lf_ep_tx_post_fragment(lf_ep_tx *s, const void *data, uint32_t length, uint64_t ticket);
/* Posts the deferred messages, after the last fragment. */
void lf_ep_tx_resume(lf_ep_tx *s);
/* Frees the messages that MPI has sent: 1 if there was one. Without `all` the last one is not tested, as MPI has
 * likely not sent it. */
int lf_ep_tx_reap(lf_ep_tx *s, int all);
static inline int lf_ep_tx_busy(const lf_ep_tx *s) {
  return lf_fifo_count(&s->postings) + lf_fifo_count(&s->rndv) + lf_fifo_count(&s->deferred) > 0;
}

/* ---- notify.c ---- */

/* A change that the user may wait for: notifies an armed user. */
void lf_ep_tx_notify(lf_ep_tx *s);

/* ---- tx_round.c ---- */

/* A tag for `s`; SYSTEM if all are in use. */
int32_t lf_ep_acquire_tag(lf_job *job, lf_ep_tx *s, uint32_t *tag);
int lf_ep_tx_round(lf_job_end *end, uint64_t now);
void lf_ep_tx_over(lf_job_end *end, const char *reason);
/* Posts the last message, once. */
void lf_ep_tx_end(lf_ep_tx *s, int died);
/* Frees an end whose memory MPI does not read. */
void lf_ep_tx_free(lf_ep_tx *s);
/* Reads the credits that have arrived. A receiver in this process has sent all of them. */
void lf_ep_tx_progress(lf_ep_tx *s);
/* The failure of every send; LF_OK: none. */
int32_t lf_ep_tx_check(lf_ep_tx *s);

/* Handles LF_WORD_CREDIT. */
void lf_ep_tx_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);

#endif
