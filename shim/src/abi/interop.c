/* Memory and semaphores of CUDA, OpenCL and OpenGL by their handles. */
#include "abi/memory.h"
#include "abi/semaphore.h"
#include "base/handle.h"
#include "base/status.h"
#include "interop/cuda_memory.h"
#include "interop/cuda_semaphore.h"
#include "interop/interop.h"
#include "interop/opencl.h"
#include "interop/opengl.h"

#include <string.h>

/* The object, or NULL with the failure recorded. */
static void *find(lf_kind kind, int32_t handle) {
  void *object = lf_handle_get(kind, handle);
  if (!object) lf_handle_stale(kind, handle);
  return object;
}

static int32_t make_handle(lf_kind kind, void *object, void (*destroy)(void *object)) {
  int32_t handle = lf_handle_make(kind, object, destroy);
  return handle < 0 ? lf_import_fail(object, destroy) : handle;
}

static int32_t no_memory_for(const char *what) {
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the %s", what);
}

/* ---- CUDA ---- */

static int32_t cuda_handle(lf_cuda_memory *m) { return make_handle(LF_KIND_CUDA_MEMORY, m, lf_cuda_memory_drop); }

int32_t lf_cuda_import(int32_t memory) {
  if (!lf_cuda_open()) return LF_EBACKEND_UNAVAILABLE;
  lf_gpu_memory *gpu = lf_memory_gpu(memory);
  if (!gpu) return LF_EEXTERNAL_MEMORY_UNSUPPORTED;
  lf_cuda_memory *m;
  int32_t status = lf_cuda_memory_import(gpu, &m);
  return status < 0 ? status : cuda_handle(m);
}

int32_t lf_cuda_import_os_handle(int64_t os_handle, double allocation, double size, const uint8_t *device_uuid) {
  lf_cuda_memory *m;
  int32_t status = lf_cuda_memory_import_os_handle(os_handle, allocation, size, device_uuid, &m);
  return status < 0 ? status : cuda_handle(m);
}

int32_t lf_cuda_adopt(uint64_t pointer, double size) {
  lf_cuda_memory *m;
  int32_t status = lf_cuda_memory_adopt(pointer, size, &m);
  return status < 0 ? status : cuda_handle(m);
}

int32_t lf_cuda_describe(int32_t cuda, uint8_t *device_uuid, uint64_t *pointer) {
  const lf_cuda_memory *m = find(LF_KIND_CUDA_MEMORY, cuda);
  if (!m) return LF_ECLOSED;
  if (!device_uuid || !pointer) return no_memory_for("description");
  memcpy(device_uuid, m->device.uuid, LF_UUID_BYTES);
  *pointer = m->pointer;
  return LF_OK;
}

int32_t lf_cuda_export(int32_t cuda, double *allocation, int64_t *os_handle) {
  lf_cuda_memory *m = find(LF_KIND_CUDA_MEMORY, cuda);
  if (!m) return LF_ECLOSED;
  if (!allocation || !os_handle) return no_memory_for("OS handle");
  return lf_cuda_memory_export(m, allocation, os_handle);
}

int32_t lf_cuda_read(int32_t cuda, double offset, void *to, uint32_t size) {
  lf_cuda_memory *m = find(LF_KIND_CUDA_MEMORY, cuda);
  return m ? lf_cuda_memory_transfer(m, offset, to, NULL, size) : LF_ECLOSED;
}

int32_t lf_cuda_write(int32_t cuda, double offset, const void *from, uint32_t size) {
  lf_cuda_memory *m = find(LF_KIND_CUDA_MEMORY, cuda);
  return m ? lf_cuda_memory_transfer(m, offset, NULL, from, size) : LF_ECLOSED;
}

int32_t lf_cuda_copy(int32_t target, double target_offset, int32_t source, double source_offset, double size) {
  lf_cuda_memory *t = find(LF_KIND_CUDA_MEMORY, target);
  lf_cuda_memory *s = t ? find(LF_KIND_CUDA_MEMORY, source) : NULL;
  return s ? lf_cuda_memory_copy(t, target_offset, s, source_offset, size) : LF_ECLOSED;
}

int32_t lf_cuda_copied(int32_t target) {
  const lf_cuda_memory *m = find(LF_KIND_CUDA_MEMORY, target);
  return m ? lf_cuda_memory_idle(m) : LF_ECLOSED;
}

int32_t lf_cuda_close(int32_t cuda) {
  lf_cuda_memory *m = find(LF_KIND_CUDA_MEMORY, cuda);
  if (!m) return LF_ECLOSED;
  int32_t status = lf_cuda_memory_wait(m);
  if (status < 0) return status;
  lf_handle_take(LF_KIND_CUDA_MEMORY, cuda);
  return lf_cuda_memory_free(m);
}

