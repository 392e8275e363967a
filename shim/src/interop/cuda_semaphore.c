/* Vulkan's semaphores in the order of a CUDA stream. */
#include <stdlib.h>

#include "base/status.h"
#include "base/whole.h"
#include "cuda/cuda.h"
#include "gpu/external.h"
#include "interop/cuda_semaphore.h"
#include "interop/interop.h"
#if defined(_WIN32)
#include "base/win32.h"
#endif

struct lf_cuda_semaphore {
  const lf_cuda_functions *cu;
  lf_cuda_device device;
  CUexternalSemaphore semaphore; /* NULL: not imported yet */
  int32_t kind;                  /* LF_SEMAPHORE_... */
};

int32_t lf_cuda_semaphore_free(lf_cuda_semaphore *s) {
  int32_t status = lf_cuda_enter(&s->device);
  if (status == LF_OK) {
    CUresult result = s->semaphore ? s->cu->cuDestroyExternalSemaphore(s->semaphore) : LF_CU_SUCCESS;
    if (result != LF_CU_SUCCESS)
      status = lf_cuda_fail(LF_ESYSTEM, "cuDestroyExternalSemaphore", result, "closing a semaphore");
    status = lf_cuda_leave(status);
  }
  status = lf_cuda_device_release(&s->device, status);
  free(s);
  return status;
}

static void drop(void *object) { lf_cuda_semaphore_free(object); }

/* The device's context must be current. */
static int32_t attach(lf_cuda_semaphore *s, int64_t os) {
  lf_cu_semaphore_handle handle = {0};
  int timeline = s->kind == LF_SEMAPHORE_TIMELINE;
#if defined(_WIN32)
  handle.type = timeline ? LF_CU_SEMAPHORE_TIMELINE_WIN32 : LF_CU_SEMAPHORE_OPAQUE_WIN32;
  handle.handle.win32.handle = lf_handle_of(os);
#else
  handle.type = timeline ? LF_CU_SEMAPHORE_TIMELINE_FD : LF_CU_SEMAPHORE_OPAQUE_FD;
  handle.handle.fd = (int)os;
#endif
  CUresult result = s->cu->cuImportExternalSemaphore(&s->semaphore, &handle);
  if (result == LF_CU_SUCCESS) return LF_OK;
  s->semaphore = NULL;
  return lf_cuda_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "cuImportExternalSemaphore", result, "importing a %s semaphore",
                      timeline ? "timeline" : "binary");
}

int32_t lf_cuda_semaphore_make(lf_semaphore *semaphore, lf_cuda_semaphore **out) {
  const lf_cuda_functions *cu = lf_cuda_open();
  if (!cu) return LF_EBACKEND_UNAVAILABLE;
  lf_shared_semaphore shared;
  int32_t status = lf_share_semaphore(semaphore, NULL, &shared);
  if (status < 0) return status;
  lf_cuda_semaphore *s = lf_import_object(sizeof *s, shared.os);
  if (!s) return LF_EHOST_OUT_OF_MEMORY;
  s->cu = cu;
  s->kind = shared.kind;
  status = lf_cuda_device_retain(shared.device_uuid, &s->device);
  if (status < 0) {
    free(s);
    return lf_external_refuse(shared.os);
  }
  status = lf_cuda_enter(&s->device);
  if (status == LF_OK) status = lf_cuda_leave(attach(s, shared.os));
  if (s->semaphore) lf_external_taken(shared.os);
  else lf_external_refuse(shared.os);
  if (status < 0) return lf_import_fail(s, drop);
  *out = s;
  return LF_OK;
}

int32_t lf_cuda_semaphore_enqueue(const lf_cuda_semaphore *s, double value, uint64_t stream, int is_wait) {
  if (!lf_whole(value)) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a semaphore's value of %g", value);
  lf_cu_semaphore_params params = {0};
  if (s->kind == LF_SEMAPHORE_TIMELINE) params.params.value = (uint64_t)value;
  CUstream on = (CUstream)(uintptr_t)stream;
  int32_t status = lf_cuda_enter(&s->device);
  if (status < 0) return status;
  CUresult result = is_wait ? s->cu->cuWaitExternalSemaphoresAsync(&s->semaphore, &params, 1, on)
                         : s->cu->cuSignalExternalSemaphoresAsync(&s->semaphore, &params, 1, on);
  if (result != LF_CU_SUCCESS)
    status = lf_cuda_fail(LF_ESYSTEM, is_wait ? "cuWaitExternalSemaphoresAsync" : "cuSignalExternalSemaphoresAsync",
                          result,
                          "value %.0f on stream 0x%llx", value, (unsigned long long)stream);
  return lf_cuda_leave(status);
}
