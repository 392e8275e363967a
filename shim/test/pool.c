/* The pool's arithmetic and its lists. Includes pool.c, whose size classes are private. */
#include "host/pool.c"

#include <stdio.h>
#include <unistd.h>

#include "host/pool.h"
#include "test.h"

static void classes_fit(void) {
  test_random random = {test_seed()};
  CHECK_EQ(class_of(1), 0);
  CHECK_EQ(class_of((uint64_t)1 << 32), LF_POOL_CLASSES - 1);
  CHECK(class_of(((uint64_t)1 << 32) + 1) >= LF_POOL_CLASSES);
  for (uint32_t class = 0; class < LF_POOL_CLASSES; class++) {
    uint64_t bytes = class_bytes(class);
    CHECK_EQ(class_of(bytes), class);
    CHECK_EQ(class_of(bytes + 1), class + 1);
    if (class) CHECK(class_bytes(class - 1) < bytes);
  }
  for (int i = 0; i < 200000; i++) {
    uint64_t length = 1 + (test_next(&random) & (((uint64_t)2 << test_below(&random, 32)) - 1));
    if (length > (uint64_t)1 << 32) continue;
    uint64_t bytes = class_bytes(class_of(length));
    CHECK(bytes >= length);
    /* The unused part of a block is bounded: half of a small one, a fifth of a large one. */
    if (length > 256) CHECK(length <= 1u << 20 ? bytes < length * 2 : bytes <= length + length / 4);
  }
}

/* Every block is in one list, and the counts agree. */
static void check_pool(lf_pool *pool) {
  static uint8_t seen[LF_BLOCKS_MAX];
  memset(seen, 0, sizeof seen);
  uint32_t unused = 0;
  for (uint32_t at = pool->unused; at != LF_NO_BLOCK; at = pool->blocks[at].next, unused++) {
    CHECK(at < LF_BLOCKS_MAX && !seen[at]++);
    CHECK_EQ(pool->blocks[at].state, LF_BLOCK_UNUSED);
  }
  CHECK_EQ(unused, pool->unused_count);
  uint64_t bytes = 0;
  uint32_t free_in_regions = 0, free_in_lists = 0;
  for (uint32_t i = 0; i < pool->region_capacity; i++) {
    if (!pool->regions[i].segment.address) continue;
    bytes += pool->regions[i].block_bytes * pool->regions[i].blocks;
    CHECK(pool->regions[i].segment.size >= pool->regions[i].block_bytes * pool->regions[i].blocks);
    CHECK(pool->regions[i].free <= pool->regions[i].blocks);
    free_in_regions += pool->regions[i].free;
  }
  CHECK_EQ(bytes, pool->bytes);
  for (uint32_t class = 0; class < LF_POOL_CLASSES; class++) {
    for (uint32_t at = pool->free[class]; at != LF_NO_BLOCK; at = pool->blocks[at].next, free_in_lists++) {
      CHECK(at < LF_BLOCKS_MAX && !seen[at]++);
      CHECK_EQ(pool->blocks[at].state, LF_BLOCK_FREE);
      CHECK_EQ(pool->blocks[at].class, class);
      lf_pool_region *region = &pool->regions[pool->blocks[at].region];
      CHECK(pool->blocks[at].offset + region->block_bytes <= region->segment.size);
    }
  }
  CHECK_EQ(free_in_lists, free_in_regions);
}

static lf_pool pool;

/* One block, growing and retiring as a producer does; 0 when all that may exist is in flight. */
static int take(uint64_t length, uint32_t *block) {
  for (int attempt = 0; attempt < 1000; attempt++) {
    if (lf_pool_acquire(&pool, length, block)) return 1;
    uint32_t retire = 0;
    int32_t status = CHECK_OK(lf_pool_grow(&pool, length, &retire));
    if (status == LF_FULL) return 0;
    if (status == LF_RETIRE) CHECK_EQ(lf_pool_retire(&pool, retire), LF_OK);
    else CHECK_EQ(status, LF_OK);
  }
  test_fail(__FILE__, __LINE__, "growth does not end");
}

