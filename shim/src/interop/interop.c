#include "interop/interop.h"

#include <stdlib.h>
#include <string.h>

#include "abi/memory.h"
#include "base/status.h"
#include "base/whole.h"
#include "gpu/external.h"
#include "gpu/gpu_memory.h"
#include "gpu/semaphore.h"

int32_t lf_share_memory(int32_t memory, lf_shared_memory *out) {
  const lf_gpu_memory *gpu = lf_memory_gpu(memory);
  if (!gpu) return LF_EEXTERNAL_MEMORY_UNSUPPORTED;
  int32_t status = lf_memory_export(memory, &out->os);
  if (status < 0) return status;
  out->size = gpu->size;
  out->allocation = gpu->allocation; /* the first export of a small memory changes it */
  memcpy(out->device_uuid, gpu->device->info.device_uuid, LF_UUID_BYTES);
  return LF_OK;
}

int32_t lf_share_memory_part(int32_t memory, double offset, double size, lf_shared_memory *out) {
  int32_t status = lf_share_memory(memory, out);
  if (status < 0) return status;
  if (lf_whole(offset) && lf_whole(size) && size >= 1 && offset <= (double)out->size &&
      size <= (double)out->size - offset)
    return LF_OK;
  lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.17g bytes from byte %.17g of a memory of %llu", size, offset,
          (unsigned long long)out->size);
  return lf_external_refuse(out->os);
}

int32_t lf_share_semaphore(int32_t semaphore, const char *binary_only, lf_shared_semaphore *out) {
  const lf_semaphore *object = lf_handle_get(LF_KIND_SEMAPHORE, semaphore);
  if (!object) return lf_handle_stale(LF_KIND_SEMAPHORE, semaphore);
  if (binary_only && object->kind != LF_SEMAPHORE_BINARY)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
                   "%s takes binary semaphores only, and this one is a timeline",
                   binary_only);
  out->kind = object->kind;
  memcpy(out->device_uuid, object->device->info.device_uuid, LF_UUID_BYTES);
  return lf_semaphore_export(semaphore, &out->os);
}

void *lf_import_object(size_t bytes, int64_t os) {
  void *object = calloc(1, bytes);
  if (object) return object;
  lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for an import", bytes);
  lf_external_refuse(os);
  return NULL;
}

int32_t lf_import_handle(lf_kind kind, void *object, void (*destroy)(void *object), int32_t status) {
  int32_t handle = status < 0 ? status : lf_handle_make(kind, object, destroy);
  if (handle >= 0) return handle;
  lf_status first;
  lf_status_last(&first);
  destroy(object);
  return lf_fail(first.code, first.api, first.native_status, "%s", first.text);
}
