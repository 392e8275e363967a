/* CUDA memory: imported from OS handles, or the caller's. */
#include <stdlib.h>
#include <string.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "base/thread.h"
#include "base/whole.h"
#include "gpu/external.h"
#include "interop/cuda_memory.h"
#include "interop/interop.h"
#if defined(_WIN32)
#include "base/win32.h"
#endif

/* Records a failure, unless one was recorded before. */
static void note(int32_t *status, const char *api, CUresult result, const lf_cuda_memory *m) {
  if (result == LF_CU_SUCCESS || *status < 0) return;
  *status = lf_cuda_fail(LF_ESYSTEM, api, result, "closing %llu bytes", (unsigned long long)m->size);
}

/* The memory may be partly made. */
int32_t lf_cuda_memory_free(lf_cuda_memory *m) {
  int32_t status = lf_cuda_enter(&m->device);
  if (status == LF_OK) {
    if (m->last) note(&status, "cuEventDestroy", m->cu->cuEventDestroy_v2(m->last), m);
    if (m->stream) note(&status, "cuStreamDestroy", m->cu->cuStreamDestroy_v2(m->stream), m);
    if (m->external && m->pointer) note(&status, "cuMemFree", m->cu->cuMemFree_v2(m->pointer), m);
    if (m->external) note(&status, "cuDestroyExternalMemory", m->cu->cuDestroyExternalMemory(m->external), m);
    if (m->reserved) {
      note(&status, "cuMemUnmap", m->cu->cuMemUnmap(m->pointer, m->reserved), m);
      note(&status, "cuMemAddressFree", m->cu->cuMemAddressFree(m->pointer, m->reserved), m);
    }
    status = lf_cuda_leave(status);
  }
  status = lf_cuda_device_release(&m->device, status);
  free(m);
  return status;
}

#define COPY_LIMIT_NS 30000000000u /* the limit of the library for any work on a GPU */

int32_t lf_cuda_memory_idle(const lf_cuda_memory *m) {
  if (!m->last) return 1;
  int32_t status = lf_cuda_enter(&m->device);
  if (status < 0) return status;
  CUresult result = m->cu->cuEventQuery(m->last);
  if (result != LF_CU_SUCCESS && result != LF_CU_NOT_READY)
    status = lf_cuda_fail(LF_ESYSTEM, "cuEventQuery", result, "work on %llu bytes", (unsigned long long)m->size);
  status = lf_cuda_leave(status);
  return status < 0 ? status : result == LF_CU_SUCCESS;
}

/* A failure ends the copies, too: each call in that context fails. */
int32_t lf_cuda_memory_wait(const lf_cuda_memory *m) {
  uint64_t limit = lf_now() + COPY_LIMIT_NS;
  while (lf_cuda_memory_idle(m) == 0) {
    if (lf_now() > limit)
      return lf_fail(LF_ETIMEOUT, "cuEventQuery", LF_CU_NOT_READY, "a copy that uses the CUDA memory does not end");
    lf_thread_nap(100000);
  }
  return LF_OK;
}

/* Memory that a copy uses after the limit is never freed. */
void lf_cuda_memory_drop(void *object) {
  if (lf_cuda_memory_wait(object) == LF_OK) lf_cuda_memory_free(object);
}

/* Creates the object, without a device. */
static int32_t make(uint64_t size, lf_cuda_memory **out) {
  const lf_cuda_functions *cu = lf_cuda_open();
  if (!cu) return LF_EBACKEND_UNAVAILABLE;
  *out = calloc(1, sizeof **out);
  if (!*out) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for a CUDA memory", sizeof **out);
  (*out)->cu = cu;
  (*out)->size = size;
  return LF_OK;
}

/* The device's context must be current. *taken: CUDA owns the OS handle. */
static int32_t map(lf_cuda_memory *m, const lf_shared_memory *shared, int *taken) {
  lf_cu_memory_handle handle = {.size = shared->allocation, .flags = LF_CU_MEMORY_DEDICATED};
#if defined(_WIN32)
  handle.type = LF_CU_MEMORY_OPAQUE_WIN32;
  handle.handle.win32.handle = lf_handle_of(shared->os);
#else
  handle.type = LF_CU_MEMORY_OPAQUE_FD;
  handle.handle.fd = (int)shared->os;
#endif
  CUresult result = m->cu->cuImportExternalMemory(&m->external, &handle);
  if (result != LF_CU_SUCCESS) {
    m->external = NULL;
    return lf_cuda_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "cuImportExternalMemory", result,
                        "importing %llu bytes of GPU memory", (unsigned long long)shared->allocation);
  }
  *taken = 1;
  lf_cu_mapped_buffer buffer = {.size = shared->size};
  result = m->cu->cuExternalMemoryGetMappedBuffer(&m->pointer, m->external, &buffer);
  if (result == LF_CU_SUCCESS) return LF_OK;
  m->pointer = 0;
  return lf_cuda_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "cuExternalMemoryGetMappedBuffer", result,
                      "mapping %llu bytes of GPU memory", (unsigned long long)shared->size);
}

