/* Opening a device with its queue, its memory and its copier, and closing it with all of them. */
#include <stdlib.h>

#include "base/lock.h"
#include "base/status.h"
#include "gpu/allocation.h"
#include "gpu/copier.h"
#include "gpu/external.h"
#include "gpu/staging.h"

#define NAME(result, name, ...) "vk" #name,
static const char *const names[] = {LF_VULKAN_DEVICE(NAME) LF_VULKAN_DEVICE_OPTIONAL(NAME)};
#define COUNT(result, name, ...) +1
enum { NAME_COUNT = sizeof names / sizeof *names, NAMES_NEEDED = LF_VULKAN_DEVICE(COUNT) };

/* ---- closing ---- */

/* Closed devices whose memory an ArrayBuffer shows. */
static lf_device *shown;
static lf_lock shown_lock = LF_LOCK_FREE;

static void finish(lf_device *device) {
  if (!lf_block_cache_close(device)) {
    lf_lock_take(&shown_lock);
    device->next_shown = shown;
    shown = device;
    lf_lock_give(&shown_lock);
    return;
  }
  lf_external_drop(&device->timeline_os);
  device->vk.DestroyDevice(device->device, NULL);
  lf_vulkan_release(device->vulkan);
  free(device);
}

static void finish_shown(void) {
  lf_lock_take(&shown_lock);
  lf_device *device = shown;
  shown = NULL;
  lf_lock_give(&shown_lock);
  while (device) {
    lf_device *next = device->next_shown;
    finish(device);
    device = next;
  }
}

static void close_device(lf_device *device) {
  /* the driver still works with its objects: they stay for the life of the process */
  if (!lf_queue_close(device)) return;
  lf_staging_close(device);
  lf_copier_close(device);
  finish(device);
}

/* ---- opening ---- */

/* The first type among `bits` with all of `wanted`, in a heap of at least `heap` bytes, and with as few of `unwanted`
 * as possible. UINT32_MAX when there is none. */
static uint32_t pick_type(const lf_device *device, uint32_t bits, VkFlags wanted, VkFlags unwanted, double heap) {
  const VkFlags never = VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
                        VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
  uint32_t best = UINT32_MAX;
  int best_count = 33;
  for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++) {
    VkFlags flags = device->memory.memoryTypes[i].propertyFlags;
    if (!(bits >> i & 1) || (flags & wanted) != wanted || flags & never) continue;
    if ((double)device->memory.memoryHeaps[device->memory.memoryTypes[i].heapIndex].size < heap) continue;
    int count = __builtin_popcount(flags & unwanted);
    if (count < best_count) best = i, best_count = count;
  }
  return best;
}

/* Buffers of one usage have the same memory types, so one buffer is queried. */
static int32_t pick_types(lf_device *device) {
  uint32_t bits;
  int32_t status = lf_gpu_memory_types(device, &bits);
  if (status < 0) return status;
  const VkFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  const VkFlags mapped = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  const VkFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  device->type_local = pick_type(device, bits, local, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, device->info.heap_bytes);
  device->type_local_mapped = pick_type(device, bits, local | mapped, cached, 0);
  device->type_upload = pick_type(device, bits, mapped, local | cached, 0);
  device->type_readback = pick_type(device, bits, mapped | cached, local, 0);
  if (device->type_local == UINT32_MAX) device->type_local = pick_type(device, bits, 0, 0, 0);
  if (device->type_readback == UINT32_MAX) device->type_readback = device->type_upload;
  if (device->type_local != UINT32_MAX && device->type_upload != UINT32_MAX) return LF_OK;
  return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0, "%s has no memory that buffers can be in and be shared",
                 device->info.name);
}

