/* The staging ring: slots in one mapped buffer, between JavaScript's memory and the GPU's. Created at its first use. */
#ifndef LF_STAGING_H
#define LF_STAGING_H

#include "gpu/queue.h"

/* As lf_queue_write, lf_queue_read and lf_queue_read_end. */
int32_t lf_staging_write(lf_device *device, const lf_range *range, const void *data, int32_t first, double *value);
int32_t lf_staging_read(lf_device *device, const lf_range *range, int32_t first, lf_staged_read *out);
int32_t lf_staging_read_end(lf_device *device, uint32_t token, void *target, double size);
/* No work may be in flight. */
void lf_staging_close(lf_device *device);

#endif
