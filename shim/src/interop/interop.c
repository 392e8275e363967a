#include "interop/interop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/handle.h"
#include "base/library.h"
#include "base/status.h"
#include "gpu/gpu_memory.h"
#include "gpu/semaphore.h"
#include "memory/memory.h"

#if defined(_WIN32)
static BOOL CALLBACK run_once(PINIT_ONCE once, PVOID open, PVOID *context) {
  (void)once;
  (void)context;
  ((void (*)(void))open)();
  return TRUE;
}
void lf_once_run(lf_once *once, void (*open)(void)) { InitOnceExecuteOnce(once, run_once, (PVOID)open, NULL); }
#else
void lf_once_run(lf_once *once, void (*open)(void)) { pthread_once(once, open); }
#endif

void *lf_interop_library(const char *variable, const char *const *names, char *why, size_t why_bytes) {
  const char *named = getenv(variable);
  if (!named || !named[0]) return lf_library_open(names, why, why_bytes);
  if (strcmp(named, "off") == 0) {
    snprintf(why, why_bytes, "%s is \"off\"", variable);
    return NULL;
  }
  const char *const only[] = {named, NULL};
  return lf_library_open(only, why, why_bytes);
}

int32_t lf_interop_tell(int viable, const char *reason, uint32_t capacity, char *why) {
  if (!why || capacity == 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the reason");
  snprintf(why, capacity, "%s", reason);
  return viable;
}

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

lf_uuid_text lf_uuid_print(const uint8_t *uuid) {
  lf_uuid_text out;
  for (int i = 0; i < LF_UUID_BYTES; i++) snprintf(out.text + 2 * i, 3, "%02x", uuid[i]);
  return out;
}
