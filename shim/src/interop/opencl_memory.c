/* Vulkan's memory as a cl_mem, and copies from the caller's cl_mem. */
#include <stdlib.h>

#include "base/status.h"
#include "base/whole.h"
#include "gpu/external.h"
#include "interop/interop.h"
#include "interop/opencl.h"

struct lf_opencl_memory {
  const lf_opencl_functions *cl;
  lf_opencl_memory_functions external;
  lf_opencl_target target;
  cl_mem whole;   /* the allocation, which is acquired and released; NULL: not created yet */
  cl_mem mem;     /* the caller's: `whole`, or a part of it; NULL: not created yet */
  cl_event copy;  /* the last copy, or NULL */
  uint64_t size;
};

static int32_t drop_event(const lf_opencl_functions *cl, cl_event *event, int32_t status) {
  if (!*event) return status;
  cl_int result = cl->clReleaseEvent(*event);
  *event = NULL;
  return status < 0 ? status : lf_opencl_check(LF_ESYSTEM, "clReleaseEvent", result);
}

static int32_t drop_mem(const lf_opencl_functions *cl, cl_mem mem, int32_t status) {
  cl_int result = cl->clReleaseMemObject(mem);
  return status < 0 ? status : lf_opencl_check(LF_ESYSTEM, "clReleaseMemObject", result);
}

/* OpenCL keeps a cl_mem until the commands that use it have ended. */
int32_t lf_opencl_memory_free(lf_opencl_memory *m) {
  int32_t status = drop_event(m->cl, &m->copy, LF_OK);
  if (m->mem && m->mem != m->whole) status = drop_mem(m->cl, m->mem, status);
  if (m->whole) status = drop_mem(m->cl, m->whole, status);
  status = lf_opencl_target_release(&m->target, status);
  free(m);
  return status;
}

static void drop(void *object) { lf_opencl_memory_free(object); }

/* Imports the whole allocation, whose size the driver needs. */
static int32_t attach(lf_opencl_memory *m, const lf_shared_memory *shared) {
#define LF_NAME(result, name, arguments) #name,
  static const char *const names[] = {LF_OPENCL_MEMORY_FUNCTIONS(LF_NAME) NULL};
#undef LF_NAME
  int32_t status = lf_opencl_extension(m->target.platform, names, (void **)&m->external);
  if (status < 0) return status;
#if defined(_WIN32)
  cl_mem_properties type = LF_CL_MEMORY_OPAQUE_WIN32;
#else
  cl_mem_properties type = LF_CL_MEMORY_OPAQUE_FD;
#endif
  const cl_mem_properties properties[] = {
      type, (cl_mem_properties)shared->os, LF_CL_DEVICE_HANDLE_LIST, (cl_mem_properties)(uintptr_t)m->target.device, 0,
          0};
  cl_int result = LF_CL_SUCCESS;
  m->whole = m->cl->clCreateBufferWithProperties(m->target.context, properties, LF_CL_MEM_READ_WRITE,
                                                 (size_t)shared->allocation, NULL, &result);
  if (result != LF_CL_SUCCESS) m->whole = NULL;
  m->mem = m->whole;
  return lf_opencl_check(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "clCreateBufferWithProperties", result);
}

/* Makes a sub-buffer of `size` bytes from `offset`. */
static int32_t make_part(lf_opencl_memory *m, uint64_t offset, uint64_t size) {
  cl_uint bits = 0;
  int32_t status = lf_opencl_check(
      LF_ESYSTEM, "clGetDeviceInfo",
      m->cl->clGetDeviceInfo(m->target.device, LF_CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof bits, &bits, NULL));
  if (status < 0) return status;
  uint64_t alignment = bits < 8 ? 1 : bits / 8;
  if (offset % alignment)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
                   "a part from byte %llu on: OpenCL makes parts that begin at multiples of %llu bytes on this device",
                   (unsigned long long)offset, (unsigned long long)alignment);
  const lf_cl_region region = {.origin = (size_t)offset, .size = (size_t)size};
  cl_int result = LF_CL_SUCCESS;
  m->mem = m->cl->clCreateSubBuffer(m->whole, LF_CL_MEM_READ_WRITE, LF_CL_BUFFER_CREATE_TYPE_REGION, &region, &result);
  if (result != LF_CL_SUCCESS) m->mem = NULL;
  return lf_opencl_check(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "clCreateSubBuffer", result);
}

