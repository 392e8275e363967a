#include "interop/interop.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/whole.h"
#include "gpu/external.h"

int32_t lf_share_memory(lf_gpu_memory *memory, lf_shared_memory *out) {
  int32_t status = lf_gpu_memory_export_wait(memory, &out->os);
  if (status < 0) return status;
  out->size = memory->size;
  out->allocation = memory->allocation; /* the first export of a small memory changes it */
  memcpy(out->device_uuid, memory->device->info.device_uuid, LF_UUID_BYTES);
  return LF_OK;
}

int32_t lf_share_memory_part(lf_gpu_memory *memory, double offset, double size, lf_shared_memory *out) {
  int32_t status = lf_share_memory(memory, out);
  if (status < 0) return status;
  if (lf_whole(offset) && lf_whole(size) && size >= 1 && offset <= (double)out->size &&
      size <= (double)out->size - offset)
    return LF_OK;
  lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.17g bytes from byte %.17g of a memory of %llu", size, offset,
          (unsigned long long)out->size);
  return lf_external_refuse(out->os);
}

int32_t lf_share_semaphore(lf_semaphore *semaphore, const char *binary_only, lf_shared_semaphore *out) {
  if (binary_only && semaphore->kind != LF_SEMAPHORE_BINARY)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
                   "%s takes binary semaphores only, and this one is a timeline",
                   binary_only);
  out->kind = semaphore->kind;
  memcpy(out->device_uuid, semaphore->device->info.device_uuid, LF_UUID_BYTES);
  int32_t status = lf_device_check(semaphore->device);
  return status < 0 ? status : lf_semaphore_share(semaphore, &out->os);
}

void *lf_import_object(size_t bytes, int64_t os) {
  void *object = calloc(1, bytes);
  if (object) return object;
  lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for an import", bytes);
  lf_external_refuse(os);
  return NULL;
}

int32_t lf_import_fail(void *object, void (*destroy)(void *object)) {
  lf_status first;
  lf_status_last(&first);
  destroy(object);
  return lf_fail(first.code, first.api, first.native_status, "%s", first.text);
}
