/* GPUs by their handles. */
#ifndef LF_ABI_DEVICE_H
#define LF_ABI_DEVICE_H

#include "gpu/device.h"

/* The device, or NULL with the failure recorded. */
lf_device *lf_device_get(int32_t handle);

#endif
