/*
 * Memory that a device reaches: its own, exportable and dedicated to one buffer; that of another process on the same
 * GPU; or host memory. What is freed while work on it is under way goes when that has ended.
 */
#ifndef LF_GPU_MEMORY_H
#define LF_GPU_MEMORY_H

#include "gpu/device.h"
#include "gpu/semaphore.h"

typedef struct lf_gpu_memory lf_gpu_memory;
typedef struct lf_part_block lf_part_block;
struct lf_gpu_memory {
  lf_device *device;
  VkBuffer buffer;      /* a part's: its block's */
  uint64_t start;       /* in the buffer */
  VkDeviceMemory memory;
  void *address;        /* mapped, or NULL */
  uint64_t size;        /* that was asked for */
  uint64_t bytes;       /* of the buffer: its size class, see lf_block_bytes */
  uint64_t allocation;  /* the driver's */
  uint8_t host_visible; /* asked for as such */
  uint8_t local;        /* in the GPU's own memory */
  uint8_t pinned;       /* host memory of this process */
  uint8_t unshared;     /* the GPU's own, mapped, and never another process's */
  uint8_t imported;
  uint8_t exported;     /* another process may have it: never reused for something else */
  lf_part_block *block; /* of which it is a part (parts.h); NULL where the buffer is its own */
  uint32_t range;       /* there */
  uint64_t last_use;    /* the queue's value of the last work that uses it */
  uint64_t moved_at;    /* the value from which on its bytes are where they are now; 0: they were from the start */
  /* A peer's work that has to end before the next use of it here, an owner's reference; NULL: none. */
  lf_semaphore *peer;
  uint64_t peer_value;
  int64_t os; /* as lf_external_export_memory keeps it */
  /* of memory that was freed: the next one in the cache or in the row of those that work still uses, and whom to tell */
  lf_gpu_memory *next;
  void (*gone)(void *context);
  void *context;
};

/* GPU_OUT_OF_MEMORY with the bytes available. */
int32_t lf_gpu_memory_allocate(lf_device *device, uint64_t size, int host_visible, lf_gpu_memory **out);
/* The GPU's own memory, mapped: drivers that export no such memory have it all the same. NOT_HOST_VISIBLE where they have none,
 * or not so much. */
int32_t lf_gpu_memory_allocate_bar(lf_device *device, uint64_t size, lf_gpu_memory **out);
/* Takes `os` over, also when it fails. */
int32_t lf_gpu_memory_import(lf_device *device, int64_t os, uint64_t size, uint64_t allocation, int host_visible,
                             lf_gpu_memory **out);
/* The same with an allocation of its own, whatever its size. */
int32_t lf_gpu_memory_allocate_own(lf_device *device, uint64_t size, int host_visible, lf_gpu_memory **out);
/* An allocation of exactly `bytes` from the driver: none that was freed before. */
int32_t lf_gpu_memory_allocate_new(lf_device *device, uint64_t size, uint64_t bytes, int host_visible,
                                   lf_gpu_memory **out);
/* Makes host pages reachable; they stay the caller's, and must stay mapped until the free has ended (see `gone`). */
int32_t lf_gpu_memory_pin(lf_device *device, void *address, uint64_t size, lf_gpu_memory **out);
/* Moves the bytes of a part into an allocation that can be exported: LF_OK when the copy is submitted, whose value is then
 * `moved_at`; LF_FULL as for the queue. LF_OK too for what is no part. */
int32_t lf_gpu_memory_move_out(lf_gpu_memory *memory);
/* A part gets an allocation of its own before: LF_FULL as for the queue, and whoever is given the handle may read from
 * `moved_at` on. */
int32_t lf_gpu_memory_export(lf_gpu_memory *memory, int64_t *out);
/* The same, and waits until then. TIMEOUT. */
int32_t lf_gpu_memory_export_at_rest(lf_gpu_memory *memory, int64_t *out);
/* Keeps the memory until work on it has ended and no ArrayBuffer shows it; then `gone` (may be NULL) is called with `context`. */
void lf_gpu_memory_free(lf_gpu_memory *memory, void (*gone)(void *context), void *context);

/* ---- the block cache of a device (block_cache.c): memory that was freed and not exported, by size, up to a limit ---- */

int32_t lf_block_cache_open(lf_device *device);
/* Frees all of it, and what waited for work: no work may be under way. 1, or 0 while an ArrayBuffer shows some of it. */
int lf_block_cache_close(lf_device *device);
/* The bytes that memory of `size` bytes gets: less than a quarter more, so that freed memory fits what comes next. Both
 * sides of an export compute the same. */
uint64_t lf_block_bytes(const lf_device *device, uint64_t size);
/* The same for memory from elsewhere, which may be another API's: that leaves nothing for OpenGL. */
uint64_t lf_block_bytes_imported(const lf_device *device, uint64_t size, uint64_t allocation);
/* A block of exactly `bytes`, or NULL. */
lf_gpu_memory *lf_block_cache_take(lf_device *device, uint64_t bytes, int host_visible);
void lf_block_cache_empty(lf_device *device);
/* Keeps freed memory until its work has ended and no ArrayBuffer shows it. */
void lf_block_cache_defer(lf_gpu_memory *memory);
/* Memory that no work uses: keeps it for its next user, or destroys it; then tells whoever wants to know. */
void lf_block_cache_put(lf_gpu_memory *memory);
/* Frees what waited and need not any longer, and calls `gone`; called by the queue. */
void lf_gpu_memory_collect(lf_device *device, uint64_t reached);

#endif
