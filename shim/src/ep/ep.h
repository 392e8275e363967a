/*
 * What travels between the two ends of a channel over MPI, and what both ends do alike.
 *
 * A lane is a tag of the job's communicator, and so an order of its own. Its messages begin with one word; a small frame
 * follows in the same message, and goes from one cell into another that waits for it. Of a larger frame the lane has the
 * announcement; its bytes come under the lane's other tag, the bulk, in messages of at most LF_RNDV_MAX, straight from
 * where they are into a block of the receiver's. What the receiver took and released goes back as mail.
 *
 * Nothing that comes from the peer is trusted: it is checked on a private copy, and what can't be ends the channel.
 */
#ifndef LF_EP_H
#define LF_EP_H

#include "host/pool.h"
#include "ipc/link.h"
#include "job/job.h"

#define LF_EP_MAGIC 0x454e414c4156414cu /* "LAVALANE" */

/* A message's first word: kind << 56 | number. */
typedef enum {
  LF_EP_HELLO = 1, /* number: slots; an lf_ep_hello follows. The lane's first message */
  LF_EP_FRAME,     /* number: bytes, which follow */
  LF_EP_FRAMES,    /* number: frames of up to LF_INLINE_MAX bytes, which follow, each behind a byte with its length */
  LF_EP_RNDV,     /* number: bytes, which come as bulk */
  LF_EP_FRAGMENTS,    /* number: bytes, which come as bulk, in messages of LF_FRAGMENT_BYTES */
  LF_EP_ASK,       /* number: how many released frames the sender waits for; 0: for any room */
  LF_EP_END        /* number: frames; an lf_ep_end follows. The lane's last message */
} lf_ep_kind;

#define LF_EP_HEADER(kind, number) ((uint64_t)(kind) << 56 | (uint64_t)(number))
#define LF_EP_NUMBER_MAX (((uint64_t)1 << 56) - 1)

typedef struct {
  uint64_t magic;
  uint32_t wire_version;
  uint32_t fragment_bytes;
} lf_ep_hello;

/* Pieces that were announced and not sent by then come as empty messages. */
typedef struct {
  uint64_t died; /* 1: without being closed */
} lf_ep_end;

/* The mail of a receiver: LF_WORD_CREDIT. The three counts only ever grow. */
typedef struct {
  uint32_t tag;
  uint32_t state;    /* LF_CREDIT_... */
  uint64_t address;  /* of the receiver; 0: the sender was not told it */
  uint64_t taken;    /* frames that were received */
  uint64_t released; /* frames that were given back */
  uint64_t bytes;    /* lf_ep_charge of those among them */
} lf_credit;
enum { LF_CREDIT_OPEN = 0, LF_CREDIT_CLOSED = 1, LF_CREDIT_DIED = 2 };

/* A frame up to here rides in the lane's message. All of the message, with what MPI puts before it, stays below 4 KiB:
 * up to there MPI sends without asking the receiver first. */
#define LF_EAGER_MAX 3968u
#define LF_EP_MESSAGE_MAX (sizeof(uint64_t) + LF_EAGER_MAX)
/* A cell is an odd number of cache lines, so that cells in use spread over the whole cache; the payload begins one. */
#define LF_CELL_BYTES (64u + LF_EAGER_MAX)
#define LF_CELL_HEAD (64u - sizeof(uint64_t))
/* One message of bulk. MPI copies it within one call, on one host, and whoever waits for the lock waits as long. */
#define LF_RNDV_MAX ((uint64_t)4 << 20)
/* The largest frame, but for those that the receiver puts elsewhere in fragments. */
#define LF_FRAME_MAX ((uint64_t)1 << 32)

/* What a frame counts against LF_POOL_BYTES until it is released. What the receiver has in frames of its own counts
 * nothing; small blocks count more than they are, as there are LF_BLOCKS_MAX of them. */
static inline uint64_t lf_ep_charge(uint64_t length) {
  if (length <= LF_INLINE_MAX) return 0;
  if (length <= LF_EAGER_MAX) return 4096;
  uint64_t bytes = lf_pool_block_bytes(length);
  return bytes > LF_POOL_BYTES / LF_BLOCKS_MAX ? bytes : LF_POOL_BYTES / LF_BLOCKS_MAX;
}

/* How many messages of at most `most` bytes it takes. */
static inline uint64_t lf_ep_messages(uint64_t length, uint64_t most) { return (length + most - 1) / most; }

/* ---- cells ---- */

#define LF_CELLS_A_CHUNK 64u

/* Memory for lane messages that grows with need. The cell that was given back last is the next one to be taken, so only
 * as many are touched as are in use at once. */
typedef struct {
  uint8_t **chunks; /* each begins a cache line */
  void **memory;    /* what to free */
  uint32_t *free;   /* numbers of cells; room for all of them */
  uint32_t count, free_count, chunk_capacity;
} lf_cells;

/* 1, or 0 where there is no memory. */
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

/* Why an end can't go on. It is found out by whichever thread makes a round, and told to whoever uses the end next. */
typedef struct {
  int32_t code; /* 0: it can */
  char api[56];
  int32_t native_status;
  char text[448];
} lf_sticky_error;

typedef struct {
  int rank;
  lf_link *link; /* NULL: only its signs of life tell */
  lf_peer *known;
  uint64_t polled; /* when the link was asked */
  uint64_t gone;   /* when it was found gone, or the last movement after that; 0: it is there */
  uint32_t polls;  /* since then */
  int moved;       /* something came since the last round */
  char who[LF_EP_WHO_MAX];
} lf_ep_peer;

/* Under the lock. CLOSED, INVALID_ARGUMENT, HOST_OUT_OF_MEMORY. */
int32_t lf_ep_peer_open(lf_job *job, int32_t rank, lf_link *link, const char *who, uint32_t who_bytes,
                          lf_ep_peer *out);
void lf_ep_peer_close(lf_job *job, lf_ep_peer *peer);
/* A look: 1 when it is gone, and what it sent before has had the time to come. */
int lf_ep_peer_died(lf_ep_peer *peer, uint64_t now);

/* Records the sticky; the first one stays. */
void lf_sticky_set(lf_sticky_error *sticky, int32_t code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The last failure of this thread. */
void lf_sticky_take(lf_sticky_error *sticky);
/* MPI fails to send to the peer, or to receive from it: PEER_DIED in MPI's words, also to its other users. */
void lf_sticky_lost(lf_sticky_error *sticky, lf_job *job, const lf_ep_peer *peer, const char *api, int error);
/* In the place of any other: MPI_FAILED with `reason`, or that this process has left the job. */
void lf_sticky_over(lf_sticky_error *sticky, const char *reason);
/* Tells the caller. */
int32_t lf_sticky_return(const lf_sticky_error *sticky);

/* While MPI has bulk under way, the job's thread keeps at it: `working` is whether it was told so. */
static inline void lf_ep_work(lf_job *job, uint8_t *working, int busy) {
  if (__builtin_expect(busy == *working, 1)) return;
  *working = (uint8_t)busy;
  if (busy) lf_job_wait_begin(job);
  else lf_job_wait_end(job);
}

/* What the senders of this process hold back for company goes, as somebody waits now (tx_post.c). Under the lock. */
void lf_ep_post_held(void);

#endif
