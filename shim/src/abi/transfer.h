#ifndef LF_ABI_TRANSFER_H
#define LF_ABI_TRANSFER_H

#include "gpu/queue.h"

/* Looks up a memory of the device and checks a range of it. LF_OK; INVALID_ARGUMENT unless it has `size` > 0 bytes from
 * `offset`; CLOSED. */
int32_t lf_range_of(lf_device *device, int32_t memory, double offset, double size, lf_range *out);

#endif
