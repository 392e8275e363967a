#include "gpu/external.h"

#include <inttypes.h>

#include "base/status.h"
#include "base/win32.h"
#include "host/segment.h"

int32_t lf_external_open(int64_t os, lf_external_file *out) {
  *out = (lf_external_file){0};
  if (os <= 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%" PRId64 " is no handle", os);
  DWORD flags;
  if (!GetHandleInformation(lf_handle_of(os), &flags))
    return lf_fail_win32(LF_ECLOSED, "GetHandleInformation", GetLastError(),
                         "handle %" PRId64 " (an import takes its handle over)", os);
  return LF_OK;
}

/* Drivers never close HANDLEs: see lf_external_taken. */
int lf_external_same(int64_t os, const lf_external_file *file) {
  (void)os, (void)file;
  return 1;
}

/* Windows tells the type of a handle by undocumented calls only, so the driver's own check is relied on. */
void lf_external_learn(lf_device *device, lf_external_kind kind, int64_t os) {
  (void)os;
  device->exported_kinds[kind] = 1;
}

int32_t lf_external_check(const lf_device *device, lf_external_kind kind, int64_t os, int64_t sample) {
  (void)device, (void)kind, (void)os, (void)sample;
  return LF_OK;
}

/* Windows has no limit of handles below its memory. */
int lf_external_left(uint64_t *limit) {
  *limit = 0;
  return 1;
}

const void *lf_external_import_info(int64_t os, lf_import_info *out) {
  out->win32 = (VkImportMemoryWin32HandleInfoKHR){.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_WIN32_HANDLE_INFO_KHR,
                                                  .handleType = LF_EXTERNAL_MEMORY,
                                                  .handle = lf_handle_of(os)};
  return &out->win32;
}

void lf_external_taken(int64_t os) { CloseHandle(lf_handle_of(os)); }

int32_t lf_external_export_memory(lf_device *device, VkDeviceMemory memory, int64_t *kept, int64_t *out) {
  if (*kept < 0) {
    VkMemoryGetWin32HandleInfoKHR info = {.sType = VK_STRUCTURE_TYPE_MEMORY_GET_WIN32_HANDLE_INFO_KHR,
                                          .memory = memory,
                                          .handleType = LF_EXTERNAL_MEMORY};
    HANDLE handle;
    VkResult result = device->vk.GetMemoryWin32HandleKHR(device->device, &info, &handle);
    if (result != VK_SUCCESS)
      return lf_device_fail(device, LF_ESYSTEM, "vkGetMemoryWin32HandleKHR", result, "a handle of GPU memory");
    *kept = lf_os_of(handle);
  }
  return lf_os_handle_duplicate(*kept, out);
}

int32_t lf_external_export_semaphore(lf_device *device, VkSemaphore semaphore, int64_t *kept, int64_t *out) {
  if (*kept < 0) {
    VkSemaphoreGetWin32HandleInfoKHR info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_WIN32_HANDLE_INFO_KHR,
                                             .semaphore = semaphore,
                                             .handleType = LF_EXTERNAL_SEMAPHORE};
    HANDLE handle;
    VkResult result = device->vk.GetSemaphoreWin32HandleKHR(device->device, &info, &handle);
    if (result != VK_SUCCESS)
      return lf_device_fail(device, LF_ESYSTEM, "vkGetSemaphoreWin32HandleKHR", result, "a handle of a semaphore");
    *kept = lf_os_of(handle);
  }
  return lf_os_handle_duplicate(*kept, out);
}

void lf_external_drop(int64_t *kept) {
  if (*kept >= 0) CloseHandle(lf_handle_of(*kept));
  *kept = -1;
}

VkResult lf_external_import_semaphore(lf_device *device, VkSemaphore semaphore, int64_t os) {
  VkImportSemaphoreWin32HandleInfoKHR info = {.sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_WIN32_HANDLE_INFO_KHR,
                                              .semaphore = semaphore,
                                              .handleType = LF_EXTERNAL_SEMAPHORE,
                                              .handle = lf_handle_of(os)};
  return device->vk.ImportSemaphoreWin32HandleKHR(device->device, &info);
}
