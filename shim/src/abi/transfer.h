#ifndef LF_ABI_TRANSFER_H
#define LF_ABI_TRANSFER_H

#include "gpu/queue.h"

/* INVALID_ARGUMENT unless `size` > 0 bytes from `offset` are there, in memory of this device. */
int32_t lf_range_of(lf_device *device, int32_t memory, double offset, double size, lf_range *out);

#endif
