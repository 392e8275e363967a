/* Small memory as parts of blocks, which belong to this process alone (parts.c). */
#ifndef LF_PARTS_H
#define LF_PARTS_H

#include "gpu/gpu_memory.h"

/* What is larger has an allocation of its own. */
#define LF_PART_BYTES_MAX ((uint64_t)256 << 10)

int32_t lf_parts_open(lf_device *device);
/* No part may be left. */
void lf_parts_close(lf_device *device);

/* Memory of `size` bytes as a part of a block that is there. NULL: no block has room, or memory of this size has an
 * allocation of its own. The device is not retained yet. */
lf_gpu_memory *lf_parts_take(lf_device *device, uint64_t size, int host_visible);
/* The same of a new block. */
lf_gpu_memory *lf_parts_take_new(lf_device *device, uint64_t size, int host_visible);
/* No work may use it any more. */
void lf_parts_give(lf_gpu_memory *part);
/* Gives blocks back to the driver of which nothing is in use. */
void lf_parts_trim(lf_device *device);

#endif
