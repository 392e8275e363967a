/*
 * CUDA's driver API, opened at run time: the library and its devices (cuda.c), memory (cuda_memory.c), copies
 * (cuda_copy.c), semaphores (cuda_semaphore.c). What this process asks of it runs in the primary context of the device that is meant, and the
 * caller's current context is afterwards what it was before. A channel between two GPUs of one host needs
 * lf_cuda_peer_viable, lf_cuda_import_os_handle, lf_cuda_import, lf_cuda_copy and lf_cuda_copied (lavaflow.h).
 */
#ifndef LF_CUDA_H
#define LF_CUDA_H

#include <stddef.h>
#include <stdint.h>

#include "cuda/cuda_api.h"
#include "lavaflow.h"

/* Pins host pages for all CUDA devices: their copies to and from them are then as fast as the bus. GPU_PINNING_FAILED. */
int32_t lf_cuda_host_register(void *address, size_t bytes);
/* Of an address that was registered, before its pages go. */
int32_t lf_cuda_host_unregister(void *address);

/* The rest is for CUDA's own files. */

/* A device with its primary context, which lives at least until the release. */
typedef struct {
  CUdevice device;
  CUcontext context;
  uint8_t uuid[LF_UUID_BYTES];
} lf_cuda_device;

/* The functions, or NULL with the failure recorded. */
const lf_cuda_functions *lf_cuda_open(void);
/* EXTERNAL_HANDLE_MISMATCH where CUDA has no device with this UUID. */
int32_t lf_cuda_device_retain(const uint8_t *uuid, lf_cuda_device *out);
int32_t lf_cuda_device_retain_at(CUdevice device, lf_cuda_device *out);
/* Returns `status`, or the failure to release where there was none before. */
int32_t lf_cuda_device_release(lf_cuda_device *device, int32_t status);
/* Between the two, the device's context is the current one. */
int32_t lf_cuda_enter(const lf_cuda_device *device);
int32_t lf_cuda_leave(int32_t status);

/* Records a failed call with CUDA's own name and words for the result; returns `code`, but GPU_OUT_OF_MEMORY and
 * GPU_DEVICE_LOST where the result says so. */
int32_t lf_cuda_fail(int32_t code, const char *api, CUresult result, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
