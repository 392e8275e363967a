#include "interop/interop.h"

#include <string.h>

#include "abi/memory.h"
#include "base/handle.h"
#include "base/status.h"
#include "gpu/gpu_memory.h"
#include "gpu/semaphore.h"

int32_t lf_share_memory(int32_t memory, lf_shared_memory *out) {
  const lf_gpu_memory *gpu = lf_memory_gpu(memory);
  if (!gpu) return LF_EEXTERNAL_MEMORY_UNSUPPORTED;
  int32_t status = lf_memory_export(memory, &out->os);
  if (status < 0) return status;
  out->size = gpu->size;
  out->allocation = gpu->allocation; /* which is another one after the first export of a small memory */
  memcpy(out->device_uuid, gpu->device->info.device_uuid, LF_UUID_BYTES);
  return LF_OK;
}

int32_t lf_share_semaphore(int32_t semaphore, const char *binary_only, lf_shared_semaphore *out) {
  const lf_semaphore *object = lf_handle_get(LF_KIND_SEMAPHORE, semaphore);
  if (!object) return lf_handle_stale(LF_KIND_SEMAPHORE, semaphore);
  if (binary_only && object->kind != LF_SEMAPHORE_BINARY)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "%s takes binary semaphores only, and this one is a timeline",
                   binary_only);
  out->kind = object->kind;
  memcpy(out->device_uuid, object->device->info.device_uuid, LF_UUID_BYTES);
  return lf_semaphore_export(semaphore, &out->os);
}
