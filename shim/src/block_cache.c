/*
 * An allocation that can be exported costs the driver 40 to 180 microseconds, so a freed one is kept for the next of its
 * size. Memory that another process may have seen is never kept: its bytes are no longer this process's alone.
 */
#include <stdlib.h>

#include "gpu_memory.h"
#include "status.h"

/* Drivers need to grant only 4,096 allocations a process: the cache shall not be what exhausts them. */
#define BLOCKS_MAX 64
/* And a program that frees memory expects others to be able to have most of it. */
#define BYTES_MAX ((uint64_t)512 << 20)
#define HEAP_PART 16

#define BYTES_MIN 16

struct lf_block_cache {
  lf_gpu_memory *newest; /* the row goes on to ever older ones */
  uint32_t count;
  uint64_t bytes, limit;
  lf_gpu_memory *waiting; /* for work to end */
};

int32_t lf_block_cache_open(lf_device *device) {
  lf_block_cache *cache = calloc(1, sizeof *cache);
  if (!cache) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for a block cache", sizeof *cache);
  uint64_t part = (uint64_t)device->info.heap_bytes / HEAP_PART;
  cache->limit = part < BYTES_MAX ? part : BYTES_MAX;
  device->cache = cache;
  return LF_OK;
}

/* Four classes to each power of two: 4, 5, 6 and 7 times 2^n. */
uint64_t lf_block_bytes(const lf_device *device, uint64_t size) {
  if (size <= BYTES_MIN) return BYTES_MIN;
  int shift = 61 - __builtin_clzll(size - 1);
  uint64_t step = (uint64_t)1 << shift, bytes = (size + step - 1) & ~(step - 1);
  /* At the very end there is no room for a class: whole words, as far as they go. */
  return bytes <= (uint64_t)device->info.allocation_max ? bytes : (size + 3) & ~(uint64_t)3;
}

lf_gpu_memory *lf_block_cache_take(lf_device *device, uint64_t bytes, int host_visible) {
  lf_block_cache *cache = device->cache;
  for (lf_gpu_memory **at = &cache->newest; *at; at = &(*at)->next) {
    lf_gpu_memory *memory = *at;
    if (memory->bytes != bytes || memory->host_visible != !!host_visible) continue;
    *at = memory->next;
    memory->next = NULL;
    cache->count--;
    cache->bytes -= memory->allocation;
    return memory;
  }
  return NULL;
}

static void drop_oldest(lf_block_cache *cache) {
  lf_gpu_memory **at = &cache->newest;
  while ((*at)->next) at = &(*at)->next;
  lf_gpu_memory *oldest = *at;
  *at = NULL;
  cache->count--;
  cache->bytes -= oldest->allocation;
  lf_gpu_memory_destroy(oldest);
}

void lf_block_cache_empty(lf_device *device) {
  while (device->cache->newest) drop_oldest(device->cache);
}

void lf_block_cache_put(lf_gpu_memory *memory) {
  lf_block_cache *cache = memory->device->cache;
  void (*gone)(void *) = memory->gone;
  void *context = memory->context;
  int own = !memory->exported && !memory->imported && !memory->pinned && !memory->unshared;
  if (!own || memory->device->lost || memory->allocation > cache->limit) {
    lf_gpu_memory_destroy(memory);
  } else {
    while (cache->count == BLOCKS_MAX || cache->bytes + memory->allocation > cache->limit) drop_oldest(cache);
    memory->gone = NULL;
    memory->next = cache->newest;
    cache->newest = memory;
    cache->count++;
    cache->bytes += memory->allocation;
  }
  if (gone) gone(context);
}

void lf_block_cache_defer(lf_gpu_memory *memory) {
  lf_block_cache *cache = memory->device->cache;
  memory->next = cache->waiting;
  cache->waiting = memory;
}

void lf_gpu_memory_collect(lf_device *device, uint64_t reached) {
  for (lf_gpu_memory **at = &device->cache->waiting; *at;) {
    lf_gpu_memory *memory = *at;
    if (memory->last_use > reached) {
      at = &memory->next;
      continue;
    }
    *at = memory->next;
    memory->next = NULL;
    lf_block_cache_put(memory);
  }
}

void lf_block_cache_close(lf_device *device) {
  if (!device->cache) return;
  lf_gpu_memory_collect(device, UINT64_MAX);
  lf_block_cache_empty(device);
  free(device->cache);
  device->cache = NULL;
}
