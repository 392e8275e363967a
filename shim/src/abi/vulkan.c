/* Vulkan instances by their handles. */
#include "base/handle.h"
#include "base/status.h"
#include "gpu/device.h"

static void release(void *object) { lf_vulkan_release(object); }

int32_t lf_vulkan_open(void) {
  lf_vulkan *v;
  int32_t status = lf_vulkan_make(&v);
  if (status < 0) return status;
  int32_t handle = lf_handle_make(LF_KIND_VULKAN, v, release);
  if (handle < 0) lf_vulkan_release(v);
  return handle;
}

int32_t lf_vulkan_count(int32_t vulkan) {
  lf_vulkan *v = lf_handle_get(LF_KIND_VULKAN, vulkan);
  return v ? (int32_t)v->count : lf_handle_stale(LF_KIND_VULKAN, vulkan);
}

int32_t lf_vulkan_describe(int32_t vulkan, int32_t index, lf_gpu_info *out) {
  lf_vulkan *v = lf_handle_get(LF_KIND_VULKAN, vulkan);
  if (!v) return lf_handle_stale(LF_KIND_VULKAN, vulkan);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the GPU's description");
  if (index < 0 || (uint32_t)index >= v->count)
    return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0, "there is no GPU %d: Vulkan has %u here", index, v->count);
  lf_physical physical;
  lf_physical_describe(v, v->physical[index], &physical);
  *out = physical.info;
  return LF_OK;
}

int32_t lf_vulkan_close(int32_t vulkan) {
  lf_vulkan *v = lf_handle_take(LF_KIND_VULKAN, vulkan);
  if (!v) return lf_handle_stale(LF_KIND_VULKAN, vulkan);
  lf_vulkan_release(v);
  return LF_OK;
}
