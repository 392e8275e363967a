/*
 * Memory that a device can use: its own, exportable and dedicated to one buffer; that of another process on the same
 * GPU; or host memory. Memory that is freed while work uses it is released when that work has ended.
 */
#ifndef LF_GPU_MEMORY_H
#define LF_GPU_MEMORY_H

#include "gpu/device.h"
#include "gpu/semaphore.h"

typedef struct lf_gpu_memory lf_gpu_memory;
typedef struct lf_part_block lf_part_block;
struct lf_gpu_memory {
  lf_device *device;
  VkBuffer buffer;      /* a part has its block's buffer */
  uint64_t start;       /* offset in the buffer */
  VkDeviceMemory memory;
  void *address;        /* mapped, or NULL */
  uint64_t size;        /* bytes requested */
  uint64_t bytes;       /* of the buffer: the size class, see lf_block_bytes */
  uint64_t allocation;  /* bytes of the driver's allocation */
  uint8_t host_visible; /* as requested */
  uint8_t local;        /* device-local */
  uint8_t pinned;       /* pinned host memory of this process */
  uint8_t unshared;     /* BAR memory or a block, which is never exported */
  uint8_t imported;
  uint8_t exported;     /* another process may have it: never kept for reuse */
  lf_part_block *block; /* the block that it is a part of (parts.h); NULL when the buffer is its own */
  uint32_t range;       /* the part's range in its block */
  uint64_t last_use;    /* the timeline value of the last work that uses it */
  uint64_t moved_at;    /* the timeline value of the copy that moved its bytes here; 0: they never moved */
  /* The peer's semaphore, and the value that it must reach before the next use here; counted as an owner. NULL:
   * none. */
  lf_semaphore *peer;
  uint64_t peer_value;
  int64_t os; /* as lf_external_export_memory keeps it */
  /* Of freed memory: the next one in its list, and the callback for the release. */
  lf_gpu_memory *next;
  void (*gone)(void *context);
  void *context;
};

/* Allocates memory: small memory as a part of a block, else as lf_gpu_memory_allocate_own. GPU_OUT_OF_MEMORY with the
 * bytes available. */
int32_t lf_gpu_memory_allocate(lf_device *device, uint64_t size, int host_visible, lf_gpu_memory **out);
/* Allocates BAR memory, also of drivers that export no such memory. NOT_HOST_VISIBLE when there is none, or less than
 * `size`. */
int32_t lf_gpu_memory_allocate_bar(lf_device *device, uint64_t size, lf_gpu_memory **out);
/* Imports memory of another process. Takes ownership of `os`, also when it fails. EXTERNAL_HANDLE_MISMATCH. */
int32_t lf_gpu_memory_import(lf_device *device, int64_t os, uint64_t size, uint64_t allocation, int host_visible,
                             lf_gpu_memory **out);
/* Allocates memory with an allocation of its own, of any size, if possible from the block cache. */
int32_t lf_gpu_memory_allocate_own(lf_device *device, uint64_t size, int host_visible, lf_gpu_memory **out);
/* Allocates exactly `bytes` from the driver, never from the block cache. */
int32_t lf_gpu_memory_allocate_new(lf_device *device, uint64_t size, uint64_t bytes, int host_visible,
                                   lf_gpu_memory **out);
/* Makes host pages usable by the GPU. The caller owns them and keeps them mapped until `gone` of the free was called.
 * GPU_PINNING_FAILED. */
int32_t lf_gpu_memory_pin(lf_device *device, void *address, uint64_t size, lf_gpu_memory **out);
/* Copies a part into an exportable allocation, which becomes its memory. LF_OK when the copy is submitted, with its
 * value in `moved_at`; LF_FULL as for the queue. LF_OK without a copy for memory that is not a part. */
int32_t lf_gpu_memory_move_out(lf_gpu_memory *memory);
/* Exports the memory; a part is moved before: LF_FULL as for the queue. The receiver of the handle may read once
 * `moved_at` is reached. EXTERNAL_MEMORY_UNSUPPORTED. */
int32_t lf_gpu_memory_export(lf_gpu_memory *memory, int64_t *out);
/* The same, and waits until `moved_at` is reached. TIMEOUT after 30 s. */
int32_t lf_gpu_memory_export_wait(lf_gpu_memory *memory, int64_t *out);
/* Frees the memory once its work has ended and no ArrayBuffer shows it; then calls `gone` (may be NULL) with
 * `context`. */
void lf_gpu_memory_free(lf_gpu_memory *memory, void (*gone)(void *context), void *context);

/* ---- the block cache of a device (block_cache.c): freed memory that was never exported, by size ---- */

/* LF_OK, HOST_OUT_OF_MEMORY. Also opens the device's parts. */
int32_t lf_block_cache_open(lf_device *device);
/* Frees all memory of the cache; no work may be in flight. 1; or 0 while an ArrayBuffer shows some of it, and the cache
 * stays. */
int lf_block_cache_close(lf_device *device);
/* Bytes of the buffer for `size` bytes: less than a quarter more, so that freed memory fits later requests. Exporter
 * and importer compute the same. */
uint64_t lf_block_bytes(const lf_device *device, uint64_t size);
/* The same for imported memory. Memory that another API exported lacks the bytes that OpenGL needs behind a buffer. */
uint64_t lf_block_bytes_imported(const lf_device *device, uint64_t size, uint64_t allocation);
/* Removes a block of exactly `bytes` from the cache, or returns NULL. */
lf_gpu_memory *lf_block_cache_take(lf_device *device, uint64_t bytes, int host_visible);
/* Frees the blocks of the cache, and blocks without parts. */
void lf_block_cache_empty(lf_device *device);
/* Keeps freed memory until its work has ended and no ArrayBuffer shows it. */
void lf_block_cache_defer(lf_gpu_memory *memory);
/* Puts memory that no work uses into the cache, or frees it; then calls its `gone`. */
void lf_block_cache_put(lf_gpu_memory *memory);
/* Releases the deferred memory whose work ended at or before the value `reached`. The queue calls it. */
void lf_gpu_memory_collect(lf_device *device, uint64_t reached);

#endif