static void blocks_do_not_overlap(void) {
  test_random random = {test_seed()};
  lf_pool_open(&pool);
  static uint32_t held[LF_BLOCKS_MAX];
  static uint64_t lengths[LF_BLOCKS_MAX];
  uint32_t count = 0;
  for (int i = 0; i < 4000; i++) {
    uint32_t block;
    uint64_t length = 1 + test_next(&random) % ((uint64_t)64 << test_below(&random, 14));
    if (test_below(&random, 5) < 3 && take(length, &block)) {
      lf_block *b = &pool.blocks[block];
      CHECK_EQ(b->state, LF_BLOCK_LOANED);
      lf_pool_region *region = &pool.regions[b->region];
      CHECK(length <= region->block_bytes && b->offset + length <= region->segment.size);
      test_fill((char *)region->segment.address + b->offset, length, block);
      held[count] = block;
      lengths[count++] = length;
    } else if (count) {
      uint64_t at = test_below(&random, count);
      lf_block *b = &pool.blocks[held[at]];
      void *bytes = (char *)pool.regions[b->region].segment.address + b->offset;
      CHECK_EQ(test_differs(bytes, lengths[at], held[at]), lengths[at]);
      lf_pool_release(&pool, held[at]);
      held[at] = held[--count];
      lengths[at] = lengths[count];
    }
    if (i % 100 == 0) check_pool(&pool);
  }
  while (count) lf_pool_release(&pool, held[--count]);
  check_pool(&pool);
  lf_pool_close(&pool);
}

/* All 4096 blocks may be in flight; then it is full, and idle regions are retired for other sizes. */
static void all_blocks(void) {
  memset(&pool, 0, sizeof pool);
  lf_pool_open(&pool);
  static uint32_t held[LF_BLOCKS_MAX];
  uint32_t count = 0, none;
  while (take(256, &held[count])) CHECK(++count <= LF_BLOCKS_MAX);
  CHECK_EQ(count, LF_BLOCKS_MAX);
  check_pool(&pool);
  CHECK(!take(1024, &none));
  for (uint32_t i = 0; i < count; i++) lf_pool_release(&pool, held[i]);
  check_pool(&pool);
  CHECK(take(1024, &none));
  lf_pool_release(&pool, none);
  check_pool(&pool);
  lf_pool_close(&pool);
}

/* Bytes in flight are limited; a payload above half of the limit may have two blocks of its size. */
static void limits(void) {
  memset(&pool, 0, sizeof pool);
  lf_pool_open(&pool);
  uint32_t blocks[80], count = 0;
  while (take(1 << 20, &blocks[count])) CHECK(++count <= 64);
  CHECK_EQ(count, 64);
  uint32_t other;
  CHECK(!take(300, &other));
  while (count) lf_pool_release(&pool, blocks[--count]);
  CHECK(take((uint64_t)48 << 20, &blocks[0]));
  CHECK(take((uint64_t)48 << 20, &blocks[1]));
  CHECK(!take((uint64_t)48 << 20, &blocks[2]));
  check_pool(&pool);
  lf_pool_release(&pool, blocks[0]);
  CHECK(take(300, &other)); /* the idle region of 48 MiB goes */
  lf_pool_release(&pool, blocks[1]);
  lf_pool_release(&pool, other);
  check_pool(&pool);
  lf_pool_close(&pool);
}

