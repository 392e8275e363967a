/* Small memory as parts of blocks, which belong to this process alone (parts.c). */
#ifndef LF_PARTS_H
#define LF_PARTS_H

#include "gpu/gpu_memory.h"

/* Bytes. Larger memory has an allocation of its own. */
#define LF_PART_BYTES_MAX ((uint64_t)256 << 10)

/* LF_OK, HOST_OUT_OF_MEMORY. */
int32_t lf_parts_open(lf_device *device);
/* No part may be allocated. */
void lf_parts_close(lf_device *device);

/* Allocates `size` bytes in an existing block. NULL when no block has enough free, or memory of this size has an
 * allocation of its own. The caller makes the part an owner of the device. */
lf_gpu_memory *lf_parts_allocate(lf_device *device, uint64_t size, int host_visible);
/* The same in a new block. */
lf_gpu_memory *lf_parts_allocate_new(lf_device *device, uint64_t size, int host_visible);
/* No work may use the part. */
void lf_parts_free(lf_gpu_memory *part);
/* Frees the blocks without parts. */
void lf_parts_trim(lf_device *device);

#endif
