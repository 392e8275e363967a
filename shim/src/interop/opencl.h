/* OpenCL, opened at run time: devices and contexts (opencl.c), memory (opencl_memory.c), semaphores
 * (opencl_semaphore.c). Handles of the caller's OpenCL objects are pointers, and are trusted: OpenCL can't check them. */
#ifndef LF_OPENCL_H
#define LF_OPENCL_H

#include <stdint.h>

#include "interop/opencl_api.h"
#include "lavaflow.h"

#if defined(_WIN32)
#define LF_CL_MEMORY_EXTENSION "cl_khr_external_memory_opaque_win32"
#define LF_CL_SEMAPHORE_EXTENSION "cl_khr_external_semaphore_opaque_win32"
#else
#define LF_CL_MEMORY_EXTENSION "cl_khr_external_memory_opaque_fd"
#define LF_CL_SEMAPHORE_EXTENSION "cl_khr_external_semaphore_opaque_fd"
#endif

/* A device and a context of it, which is retained. */
typedef struct {
  cl_platform_id platform;
  cl_device_id device;
  cl_context context;
  int32_t devices; /* of the context */
} lf_opencl_target;

/* The functions, or NULL with the failure recorded. */
const lf_opencl_functions *lf_opencl_open(void);
/* The device that `uuid` names: in `context`, or, where that is 0, in a new context of its own. EXTERNAL_HANDLE_MISMATCH,
 * EXTERNAL_MEMORY_UNSUPPORTED unless it has `extension`. */
int32_t lf_opencl_target_make(const uint8_t *uuid, uint64_t context, const char *extension, lf_opencl_target *out);
/* Returns `status`, or the failure to release where there was none before. */
int32_t lf_opencl_target_release(lf_opencl_target *target, int32_t status);
/* The functions of an extension, as lf_library_symbols. */
int32_t lf_opencl_extension(cl_platform_id platform, const char *const *names, void **table);
/* EXTERNAL_MEMORY_UNSUPPORTED where the device does not tell. */
int32_t lf_opencl_device_uuid(cl_device_id device, uint8_t *uuid);

/* LF_OK, or a failed call recorded with OpenCL's name for the result: `code`, but GPU_OUT_OF_MEMORY where that says so. */
int32_t lf_opencl_check(int32_t code, const char *api, cl_int result);

#endif
