#include "abi/device.h"

#include "base/handle.h"
#include "base/status.h"

lf_device *lf_device_get(int32_t handle) {
  lf_device *device = lf_handle_get(LF_KIND_DEVICE, handle);
  if (!device) lf_handle_stale(LF_KIND_DEVICE, handle);
  return device;
}

static void destroy(void *object) { lf_device_release(object); }

int32_t lf_device_open(int32_t vulkan, int32_t index) {
  lf_vulkan *v = lf_handle_get(LF_KIND_VULKAN, vulkan);
  if (!v) return lf_handle_stale(LF_KIND_VULKAN, vulkan);
  if (index < 0 || (uint32_t)index >= v->count)
    return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0, "there is no GPU %d: Vulkan has %u here", index, v->count);
  lf_device *device;
  int32_t status = lf_device_make(v, (uint32_t)index, &device);
  if (status < 0) return status;
  int32_t handle = lf_handle_make(LF_KIND_DEVICE, device, destroy);
  if (handle < 0) lf_device_release(device);
  return handle;
}

int32_t lf_device_available(int32_t handle, double *out) {
  lf_device *device = lf_device_get(handle);
  if (!device) return LF_ECLOSED;
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the bytes available");
  *out = lf_device_free_bytes(device);
  return LF_OK;
}

int32_t lf_device_close(int32_t handle) {
  lf_device *device = lf_handle_take(LF_KIND_DEVICE, handle);
  if (!device) return lf_handle_stale(LF_KIND_DEVICE, handle);
  destroy(device);
  return LF_OK;
}
