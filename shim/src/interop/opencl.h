/* OpenCL, opened at run time: devices and contexts (opencl.c), memory (opencl_memory.c), semaphores
 * (opencl_semaphore.c). The caller's OpenCL objects are pointers and are trusted, as OpenCL cannot check them. */
#ifndef LF_OPENCL_H
#define LF_OPENCL_H

#include <stdint.h>

#include "gpu/gpu_memory.h"
#include "gpu/semaphore.h"
#include "interop/opencl_api.h"
#include "lavaflow.h"

#if defined(_WIN32)
#define LF_CL_MEMORY_EXTENSION "cl_khr_external_memory_opaque_win32"
#define LF_CL_SEMAPHORE_EXTENSION "cl_khr_external_semaphore_opaque_win32"
#else
#define LF_CL_MEMORY_EXTENSION "cl_khr_external_memory_opaque_fd"
#define LF_CL_SEMAPHORE_EXTENSION "cl_khr_external_semaphore_opaque_fd"
#endif

/* A device and a retained context of it. */
typedef struct {
  cl_platform_id platform;
  cl_device_id device;
  cl_context context;
  int32_t devices; /* the context's number of devices */
} lf_opencl_target;

/* The functions, or NULL with BACKEND_UNAVAILABLE recorded. */
const lf_opencl_functions *lf_opencl_open(void);
/* The device that `uuid` names: in `context`, or in a new context of the shim if that is 0. LF_OK,
 * EXTERNAL_HANDLE_MISMATCH; EXTERNAL_MEMORY_UNSUPPORTED when the device lacks `extension`. */
int32_t lf_opencl_target_make(const uint8_t *uuid, uint64_t context, const char *extension, lf_opencl_target *out);
/* Returns `status`; or the failure of the release, if `status` is none. */
int32_t lf_opencl_target_release(lf_opencl_target *target, int32_t status);
/* Loads the functions of an extension, in the order of `names`. LF_OK, EXTERNAL_MEMORY_UNSUPPORTED. */
int32_t lf_opencl_extension(cl_platform_id platform, const char *const *names, void **table);
/* LF_OK; EXTERNAL_MEMORY_UNSUPPORTED when the device has no UUID. */
int32_t lf_opencl_device_uuid(cl_device_id device, uint8_t *uuid);

/* LF_OK; or records a failed call with OpenCL's name for the result and returns `code`, or GPU_OUT_OF_MEMORY or
 * HOST_OUT_OF_MEMORY for results that say so. */
int32_t lf_opencl_check(int32_t code, const char *api, cl_int result);

/* ---- opencl_memory.c ---- */

typedef struct lf_opencl_memory lf_opencl_memory;

/* As the functions of lavaflow/interop.h with these names, without "memory". */
int32_t lf_opencl_memory_import(lf_gpu_memory *memory, double offset, double size, uint64_t context,
                                lf_opencl_memory **out);
void lf_opencl_memory_describe(const lf_opencl_memory *memory, uint64_t *out);
int32_t lf_opencl_memory_acquire(const lf_opencl_memory *memory, uint64_t queue);
int32_t lf_opencl_memory_release(const lf_opencl_memory *memory, uint64_t queue);
int32_t lf_opencl_memory_copy(lf_opencl_memory *memory, uint64_t mem, double size, uint64_t queue);
int32_t lf_opencl_memory_copied(const lf_opencl_memory *memory);
/* LF_OK, SYSTEM. */
int32_t lf_opencl_memory_free(lf_opencl_memory *memory);

/* ---- opencl_semaphore.c ---- */

typedef struct lf_opencl_semaphore lf_opencl_semaphore;

/* As lf_opencl_semaphore_import. */
int32_t lf_opencl_semaphore_make(lf_semaphore *semaphore, uint64_t context, lf_opencl_semaphore **out);
/* As lf_opencl_semaphore_wait and lf_opencl_semaphore_signal. */
int32_t lf_opencl_semaphore_enqueue(const lf_opencl_semaphore *semaphore, uint64_t queue, int is_wait);
/* LF_OK, SYSTEM. */
int32_t lf_opencl_semaphore_free(lf_opencl_semaphore *semaphore);

#endif
