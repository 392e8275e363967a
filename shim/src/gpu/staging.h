/*
 * The staging ring: places in one mapped buffer, between JavaScript's memory and the GPU's. Made at its first use.
 */
#ifndef LF_STAGING_H
#define LF_STAGING_H

#include "gpu/device.h"

/* No work may be under way. */
void lf_staging_close(lf_device *device);

#endif