/* With a failure `status`, frees the memory. Else returns it. */
static int32_t finish(lf_cuda_memory *m, int32_t status, lf_cuda_memory **out) {
  if (status < 0) return lf_import_fail(m, lf_cuda_memory_drop);
  *out = m;
  return LF_OK;
}

/* Takes ownership of shared->os, also when it fails. */
static int32_t import(const lf_shared_memory *shared, lf_cuda_memory **out) {
  lf_cuda_memory *m;
  int32_t status = make(shared->size, &m);
  if (status < 0) return lf_external_refuse(shared->os);
  status = lf_cuda_device_retain(shared->device_uuid, &m->device);
  if (status < 0) {
    free(m);
    return lf_external_refuse(shared->os);
  }
  int taken = 0;
  status = lf_cuda_enter(&m->device);
  if (status == LF_OK) status = lf_cuda_leave(map(m, shared, &taken));
  if (taken) lf_external_taken(shared->os);
  else lf_external_refuse(shared->os);
  return finish(m, status, out);
}

int32_t lf_cuda_memory_import(lf_gpu_memory *memory, lf_cuda_memory **out) {
  lf_shared_memory shared;
  int32_t status = lf_share_memory(memory, &shared);
  return status < 0 ? status : import(&shared, out);
}

#if !defined(_WIN32)
/* Bytes. The granularity of such mappings, on all GPUs so far. */
#define GRANULE ((uint64_t)2 << 20)
#define DEVICES_MAX 32

/* Allows the device, and those that can access its memory, to use the mapping. */
static CUresult allow_all(const lf_cuda_memory *m, CUdeviceptr at, uint64_t bytes) {
  lf_cu_access access[DEVICES_MAX];
  size_t count = 0;
  int devices = 0;
  CUresult result = m->cu->cuDeviceGetCount(&devices);
  for (int i = 0; result == LF_CU_SUCCESS && i < devices && count < DEVICES_MAX; i++) {
    CUdevice device;
    int can = 0;
    result = m->cu->cuDeviceGet(&device, i);
    if (result == LF_CU_SUCCESS && device != m->device.device)
      result = m->cu->cuDeviceCanAccessPeer(&can, device, m->device.device);
    if (result == LF_CU_SUCCESS && (can || device == m->device.device))
      access[count++] = (lf_cu_access){.location = {LF_CU_LOCATION_DEVICE, device}, .flags = LF_CU_ACCESS_READWRITE};
  }
  return result == LF_CU_SUCCESS ? m->cu->cuMemSetAccess(at, bytes, access, count) : result;
}

/* The device's context must be current. 1 with the memory mapped; or 0 if CUDA refuses, with no failure recorded. Keeps
 * the OS handle. */
static int map_for_all(lf_cuda_memory *m, const lf_shared_memory *shared) {
  const lf_cuda_functions *cu = m->cu;
  const uint64_t bytes = shared->allocation;
  if (bytes % GRANULE != 0) return 0;
  CUmemGenericAllocationHandle handle;
  if (cu->cuMemImportFromShareableHandle(&handle, (void *)(uintptr_t)shared->os, LF_CU_SHAREABLE_POSIX_FD)) return 0;
  CUdeviceptr at = 0;
  int done = cu->cuMemAddressReserve(&at, bytes, 0, 0, 0) == LF_CU_SUCCESS;
  if (done && cu->cuMemMap(at, bytes, 0, handle, 0) != LF_CU_SUCCESS) {
    cu->cuMemAddressFree(at, bytes);
    done = 0;
  }
  cu->cuMemRelease(handle); /* the mapping keeps it */
  if (done && allow_all(m, at, bytes) != LF_CU_SUCCESS) {
    cu->cuMemUnmap(at, bytes);
    cu->cuMemAddressFree(at, bytes);
    done = 0;
  }
  if (!done) return 0;
  m->pointer = at;
  m->reserved = bytes;
  return 1;
}

/* Imports memory for all GPUs. Memory that is imported by `import` is usable by its own GPU only: CUDA then copies to
 * other GPUs through the host, at a tenth of the speed. 1; or 0 when this import is not possible.
 * Keeps the OS handle. */
static int import_for_all(const lf_shared_memory *shared, lf_cuda_memory **out) {
  lf_cuda_memory *m;
  int32_t status = make(shared->size, &m);
  if (status < 0) return 0;
  if (lf_cuda_device_retain(shared->device_uuid, &m->device) < 0) {
    free(m);
    return 0;
  }
  int mapped = 0;
  status = lf_cuda_enter(&m->device);
  if (status == LF_OK) {
    mapped = map_for_all(m, shared);
    status = lf_cuda_leave(LF_OK);
  }
  if (status < 0 || !mapped) {
    lf_cuda_memory_free(m);
    return 0;
  }
  *out = m;
  return 1;
}
#endif

