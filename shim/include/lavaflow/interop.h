#ifndef LAVAFLOW_INTEROP_H
#define LAVAFLOW_INTEROP_H

#include "lavaflow/status.h"

/* ---- interop: the same memory and semaphores in CUDA, OpenCL and OpenGL, each opened at run time ----
 * BACKEND_UNAVAILABLE with the reason where an API is not here; EXTERNAL_HANDLE_MISMATCH where it has no device with
 * the UUID that is needed. A failing call of an API is recorded under its own name, with its own status. */

/* 1 when the API can be used, 0 when not; `why` is told either way (UTF-8, cut to `capacity` bytes with its end). */
LF_API int32_t lf_cuda_viable(uint32_t capacity, char *why);
LF_API int32_t lf_opencl_viable(uint32_t capacity, char *why);
LF_API int32_t lf_opengl_viable(uint32_t capacity, char *why);

/* GPU memory as CUDA memory of the same device; a handle. The memory may be closed before or after it. */
LF_API int32_t lf_cuda_import(int32_t memory);
/* The same for GPU memory that another process exported, on whichever GPU `device_uuid` names. Takes ownership of the
 * OS handle (also when it fails). */
LF_API int32_t lf_cuda_import_os_handle(int64_t os_handle, double allocation, double size, const uint8_t *device_uuid);
/* Memory that was born in CUDA, at `pointer`, and stays its owner's. */
LF_API int32_t lf_cuda_adopt(uint64_t pointer, double size);
/* Its device pointer, and the UUID of its device (LF_UUID_BYTES). */
LF_API int32_t lf_cuda_describe(int32_t cuda, uint8_t *device_uuid, uint64_t *pointer);
/* A new OS handle to the allocation that it begins, which is `allocation` bytes; the caller owns it.
 * EXTERNAL_MEMORY_UNSUPPORTED unless it was allocated for export. */
LF_API int32_t lf_cuda_export(int32_t cuda, double *allocation, int64_t *os_handle);
/* Copies a few bytes to or from host memory; done when it returns. */
LF_API int32_t lf_cuda_read(int32_t cuda, double offset, void *to, uint32_t size);
LF_API int32_t lf_cuda_write(int32_t cuda, double offset, const void *from, uint32_t size);
/* Starts a copy, which may be from one GPU to another: 1. Copies to one target come one after the other. */
LF_API int32_t lf_cuda_copy(int32_t target, double target_offset, int32_t source, double source_offset, double size);
/* 1 when all copies to the target have ended, else 0. Does not block. */
LF_API int32_t lf_cuda_copied(int32_t target);
/* Waits for the copies from and to it (ETIMEOUT after 30 s: it stays open), then unmaps it. */
LF_API int32_t lf_cuda_close(int32_t cuda);
/* 1 when CUDA sees both devices and copies between them directly, both ways; else 0 with the reason in lf_status_last. */
LF_API int32_t lf_cuda_peer_viable(const uint8_t *source_uuid, const uint8_t *target_uuid);
/* On a CUstream of the device (0: its default stream). `value` counts for timelines only. */
LF_API int32_t lf_cuda_semaphore_import(int32_t semaphore);
LF_API int32_t lf_cuda_semaphore_signal(int32_t cuda_semaphore, double value, uint64_t stream);
LF_API int32_t lf_cuda_semaphore_wait(int32_t cuda_semaphore, double value, uint64_t stream);
LF_API int32_t lf_cuda_semaphore_close(int32_t cuda_semaphore);

/* `size` bytes of GPU memory from `offset` on as a cl_mem; a handle. Of all of the memory it is a cl_mem as large as the
 * allocation. `context` 0: in a context of its own, on the matching device. EXTERNAL_MEMORY_UNSUPPORTED for a part that begins
 * where OpenCL's may not. */
LF_API int32_t lf_opencl_import(int32_t memory, double offset, double size, uint64_t context);
/* Its cl_mem, cl_context and cl_device_id, in this order. */
LF_API int32_t lf_opencl_describe(int32_t opencl, uint64_t *out);
/* In the order of a cl_command_queue of the context: OpenCL may use the memory after acquire and until release. */
LF_API int32_t lf_opencl_acquire(int32_t opencl, uint64_t queue);
LF_API int32_t lf_opencl_release(int32_t opencl, uint64_t queue);
/* The bytes and the context of a cl_mem that was born in OpenCL, and the UUID of the device of `queue`. */
LF_API int32_t lf_opencl_inspect(uint64_t mem, uint64_t queue, uint8_t *device_uuid, uint64_t *context, double *size);
/* Starts a copy of the first bytes of a cl_mem into the imported memory, acquire and release included: 1. */
LF_API int32_t lf_opencl_copy(int32_t opencl, uint64_t mem, double size, uint64_t queue);
/* 1 when the copy has ended, else 0. Does not block. */
LF_API int32_t lf_opencl_copied(int32_t opencl);
LF_API int32_t lf_opencl_close(int32_t opencl);
/* Binary semaphores only: OpenCL knows no timelines. */
LF_API int32_t lf_opencl_semaphore_import(int32_t semaphore, uint64_t context);
LF_API int32_t lf_opencl_semaphore_signal(int32_t opencl_semaphore, uint64_t queue);
LF_API int32_t lf_opencl_semaphore_wait(int32_t opencl_semaphore, uint64_t queue);
LF_API int32_t lf_opencl_semaphore_close(int32_t opencl_semaphore);

/* `size` bytes of GPU memory, from `offset` on, as an OpenGL buffer; a handle. In the EGL context that is current on this
 * thread, else in one that is made for the matching device and stays current until the last handle that uses it is
 * closed. */
LF_API int32_t lf_opengl_import(int32_t memory, double offset, double size);
/* The names that OpenGL knows it by. */
LF_API int32_t lf_opengl_describe(int32_t opengl, uint32_t *buffer, uint32_t *memory_object);
LF_API int32_t lf_opengl_close(int32_t opengl);
/* Binary semaphores only, and in the order of the context's commands. `buffers` are handles of imported memory. */
LF_API int32_t lf_opengl_semaphore_import(int32_t semaphore);
LF_API int32_t lf_opengl_semaphore_signal(int32_t opengl_semaphore, const int32_t *buffers, uint32_t count);
LF_API int32_t lf_opengl_semaphore_wait(int32_t opengl_semaphore, const int32_t *buffers, uint32_t count);
LF_API int32_t lf_opengl_semaphore_close(int32_t opengl_semaphore);

#endif