int32_t lf_opencl_memory_import(lf_gpu_memory *memory, double offset, double size, uint64_t context,
                                lf_opencl_memory **out) {
  const lf_opencl_functions *cl = lf_opencl_open();
  if (!cl) return LF_EBACKEND_UNAVAILABLE;
  lf_shared_memory shared;
  int32_t status = lf_share_memory_part(memory, offset, size, &shared);
  if (status < 0) return status;
  lf_opencl_memory *m = lf_import_object(sizeof *m, shared.os);
  if (!m) return LF_EHOST_OUT_OF_MEMORY;
  m->cl = cl;
  m->size = (uint64_t)size;
  status = lf_opencl_target_make(shared.device_uuid, context, LF_CL_MEMORY_EXTENSION, &m->target);
  if (status < 0) {
    free(m);
    return lf_external_refuse(shared.os);
  }
  status = attach(m, &shared);
  if (m->whole) lf_external_taken(shared.os);
  else lf_external_refuse(shared.os);
  if (status == LF_OK && m->size < shared.size) status = make_part(m, (uint64_t)offset, m->size);
  if (status < 0) return lf_import_fail(m, drop);
  *out = m;
  return LF_OK;
}

void lf_opencl_memory_describe(const lf_opencl_memory *m, uint64_t *out) {
  out[0] = (uint64_t)(uintptr_t)m->mem;
  out[1] = (uint64_t)(uintptr_t)m->target.context;
  out[2] = (uint64_t)(uintptr_t)m->target.device;
}