static void drop_cuda_semaphore(void *object) { lf_cuda_semaphore_free(object); }

int32_t lf_cuda_semaphore_import(int32_t semaphore) {
  if (!lf_cuda_open()) return LF_EBACKEND_UNAVAILABLE;
  lf_semaphore *vulkan = lf_semaphore_get(semaphore);
  if (!vulkan) return LF_ECLOSED;
  lf_cuda_semaphore *s;
  int32_t status = lf_cuda_semaphore_make(vulkan, &s);
  return status < 0 ? status : make_handle(LF_KIND_CUDA_SEMAPHORE, s, drop_cuda_semaphore);
}

int32_t lf_cuda_semaphore_signal(int32_t cuda_semaphore, double value, uint64_t stream) {
  const lf_cuda_semaphore *s = find(LF_KIND_CUDA_SEMAPHORE, cuda_semaphore);
  return s ? lf_cuda_semaphore_enqueue(s, value, stream, 0) : LF_ECLOSED;
}

int32_t lf_cuda_semaphore_wait(int32_t cuda_semaphore, double value, uint64_t stream) {
  const lf_cuda_semaphore *s = find(LF_KIND_CUDA_SEMAPHORE, cuda_semaphore);
  return s ? lf_cuda_semaphore_enqueue(s, value, stream, 1) : LF_ECLOSED;
}

int32_t lf_cuda_semaphore_close(int32_t cuda_semaphore) {
  lf_cuda_semaphore *s = lf_handle_take(LF_KIND_CUDA_SEMAPHORE, cuda_semaphore);
  return s ? lf_cuda_semaphore_free(s) : lf_handle_stale(LF_KIND_CUDA_SEMAPHORE, cuda_semaphore);
}

/* ---- OpenCL ---- */

static void drop_opencl_memory(void *object) { lf_opencl_memory_free(object); }

int32_t lf_opencl_import(int32_t memory, double offset, double size, uint64_t context) {
  if (!lf_opencl_open()) return LF_EBACKEND_UNAVAILABLE;
  lf_gpu_memory *gpu = lf_memory_gpu(memory);
  if (!gpu) return LF_EEXTERNAL_MEMORY_UNSUPPORTED;
  lf_opencl_memory *m;
  int32_t status = lf_opencl_memory_import(gpu, offset, size, context, &m);
  return status < 0 ? status : make_handle(LF_KIND_OPENCL_MEMORY, m, drop_opencl_memory);
}

int32_t lf_opencl_describe(int32_t opencl, uint64_t *out) {
  const lf_opencl_memory *m = find(LF_KIND_OPENCL_MEMORY, opencl);
  if (!m) return LF_ECLOSED;
  if (!out) return no_memory_for("description");
  lf_opencl_memory_describe(m, out);
  return LF_OK;
}

int32_t lf_opencl_acquire(int32_t opencl, uint64_t queue) {
  const lf_opencl_memory *m = find(LF_KIND_OPENCL_MEMORY, opencl);
  return m ? lf_opencl_memory_acquire(m, queue) : LF_ECLOSED;
}

int32_t lf_opencl_release(int32_t opencl, uint64_t queue) {
  const lf_opencl_memory *m = find(LF_KIND_OPENCL_MEMORY, opencl);
  return m ? lf_opencl_memory_release(m, queue) : LF_ECLOSED;
}

int32_t lf_opencl_copy(int32_t opencl, uint64_t mem, double size, uint64_t queue) {
  lf_opencl_memory *m = find(LF_KIND_OPENCL_MEMORY, opencl);
  return m ? lf_opencl_memory_copy(m, mem, size, queue) : LF_ECLOSED;
}

int32_t lf_opencl_copied(int32_t opencl) {
  const lf_opencl_memory *m = find(LF_KIND_OPENCL_MEMORY, opencl);
  return m ? lf_opencl_memory_copied(m) : LF_ECLOSED;
}

int32_t lf_opencl_close(int32_t opencl) {
  lf_opencl_memory *m = lf_handle_take(LF_KIND_OPENCL_MEMORY, opencl);
  return m ? lf_opencl_memory_free(m) : lf_handle_stale(LF_KIND_OPENCL_MEMORY, opencl);
}

static void drop_opencl_semaphore(void *object) { lf_opencl_semaphore_free(object); }

int32_t lf_opencl_semaphore_import(int32_t semaphore, uint64_t context) {
  if (!lf_opencl_open()) return LF_EBACKEND_UNAVAILABLE;
  lf_semaphore *vulkan = lf_semaphore_get(semaphore);
  if (!vulkan) return LF_ECLOSED;
  lf_opencl_semaphore *s;
  int32_t status = lf_opencl_semaphore_make(vulkan, context, &s);
  return status < 0 ? status : make_handle(LF_KIND_OPENCL_SEMAPHORE, s, drop_opencl_semaphore);
}

