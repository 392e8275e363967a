#include "host/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "host/host_memory.h"
#include "host/memory_limit.h"

/* Bytes. The smallest region worth huge pages: one of them. */
#define HUGE_FROM ((size_t)2 << 20)
/* Bytes. The smallest region whose pages are allocated when they are first used: allocating a gigabyte takes long. Such
 * a region has a single block. */
#define LAZY_FROM ((size_t)32 << 20)

static uint32_t class_of(uint64_t length) {
  uint32_t class = 0;
  while (class < 12 && (uint64_t)256 << class < length) class++;
  if ((uint64_t)256 << class >= length) return class;
  uint32_t octave = 63u - (uint32_t)__builtin_clzll(length - 1); /* 2^octave < length <= 2^(octave + 1) */
  uint64_t quarter = (uint64_t)1 << (octave - 2);
  uint32_t step = (uint32_t)((length - ((uint64_t)1 << octave) + quarter - 1) / quarter); /* 1..4 */
  return 13 + (octave - 20) * 4 + step - 1;
}

static uint64_t class_bytes(uint32_t class) {
  if (class < 13) return (uint64_t)256 << class;
  uint32_t octave = 20 + (class - 13) / 4, step = (class - 13) % 4 + 1;
  return ((uint64_t)1 << octave) + step * ((uint64_t)1 << (octave - 2));
}

/* Small blocks share a region: all of them take one descriptor, one mapping and one message to the peer. */
static uint32_t blocks_per_region(uint64_t bytes) {
  if (bytes <= 16u << 10) return (uint32_t)((256u << 10) / bytes);
  if (bytes <= 1u << 20) {
    uint32_t count = (uint32_t)((4u << 20) / bytes);
    return count > 16 ? 16 : count;
  }
  /* Two, so that one is released while the other is in flight; of very large blocks the second is made when needed. */
  return bytes <= 16u << 20 ? 2 : 1;
}

void lf_pool_open(lf_pool *pool) {
  for (uint32_t i = 0; i < LF_BLOCKS_MAX; i++) pool->blocks[i].next = i + 1 < LF_BLOCKS_MAX ? i + 1 : LF_NO_BLOCK;
  pool->unused = 0;
  pool->unused_count = LF_BLOCKS_MAX;
  for (uint32_t i = 0; i < LF_POOL_CLASSES; i++) pool->free[i] = LF_NO_BLOCK;
}

void lf_pool_open_private(lf_pool *pool) {
  lf_pool_open(pool);
  pool->is_private = 1;
}

uint64_t lf_pool_block_bytes(uint64_t length) { return class_bytes(class_of(length)); }

/* Huge pages where enough are available, else base pages. */
static int32_t map_private(size_t size, lf_pool_region *region) {
  lf_host_block block = {.segment.os = -1};
  int32_t status = LF_EHUGEPAGES_UNAVAILABLE;
  int lazy = size >= LAZY_FROM;
  if (lazy) status = lf_host_lazy(size, &block);
  else if (size >= HUGE_FROM) status = lf_host_hugepages(size, &block);
  if (status < 0 && !lazy) status = lf_host_standard(size, &block);
  region->segment = block.segment;
  region->committed = lazy && !block.hugetlb ? 0 : block.segment.size;
  region->fixed = block.hugetlb != 0;
  return status;
}

int32_t lf_pool_commit(lf_pool *pool, lf_pool_region *region, uint64_t end) {
  char *from = (char *)region->segment.address + region->committed;
  uint64_t size = end - region->committed;
  int32_t status = pool->is_private ? LF_OK : lf_memory_limit_check(size);
  if (status == LF_OK) status = lf_host_commit(from, size);
  if (status == LF_OK) region->committed = end;
  return status;
}

/* ---- idle pages ---- */

/* ns. A region without an acquired block between two polls this far apart is idle. */
#define TRIM_NS ((uint64_t)500000000)
/* Bytes that one step decommits. Bounds the time that the caller holds a lock which senders and receivers need: well
 * below 1 ms. */
#define TRIM_STEP ((uint64_t)4 << 20)

static int is_idle(const lf_pool_region *region) {
  return region->segment.address && region->free == region->blocks && region->committed && !region->fixed;
}

