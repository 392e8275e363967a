/*
 * The sending end of a lane, as tx.c makes it and keeps it, and tx_post.c hands its messages to MPI. All of it is
 * under the job's lock, but for the copying into a block that is on loan.
 */
#ifndef LF_SENDER_H
#define LF_SENDER_H

#include "base/fifo.h"
#include "base/tx.h"
#include "ep/ep.h"
#include "host/event.h"
#include "host/pool.h"

/* A message of the lane. */
typedef struct {
  lf_mpi_request request;
  uint32_t cell;
  uint32_t bytes;
  uint64_t up_to; /* what `posted` was after it, where MPI tells when the receiver took it; else 0 */
} lf_posting;

/* A message of bulk. */
typedef struct {
  lf_mpi_request request;
  const void *data;
  uint64_t ticket; /* which is sent when this is; 0: none */
  int32_t bytes;
  uint32_t block; /* which is free when this is sent; LF_NO_BLOCK: none */
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
  uint64_t charged, returned; /* of what is under way and on loan, and what came back of it */
  uint32_t slots;             /* 0 before the receiver is there, and when it is gone: every send then asks why */
  uint32_t reserved, reserved_inline;
  uint32_t tag;
  lf_fifo postings;
  uint32_t posting; /* position of the first that MPI does not have yet */
  uint64_t posted, accepted; /* bytes that MPI was given, and those of them that the receiver is known to have taken */
  uint8_t synchronous;            /* MPI is to tell of one */
  lf_cells cells;
  lf_ep_peer peer;
  /* frames that were put, and wait for company */
  lf_ep_tx *next_open; /* in the list of those that have some, or just sent one */
  uint32_t held, held_bytes, held_cell;
  uint8_t open; /* it is in that list */
  /* bulk */
  lf_fifo rndv;
  uint32_t rndv_started; /* position of the first that MPI does not have yet */
  lf_fifo deferred; /* behind a frame whose fragments are not all here */
  uint64_t fragments_left, fragment_bytes_left;
  uint64_t tickets, sent, sent_told; /* given out; of those sent, and up to where the user knows it */
  lf_pool pool;
  /* the rest */
  uint64_t released;
  uint64_t charged_sent; /* the part of `charged` that went out */
  uint64_t address;      /* the receiver's; 0: not told yet */
  uint64_t moves, seen;  /* what may have made room, counted; up to where the user has looked */
  uint32_t wanted_slots;
  uint8_t fragments_apart;  /* the receiver puts frames in fragments elsewhere */
  uint8_t armed_credits, armed_released, armed_sent, waits;
  uint8_t asked_credits, asked_released;
  uint8_t peer_state; /* LF_CREDIT_... */
  uint8_t ended;      /* the lane's last message is out */
  uint8_t closed;     /* the user closed it, or the thread ended */
  uint8_t finished;   /* the user closed it */
  uint8_t over;       /* no MPI any more */
  uint8_t working;    /* counts as one who waits, as MPI has bulk under way */
  uint8_t kept;       /* MPI may still read its memory, when there are no rounds any more */
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

/* A lane message of up to LF_EAGER_MAX bytes after its word: 1; HOST_OUT_OF_MEMORY, MPI_FAILED. */
int32_t lf_ep_tx_post(lf_ep_tx *s, uint64_t word, const void *data, uint32_t length);
/* A frame of up to LF_INLINE_MAX bytes that may wait for others: 1 when it went, 2 when it waits. */
int32_t lf_ep_tx_post_coalesced(lf_ep_tx *s, const void *data, uint32_t length);
/* What waits goes, of this sender, of all, or of none any more. */
void lf_ep_tx_post_held(lf_ep_tx *s);
void lf_ep_tx_unlist(lf_ep_tx *s);
/* The bytes of an announced frame: 1, or as above. `block` is given back when they are sent. */
int32_t lf_ep_tx_post_rndv(lf_ep_tx *s, const void *data, uint64_t length, uint32_t block, uint64_t ticket);
/* One fragment of the frame that is sent in fragments. */
int32_t lf_ep_tx_post_fragment(lf_ep_tx *s, const void *data, uint32_t length, uint64_t ticket);
/* What waited for the last fragment goes. */
void lf_ep_tx_resume(lf_ep_tx *s);
/* Takes back what MPI has sent; of messages all but the last, which is likely on its way, unless `all` 1. 1 when there
 * was something. */
int lf_ep_tx_reap(lf_ep_tx *s, int all);
static inline int lf_ep_tx_busy(const lf_ep_tx *s) {
  return lf_fifo_count(&s->postings) + lf_fifo_count(&s->rndv) + lf_fifo_count(&s->deferred) > 0;
}

/* ---- notify.c ---- */

/* Something changed that the user may wait for. */
void lf_ep_tx_notify(lf_ep_tx *s);

/* ---- tx_round.c ---- */

/* A lane's number for `s`, or LF_ESYSTEM where all are in use. */
int32_t lf_ep_acquire_tag(lf_job *job, lf_ep_tx *s, uint32_t *tag);
int lf_ep_tx_round(lf_job_end *end, uint64_t now);
void lf_ep_tx_over(lf_job_end *end, const char *reason);
/* The lane's last message, unless it went before. */
void lf_ep_tx_end(lf_ep_tx *s, int died);
/* For one that MPI holds nothing of. */
void lf_ep_tx_free(lf_ep_tx *s);
/* Hears what the receiver has said by now; where that is in this process, all of it. */
void lf_ep_tx_progress(lf_ep_tx *s);
/* Why nothing can be sent; LF_OK when it can. */
int32_t lf_ep_tx_check(lf_ep_tx *s);

/* Handles LF_WORD_CREDIT. */
void lf_ep_tx_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);

#endif
