/* Vulkan's binary semaphores in the order of an OpenCL queue. */
#include <stdlib.h>

#include "base/status.h"
#include "gpu/external.h"
#include "interop/interop.h"
#include "interop/opencl.h"

struct lf_opencl_semaphore {
  const lf_opencl_functions *cl;
  lf_opencl_semaphore_functions functions;
  lf_opencl_target target;
  cl_semaphore_khr semaphore; /* NULL: not imported yet */
};

int32_t lf_opencl_semaphore_free(lf_opencl_semaphore *s) {
  int32_t status = LF_OK;
  if (s->semaphore)
    status = lf_opencl_check(LF_ESYSTEM, "clReleaseSemaphoreKHR", s->functions.clReleaseSemaphoreKHR(s->semaphore));
  status = lf_opencl_target_release(&s->target, status);
  free(s);
  return status;
}

static void drop(void *object) { lf_opencl_semaphore_free(object); }

static int32_t attach(lf_opencl_semaphore *s, int64_t os) {
#define LF_NAME(result, name, arguments) #name,
  static const char *const names[] = {LF_OPENCL_SEMAPHORE_FUNCTIONS(LF_NAME) NULL};
#undef LF_NAME
  int32_t status = lf_opencl_extension(s->target.platform, names, (void **)&s->functions);
  if (status < 0) return status;
#if defined(_WIN32)
  cl_semaphore_properties_khr type = LF_CL_SEMAPHORE_OPAQUE_WIN32;
#else
  cl_semaphore_properties_khr type = LF_CL_SEMAPHORE_OPAQUE_FD;
#endif
  cl_semaphore_properties_khr properties[8] = {LF_CL_SEMAPHORE_TYPE, LF_CL_SEMAPHORE_TYPE_BINARY, type,
                                               (cl_semaphore_properties_khr)os};
  /* Only for a context with several devices: the list's property has different numbers in versions of the extension. */
  if (s->target.devices > 1) {
    properties[4] = LF_CL_DEVICE_HANDLE_LIST;
    properties[5] = (cl_semaphore_properties_khr)(uintptr_t)s->target.device;
  }
  cl_int result = LF_CL_SUCCESS;
  s->semaphore = s->functions.clCreateSemaphoreWithPropertiesKHR(s->target.context, properties, &result);
  if (result != LF_CL_SUCCESS) s->semaphore = NULL;
  return lf_opencl_check(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "clCreateSemaphoreWithPropertiesKHR", result);
}

int32_t lf_opencl_semaphore_make(lf_semaphore *semaphore, uint64_t context, lf_opencl_semaphore **out) {
  const lf_opencl_functions *cl = lf_opencl_open();
  if (!cl) return LF_EBACKEND_UNAVAILABLE;
  lf_shared_semaphore shared;
  int32_t status = lf_share_semaphore(semaphore, "OpenCL", &shared);
  if (status < 0) return status;
  lf_opencl_semaphore *s = lf_import_object(sizeof *s, shared.os);
  if (!s) return LF_EHOST_OUT_OF_MEMORY;
  s->cl = cl;
  status = lf_opencl_target_make(shared.device_uuid, context, LF_CL_SEMAPHORE_EXTENSION, &s->target);
  if (status < 0) {
    free(s);
    return lf_external_refuse(shared.os);
  }
  status = attach(s, shared.os);
  if (s->semaphore) lf_external_taken(shared.os);
  else lf_external_refuse(shared.os);
  if (status < 0) return lf_import_fail(s, drop);
  *out = s;
  return LF_OK;
}

int32_t lf_opencl_semaphore_enqueue(const lf_opencl_semaphore *s, uint64_t queue, int is_wait) {
  if (!queue) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a cl_command_queue is needed");
  cl_command_queue on = (cl_command_queue)(uintptr_t)queue;
  cl_int result = is_wait ? s->functions.clEnqueueWaitSemaphoresKHR(on, 1, &s->semaphore, NULL, 0, NULL, NULL)
                       : s->functions.clEnqueueSignalSemaphoresKHR(on, 1, &s->semaphore, NULL, 0, NULL, NULL);
  int32_t status = lf_opencl_check(LF_EINVALID_ARGUMENT,
                                  is_wait ? "clEnqueueWaitSemaphoresKHR" : "clEnqueueSignalSemaphoresKHR", result);
  /* Flushed, because work outside of OpenCL waits for the signal, or for the wait to consume it. */
  return status < 0 ? status : lf_opencl_check(LF_ESYSTEM, "clFlush", s->cl->clFlush(on));
}
