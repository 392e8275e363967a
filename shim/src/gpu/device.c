#include "gpu/device.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/uuid.h"

int32_t lf_device_fail(lf_device *device, int32_t code, const char *api, VkResult result, const char *format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (result == VK_ERROR_DEVICE_LOST) {
    device->lost = 1;
    code = LF_EGPU_DEVICE_LOST;
  } else if (result == VK_ERROR_OUT_OF_HOST_MEMORY) {
    code = LF_EHOST_OUT_OF_MEMORY;
  }
  return lf_fail(code, api, result, "%s: %s", text, lf_vulkan_result_name(result));
}

int32_t lf_device_check(const lf_device *device) {
  if (!device->lost) return LF_OK;
  return lf_fail(LF_EGPU_DEVICE_LOST, "", VK_ERROR_DEVICE_LOST, "%s was lost earlier: close it and open it again",
                 device->info.name);
}

lf_device *lf_device_retain(lf_device *device) {
  device->references++;
  return device;
}

void lf_device_release(lf_device *device) {
  if (--device->references) return;
  device->teardown(device);
}

/* ---- queries ---- */

double lf_device_free_bytes(lf_device *device) {
  if (!device->has_budget) return -1;
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
                                                  .pNext = &budget};
  device->vulkan->vk.GetPhysicalDeviceMemoryProperties2(device->physical, &properties);
  uint32_t heap = device->memory.memoryTypes[device->type_local].heapIndex;
  VkDeviceSize all = budget.heapBudget[heap], used = budget.heapUsage[heap];
  return all > used ? (double)(all - used) : 0;
}

static int32_t differs(const lf_device *device, const char *what, const uint8_t *theirs, const uint8_t *ours) {
  return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "it was exported with the %s %s, and that of %s is %s", what,
                 lf_uuid_print(theirs).text, device->info.name, lf_uuid_print(ours).text);
}

int32_t lf_device_check_uuids(const lf_device *device, const uint8_t *uuids) {
  if (memcmp(uuids, device->info.device_uuid, LF_UUID_BYTES) != 0)
    return differs(device, "device UUID", uuids, device->info.device_uuid);
  if (memcmp(uuids + LF_UUID_BYTES, device->info.driver_uuid, LF_UUID_BYTES) != 0)
    return differs(device, "driver UUID", uuids + LF_UUID_BYTES, device->info.driver_uuid);
  return LF_OK;
}