int32_t lf_opencl_semaphore_signal(int32_t opencl_semaphore, uint64_t queue) {
  const lf_opencl_semaphore *s = find(LF_KIND_OPENCL_SEMAPHORE, opencl_semaphore);
  return s ? lf_opencl_semaphore_enqueue(s, queue, 0) : LF_ECLOSED;
}

int32_t lf_opencl_semaphore_wait(int32_t opencl_semaphore, uint64_t queue) {
  const lf_opencl_semaphore *s = find(LF_KIND_OPENCL_SEMAPHORE, opencl_semaphore);
  return s ? lf_opencl_semaphore_enqueue(s, queue, 1) : LF_ECLOSED;
}

int32_t lf_opencl_semaphore_close(int32_t opencl_semaphore) {
  lf_opencl_semaphore *s = lf_handle_take(LF_KIND_OPENCL_SEMAPHORE, opencl_semaphore);
  return s ? lf_opencl_semaphore_free(s) : lf_handle_stale(LF_KIND_OPENCL_SEMAPHORE, opencl_semaphore);
}

/* ---- OpenGL ---- */

static void drop_opengl_memory(void *object) { lf_opengl_memory_free(object); }

int32_t lf_opengl_import(int32_t memory, double offset, double size) {
  if (!lf_opengl_open()) return LF_EBACKEND_UNAVAILABLE;
  lf_gpu_memory *gpu = lf_memory_gpu(memory);
  if (!gpu) return LF_EEXTERNAL_MEMORY_UNSUPPORTED;
  lf_opengl_memory *m;
  int32_t status = lf_opengl_memory_import(gpu, offset, size, &m);
  return status < 0 ? status : make_handle(LF_KIND_OPENGL_MEMORY, m, drop_opengl_memory);
}

int32_t lf_opengl_describe(int32_t opengl, uint32_t *buffer, uint32_t *memory_object) {
  const lf_opengl_memory *m = find(LF_KIND_OPENGL_MEMORY, opengl);
  if (!m) return LF_ECLOSED;
  if (!buffer || !memory_object) return no_memory_for("names");
  *buffer = lf_opengl_memory_buffer(m);
  *memory_object = lf_opengl_memory_object(m);
  return LF_OK;
}

int32_t lf_opengl_close(int32_t opengl) {
  lf_opengl_memory *m = lf_handle_take(LF_KIND_OPENGL_MEMORY, opengl);
  return m ? lf_opengl_memory_free(m) : lf_handle_stale(LF_KIND_OPENGL_MEMORY, opengl);
}

static void drop_opengl_semaphore(void *object) { lf_opengl_semaphore_free(object); }

int32_t lf_opengl_semaphore_import(int32_t semaphore) {
  if (!lf_opengl_open()) return LF_EBACKEND_UNAVAILABLE;
  lf_semaphore *vulkan = lf_semaphore_get(semaphore);
  if (!vulkan) return LF_ECLOSED;
  lf_opengl_semaphore *s;
  int32_t status = lf_opengl_semaphore_make(vulkan, &s);
  return status < 0 ? status : make_handle(LF_KIND_OPENGL_SEMAPHORE, s, drop_opengl_semaphore);
}

static int32_t enqueue(int32_t handle, const int32_t *buffers, uint32_t count, int is_wait) {
  const lf_opengl_semaphore *s = find(LF_KIND_OPENGL_SEMAPHORE, handle);
  if (!s) return LF_ECLOSED;
  if (count > LF_OPENGL_BUFFERS_MAX || (count > 0 && !buffers))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u buffers; at most %u can be named", count, LF_OPENGL_BUFFERS_MAX);
  lf_opengl_memory *found[LF_OPENGL_BUFFERS_MAX];
  for (uint32_t i = 0; i < count; i++) {
    found[i] = find(LF_KIND_OPENGL_MEMORY, buffers[i]);
    if (!found[i]) return LF_ECLOSED;
  }
  return lf_opengl_semaphore_enqueue(s, found, count, is_wait);
}

int32_t lf_opengl_semaphore_signal(int32_t handle, const int32_t *buffers, uint32_t count) {
  return enqueue(handle, buffers, count, 0);
}

int32_t lf_opengl_semaphore_wait(int32_t handle, const int32_t *buffers, uint32_t count) {
  return enqueue(handle, buffers, count, 1);
}

int32_t lf_opengl_semaphore_close(int32_t handle) {
  lf_opengl_semaphore *s = lf_handle_take(LF_KIND_OPENGL_SEMAPHORE, handle);
  return s ? lf_opengl_semaphore_free(s) : lf_handle_stale(LF_KIND_OPENGL_SEMAPHORE, handle);
}