static int32_t no_queue(void) { return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a cl_command_queue is needed"); }

int32_t lf_opencl_memory_acquire(const lf_opencl_memory *m, uint64_t queue) {
  if (!queue) return no_queue();
  return lf_opencl_check(LF_EINVALID_ARGUMENT, "clEnqueueAcquireExternalMemObjectsKHR",
                        m->external.clEnqueueAcquireExternalMemObjectsKHR((cl_command_queue)(uintptr_t)queue, 1,
                                                                          &m->whole,
                                                                          0, NULL, NULL));
}

/* Flushed, so that work of other APIs can begin even if the caller submits no more commands. */
int32_t lf_opencl_memory_release(const lf_opencl_memory *m, uint64_t queue) {
  if (!queue) return no_queue();
  cl_command_queue on = (cl_command_queue)(uintptr_t)queue;
  int32_t status =
      lf_opencl_check(LF_EINVALID_ARGUMENT, "clEnqueueReleaseExternalMemObjectsKHR",
                     m->external.clEnqueueReleaseExternalMemObjectsKHR(on, 1, &m->whole, 0, NULL, NULL));
  return status < 0 ? status : lf_opencl_check(LF_ESYSTEM, "clFlush", m->cl->clFlush(on));
}

int32_t lf_opencl_inspect(uint64_t mem, uint64_t queue, uint8_t *device_uuid, uint64_t *context, double *size) {
  const lf_opencl_functions *cl = lf_opencl_open();
  if (!cl) return LF_EBACKEND_UNAVAILABLE;
  if (!mem || !device_uuid || !context || !size)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a cl_mem and memory for its description are needed");
  if (!queue) return no_queue();
  cl_mem object = (cl_mem)(uintptr_t)mem;
  cl_command_queue on = (cl_command_queue)(uintptr_t)queue;
  size_t bytes = 0;
  cl_context of_mem = NULL, of_queue = NULL;
  cl_device_id device = NULL;
  int32_t status = lf_opencl_check(LF_EINVALID_ARGUMENT, "clGetMemObjectInfo",
                                  cl->clGetMemObjectInfo(object, LF_CL_MEM_SIZE, sizeof bytes, &bytes, NULL));
  if (status == LF_OK)
    status = lf_opencl_check(LF_EINVALID_ARGUMENT, "clGetMemObjectInfo",
                            cl->clGetMemObjectInfo(object, LF_CL_MEM_CONTEXT, sizeof of_mem, &of_mem, NULL));
  if (status == LF_OK)
    status = lf_opencl_check(LF_EINVALID_ARGUMENT, "clGetCommandQueueInfo",
                            cl->clGetCommandQueueInfo(on, LF_CL_QUEUE_CONTEXT, sizeof of_queue, &of_queue, NULL));
  if (status == LF_OK)
    status = lf_opencl_check(LF_EINVALID_ARGUMENT, "clGetCommandQueueInfo",
                            cl->clGetCommandQueueInfo(on, LF_CL_QUEUE_DEVICE, sizeof device, &device, NULL));
  if (status < 0) return status;
  if (of_mem != of_queue)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the cl_mem and the cl_command_queue belong to different contexts");
  *context = (uint64_t)(uintptr_t)of_mem;
  *size = (double)bytes;
  return lf_opencl_device_uuid(device, device_uuid);
}

/* Each command waits for the one before, also in an out-of-order queue. */
static int32_t start_copy(lf_opencl_memory *m, cl_mem source, size_t size, cl_command_queue queue) {
  cl_event acquired = NULL, copied = NULL;
  int32_t status = lf_opencl_check(
      LF_EINVALID_ARGUMENT, "clEnqueueAcquireExternalMemObjectsKHR",
      m->external.clEnqueueAcquireExternalMemObjectsKHR(queue, 1, &m->whole, 0, NULL, &acquired));
  if (status == LF_OK)
    status = lf_opencl_check(LF_EINVALID_ARGUMENT, "clEnqueueCopyBuffer",
                            m->cl->clEnqueueCopyBuffer(queue, source, m->mem, 0, 0, size, 1, &acquired, &copied));
  if (status == LF_OK)
    status = lf_opencl_check(
        LF_ESYSTEM, "clEnqueueReleaseExternalMemObjectsKHR",
        m->external.clEnqueueReleaseExternalMemObjectsKHR(queue, 1, &m->whole, 1, &copied, &m->copy));
  status = drop_event(m->cl, &acquired, status);
  status = drop_event(m->cl, &copied, status);
  return status < 0 ? status : lf_opencl_check(LF_ESYSTEM, "clFlush", m->cl->clFlush(queue));
}

int32_t lf_opencl_memory_copy(lf_opencl_memory *m, uint64_t mem, double size, uint64_t queue) {
  if (!queue) return no_queue();
  if (!mem || !lf_whole(size) || size < 1 || size > (double)m->size)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a copy of %g bytes into %llu", size, (unsigned long long)m->size);
  int32_t status = drop_event(m->cl, &m->copy, LF_OK);
  if (status == LF_OK)
    status = start_copy(m, (cl_mem)(uintptr_t)mem, (size_t)size, (cl_command_queue)(uintptr_t)queue);
  return status < 0 ? status : 1;
}

int32_t lf_opencl_memory_copied(const lf_opencl_memory *m) {
  if (!m->copy) return 1;
  cl_int state = LF_CL_COMPLETE;
  int32_t status = lf_opencl_check(
      LF_ESYSTEM, "clGetEventInfo",
      m->cl->clGetEventInfo(m->copy, LF_CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
  if (status < 0) return status;
  return state < 0 ? lf_opencl_check(LF_ESYSTEM, "clEnqueueCopyBuffer", state) : state == LF_CL_COMPLETE;
}
