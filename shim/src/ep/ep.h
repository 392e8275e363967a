/*
 * The messages between the two ends of a channel over MPI, and the functions that both ends use.
 *
 * An end has two tags of the job's communicator, and MPI keeps the order of the messages of each. A message of the
 * first begins with a header of one word. A small frame is eager: its bytes follow the header, from one cell into
 * another that the receiver has posted. Of a larger frame the message is the announcement (rendezvous). The frame's
 * bytes travel under the second tag, in messages of at most LF_RNDV_MAX, without a copy into a block of the
 * receiver's. The receiver returns credits over the control channel.
 *
 * Nothing of the peer is trusted: each value is checked on a private copy, and an invalid value ends the channel.
 */
#ifndef LF_EP_H
#define LF_EP_H

#include "host/pool.h"
#include "ipc/link.h"
#include "job/job.h"

#define LF_EP_MAGIC 0x454e414c4156414cu /* "LAVALANE" */

/* A message's header: kind << 56 | number. */
typedef enum {
  LF_EP_HELLO = 1, /* number: slots; an lf_ep_hello follows. The first message */
  LF_EP_FRAME,     /* number: bytes, which follow */
  LF_EP_FRAMES,    /* number: frames of up to LF_INLINE_MAX bytes, which follow, each behind a byte with its length */
  LF_EP_RNDV,      /* number: bytes, which travel under the second tag */
  LF_EP_FRAGMENTS, /* number: bytes, which travel under the second tag, in messages of LF_FRAGMENT_BYTES */
  LF_EP_ASK,       /* number: of released frames that the sender waits for; 0: for any credits */
  LF_EP_END        /* number: frames; an lf_ep_end follows. The last message */
} lf_ep_kind;

#define LF_EP_HEADER(kind, number) ((uint64_t)(kind) << 56 | (uint64_t)(number))
#define LF_EP_NUMBER_MAX (((uint64_t)1 << 56) - 1)

typedef struct {
  uint64_t magic;
  uint32_t wire_version;
  uint32_t fragment_bytes;
} lf_ep_hello;

/* Fragments that were announced and not sent before are empty messages. */
typedef struct {
  uint64_t died; /* 1: the end was not closed */
} lf_ep_end;

/* The receiver's LF_WORD_CREDIT. The three counts never decrease. */
typedef struct {
  uint32_t tag;
  uint32_t state;    /* LF_CREDIT_... */
  uint64_t address;  /* of the receiver; 0: unknown */
  uint64_t taken;    /* frames that were received */
  uint64_t released; /* frames that were released */
  uint64_t bytes;    /* lf_ep_charge of the released frames */
} lf_credit;
enum { LF_CREDIT_OPEN = 0, LF_CREDIT_CLOSED = 1, LF_CREDIT_DIED = 2 };

/* Bytes of the largest eager frame. The whole message, with MPI's own header, stays below 4 KiB: MPI sends such a
 * message without a rendezvous of its own. */
#define LF_EAGER_MAX 3968u
#define LF_EP_MESSAGE_MAX (sizeof(uint64_t) + LF_EAGER_MAX)
/* An odd number of cache lines, so that the cells in use spread over the whole cache. The payload begins a line. */
#define LF_CELL_BYTES (64u + LF_EAGER_MAX)
#define LF_CELL_HEAD (64u - sizeof(uint64_t))
/* Bytes of one rendezvous message. On one host MPI copies the message within one call, which holds the job's lock. */
#define LF_RNDV_MAX ((uint64_t)4 << 20)
/* Bytes of the largest frame that arrives in a block. */
#define LF_FRAME_MAX ((uint64_t)1 << 32)

/* Bytes that a frame counts against LF_POOL_BYTES until its release. An inline frame is copied out, and counts
 * nothing. A small block counts more than its size, because there are only LF_BLOCKS_MAX blocks. */
static inline uint64_t lf_ep_charge(uint64_t length) {
  if (length <= LF_INLINE_MAX) return 0;
  if (length <= LF_EAGER_MAX) return 4096;
  uint64_t bytes = lf_pool_block_bytes(length);
  return bytes > LF_POOL_BYTES / LF_BLOCKS_MAX ? bytes : LF_POOL_BYTES / LF_BLOCKS_MAX;
}

