/*
 * CUDA's driver API, opened at run time: the library, its devices, and pinning. Calls run in the primary context of
 * their device, and restore the caller's current context.
 */
#ifndef LF_CUDA_H
#define LF_CUDA_H

#include <stddef.h>
#include <stdint.h>

#include "cuda/cuda_api.h"
#include "lavaflow.h"

/* Pins host pages for all CUDA devices, so that copies run at the speed of the bus. LF_OK, GPU_PINNING_FAILED,
 * BACKEND_UNAVAILABLE. */
int32_t lf_cuda_host_register(void *address, size_t bytes);
/* Unpins the pages of a registered address, before they are unmapped. LF_OK. */
int32_t lf_cuda_host_unregister(void *address);

/* The rest is for interop/. */

/* A device with its primary context, which is retained until the release. */
typedef struct {
  CUdevice device;
  CUcontext context;
  uint8_t uuid[LF_UUID_BYTES];
} lf_cuda_device;

/* The functions, or NULL with BACKEND_UNAVAILABLE recorded. */
const lf_cuda_functions *lf_cuda_open(void);
/* Retains the device with this UUID. LF_OK, EXTERNAL_HANDLE_MISMATCH, BACKEND_UNAVAILABLE. */
int32_t lf_cuda_device_retain(const uint8_t *uuid, lf_cuda_device *out);
int32_t lf_cuda_device_retain_at(CUdevice device, lf_cuda_device *out);
/* Returns `status`; or the failure of the release, if `status` is no failure. */
int32_t lf_cuda_device_release(lf_cuda_device *device, int32_t status);
/* Makes the device's context current, and restores the caller's. lf_cuda_leave returns `status`, or its own failure if
 * `status` is none. */
int32_t lf_cuda_enter(const lf_cuda_device *device);
int32_t lf_cuda_leave(int32_t status);

/* Records a failed call with CUDA's name and description of the result. Returns `code`, or GPU_OUT_OF_MEMORY or
 * GPU_DEVICE_LOST for results that say so. */
int32_t lf_cuda_fail(int32_t code, const char *api, CUresult result, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