int32_t lf_cuda_memory_import_os_handle(int64_t os_handle, double allocation, double size, const uint8_t *device_uuid,
                                        lf_cuda_memory **out) {
  if (os_handle < 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "OS handle %lld", (long long)os_handle);
  if (!device_uuid || !lf_whole(allocation) || !lf_whole(size) || size < 1 || size > allocation) {
    lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.0f bytes in an allocation of %.0f bytes%s", size, allocation,
            device_uuid ? "" : ", without the UUID of its GPU");
    return lf_external_refuse(os_handle);
  }
  lf_shared_memory shared = {.os = os_handle, .size = (uint64_t)size, .allocation = (uint64_t)allocation};
  memcpy(shared.device_uuid, device_uuid, LF_UUID_BYTES);
#if !defined(_WIN32)
  if (import_for_all(&shared, out)) {
    int32_t status = lf_os_handle_close(os_handle); /* the mapping keeps the memory */
    return status < 0 ? lf_import_fail(*out, lf_cuda_memory_drop) : LF_OK;
  }
#endif
  return import(&shared, out);
}

/* The allocation that contains `pointer`: its base and bytes. */
static int32_t range_of(lf_cuda_memory *m, CUdeviceptr pointer, CUdeviceptr *base, uint64_t *bytes) {
  size_t size = 0;
  int32_t status = lf_cuda_enter(&m->device);
  if (status < 0) return status;
  CUresult result = m->cu->cuMemGetAddressRange_v2(base, &size, pointer);
  *bytes = size;
  if (result != LF_CU_SUCCESS)
    status = lf_cuda_fail(LF_EINVALID_ARGUMENT, "cuMemGetAddressRange", result, "device pointer 0x%llx", pointer);
  return lf_cuda_leave(status);
}

int32_t lf_cuda_memory_adopt(uint64_t pointer, double size, lf_cuda_memory **out) {
  if (!lf_whole(size) || size < 1) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a memory of %g bytes", size);
  lf_cuda_memory *m;
  int32_t status = make((uint64_t)size, &m);
  if (status < 0) return status;
  unsigned int type = 0;
  CUdevice device = 0;
  int ordinal = 0;
  CUresult result = m->cu->cuPointerGetAttribute(&type, LF_CU_POINTER_MEMORY_TYPE, pointer);
  if (result == LF_CU_SUCCESS)
    result = m->cu->cuPointerGetAttribute(&ordinal, LF_CU_POINTER_DEVICE_ORDINAL, pointer);
  if (result != LF_CU_SUCCESS || type != LF_CU_MEMORYTYPE_DEVICE) {
    free(m);
    return lf_cuda_fail(LF_EINVALID_ARGUMENT, "cuPointerGetAttribute", result, "0x%llx is no device memory of CUDA's",
                        (unsigned long long)pointer);
  }
  result = m->cu->cuDeviceGet(&device, ordinal);
  status = result == LF_CU_SUCCESS ? lf_cuda_device_retain_at(device, &m->device)
                                   : lf_cuda_fail(LF_ESYSTEM, "cuDeviceGet", result, "CUDA device %d", ordinal);
  if (status < 0) {
    free(m);
    return status;
  }
  CUdeviceptr base = 0;
  uint64_t bytes = 0;
  status = range_of(m, pointer, &base, &bytes);
  if (status == LF_OK && (uint64_t)size > bytes - (pointer - base))
    status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.0f bytes at 0x%llx, but the allocation ends after %llu", size,
                     (unsigned long long)pointer, (unsigned long long)(bytes - (pointer - base)));
  m->pointer = pointer;
  return finish(m, status, out);
}

int32_t lf_cuda_memory_export(lf_cuda_memory *m, double *allocation, int64_t *os_handle) {
  CUdeviceptr base = 0;
  uint64_t bytes = 0;
  int32_t status = range_of(m, m->pointer, &base, &bytes);
  if (status < 0) return status;
  if (base != m->pointer)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
                   "the pointer lies %llu bytes into its allocation, and only whole allocations are exported",
                   (unsigned long long)(m->pointer - base));
  CUmemGenericAllocationHandle handle = 0;
  CUresult result = m->cu->cuMemRetainAllocationHandle(&handle, (void *)(uintptr_t)m->pointer);
  if (result != LF_CU_SUCCESS)
    return lf_cuda_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "cuMemRetainAllocationHandle", result,
                        "only memory that was made with cuMemCreate can be exported");
#if defined(_WIN32)
  HANDLE exported = NULL;
  result = m->cu->cuMemExportToShareableHandle(&exported, handle, LF_CU_SHAREABLE_WIN32, 0);
  *os_handle = lf_os_of(exported);
#else
  int exported = -1;
  result = m->cu->cuMemExportToShareableHandle(&exported, handle, LF_CU_SHAREABLE_POSIX_FD, 0);
  *os_handle = exported;
#endif
  if (result != LF_CU_SUCCESS)
    status = lf_cuda_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "cuMemExportToShareableHandle", result,
                          "only memory that was made for export (requestedHandleTypes) can be exported");
  CUresult released = m->cu->cuMemRelease(handle);
  if (status == LF_OK && released != LF_CU_SUCCESS) {
    lf_cuda_fail(LF_ESYSTEM, "cuMemRelease", released, "the exported allocation");
    return lf_external_refuse(*os_handle);
  }
  *allocation = (double)bytes;
  return status;
}
