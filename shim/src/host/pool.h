/*
 * The blocks of one end of a channel, for payloads that do not fit into a slot. Blocks are cut from regions, of which
 * more are created as needed, up to a limit. The block released last is acquired first, while it is still in the cache.
 * Regions are segments that a peer can map; in a private pool, memory of this process alone.
 */
#ifndef LF_POOL_H
#define LF_POOL_H

#include "host/segment.h"
#include "lavaflow.h"

/* Blocks that may exist at once. The return ring has an entry for each, so that it cannot overflow. */
#define LF_BLOCKS_MAX 4096u
#define LF_NO_BLOCK 0xffffffffu

/* A region's id: its index in the pool, and above it a generation, so that an old id never names a new region. */
#define LF_INDEX(id) ((id) & 0xffffu)
#define LF_REGIONS_MAX 0x10000u

/* Bytes that a channel may have in flight. A payload of more than half of it may have two blocks of its size. */
#define LF_POOL_BYTES ((uint64_t)64 << 20)
/* Size classes: 256 B to 1 MiB in powers of two, then four steps per power of two, up to 4 GiB. */
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
  lf_segment segment; /* address NULL: this index has no region */
  uint64_t block_bytes;
  uint32_t id;
  uint64_t committed; /* the offset from which the bytes have no pages; `size` when all have */
  uint32_t blocks;
  uint32_t free;
  uint8_t class;
  uint8_t announced; /* the peer knows the region */
  uint8_t fixed;     /* its pages stay: they are reserved huge pages, or the system cannot decommit them */
  uint8_t used;      /* a block was acquired since the last poll of lf_pool_trim */
  uint8_t leaving;   /* its pages are being decommitted, until a block of it is acquired */
} lf_pool_region;

typedef struct {
  lf_pool_region *regions; /* by index, also those of the producer's memory exports, which have no segment here */
  uint32_t region_capacity;
  uint64_t bytes;
  uint32_t unused; /* list heads */
  uint32_t unused_count;
  uint8_t is_private;
  uint8_t trims;      /* some region is leaving: lf_pool_trim has pages to decommit */
  uint64_t next_trim; /* time, in ns, of the next search for idle regions */
  uint32_t free[LF_POOL_CLASSES];
  lf_block blocks[LF_BLOCKS_MAX];
} lf_pool;

void lf_pool_open(lf_pool *pool);
/* A private pool: memory of this process alone, in huge pages where they are available. Its user counts the bytes in
 * flight itself. So that partly used regions do not block it, the pool may have twice the bytes. */
void lf_pool_open_private(lf_pool *pool);
void lf_pool_close(lf_pool *pool);

/* 1 with a block of at least `length` bytes, now LF_BLOCK_LOANED; 0 when none is free: then lf_pool_grow may make
 * some. */
int lf_pool_acquire(lf_pool *pool, uint64_t length, uint32_t *block);
/* Makes the block free. */
void lf_pool_release(lf_pool *pool, uint32_t block);
/* Whether no block of this block's class is free. */
static inline int lf_pool_empty(const lf_pool *pool, const lf_block *block) {
  return pool->free[block->class] == LF_NO_BLOCK;
}

/* Makes blocks for `length` bytes: LF_OK when blocks were made; LF_FULL while too many bytes are in flight; LF_RETIRE
 * with an idle region of another class that has to be retired first; HOST_OUT_OF_MEMORY; INVALID_ARGUMENT for more than
 * 4 GiB. */
int32_t lf_pool_grow(lf_pool *pool, uint64_t length, uint32_t *retire);

/* Allocates the pages of a region up to the offset `end`. LF_OK, HOST_OUT_OF_MEMORY. */
int32_t lf_pool_commit(lf_pool *pool, lf_pool_region *region, uint64_t end);

/* Makes the first `length` bytes of an acquired block usable: LF_OK, HOST_OUT_OF_MEMORY. Allocates the pages of a large
 * block that were never allocated or were decommitted, which may take long. */
static inline int32_t lf_pool_ready(lf_pool *pool, uint32_t block, uint64_t length) {
  const lf_block *b = &pool->blocks[block];
  lf_pool_region *region = &pool->regions[b->region];
  return b->offset + length <= region->committed ? LF_OK : lf_pool_commit(pool, region, b->offset + length);
}

/* One step of decommitting the pages of idle regions, of which LF_POOL_IDLE_BYTES are kept. The regions stay mapped, so
 * their peers need no message. 1 when pages were decommitted and there may be more. */
#define LF_POOL_IDLE_BYTES LF_POOL_BYTES
int lf_pool_trim(lf_pool *pool, uint64_t now);
/* Whether lf_pool_trim would have pages to decommit if all regions were idle. In a pool of segments, only blocks of
 * more than half of LF_POOL_BYTES cause that. */
int lf_pool_may_trim(const lf_pool *pool);
/* Bytes of the pool that have pages. */
uint64_t lf_pool_held(const lf_pool *pool);

/* Bytes of a block for `length` bytes; `length` is at most 4 GiB. */
uint64_t lf_pool_block_bytes(uint64_t length);

/* 1 with the id of a region whose blocks are all free, or LF_EMPTY. */
int32_t lf_pool_idle(const lf_pool *pool, uint32_t *region);
/* Frees a region: LF_OK; INVALID_ARGUMENT unless all of its blocks are free. */
int32_t lf_pool_retire(lf_pool *pool, uint32_t region);

/* The region with this id, or NULL. */
lf_pool_region *lf_pool_region_of(lf_pool *pool, uint32_t id);
/* An unused region entry with a new id, or NULL with the failure recorded. */
lf_pool_region *lf_pool_new_region(lf_pool *pool);

#endif
