/*
 * Shared by the GPU baselines: Vulkan opened at run time, and one of its devices, by UUID. Nothing is freed: each
 * program measures one thing and exits.
 */
#ifndef LF_BENCH_GPU_H
#define LF_BENCH_GPU_H

#include <dlfcn.h>

#include "bench.h"
#include "gpu/vulkan_functions.h"

typedef struct {
  lf_instance_functions vki;
  lf_device_functions vk;
  VkPhysicalDevice physical;
  VkDevice device;
  VkQueue queue;
  uint32_t family;
  VkPhysicalDeviceMemoryProperties memory;
} bench_gpu;

static inline void gpu_check(VkResult result, const char *what) {
  if (result == VK_SUCCESS) return;
  fprintf(stderr, "%s: VkResult %d\n", what, result);
  exit(1);
}

_Noreturn static inline void gpu_fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

/* Functions that are not found stay NULL: a program that calls one was run on the wrong machine. */
#define GPU_LOAD(result, name, ...)                          \
  {                                                          \
    PFN_vkVoidFunction found = load(from, "vk" #name);       \
    memcpy(&table->name, &found, sizeof found);              \
  }

static inline void gpu_load_global(PFN_vkGetInstanceProcAddr load, lf_instance_functions *table) {
  VkInstance from = NULL;
  LF_VULKAN_GLOBAL(GPU_LOAD)
}

static inline void gpu_load_instance(PFN_vkGetInstanceProcAddr load, VkInstance from, lf_instance_functions *table) {
  LF_VULKAN_INSTANCE(GPU_LOAD)
}

static inline void gpu_load_device(PFN_vkVoidFunction (*load)(VkDevice, const char *), VkDevice from,
                                   lf_device_functions *table) {
  LF_VULKAN_DEVICE(GPU_LOAD)
  LF_VULKAN_DEVICE_OPTIONAL(GPU_LOAD)
}

static inline VkPhysicalDevice gpu_find(const lf_instance_functions *vki, VkInstance instance, const char *uuid) {
  VkPhysicalDevice all[64];
  uint32_t count = 64;
  gpu_check(vki->EnumeratePhysicalDevices(instance, &count, all), "vkEnumeratePhysicalDevices");
  for (uint32_t i = 0; i < count; i++) {
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
    VkPhysicalDeviceProperties2 of = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id};
    char text[33];
    vki->GetPhysicalDeviceProperties2(all[i], &of);
    for (int at = 0; at < 16; at++) snprintf(text + 2 * at, 3, "%02x", id.deviceUUID[at]);
    if (strcmp(text, uuid) == 0) return all[i];
  }
  gpu_fail("Vulkan has no GPU with this UUID");
}

static inline uint32_t gpu_family(const lf_instance_functions *vki, VkPhysicalDevice physical) {
  VkQueueFamilyProperties2 families[32];
  uint32_t count = 32;
  for (int i = 0; i < 32; i++) families[i] = (VkQueueFamilyProperties2){.sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2};
  vki->GetPhysicalDeviceQueueFamilyProperties2(physical, &count, families);
  for (uint32_t i = 0; i < count; i++)
    if (families[i].queueFamilyProperties.queueFlags & VK_QUEUE_COMPUTE_BIT) return i;
  gpu_fail("the GPU has no queue for compute shaders");
}

static inline void gpu_open(const char *uuid, bench_gpu *out) {
  static const char *const names[] = {"libvulkan.so.1", "libvulkan.1.dylib", "libMoltenVK.dylib"};
  void *library = NULL;
  for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library) gpu_fail("no Vulkan library");
  void *symbol = dlsym(library, "vkGetInstanceProcAddr");
  PFN_vkGetInstanceProcAddr load;
  memcpy(&load, &symbol, sizeof load);
  gpu_load_global(load, &out->vki);

  VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = 1u << 22 | 2u << 12};
  VkInstanceCreateInfo instance_info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application};
  VkInstance instance;
  gpu_check(out->vki.CreateInstance(&instance_info, NULL, &instance), "vkCreateInstance");
  gpu_load_instance(load, instance, &out->vki);
  out->physical = gpu_find(&out->vki, instance, uuid);
  out->family = gpu_family(&out->vki, out->physical);

  float priority = 1;
  const char *extension = "VK_KHR_external_memory_fd";
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, .timelineSemaphore = 1};
  VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                   .queueFamilyIndex = out->family, .queueCount = 1, .pQueuePriorities = &priority};
  VkDeviceCreateInfo device = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .pNext = &timeline,
                               .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
                               .enabledExtensionCount = 1, .ppEnabledExtensionNames = &extension};
  gpu_check(out->vki.CreateDevice(out->physical, &device, NULL, &out->device), "vkCreateDevice");
  gpu_load_device(out->vki.GetDeviceProcAddr, out->device, &out->vk);
  out->vk.GetDeviceQueue(out->device, out->family, 0, &out->queue);
  VkPhysicalDeviceMemoryProperties2 memory = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
  out->vki.GetPhysicalDeviceMemoryProperties2(out->physical, &memory);
  out->memory = memory.memoryProperties;
}

/* The first type among `bits` with all of `wanted`; UINT32_MAX: none. */
static inline uint32_t gpu_type(const bench_gpu *gpu, uint32_t bits, VkFlags wanted) {
  for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++)
    if (bits >> i & 1 && (gpu->memory.memoryTypes[i].propertyFlags & wanted) == wanted) return i;
  return UINT32_MAX;
}

static inline VkBuffer gpu_buffer(bench_gpu *gpu, VkDeviceSize size, int shared, VkMemoryRequirements *needs) {
  VkExternalMemoryBufferCreateInfo external = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                               .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT};
  VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .pNext = shared ? &external : NULL, .size = size,
                             .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                      VK_BUFFER_USAGE_STORAGE_BUFFER_BIT};
  VkBuffer buffer;
  gpu_check(gpu->vk.CreateBuffer(gpu->device, &info, NULL, &buffer), "vkCreateBuffer");
  VkBufferMemoryRequirementsInfo2 of = {.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2, .buffer = buffer};
  VkMemoryRequirements2 found = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
  gpu->vk.GetBufferMemoryRequirements2(gpu->device, &of, &found);
  *needs = found.memoryRequirements;
  return buffer;
}

#endif