static void find_idle_regions(lf_pool *pool) {
  uint64_t kept = 0;
  pool->trims = 0;
  for (uint32_t i = 0; i < pool->region_capacity; i++) {
    lf_pool_region *region = &pool->regions[i];
    if (!is_idle(region)) continue;
    if (!region->used && !region->leaving && kept + region->committed > LF_POOL_IDLE_BYTES) region->leaving = 1;
    if (!region->leaving) kept += region->committed;
    region->used = 0;
    pool->trims |= region->leaving;
  }
}

/* Frame sizes have changed: the memory of large frames of other sizes is likely not needed again. */
static void trim_large_regions(lf_pool *pool) {
  for (uint32_t i = 0; i < pool->region_capacity; i++) {
    lf_pool_region *region = &pool->regions[i];
    if (!is_idle(region) || region->segment.size < LAZY_FROM) continue;
    region->leaving = 1;
    pool->trims = 1;
  }
}

int lf_pool_trim(lf_pool *pool, uint64_t now) {
  if (now >= pool->next_trim) {
    pool->next_trim = now + TRIM_NS;
    find_idle_regions(pool);
  }
  if (!pool->trims) return 0;
  for (uint32_t i = 0; i < pool->region_capacity; i++) {
    lf_pool_region *region = &pool->regions[i];
    if (!region->leaving || !is_idle(region)) continue;
    uint64_t step = region->committed < TRIM_STEP ? region->committed : TRIM_STEP;
    char *from = (char *)region->segment.address + region->committed - step;
    if (!(pool->is_private ? lf_host_decommit(from, step) : lf_segment_decommit(from, step))) region->fixed = 1;
    else region->committed -= step;
    return 1;
  }
  pool->trims = 0;
  return 0;
}

static uint64_t held(const lf_pool *pool, int only_what_can_go) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < pool->region_capacity; i++) {
    const lf_pool_region *region = &pool->regions[i];
    if (region->segment.address && !(only_what_can_go && region->fixed)) bytes += region->committed;
  }
  return bytes;
}

uint64_t lf_pool_held(const lf_pool *pool) { return held(pool, 0); }

int lf_pool_may_trim(const lf_pool *pool) { return held(pool, 1) > LF_POOL_IDLE_BYTES; }

static void unmap(const lf_pool *pool, lf_pool_region *region) {
  if (pool->is_private && region->segment.address) {
    lf_host_block block = {.segment = region->segment};
    lf_host_free(&block);
    region->segment = (lf_segment){.os = -1};
  }
  lf_segment_close(&region->segment);
}

void lf_pool_close(lf_pool *pool) {
  for (uint32_t i = 0; i < pool->region_capacity; i++) unmap(pool, &pool->regions[i]);
  free(pool->regions);
  pool->regions = NULL;
  pool->region_capacity = 0;
}

lf_pool_region *lf_pool_region_of(lf_pool *pool, uint32_t id) {
  uint32_t index = LF_INDEX(id);
  if (index >= pool->region_capacity) return NULL;
  lf_pool_region *region = &pool->regions[index];
  return region->id == id && region->segment.address ? region : NULL;
}

lf_pool_region *lf_pool_new_region(lf_pool *pool) {
  uint32_t index = 0;
  while (index < pool->region_capacity && pool->regions[index].announced | (pool->regions[index].segment.address != 0))
    index++;
  if (index == pool->region_capacity) {
    uint32_t capacity = index ? index * 2 : 16;
    lf_pool_region *regions =
        capacity <= LF_REGIONS_MAX ? realloc(pool->regions, capacity * sizeof *regions) : NULL;
    if (!regions) {
      lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "%u regions of shared memory in one channel", capacity);
      return NULL;
    }
    memset(regions + index, 0, (capacity - index) * sizeof *regions);
    for (uint32_t i = index; i < capacity; i++) regions[i].id = i;
    pool->regions = regions;
    pool->region_capacity = capacity;
  }
  lf_pool_region *region = &pool->regions[index];
  uint32_t id = region->id + 0x10000u; /* the index with the next generation */
  memset(region, 0, sizeof *region);
  region->id = id;
  return region;
}

