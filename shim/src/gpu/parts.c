/*
 * Small memory as parts of blocks. An allocation costs the driver 40 microseconds, a driver must grant only 4,096 of
 * them, and an exportable one may hold a descriptor of the process. A block is one allocation with one buffer, which
 * TLSF divides. Blocks are never exported, because an importer can map all of an allocation: a part is moved into an
 * allocation of its own first.
 */
#include "gpu/parts.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/status.h"
#include "base/tlsf.h"
#include "gpu/allocation.h"

/* As in AMD's Vulkan Memory Allocator (VmaBlockVector): a block has 256 MiB, or an eighth of a heap of up to 1 GiB. The
 * first blocks have an eighth, a quarter and half of that, as have blocks when the memory for a larger one is out. */
#define BLOCK_BYTES ((uint64_t)256 << 20)
#define SMALL_HEAP_BYTES ((uint64_t)1 << 30)
#define SMALL_HEAP_PART 8
#define HALVINGS 3

/* Bytes. The least alignment of parts: a cache line of every GPU. */
#define UNIT_MIN 64

struct lf_part_block {
  lf_gpu_memory *memory;
  lf_tlsf *space;
  lf_part_block *next;
};

/* Each device has two: for memory that is not mapped, and for memory that is. */
struct lf_parts {
  lf_part_block *blocks;
  uint64_t unit;       /* bytes of TLSF's unit, a power of two; 0: this device has no blocks */
  uint64_t block_bytes;
};

static lf_parts *of_kind(const lf_device *device, int host_visible) { return &device->parts[host_visible != 0]; }

int32_t lf_parts_open(lf_device *device) {
  device->parts = calloc(2, sizeof *device->parts);
  if (!device->parts)
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for the blocks of a GPU", 2 * sizeof *device->parts);
  uint64_t unit = UNIT_MIN;
  /* A shader's binding may begin at each part. */
  if (unit < device->storage_alignment) unit = device->storage_alignment;
  uint64_t heap = (uint64_t)device->info.heap_bytes;
  uint64_t bytes = heap <= SMALL_HEAP_BYTES ? heap / SMALL_HEAP_PART : BLOCK_BYTES;
  uint64_t most = (uint64_t)device->info.allocation_max;
  if (bytes > most) bytes = most;
  bytes = bytes / unit * unit;
  for (int kind = 0; kind < 2; kind++) {
    device->parts[kind].unit = (bytes >> HALVINGS) >= LF_PART_BYTES_MAX ? unit : 0;
    device->parts[kind].block_bytes = bytes;
  }
  return LF_OK;
}

static void destroy(lf_part_block *block) {
  lf_gpu_memory_destroy(block->memory);
  lf_tlsf_close(block->space);
  free(block);
}

static uint64_t largest_of(const lf_parts *parts) {
  uint64_t largest = 0;
  for (const lf_part_block *b = parts->blocks; b; b = b->next)
    if (b->memory->bytes > largest) largest = b->memory->bytes;
  return largest;
}

/* A new block, or NULL when memory is out. */
static lf_part_block *make_block(lf_device *device, lf_parts *parts, int host_visible) {
  uint64_t bytes = parts->block_bytes, largest = largest_of(parts), least = bytes >> HALVINGS;
  while (bytes > least && bytes / 2 > largest) bytes /= 2;
  lf_part_block *block = calloc(1, sizeof *block);
  if (!block) return NULL;
  while (bytes >= least && !block->memory) {
    bytes = bytes / parts->unit * parts->unit;
    if (lf_gpu_memory_allocate_block(device, bytes, host_visible, &block->memory) < 0) bytes /= 2;
  }
  if (block->memory) block->space = lf_tlsf_open((uint32_t)(block->memory->bytes / parts->unit));
  if (block->space) {
    block->next = parts->blocks;
    parts->blocks = block;
    return block;
  }
  if (block->memory) lf_gpu_memory_destroy(block->memory);
  free(block);
  return NULL;
}

/* The object of a part, or NULL when memory is out. */
static lf_gpu_memory *describe(lf_part_block *block, uint32_t range, uint64_t unit, uint64_t units) {
  const lf_gpu_memory *whole = block->memory;
  lf_gpu_memory *m = calloc(1, sizeof *m);
  if (!m) {
    lf_tlsf_free(block->space, range);
    return NULL;
  }
  m->device = whole->device;
  m->block = block;
  m->range = range;
  m->start = lf_tlsf_start(block->space, range) * unit;
  m->buffer = whole->buffer;
  m->memory = whole->memory;
  m->address = whole->address ? (char *)whole->address + m->start : NULL;
  m->bytes = m->allocation = units * unit;
  m->host_visible = whole->host_visible;
  m->local = whole->local;
  m->os = -1;
  return m;
}

lf_gpu_memory *lf_parts_allocate(lf_device *device, uint64_t size, int host_visible) {
  lf_parts *parts = of_kind(device, host_visible);
  if (!parts->unit || size > LF_PART_BYTES_MAX) return NULL;
  uint64_t units = (size + parts->unit - 1) / parts->unit;
  for (lf_part_block *block = parts->blocks; block; block = block->next) {
    uint32_t range = lf_tlsf_allocate(block->space, (uint32_t)units);
    if (range) return describe(block, range, parts->unit, units);
  }
  return NULL;
}

lf_gpu_memory *lf_parts_allocate_new(lf_device *device, uint64_t size, int host_visible) {
  lf_parts *parts = of_kind(device, host_visible);
  if (!parts->unit || size > LF_PART_BYTES_MAX) return NULL;
  return make_block(device, parts, host_visible) ? lf_parts_allocate(device, size, host_visible) : NULL;
}

/* Frees the blocks without parts, except for `kept` of them. */
static void trim(lf_parts *parts, uint32_t kept) {
  for (lf_part_block **at = &parts->blocks; *at;) {
    lf_part_block *block = *at;
    if (!lf_tlsf_empty(block->space) || kept) {
      if (lf_tlsf_empty(block->space)) kept--;
      at = &block->next;
      continue;
    }
    *at = block->next;
    destroy(block);
  }
}

void lf_parts_free(lf_gpu_memory *m) {
  lf_part_block *block = m->block;
  lf_parts *parts = of_kind(m->device, m->host_visible);
  lf_tlsf_free(block->space, m->range);
  free(m);
  /* One empty block stays, so that a program that allocates and frees one buffer does not allocate a block each
   * time. */
  if (lf_tlsf_empty(block->space)) trim(parts, 1);
}

void lf_parts_trim(lf_device *device) {
  for (int kind = 0; device->parts && kind < 2; kind++) trim(&device->parts[kind], 0);
}

void lf_parts_close(lf_device *device) {
  if (!device->parts) return;
  lf_parts_trim(device);
  free(device->parts);
  device->parts = NULL;
}
