/* What channels need of memory: the segment behind a shared block. */
#ifndef LF_MEMORY_H
#define LF_MEMORY_H

#include "lavaflow.h"
#include "segment.h"

/* The segment of a shared block, which has whole pages, and the bytes that were asked for; NULL with the failure
 * recorded when the handle is stale or the block is not shared. */
const lf_segment *lf_memory_segment(int32_t handle, uint64_t *size);

/* Makes a shared block of `size` bytes of an attached segment, which it takes over (also when it fails). Returns its
 * handle. */
int32_t lf_memory_adopt(lf_segment *segment, uint64_t size);

#endif
