/*
 * The blocks of one end of a channel: room for payloads that do not fit into a slot, cut from regions of memory that grow
 * with need, up to a limit. A block that comes back is the next one to go out, while it is still in the cache. The
 * regions are segments that a peer can map, or, in a plain pool, memory of this process alone.
 */
#ifndef LF_POOL_H
#define LF_POOL_H

#include "host/segment.h"
#include "lavaflow.h"

/* Blocks that may exist at once: the return ring has a place for each, so it never overflows. */
#define LF_BLOCKS_MAX 4096u
#define LF_NO_BLOCK 0xffffffffu

/* A region's number: the producer's index, and a generation above it so that an old number never means a new one. */
#define LF_INDEX(id) ((id) & 0xffffu)
#define LF_REGIONS_MAX 0x10000u

/* What a channel may keep in flight; a payload of more than half of it may have two of its size. */
#define LF_POOL_BYTES ((uint64_t)64 << 20)
/* 256 B to 1 MiB in powers of two, then four steps to the octave up to 4 GiB. */
#define LF_POOL_CLASSES (13 + 4 * 12)

typedef enum { LF_BLOCK_UNUSED, LF_BLOCK_FREE, LF_BLOCK_LOANED, LF_BLOCK_SENT } lf_block_state;

typedef struct {
  uint64_t offset;
  uint32_t region; /* index */
  uint32_t next;   /* in the list of its state, LF_NO_BLOCK at the end */
  uint8_t class;
  uint8_t state;
} lf_block;

typedef struct {
  lf_segment segment; /* address NULL: no region here */
  uint64_t block_bytes;
  uint32_t id;
  uint64_t lacking; /* the bytes from here on have no pages; `size` when all have */
  uint32_t blocks;
  uint32_t free;
  uint8_t class;
  uint8_t announced; /* the peer has been told */
  uint8_t fixed;     /* its pages stay: reserved huge ones, or the system takes none back */
  uint8_t used;      /* a block was taken since the last look of lf_pool_trim */
  uint8_t leaving;   /* its pages go back, as long as nobody takes a block */
} lf_pool_region;

typedef struct {
  lf_pool_region *regions; /* by index; shared with the producer's memory exports, which leave theirs empty */
  uint32_t region_capacity;
  uint64_t bytes;
  uint32_t unused; /* list heads */
  uint32_t unused_count;
  uint8_t plain;
  uint8_t trims;      /* some region is leaving */
  uint64_t next_trim; /* when lf_pool_trim looks for more of them */
  uint32_t free[LF_POOL_CLASSES];
  lf_block blocks[LF_BLOCKS_MAX];
} lf_pool;

void lf_pool_open(lf_pool *pool);
/* Of memory of this process alone, in huge pages where there are any. Who has it counts what is under way: so that
 * regions which are used in part stop nobody, it may have twice the bytes. */
void lf_pool_open_plain(lf_pool *pool);
void lf_pool_close(lf_pool *pool);

/* 1 with a block of at least `length` bytes, now LOANED; 0 when there is none and lf_pool_grow may help. */
int lf_pool_acquire(lf_pool *pool, uint64_t length, uint32_t *block);
void lf_pool_release(lf_pool *pool, uint32_t block);
/* Whether no other block of this one's size is free. */
static inline int lf_pool_empty(const lf_pool *pool, const lf_block *block) {
  return pool->free[block->class] == LF_NO_BLOCK;
}

/* Makes room for `length`: LF_OK after growth, LF_FULL while too much is in flight, LF_RETIRE with an idle region of
 * another size that has to go first, HOST_OUT_OF_MEMORY. */
int32_t lf_pool_grow(lf_pool *pool, uint64_t length, uint32_t *retire);

/* Takes the pages of a region up to `end`. HOST_OUT_OF_MEMORY. */
int32_t lf_pool_fill(lf_pool *pool, lf_pool_region *region, uint64_t end);

/* The first `length` bytes of a block that is not free may be used. HOST_OUT_OF_MEMORY. A large block's pages are taken here
 * where they are not there yet or went back, so this may take its time. */
static inline int32_t lf_pool_ready(lf_pool *pool, uint32_t block, uint64_t length) {
  const lf_block *b = &pool->blocks[block];
  lf_pool_region *region = &pool->regions[b->region];
  return b->offset + length <= region->lacking ? LF_OK : lf_pool_fill(pool, region, b->offset + length);
}

/* A step towards giving back the pages of regions that have been idle for a while, beyond LF_POOL_IDLE_BYTES. The regions
 * stay mapped, so that what shows them needs not know. 1 when pages went: there may be more. */
#define LF_POOL_IDLE_BYTES LF_POOL_BYTES
int lf_pool_trim(lf_pool *pool, uint64_t now);
/* Whether there would be pages to give back, were all of it idle. Only blocks of more than half of LF_POOL_BYTES bring that
 * about in a pool of segments. */
int lf_pool_may_trim(const lf_pool *pool);
/* The memory that it has: what has pages. */
uint64_t lf_pool_held(const lf_pool *pool);

/* What a block for `length` bytes takes, up to 4 GiB of them. */
uint64_t lf_pool_block_bytes(uint64_t length);

/* An idle region, or LF_EMPTY. */
int32_t lf_pool_idle(const lf_pool *pool, uint32_t *region);
/* Frees an idle region; LF_EINVALID_ARGUMENT when it is not one. */
int32_t lf_pool_retire(lf_pool *pool, uint32_t region);

lf_pool_region *lf_pool_region_of(lf_pool *pool, uint32_t id);
/* A free region index with a new id, or NULL with the failure recorded. */
lf_pool_region *lf_pool_new_region(lf_pool *pool);

#endif
