#ifndef LAVAFLOW_INTEROP_H
#define LAVAFLOW_INTEROP_H

#include "lavaflow/status.h"

/* ---- interop: the same memory and semaphores in CUDA, OpenCL and OpenGL, each opened at run time ----
 * BACKEND_UNAVAILABLE with the reason when an API is not installed; EXTERNAL_HANDLE_MISMATCH when it has no device with
 * the memory's UUID. lf_status_last has the name of the API's call that failed, and its status. */

/* 1 when the API can be used, 0 when not. `why` gets a description of either: UTF-8, cut to `capacity` bytes with its
 * terminator. */
LF_API int32_t lf_cuda_viable(uint32_t capacity, char *why);
LF_API int32_t lf_opencl_viable(uint32_t capacity, char *why);
LF_API int32_t lf_opengl_viable(uint32_t capacity, char *why);

/* Imports GPU memory as CUDA memory of the same device; a handle. The two handles may be closed in any order.
 * EXTERNAL_MEMORY_UNSUPPORTED. */
LF_API int32_t lf_cuda_import(int32_t memory);
/* Imports GPU memory that another process exported, of the GPU that `device_uuid` names; a handle. Takes ownership of
 * the OS handle, also when it fails. */
LF_API int32_t lf_cuda_import_os_handle(int64_t os_handle, double allocation, double size, const uint8_t *device_uuid);
/* Wraps memory that the caller allocated with CUDA, at `pointer`; a handle. The caller frees the memory.
 * INVALID_ARGUMENT when the allocation has less than `size` bytes from there. */
LF_API int32_t lf_cuda_adopt(uint64_t pointer, double size);
/* The device pointer, and the UUID of the device (LF_UUID_BYTES). LF_OK. */
LF_API int32_t lf_cuda_describe(int32_t cuda, uint8_t *device_uuid, uint64_t *pointer);
/* A new OS handle of the allocation that the memory begins; the caller owns it. `allocation` is its bytes. LF_OK;
 * EXTERNAL_MEMORY_UNSUPPORTED unless the memory was allocated for export. */
LF_API int32_t lf_cuda_export(int32_t cuda, double *allocation, int64_t *os_handle);
/* Copies `size` bytes to or from host memory, and blocks until that has ended. LF_OK. */
LF_API int32_t lf_cuda_read(int32_t cuda, double offset, void *to, uint32_t size);
LF_API int32_t lf_cuda_write(int32_t cuda, double offset, const void *from, uint32_t size);
/* Starts a copy, also between two GPUs: 1. Copies to one target run in order. */
LF_API int32_t lf_cuda_copy(int32_t target, double target_offset, int32_t source, double source_offset, double size);
/* 1 when all copies to the target have ended, else 0. Never blocks. */
LF_API int32_t lf_cuda_copied(int32_t target);
/* Waits for the copies from and to the memory, then unmaps it. LF_OK; TIMEOUT after 30 s, with the handle still
 * open. */
LF_API int32_t lf_cuda_close(int32_t cuda);
/* 1 when CUDA has both devices and copies directly between them in both directions; else 0 with the reason in
 * lf_status_last. */
LF_API int32_t lf_cuda_peer_viable(const uint8_t *source_uuid, const uint8_t *target_uuid);
/* Imports a semaphore; a handle. Signals and waits run in the order of a CUstream of the device (0: its default
 * stream). `value` is for timelines. LF_OK. */
LF_API int32_t lf_cuda_semaphore_import(int32_t semaphore);
LF_API int32_t lf_cuda_semaphore_signal(int32_t cuda_semaphore, double value, uint64_t stream);
LF_API int32_t lf_cuda_semaphore_wait(int32_t cuda_semaphore, double value, uint64_t stream);
LF_API int32_t lf_cuda_semaphore_close(int32_t cuda_semaphore);

/* Imports `size` bytes of GPU memory, from byte `offset`, as a cl_mem; a handle. An import of the whole memory is a
 * cl_mem of the whole allocation. `context` 0: in a context of the shim, on the matching device.
 * EXTERNAL_MEMORY_UNSUPPORTED for an offset that OpenCL's alignment does not allow. */
LF_API int32_t lf_opencl_import(int32_t memory, double offset, double size, uint64_t context);
/* The cl_mem, cl_context and cl_device_id, in this order. LF_OK. */
LF_API int32_t lf_opencl_describe(int32_t opencl, uint64_t *out);
/* Gives the memory to OpenCL and takes it back, in the order of a cl_command_queue of the context: OpenCL may use it
 * between acquire and release. LF_OK. */
LF_API int32_t lf_opencl_acquire(int32_t opencl, uint64_t queue);
LF_API int32_t lf_opencl_release(int32_t opencl, uint64_t queue);
/* The bytes and the context of the caller's cl_mem, and the UUID of the device of `queue`. LF_OK; INVALID_ARGUMENT when
 * the two have different contexts. */
LF_API int32_t lf_opencl_inspect(uint64_t mem, uint64_t queue, uint8_t *device_uuid, uint64_t *context, double *size);
/* Starts a copy of the first `size` bytes of a cl_mem into the imported memory, acquire and release included: 1. */
LF_API int32_t lf_opencl_copy(int32_t opencl, uint64_t mem, double size, uint64_t queue);
/* 1 when the copy has ended, else 0. Never blocks. */
LF_API int32_t lf_opencl_copied(int32_t opencl);
LF_API int32_t lf_opencl_close(int32_t opencl);
/* Imports a binary semaphore; a handle. EXTERNAL_MEMORY_UNSUPPORTED for a timeline, which OpenCL does not have. Signals
 * and waits run in the order of `queue`. LF_OK. */
LF_API int32_t lf_opencl_semaphore_import(int32_t semaphore, uint64_t context);
LF_API int32_t lf_opencl_semaphore_signal(int32_t opencl_semaphore, uint64_t queue);
LF_API int32_t lf_opencl_semaphore_wait(int32_t opencl_semaphore, uint64_t queue);
LF_API int32_t lf_opencl_semaphore_close(int32_t opencl_semaphore);

/* Imports `size` bytes of GPU memory, from byte `offset`, as an OpenGL buffer; a handle. In the EGL context that is
 * current on this thread; without one, in a context that the shim makes for the matching device, which stays current
 * until its last handle is closed. */
LF_API int32_t lf_opengl_import(int32_t memory, double offset, double size);
/* The names of the OpenGL buffer and of its memory object. LF_OK. */
LF_API int32_t lf_opengl_describe(int32_t opengl, uint32_t *buffer, uint32_t *memory_object);
LF_API int32_t lf_opengl_close(int32_t opengl);
/* Imports a binary semaphore; a handle. Signals and waits run in the order of the context's commands. `buffers` are
 * handles of imported memory, up to 16. LF_OK; EXTERNAL_MEMORY_UNSUPPORTED for a timeline. */
LF_API int32_t lf_opengl_semaphore_import(int32_t semaphore);
LF_API int32_t lf_opengl_semaphore_signal(int32_t opengl_semaphore, const int32_t *buffers, uint32_t count);
LF_API int32_t lf_opengl_semaphore_wait(int32_t opengl_semaphore, const int32_t *buffers, uint32_t count);
LF_API int32_t lf_opengl_semaphore_close(int32_t opengl_semaphore);

#endif