static void regions_have_new_numbers(void) {
  memset(&pool, 0, sizeof pool);
  lf_pool_open(&pool);
  uint32_t block, retire = 0;
  CHECK(take(5000, &block));
  uint32_t id = pool.regions[pool.blocks[block].region].id;
  CHECK_EQ(lf_pool_retire(&pool, id), LF_EINVALID_ARGUMENT); /* in use */
  lf_pool_release(&pool, block);
  CHECK(lf_pool_region_of(&pool, id) != NULL);
  CHECK_EQ(lf_pool_retire(&pool, id), LF_OK);
  CHECK(lf_pool_region_of(&pool, id) == NULL);
  CHECK_EQ(lf_pool_retire(&pool, id), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_pool_retire(&pool, 0xffffffffu), LF_EINVALID_ARGUMENT);
  CHECK(take(5000, &block));
  CHECK(pool.regions[pool.blocks[block].region].id != id);
  CHECK_EQ(lf_pool_grow(&pool, ((uint64_t)1 << 32) + 1, &retire), LF_EINVALID_ARGUMENT);
  lf_pool_close(&pool);
}

/* 0 when it is unknown: ThreadSanitizer has memory of its own for each byte that was written. */
static uint64_t resident(void) {
#if defined(_WIN32)
  return 0;
#else
  if (TEST_TSAN) return 0;
  unsigned long pages = 0, whole = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  int got = fscanf(file, "%lu %lu", &whole, &pages);
  fclose(file);
  return got == 2 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
#endif
}

#define MIB ((uint64_t)1 << 20)

static void fill(uint32_t block, uint64_t length) {
  CHECK_EQ(lf_pool_ready(&pool, block, length), LF_OK);
  const lf_block *b = &pool.blocks[block];
  memset((char *)pool.regions[b->region].segment.address + b->offset, 7, length);
}

/* Trims until nothing is left to decommit at this time. */
static void trim(uint64_t now) {
  while (lf_pool_trim(&pool, now)) continue;
}

/* The pages of large blocks are decommitted when idle. Pages in use, or used a moment ago, stay. */
static void idle_pages_go_back(void) {
#if !defined(__linux__)
  printf("skip pages of idle blocks: they go back on Linux only\n");
  return;
#endif
  memset(&pool, 0, sizeof pool);
  lf_pool_open_private(&pool);
  uint64_t now = TRIM_NS, before = resident();
  uint32_t large, other, medium, small;
  CHECK(take(3000, &small));
  fill(small, 3000);
  CHECK(take(40 * MIB, &medium));
  fill(medium, 40 * MIB);
  CHECK(take(200 * MIB, &large));
  fill(large, 200 * MIB);
  uint64_t held = lf_pool_held(&pool);
  CHECK(held >= 240 * MIB);
  lf_pool_release(&pool, small);
  for (int i = 0; i < 5; i++) trim(now += TRIM_NS);
  CHECK_EQ(lf_pool_held(&pool), held); /* in use, or within what may be kept */
  lf_pool_release(&pool, large);
  lf_pool_release(&pool, medium);
  CHECK(take(200 * MIB, &large)); /* just used */
  lf_pool_release(&pool, large);
  trim(now += TRIM_NS);
  CHECK(lf_pool_held(&pool) >= 200 * MIB);
  trim(now += TRIM_NS);
  CHECK(lf_pool_held(&pool) <= LF_POOL_IDLE_BYTES);
  if (before) CHECK(resident() < before + LF_POOL_IDLE_BYTES + 32 * MIB);
  check_pool(&pool);
  /* The pages are allocated again when they are needed. */
  CHECK(take(200 * MIB, &large));
  fill(large, 150 * MIB);
  CHECK(lf_pool_held(&pool) >= 150 * MIB);
  CHECK(take(40 * MIB, &medium));
  fill(medium, 40 * MIB);
  lf_pool_release(&pool, medium);
  lf_pool_release(&pool, large);
  /* When sizes change, the pages of large blocks of other sizes are decommitted at once. */
  CHECK(take(300 * MIB, &other));
  trim(now);
  CHECK(lf_pool_held(&pool) <= LF_POOL_IDLE_BYTES);
  fill(other, 300 * MIB);
  check_pool(&pool);
  lf_pool_close(&pool);
}

int main(void) {
  RUN(classes_fit);
  RUN(blocks_do_not_overlap);
  RUN(all_blocks);
  RUN(limits);
  RUN(regions_have_new_numbers);
  RUN(idle_pages_go_back);
  return 0;
}