static int32_t create(lf_device *device, const lf_physical *p) {
  const float priority = 1;
  VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                   .queueFamilyIndex = device->family,
                                   .queueCount = 1,
                                   .pQueuePriorities = &priority};
  const char *extensions[6];
  uint32_t count = 0;
  extensions[count++] = LF_EXTERNAL_MEMORY_EXTENSION;
  if (p->has_external_semaphore) extensions[count++] = LF_EXTERNAL_SEMAPHORE_EXTENSION;
  if (p->info.host_import) extensions[count++] = "VK_EXT_external_memory_host";
  if (p->has_budget) extensions[count++] = "VK_EXT_memory_budget";
  if (p->has_push_descriptor) extensions[count++] = "VK_KHR_push_descriptor";
  /* must be enabled where it exists */
  if (p->has_portability_subset) extensions[count++] = "VK_KHR_portability_subset";
  VkPhysicalDeviceShaderSubgroupExtendedTypesFeatures types = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES,
      .shaderSubgroupExtendedTypes = (p->info.shader_features & LF_SHADER_SUBGROUP_F16) != 0};
  VkPhysicalDeviceShaderFloat16Int8Features small = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
      .pNext = &types,
      .shaderFloat16 = (p->info.shader_features & LF_SHADER_F16) != 0};
  VkPhysicalDeviceTimelineSemaphoreFeatures timelines = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, .pNext = &small, .timelineSemaphore = 1};
  VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                             .pNext = &timelines,
                             .queueCreateInfoCount = 1,
                             .pQueueCreateInfos = &queue,
                             .enabledExtensionCount = count,
                             .ppEnabledExtensionNames = extensions};
  VkResult result = device->vulkan->vk.CreateDevice(device->physical, &info, NULL, &device->device);
  if (result == VK_SUCCESS) return LF_OK;
  device->device = NULL;
  return lf_device_fail(device, LF_EGPU_DEVICE_NOT_FOUND, "vkCreateDevice", result, "%s", device->info.name);
}

static int32_t load(lf_device *device) {
  PFN_vkVoidFunction *to = (void *)&device->vk;
  for (int i = 0; i < NAME_COUNT; i++) {
    to[i] = device->vulkan->vk.GetDeviceProcAddr(device->device, names[i]);
    if (!to[i] && i < NAMES_NEEDED)
      return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "vkGetDeviceProcAddr", 0, "the driver of %s has no %s",
                     device->info.name,
                     names[i]);
  }
#if defined(_WIN32)
  int can_export = device->vk.GetMemoryWin32HandleKHR != NULL;
#else
  int can_export = device->vk.GetMemoryFdKHR != NULL;
#endif
  if (can_export) return LF_OK;
  return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "vkGetDeviceProcAddr", 0,
                 "the driver of %s lists %s and lacks its functions",
                 device->info.name, LF_EXTERNAL_MEMORY_EXTENSION);
}

static void adopt(lf_device *device, const lf_physical *p) {
  device->info = p->info;
  device->memory = p->memory;
  device->host_import_alignment = p->info.host_import ? p->host_import_alignment : 0;
  device->has_budget = p->has_budget;
  device->reexport = p->reexport;
  device->timeline_os = -1;
  device->family = p->family;
  lf_copier_choose(device);
}

/* On failure, undoes its steps. */
static int32_t open_device(lf_device *device, const lf_physical *p) {
  int32_t status = create(device, p);
  if (status < 0) return status;
  status = load(device);
  if (status == LF_OK) status = pick_types(device);
  if (status == LF_OK) status = lf_block_cache_open(device);
  if (status == LF_OK) status = lf_queue_open(device, lf_gpu_memory_collect);
  if (status == LF_OK) return status;
  lf_block_cache_close(device);
  if (device->vk.DestroyDevice) device->vk.DestroyDevice(device->device, NULL);
  return status;
}

int32_t lf_device_make(lf_vulkan *v, uint32_t index, lf_device **out) {
  finish_shown();
  lf_physical p;
  lf_physical_describe(v, v->physical[index], &p);
  if (*p.info.missing)
    return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0, "GPU %u, %.160s, can't be used: %s", index, p.info.name,
                   p.info.missing);
  lf_device *device = calloc(1, sizeof *device);
  if (!device) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for a GPU", sizeof *device);
  device->vulkan = v;
  device->physical = v->physical[index];
  device->references = 1;
  device->teardown = close_device;
  adopt(device, &p);
  int32_t status = open_device(device, &p);
  if (status < 0) {
    free(device);
    return status;
  }
  v->references++;
  *out = device;
  return LF_OK;
}
