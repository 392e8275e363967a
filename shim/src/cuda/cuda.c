#include "cuda/cuda.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/library.h"
#include "base/once.h"
#include "base/status.h"
#include "base/uuid.h"

#if defined(_WIN32)
static const char *const library_names[] = {"nvcuda.dll", NULL};
#else
static const char *const library_names[] = {"libcuda.so.1", NULL};
#endif

static lf_cuda_functions cu;
static int device_count;
static int viable;
static char reason[400]; /* the version and the number of devices, or why CUDA can't be used */

static const char *name_of(CUresult result) {
  const char *name = NULL;
  return cu.cuGetErrorName(result, &name) == LF_CU_SUCCESS && name ? name : "an unknown result";
}

static const char *words_of(CUresult result) {
  const char *words = NULL;
  return cu.cuGetErrorString(result, &words) == LF_CU_SUCCESS && words ? words : "no description";
}

static int refuses(const char *api, CUresult result) {
  if (result != LF_CU_SUCCESS) snprintf(reason, sizeof reason, "%s: %s (%s)", api, name_of(result), words_of(result));
  return result != LF_CU_SUCCESS;
}

static void open_cuda(void) {
  void *library = lf_library_find("LAVA_FLOW_CUDA", library_names, reason, sizeof reason);
  if (!library) return;
#define LF_NAME(name, arguments) #name,
  static const char *const names[] = {LF_CUDA_FUNCTIONS(LF_NAME) NULL};
#undef LF_NAME
  const char *missing = lf_library_symbols(library, names, (void **)&cu);
  if (missing) {
    snprintf(reason, sizeof reason, "CUDA's library has no %s: a driver for CUDA 11 or later is needed", missing);
    return;
  }
  void *uuid_v2 = lf_library_symbol(library, "cuDeviceGetUuid_v2");
  memcpy(&cu.cuDeviceGetUuid_v2, &uuid_v2, sizeof uuid_v2);
  int version = 0;
  if (refuses("cuInit", cu.cuInit(0))) return;
  if (refuses("cuDriverGetVersion", cu.cuDriverGetVersion(&version))) return;
  if (refuses("cuDeviceGetCount", cu.cuDeviceGetCount(&device_count))) return;
  viable = device_count > 0;
  snprintf(reason, sizeof reason, "CUDA %d.%d, %d device%s", version / 1000, version % 1000 / 10, device_count,
           device_count == 1 ? "" : "s");
}

static int cuda_is_open(void) {
  static lf_once once = LF_ONCE;
  lf_once_run(&once, open_cuda);
  return viable;
}

int32_t lf_cuda_viable(uint32_t capacity, char *why) {
  int open = cuda_is_open();
  return lf_status_viable(open, reason, capacity, why);
}

const lf_cuda_functions *lf_cuda_open(void) {
  if (cuda_is_open()) return &cu;
  lf_fail(LF_EBACKEND_UNAVAILABLE, "", 0, "CUDA can't be used: %s", reason);
  return NULL;
}

/* Results after which each call in the device's context fails. */
static int is_fatal(CUresult result) {
  return result == LF_CU_ECC_UNCORRECTABLE || result == LF_CU_ILLEGAL_ADDRESS ||
         (result >= LF_CU_HARDWARE_STACK_ERROR && result <= LF_CU_LAUNCH_FAILED);
}

int32_t lf_cuda_fail(int32_t code, const char *api, CUresult result, const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (result == LF_CU_OUT_OF_MEMORY) code = LF_EGPU_OUT_OF_MEMORY;
  else if (is_fatal(result)) code = LF_EGPU_DEVICE_LOST;
  return lf_fail(code, api, result, "%s: %s (%s)", text, name_of(result), words_of(result));
}

/* 1 when `uuid` names the device, else 0. A slice of a GPU (MIG) has two UUIDs: its own and the GPU's. */
static int32_t has_uuid(CUdevice device, const uint8_t *uuid) {
  uint8_t own[LF_UUID_BYTES];
  CUresult result = cu.cuDeviceGetUuid(own, device);
  if (result != LF_CU_SUCCESS)
    return lf_cuda_fail(LF_ESYSTEM, "cuDeviceGetUuid", result, "the UUID of CUDA device %d", device);
  if (memcmp(own, uuid, LF_UUID_BYTES) == 0) return 1;
  if (!cu.cuDeviceGetUuid_v2) return 0;
  result = cu.cuDeviceGetUuid_v2(own, device);
  if (result != LF_CU_SUCCESS)
    return lf_cuda_fail(LF_ESYSTEM, "cuDeviceGetUuid_v2", result, "the UUID of CUDA device %d", device);
  return memcmp(own, uuid, LF_UUID_BYTES) == 0;
}

static int32_t find_device(const uint8_t *uuid, CUdevice *out) {
  if (!lf_cuda_open()) return LF_EBACKEND_UNAVAILABLE;
  for (int i = 0; i < device_count; i++) {
    CUresult result = cu.cuDeviceGet(out, i);
    if (result != LF_CU_SUCCESS) return lf_cuda_fail(LF_ESYSTEM, "cuDeviceGet", result, "CUDA device %d", i);
    int32_t found = has_uuid(*out, uuid);
    if (found != 0) return found < 0 ? found : LF_OK;
  }
  return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "none of CUDA's %d devices has the UUID %s", device_count,
                 lf_uuid_print(uuid).text);
}

