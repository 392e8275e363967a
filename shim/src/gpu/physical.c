/* A GPU's capabilities, queried without opening it. A GPU that can't be used is described, too. */
#include <stdlib.h>
#include <string.h>

#include "gpu/device.h"
#include "gpu/external.h"

#define VULKAN_1_2 (1u << 22 | 2u << 12)

typedef struct {
  VkExtensionProperties *all;
  uint32_t count;
} extensions;

static int has(const extensions *e, const char *name) {
  for (uint32_t i = 0; i < e->count; i++)
    if (strcmp(e->all[i].extensionName, name) == 0) return 1;
  return 0;
}

static VkResult list_extensions(const lf_vulkan *v, VkPhysicalDevice physical, extensions *out) {
  VkResult result = v->vk.EnumerateDeviceExtensionProperties(physical, NULL, &out->count, NULL);
  if (result != VK_SUCCESS || !out->count) return result;
  out->all = calloc(out->count, sizeof *out->all);
  if (!out->all) return VK_ERROR_OUT_OF_HOST_MEMORY;
  return v->vk.EnumerateDeviceExtensionProperties(physical, NULL, &out->count, out->all);
}

static int32_t type_of(int32_t type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return LF_GPU_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return LF_GPU_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return LF_GPU_CPU;
    default: return LF_GPU_OTHER;
  }
}

/* The shim's groups of operations are the first eight of Vulkan's. */
static uint32_t subgroups_of(const VkPhysicalDeviceSubgroupProperties *subgroups) {
  return subgroups->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT ? (subgroups->supportedOperations & 0xff) << 8 : 0;
}

static void describe_identity(const lf_vulkan *v, VkPhysicalDevice physical, const extensions *e, lf_physical *out) {
  VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
  VkPhysicalDeviceSubgroupProperties subgroups = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceMaintenance3Properties limits = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
                                                   .pNext = &subgroups};
  VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
                                             .pNext = &limits};
  VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, .pNext = &driver};
  VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id};
  int host_import = has(e, "VK_EXT_external_memory_host");
  if (host_import) subgroups.pNext = &host;
  v->vk.GetPhysicalDeviceProperties2(physical, &properties);
  snprintf(out->info.driver, sizeof out->info.driver, "%.120s%s%.120s", driver.driverName, *driver.driverInfo
           ? " " : "",
           driver.driverInfo);
  memcpy(out->info.device_uuid, id.deviceUUID, LF_UUID_BYTES);
  memcpy(out->info.driver_uuid, id.driverUUID, LF_UUID_BYTES);
  out->info.allocation_max = (double)limits.maxMemoryAllocationSize;
  out->info.storage_max = properties.properties.limits.maxStorageBufferRange;
  out->info.workgroup_max = properties.properties.limits.maxComputeSharedMemorySize;
  out->info.shader_features = subgroups_of(&subgroups);
  out->host_import_alignment = host_import ? host.minImportedHostPointerAlignment : 0;
}

static void describe_memory(const lf_vulkan *v, VkPhysicalDevice physical, lf_physical *out) {
  VkPhysicalDeviceMemoryProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
  v->vk.GetPhysicalDeviceMemoryProperties2(physical, &properties);
  out->memory = properties.memoryProperties;
  for (uint32_t i = 0; i < out->memory.memoryHeapCount; i++) {
    const VkMemoryHeap *heap = &out->memory.memoryHeaps[i];
    if (heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT && (double)heap->size > out->info.heap_bytes)
      out->info.heap_bytes = (double)heap->size;
  }
  /* A driver of hardware allocates more than maxMemoryAllocationSize, which is a promise only (NVIDIA's is below 4
   * GiB). So only the heap limits a request, and the driver is asked. */
  if (out->info.type != LF_GPU_CPU || out->info.allocation_max > out->info.heap_bytes)
    out->info.allocation_max = out->info.heap_bytes;
  const VkFlags mapped = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  for (uint32_t i = 0; i < out->memory.memoryTypeCount; i++)
    if ((out->memory.memoryTypes[i].propertyFlags & mapped) == mapped) out->info.host_visible = 1;
}

/* Whether there is a queue family for compute. A family without graphics is preferred: other programs' drawing does not
 * delay it. Copies between host and GPU are faster there than on families for transfer only (docs/performance.md). */
static int describe_queues(const lf_vulkan *v, VkPhysicalDevice physical, lf_physical *out) {
  VkQueueFamilyProperties2 families[32];
  uint32_t count = sizeof families / sizeof *families;
  for (uint32_t i = 0; i < count; i++)
    families[i] = (VkQueueFamilyProperties2){.sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2};
  v->vk.GetPhysicalDeviceQueueFamilyProperties2(physical, &count, families);
  uint32_t with_graphics = UINT32_MAX;
  for (uint32_t i = 0; i < count; i++) {
    VkFlags can = families[i].queueFamilyProperties.queueFlags;
    if (!families[i].queueFamilyProperties.queueCount || !(can & VK_QUEUE_COMPUTE_BIT)) continue;
    out->family = i;
    if (!(can & VK_QUEUE_GRAPHICS_BIT)) return 1;
    if (with_graphics == UINT32_MAX) with_graphics = i;
  }
  out->family = with_graphics;
  return with_graphics != UINT32_MAX;
}