int lf_pool_acquire(lf_pool *pool, uint64_t length, uint32_t *block) {
  uint32_t class = class_of(length);
  uint32_t found = pool->free[class];
  if (found == LF_NO_BLOCK) return 0;
  lf_block *b = &pool->blocks[found];
  pool->free[class] = b->next;
  b->state = LF_BLOCK_LOANED;
  lf_pool_region *region = &pool->regions[b->region];
  region->free--;
  region->used = 1;
  region->leaving = 0;
  *block = found;
  return 1;
}

void lf_pool_release(lf_pool *pool, uint32_t block) {
  lf_block *b = &pool->blocks[block];
  b->state = LF_BLOCK_FREE;
  b->next = pool->free[b->class];
  pool->free[b->class] = block;
  pool->regions[b->region].free++;
}

int32_t lf_pool_idle(const lf_pool *pool, uint32_t *id) {
  for (uint32_t i = 0; i < pool->region_capacity; i++) {
    const lf_pool_region *region = &pool->regions[i];
    if (!region->segment.address || region->free != region->blocks) continue;
    *id = region->id;
    return 1;
  }
  return LF_EMPTY;
}

static int32_t idle_or_full(const lf_pool *pool, uint32_t *id) {
  return lf_pool_idle(pool, id) == 1 ? LF_RETIRE : LF_FULL;
}

int32_t lf_pool_grow(lf_pool *pool, uint64_t length, uint32_t *retire) {
  uint32_t class = class_of(length);
  if (class >= LF_POOL_CLASSES) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a payload of more than 4 GiB");
  uint64_t bytes = class_bytes(class);
  uint64_t limit = bytes * 2 > LF_POOL_BYTES ? bytes * 2 : LF_POOL_BYTES;
  if (pool->is_private) limit *= 2;
  uint32_t count = blocks_per_region(bytes);
  if (count > pool->unused_count) count = pool->unused_count;
  if (count && pool->bytes + bytes * count > limit) count = pool->bytes + bytes <= limit ? 1 : 0;
  if (!count) return idle_or_full(pool, retire);

  if (bytes >= LAZY_FROM) trim_large_regions(pool);
  lf_pool_region *region = lf_pool_new_region(pool);
  if (!region) return LF_EHOST_OUT_OF_MEMORY;
  int32_t status = pool->is_private ? map_private(bytes * count, region)
                               : lf_segment_create(bytes * count, &region->segment);
  if (status < 0) {
    /* A block in flight will be released: waiting for it is better than failing. */
    int busy = pool->unused_count < LF_BLOCKS_MAX;
    if (status != LF_EHOST_OUT_OF_MEMORY || !busy) return status;
    return idle_or_full(pool, retire);
  }
  if (!pool->is_private) region->committed = region->segment.size;
  region->class = (uint8_t)class;
  region->block_bytes = bytes;
  region->blocks = region->free = count;
  pool->bytes += bytes * count;
  for (uint32_t i = count; i-- > 0;) {
    uint32_t found = pool->unused;
    lf_block *b = &pool->blocks[found];
    pool->unused = b->next;
    pool->unused_count--;
    b->offset = bytes * i;
    b->region = LF_INDEX(region->id);
    b->class = (uint8_t)class;
    b->state = LF_BLOCK_FREE;
    b->next = pool->free[class];
    pool->free[class] = found;
  }
  return LF_OK;
}

int32_t lf_pool_retire(lf_pool *pool, uint32_t id) {
  lf_pool_region *region = lf_pool_region_of(pool, id);
  if (!region || region->free != region->blocks || !region->blocks)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "region 0x%x is not idle", id);
  uint32_t index = LF_INDEX(id);
  uint32_t kept = LF_NO_BLOCK;
  for (uint32_t at = pool->free[region->class]; at != LF_NO_BLOCK;) {
    lf_block *b = &pool->blocks[at];
    uint32_t next = b->next;
    if (b->region == index) {
      b->state = LF_BLOCK_UNUSED;
      b->next = pool->unused;
      pool->unused = at;
      pool->unused_count++;
    } else {
      b->next = kept;
      kept = at;
    }
    at = next;
  }
  pool->free[region->class] = kept;
  pool->bytes -= region->block_bytes * region->blocks;
  unmap(pool, region);
  region->announced = 0;
  return LF_OK;
}