/* The number of messages of at most `most` bytes for `length` bytes. */
static inline uint64_t lf_ep_messages(uint64_t length, uint64_t most) { return (length + most - 1) / most; }

/* ---- cells ---- */

#define LF_CELLS_A_CHUNK 64u

/* Buffers of eager messages, which grow on demand. The cell that was released last is acquired next, so that few cells
 * are in the cache. */
typedef struct {
  uint8_t **chunks; /* each begins a cache line */
  void **memory;    /* for free() */
  uint32_t *free;   /* numbers of the free cells; its capacity is all cells */
  uint32_t count, free_count, chunk_capacity;
} lf_cells;

/* 1; 0 without memory. */
int lf_cells_grow(lf_cells *cells);
void lf_cells_close(lf_cells *cells);
static inline uint8_t *lf_cell(const lf_cells *cells, uint32_t cell) {
  return cells->chunks[cell / LF_CELLS_A_CHUNK] + (size_t)(cell % LF_CELLS_A_CHUNK) * LF_CELL_BYTES;
}
static inline int lf_cells_take(lf_cells *cells, uint32_t *cell) {
  if (__builtin_expect(!cells->free_count, 0) && !lf_cells_grow(cells)) return 0;
  *cell = cells->free[--cells->free_count];
  return 1;
}
static inline void lf_cells_give(lf_cells *cells, uint32_t cell) { cells->free[cells->free_count++] = cell; }

/* ---- the peer ---- */

#define LF_EP_WHO_MAX 96u

/* The first failure of an end. The thread of a round finds it, and every later call returns it. */
typedef struct {
  int32_t code; /* 0: no failure */
  char api[56];
  int32_t native_status;
  char text[448];
} lf_sticky_error;

typedef struct {
  int rank;
  lf_link *link; /* NULL: only keepalives show that the peer lives */
  lf_peer *known;
  uint64_t polled; /* time of the last poll of the link */
  uint64_t gone;   /* time at which the peer was found gone, or of its last message after that; 0: it lives */
  uint32_t polls;  /* since `gone` */
  int moved;       /* a message arrived since the last round */
  char who[LF_EP_WHO_MAX];
} lf_ep_peer;

/* Under the lock. CLOSED, INVALID_ARGUMENT, HOST_OUT_OF_MEMORY. */
int32_t lf_ep_peer_open(lf_job *job, int32_t rank, lf_link *link, const char *who, uint32_t who_bytes,
                        lf_ep_peer *out);
void lf_ep_peer_close(lf_job *job, lf_ep_peer *peer);
/* Polls: 1 if the peer is gone, and its last messages have had the time to arrive. */
int lf_ep_peer_died(lf_ep_peer *peer, uint64_t now);

/* Records a failure, unless there is one. */
void lf_sticky_set(lf_sticky_error *sticky, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Records the last failure of this thread. */
void lf_sticky_take(lf_sticky_error *sticky);
/* MPI failed to send to the peer, or to receive from it: PEER_DIED with MPI's text, for every end of this peer. */
void lf_sticky_lost(lf_sticky_error *sticky, lf_job *job, const lf_ep_peer *peer, const char *api, int error);
/* Replaces the failure: MPI_FAILED with `reason`, or that this process has left the job. */
void lf_sticky_over(lf_sticky_error *sticky, const char *reason);
/* Returns the failure to the caller. */
int32_t lf_sticky_return(const lf_sticky_error *sticky);

/* The job's thread makes progress while rendezvous messages are in flight. `working` is the last `busy`. */
static inline void lf_ep_work(lf_job *job, uint8_t *working, int busy) {
  if (__builtin_expect(busy == *working, 1)) return;
  *working = (uint8_t)busy;
  if (busy) lf_job_wait_begin(job);
  else lf_job_wait_end(job);
}

/* Posts the frames that this process's sending ends hold back, because this process waits now. Under the lock. */
void lf_ep_post_held(void);

#endif
