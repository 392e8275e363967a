/*
 * An exportable allocation costs the driver 40 to 180 microseconds, so a freed one is kept for the next of its size.
 * Memory that another process may have is never kept: that process can still read it.
 */
#include <stdlib.h>

#include "base/status.h"
#include "gpu/allocation.h"
#include "gpu/parts.h"

/* Blocks in the cache. Drivers must grant only 4,096 allocations to a process, and the cache must not exhaust them. */
#define BLOCKS_MAX 64
/* Bytes in the cache: at most this, and at most 1 / HEAP_PART of the heap. Freed memory must be available to other
 * programs. */
#define BYTES_MAX ((uint64_t)512 << 20)
#define HEAP_PART 16

#define BYTES_MIN 16 /* of a block: the smallest size class */

/* Bytes behind the memory of a software GPU. Mesa's software driver of OpenGL reads this far beyond a buffer's end, and
 * refuses a buffer in imported memory with fewer (llvmpipe: (LP_RASTER_BLOCK_SIZE - 1) * 4 floats, in whole cache
 * lines). */
#define OPENGL_REST 64

struct lf_block_cache {
  lf_gpu_memory *newest; /* head of a list, the newest first */
  uint32_t count;
  uint64_t bytes, limit;
  lf_gpu_memory *waiting; /* freed, but still used by work or shown by an ArrayBuffer */
};

int32_t lf_block_cache_open(lf_device *device) {
  lf_block_cache *cache = calloc(1, sizeof *cache);
  if (!cache) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for a block cache", sizeof *cache);
  uint64_t part = (uint64_t)device->info.heap_bytes / HEAP_PART;
  cache->limit = part < BYTES_MAX ? part : BYTES_MAX;
  device->cache = cache;
  return lf_parts_open(device);
}

/* Four classes per power of two: 4, 5, 6 and 7 times 2^n. */
uint64_t lf_block_bytes(const lf_device *device, uint64_t size) {
  if (size < BYTES_MIN) size = BYTES_MIN;
  int shift = 61 - __builtin_clzll(size - 1);
  uint64_t step = (uint64_t)1 << shift, bytes = (size + step - 1) & ~(step - 1);
  uint64_t most = (uint64_t)device->info.allocation_max;
  if (device->info.type == LF_GPU_CPU && bytes + OPENGL_REST <= most) return bytes + OPENGL_REST;
  /* A size whose class exceeds allocation_max is rounded to whole words. */
  return bytes <= most ? bytes : (size + 3) & ~(uint64_t)3;
}

uint64_t lf_block_bytes_imported(const lf_device *device, uint64_t size, uint64_t allocation) {
  uint64_t bytes = lf_block_bytes(device, size);
  int has_rest = device->info.type == LF_GPU_CPU && bytes >= size + OPENGL_REST;
  return has_rest && allocation < bytes ? bytes - OPENGL_REST : bytes;
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
  lf_parts_trim(device);
}

void lf_block_cache_put(lf_gpu_memory *memory) {
  lf_block_cache *cache = memory->device->cache;
  void (*gone)(void *) = memory->gone;
  void *context = memory->context;
  int own = !memory->exported && !memory->imported && !memory->pinned && !memory->unshared;
  if (memory->block) {
    lf_parts_free(memory);
  } else if (!own || memory->device->lost || memory->allocation > cache->limit) {
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
    if (memory->last_use > reached || lf_gpu_memory_shown(memory)) {
      at = &memory->next;
      continue;
    }
    *at = memory->next;
    memory->next = NULL;
    lf_block_cache_put(memory);
  }
}

int lf_block_cache_close(lf_device *device) {
  if (!device->cache) return 1;
  lf_gpu_memory_collect(device, UINT64_MAX);
  lf_block_cache_empty(device);
  if (device->cache->waiting) return 0;
  lf_parts_close(device);
  free(device->cache);
  device->cache = NULL;
  return 1;
}