static VkExternalMemoryProperties buffer_sharing(const lf_vulkan *v, VkPhysicalDevice physical, uint32_t handle_type) {
  VkPhysicalDeviceExternalBufferInfo info = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
                                             .usage = LF_BUFFER_USAGE,
                                             .handleType = handle_type};
  VkExternalBufferProperties properties = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
  v->vk.GetPhysicalDeviceExternalBufferProperties(physical, &info, &properties);
  return properties.externalMemoryProperties;
}

static uint32_t semaphores_shared(const lf_vulkan *v, VkPhysicalDevice physical, int32_t type) {
  VkSemaphoreTypeCreateInfo kind = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, .semaphoreType = type};
  VkPhysicalDeviceExternalSemaphoreInfo info = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
                                                .pNext = &kind,
                                                .handleType = LF_EXTERNAL_SEMAPHORE};
  VkExternalSemaphoreProperties properties = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES};
  v->vk.GetPhysicalDeviceExternalSemaphoreProperties(physical, &info, &properties);
  const VkFlags both = VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
  return (properties.externalSemaphoreFeatures & both) == both;
}

static void describe_sharing(const lf_vulkan *v, VkPhysicalDevice physical, const extensions *e, lf_physical *out) {
  const VkFlags both = VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
  if (has(e, LF_EXTERNAL_MEMORY_EXTENSION)) {
    VkExternalMemoryProperties opaque = buffer_sharing(v, physical, LF_EXTERNAL_MEMORY);
    out->info.external_memory = (opaque.externalMemoryFeatures & both) == both;
    out->reexport = (opaque.exportFromImportedHandleTypes & LF_EXTERNAL_MEMORY) != 0;
  }
  if (out->host_import_alignment) {
    VkExternalMemoryProperties host =
        buffer_sharing(v, physical, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT);
    out->info.host_import = (host.externalMemoryFeatures & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0;
  }
  out->has_external_semaphore = has(e, LF_EXTERNAL_SEMAPHORE_EXTENSION);
  if (out->has_external_semaphore) {
    out->info.external_timeline = semaphores_shared(v, physical, VK_SEMAPHORE_TYPE_TIMELINE);
    out->info.external_semaphore = semaphores_shared(v, physical, VK_SEMAPHORE_TYPE_BINARY);
  }
}

/* Whether the GPU has timeline semaphores; also sets its shader features. */
static int describe_features(const lf_vulkan *v, VkPhysicalDevice physical, lf_physical *out) {
  VkPhysicalDeviceShaderSubgroupExtendedTypesFeatures types = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES};
  VkPhysicalDeviceShaderFloat16Int8Features small = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, .pNext = &types};
  VkPhysicalDeviceTimelineSemaphoreFeatures timelines = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, .pNext = &small};
  VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &timelines};
  v->vk.GetPhysicalDeviceFeatures2(physical, &features);
  if (small.shaderFloat16) out->info.shader_features |= LF_SHADER_F16;
  if (types.shaderSubgroupExtendedTypes) out->info.shader_features |= LF_SHADER_SUBGROUP_F16;
  return timelines.timelineSemaphore != 0;
}

#define MISSING(...) (snprintf(out->info.missing, sizeof out->info.missing, __VA_ARGS__), (void)0)

void lf_physical_describe(const lf_vulkan *v, VkPhysicalDevice physical, lf_physical *out) {
  memset(out, 0, sizeof *out);
  VkPhysicalDeviceProperties properties;
  v->vk.GetPhysicalDeviceProperties(physical, &properties);
  snprintf(out->info.name, sizeof out->info.name, "%s", properties.deviceName);
  out->info.api_version = properties.apiVersion;
  out->info.type = type_of(properties.deviceType);
  if (properties.apiVersion < VULKAN_1_2) {
    MISSING("its driver has Vulkan %u.%u, and 1.2 is needed", properties.apiVersion >> 22 & 0x7f,
            properties.apiVersion >> 12 & 0x3ff);
    return;
  }
  extensions e = {0};
  VkResult result = list_extensions(v, physical, &e);
  if (result < 0) {
    MISSING("vkEnumerateDeviceExtensionProperties: %s", lf_vulkan_result_name(result));
    free(e.all);
    return;
  }
  describe_identity(v, physical, &e, out);
  describe_memory(v, physical, out);
  describe_sharing(v, physical, &e, out);
  out->has_budget = has(&e, "VK_EXT_memory_budget");
  out->has_push_descriptor = has(&e, "VK_KHR_push_descriptor");
  out->has_portability_subset = has(&e, "VK_KHR_portability_subset");
  int has_timelines = describe_features(v, physical, out);
  if (!describe_queues(v, physical, out)) MISSING("its driver has no queue for compute");
  else if (!has_timelines) MISSING("its driver has no timeline semaphores");
  else if (!out->info.external_memory)
    MISSING("its driver can't share memory between processes (%s)", LF_EXTERNAL_MEMORY_EXTENSION);
  free(e.all);
}