static int32_t retain_context(lf_cuda_device *out) {
  CUresult result = cu.cuDevicePrimaryCtxRetain(&out->context, out->device);
  if (result == LF_CU_SUCCESS) return LF_OK;
  return lf_cuda_fail(LF_ESYSTEM, "cuDevicePrimaryCtxRetain", result, "the primary context of CUDA device %d",
                      out->device);
}

int32_t lf_cuda_device_retain(const uint8_t *uuid, lf_cuda_device *out) {
  int32_t status = find_device(uuid, &out->device);
  memcpy(out->uuid, uuid, LF_UUID_BYTES);
  return status < 0 ? status : retain_context(out);
}

int32_t lf_cuda_device_retain_at(CUdevice device, lf_cuda_device *out) {
  if (!lf_cuda_open()) return LF_EBACKEND_UNAVAILABLE;
  out->device = device;
  CUresult result = cu.cuDeviceGetUuid(out->uuid, device);
  if (result != LF_CU_SUCCESS)
    return lf_cuda_fail(LF_ESYSTEM, "cuDeviceGetUuid", result, "the UUID of CUDA device %d", device);
  return retain_context(out);
}

int32_t lf_cuda_device_release(lf_cuda_device *device, int32_t status) {
  CUresult result = cu.cuDevicePrimaryCtxRelease_v2(device->device);
  if (result == LF_CU_SUCCESS || status < 0) return status;
  return lf_cuda_fail(LF_ESYSTEM, "cuDevicePrimaryCtxRelease", result, "the primary context of CUDA device %d",
                      device->device);
}

int32_t lf_cuda_enter(const lf_cuda_device *device) {
  CUresult result = cu.cuCtxPushCurrent_v2(device->context);
  if (result == LF_CU_SUCCESS) return LF_OK;
  return lf_cuda_fail(LF_ESYSTEM, "cuCtxPushCurrent", result, "the context of CUDA device %d", device->device);
}

int32_t lf_cuda_leave(int32_t status) {
  CUcontext popped;
  CUresult result = cu.cuCtxPopCurrent_v2(&popped);
  if (result == LF_CU_SUCCESS || status < 0) return status;
  return lf_cuda_fail(LF_ESYSTEM, "cuCtxPopCurrent", result, "going back to the caller's CUDA context");
}

/* 1; or 0 with the reason recorded, which may be a failure. */
static int32_t reaches(CUdevice from, CUdevice to, const uint8_t *from_uuid, const uint8_t *to_uuid) {
  int can = 0;
  CUresult result = cu.cuDeviceCanAccessPeer(&can, from, to);
  if (result != LF_CU_SUCCESS) {
    lf_cuda_fail(LF_ESYSTEM, "cuDeviceCanAccessPeer", result, "CUDA devices %d and %d", from, to);
    return 0;
  }
  if (can) return 1;
  lf_fail(LF_EBACKEND_UNAVAILABLE, "cuDeviceCanAccessPeer", 0, "GPU %s can't reach the memory of GPU %s",
          lf_uuid_print(from_uuid).text, lf_uuid_print(to_uuid).text);
  return 0;
}

int32_t lf_cuda_peer_viable(const uint8_t *source_uuid, const uint8_t *target_uuid) {
  if (!source_uuid || !target_uuid) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the UUIDs of two GPUs are needed");
  CUdevice source, target;
  if (find_device(source_uuid, &source) < 0 || find_device(target_uuid, &target) < 0) return 0;
  if (source == target) return 1;
  return reaches(target, source, target_uuid, source_uuid) && reaches(source, target, source_uuid, target_uuid);
}

static int32_t retain_first(int32_t code, lf_cuda_device *out) {
  CUdevice device;
  if (!lf_cuda_open()) return LF_EBACKEND_UNAVAILABLE;
  CUresult result = cu.cuDeviceGet(&device, 0);
  if (result != LF_CU_SUCCESS) return lf_cuda_fail(code, "cuDeviceGet", result, "CUDA device 0");
  return lf_cuda_device_retain_at(device, out);
}

/* The registration is valid in all contexts, and ends with the context that made it. So the first device's context is
 * retained until the unregister. */
int32_t lf_cuda_host_register(void *address, size_t bytes) {
  if (!address || bytes == 0)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "host pages at %p, %zu bytes", address, bytes);
  lf_cuda_device first;
  int32_t status = retain_first(LF_EGPU_PINNING_FAILED, &first);
  if (status < 0) return status;
  status = lf_cuda_enter(&first);
  if (status == LF_OK) {
    CUresult result = cu.cuMemHostRegister_v2(address, bytes, LF_CU_HOST_REGISTER_PORTABLE);
    if (result != LF_CU_SUCCESS)
      status = lf_cuda_fail(LF_EGPU_PINNING_FAILED, "cuMemHostRegister", result, "%zu bytes at %p", bytes, address);
    status = lf_cuda_leave(status);
  }
  return status < 0 ? lf_cuda_device_release(&first, status) : LF_OK;
}

int32_t lf_cuda_host_unregister(void *address) {
  lf_cuda_device first;
  int32_t status = retain_first(LF_ESYSTEM, &first);
  if (status < 0) return status;
  status = lf_cuda_enter(&first);
  if (status == LF_OK) {
    CUresult result = cu.cuMemHostUnregister(address);
    if (result != LF_CU_SUCCESS)
      status = lf_cuda_fail(LF_ESYSTEM, "cuMemHostUnregister", result, "the pages at %p", address);
    status = lf_cuda_leave(status);
  }
  /* Releases two references: this function's, and the one that the register kept. */
  if (status == LF_OK) status = lf_cuda_device_release(&first, status);
  return lf_cuda_device_release(&first, status);
}
