/* Memory by its handle: the segment of a shared block, or the GPU memory of a block on a GPU. */
#ifndef LF_MEMORY_H
#define LF_MEMORY_H

#include "base/handle.h"
#include "gpu/gpu_memory.h"
#include "host/segment.h"
#include "lavaflow.h"

/* Whether the handle is of memory that is open. */
static inline int lf_memory_open(int32_t handle) { return lf_handle_get(LF_KIND_MEMORY, handle) != NULL; }

/* The segment of a shared block, in whole pages, and the bytes requested. NULL with the failure recorded when the
 * handle is stale or the block is not shared. */
const lf_segment *lf_memory_segment(int32_t handle, uint64_t *size);

/* Makes a shared block of an attached segment, which it takes over, also when it fails. Returns the handle. */
int32_t lf_memory_adopt(lf_segment *segment, uint64_t size);

/* The GPU memory of a block, which lives as long as its handle. NULL with the failure recorded when the handle is stale
 * or of another kind of memory. */
lf_gpu_memory *lf_memory_gpu(int32_t handle);

/* Makes a block of GPU memory, which it takes over, also when it fails. Returns the handle. */
int32_t lf_memory_adopt_gpu(lf_gpu_memory *gpu);

#endif
