/*
 * The functions of Vulkan that the shim uses, as lists: F(result, name without "vk", parameters...). A table is loaded
 * by name, in the order of its lists.
 */
#ifndef LF_VULKAN_FUNCTIONS_H
#define LF_VULKAN_FUNCTIONS_H

#include "gpu/vulkan_api.h"

#if defined(_WIN32)
/* A macro of <windows.h> has the name of one of these functions: the header is included here first, and the macro
 * removed. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#undef CreateSemaphore
#endif

typedef PFN_vkVoidFunction (*PFN_vkGetInstanceProcAddr)(VkInstance instance, const char *name);

#define LF_VULKAN_GLOBAL(F)                                                                                        \
  F(VkResult, CreateInstance, const VkInstanceCreateInfo *, const VkAllocationCallbacks *, VkInstance *)           \
  F(VkResult, EnumerateInstanceExtensionProperties, const char *layer, uint32_t *, VkExtensionProperties *)        \
  F(VkResult, EnumerateInstanceLayerProperties, uint32_t *, VkLayerProperties *)

/* Missing in a library of Vulkan 1.0. */
#define LF_VULKAN_GLOBAL_OPTIONAL(F) F(VkResult, EnumerateInstanceVersion, uint32_t *)

#define LF_VULKAN_INSTANCE(F)                                                                                      \
  F(void, DestroyInstance, VkInstance, const VkAllocationCallbacks *)                                              \
  F(VkResult, EnumeratePhysicalDevices, VkInstance, uint32_t *, VkPhysicalDevice *)                                \
  F(void, GetPhysicalDeviceProperties, VkPhysicalDevice, VkPhysicalDeviceProperties *)                             \
  F(void, GetPhysicalDeviceProperties2, VkPhysicalDevice, VkPhysicalDeviceProperties2 *)                           \
  F(void, GetPhysicalDeviceFeatures2, VkPhysicalDevice, VkPhysicalDeviceFeatures2 *)                               \
  F(void, GetPhysicalDeviceMemoryProperties2, VkPhysicalDevice, VkPhysicalDeviceMemoryProperties2 *)               \
  F(void, GetPhysicalDeviceQueueFamilyProperties2, VkPhysicalDevice, uint32_t *, VkQueueFamilyProperties2 *)       \
  F(void, GetPhysicalDeviceExternalBufferProperties, VkPhysicalDevice, const VkPhysicalDeviceExternalBufferInfo *, \
    VkExternalBufferProperties *)                                                                                  \
  F(void, GetPhysicalDeviceExternalSemaphoreProperties, VkPhysicalDevice,                                          \
    const VkPhysicalDeviceExternalSemaphoreInfo *, VkExternalSemaphoreProperties *)                                \
  F(VkResult, EnumerateDeviceExtensionProperties, VkPhysicalDevice, const char *layer, uint32_t *,                 \
    VkExtensionProperties *)                                                                                       \
  F(VkResult, CreateDevice, VkPhysicalDevice, const VkDeviceCreateInfo *, const VkAllocationCallbacks *, VkDevice *) \
  F(PFN_vkVoidFunction, GetDeviceProcAddr, VkDevice, const char *name)

/* VK_EXT_debug_utils, on with LAVA_FLOW_VALIDATION only. */
#define LF_VULKAN_INSTANCE_OPTIONAL(F)                                                                             \
  F(VkResult, CreateDebugUtilsMessengerEXT, VkInstance, const VkDebugUtilsMessengerCreateInfoEXT *,                \
    const VkAllocationCallbacks *, VkDebugUtilsMessengerEXT *)                                                     \
  F(void, DestroyDebugUtilsMessengerEXT, VkInstance, VkDebugUtilsMessengerEXT, const VkAllocationCallbacks *)

#define LF_VULKAN_DEVICE(F)                                                                                        \
  F(void, DestroyDevice, VkDevice, const VkAllocationCallbacks *)                                                  \
  F(void, GetDeviceQueue, VkDevice, uint32_t family, uint32_t index, VkQueue *)                                    \
  F(VkResult, DeviceWaitIdle, VkDevice)                                                                            \
  F(VkResult, QueueSubmit, VkQueue, uint32_t count, const VkSubmitInfo *, VkFence)                                 \
  F(VkResult, AllocateMemory, VkDevice, const VkMemoryAllocateInfo *, const VkAllocationCallbacks *,               \
    VkDeviceMemory *)                                                                                              \
  F(void, FreeMemory, VkDevice, VkDeviceMemory, const VkAllocationCallbacks *)                                     \
  F(VkResult, MapMemory, VkDevice, VkDeviceMemory, VkDeviceSize offset, VkDeviceSize size, VkFlags, void **)       \
  F(void, UnmapMemory, VkDevice, VkDeviceMemory)                                                                   \
  F(VkResult, FlushMappedMemoryRanges, VkDevice, uint32_t count, const VkMappedMemoryRange *)                      \
  F(VkResult, InvalidateMappedMemoryRanges, VkDevice, uint32_t count, const VkMappedMemoryRange *)                 \
  F(VkResult, CreateBuffer, VkDevice, const VkBufferCreateInfo *, const VkAllocationCallbacks *, VkBuffer *)       \
  F(void, DestroyBuffer, VkDevice, VkBuffer, const VkAllocationCallbacks *)                                        \
  F(void, GetBufferMemoryRequirements2, VkDevice, const VkBufferMemoryRequirementsInfo2 *, VkMemoryRequirements2 *) \
  F(VkResult, BindBufferMemory, VkDevice, VkBuffer, VkDeviceMemory, VkDeviceSize offset)                           \
  F(VkResult, CreateCommandPool, VkDevice, const VkCommandPoolCreateInfo *, const VkAllocationCallbacks *,         \
    VkCommandPool *)                                                                                               \
  F(void, DestroyCommandPool, VkDevice, VkCommandPool, const VkAllocationCallbacks *)                              \
  F(VkResult, ResetCommandPool, VkDevice, VkCommandPool, VkFlags)                                                  \
  F(VkResult, AllocateCommandBuffers, VkDevice, const VkCommandBufferAllocateInfo *, VkCommandBuffer *)            \
  F(void, FreeCommandBuffers, VkDevice, VkCommandPool, uint32_t count, const VkCommandBuffer *)                    \
  F(VkResult, BeginCommandBuffer, VkCommandBuffer, const VkCommandBufferBeginInfo *)                               \
  F(VkResult, EndCommandBuffer, VkCommandBuffer)                                                                   \
  F(VkResult, ResetCommandBuffer, VkCommandBuffer, VkFlags)                                                        \
  F(void, CmdCopyBuffer, VkCommandBuffer, VkBuffer source, VkBuffer target, uint32_t count, const VkBufferCopy *)  \
  F(void, CmdFillBuffer, VkCommandBuffer, VkBuffer, VkDeviceSize offset, VkDeviceSize size, uint32_t value)        \
  F(void, CmdUpdateBuffer, VkCommandBuffer, VkBuffer, VkDeviceSize offset, VkDeviceSize size, const void *)        \
  F(void, CmdPipelineBarrier, VkCommandBuffer, VkFlags from, VkFlags to, VkFlags dependency, uint32_t,             \
    const VkMemoryBarrier *, uint32_t, const VkBufferMemoryBarrier *, uint32_t, const VkImageMemoryBarrier *)      \
  F(VkResult, CreateFence, VkDevice, const VkFenceCreateInfo *, const VkAllocationCallbacks *, VkFence *)          \
  F(void, DestroyFence, VkDevice, VkFence, const VkAllocationCallbacks *)                                          \
  F(VkResult, ResetFences, VkDevice, uint32_t count, const VkFence *)                                              \
  F(VkResult, GetFenceStatus, VkDevice, VkFence)                                                                   \
  F(VkResult, WaitForFences, VkDevice, uint32_t count, const VkFence *, VkBool32 all, uint64_t timeout_ns)         \
  F(VkResult, CreateSemaphore, VkDevice, const VkSemaphoreCreateInfo *, const VkAllocationCallbacks *,             \
    VkSemaphore *)                                                                                                 \
  F(void, DestroySemaphore, VkDevice, VkSemaphore, const VkAllocationCallbacks *)                                  \
  F(VkResult, GetSemaphoreCounterValue, VkDevice, VkSemaphore, uint64_t *)                                         \
  F(VkResult, WaitSemaphores, VkDevice, const VkSemaphoreWaitInfo *, uint64_t timeout_ns)                          \
  F(VkResult, SignalSemaphore, VkDevice, const VkSemaphoreSignalInfo *)                                            \
  F(VkResult, CreateShaderModule, VkDevice, const VkShaderModuleCreateInfo *, const VkAllocationCallbacks *,       \
    VkShaderModule *)                                                                                              \
  F(void, DestroyShaderModule, VkDevice, VkShaderModule, const VkAllocationCallbacks *)                            \
  F(VkResult, CreateDescriptorSetLayout, VkDevice, const VkDescriptorSetLayoutCreateInfo *,                        \
    const VkAllocationCallbacks *, VkDescriptorSetLayout *)                                                        \
  F(void, DestroyDescriptorSetLayout, VkDevice, VkDescriptorSetLayout, const VkAllocationCallbacks *)              \
  F(VkResult, CreateDescriptorPool, VkDevice, const VkDescriptorPoolCreateInfo *, const VkAllocationCallbacks *,   \
    VkDescriptorPool *)                                                                                            \
  F(void, DestroyDescriptorPool, VkDevice, VkDescriptorPool, const VkAllocationCallbacks *)                        \
  F(VkResult, ResetDescriptorPool, VkDevice, VkDescriptorPool, VkFlags)                                            \
  F(VkResult, AllocateDescriptorSets, VkDevice, const VkDescriptorSetAllocateInfo *, VkDescriptorSet *)            \
  F(VkResult, FreeDescriptorSets, VkDevice, VkDescriptorPool, uint32_t count, const VkDescriptorSet *)             \
  F(void, UpdateDescriptorSets, VkDevice, uint32_t, const VkWriteDescriptorSet *, uint32_t,                        \
    const VkCopyDescriptorSet *)                                                                                   \
  F(VkResult, CreatePipelineLayout, VkDevice, const VkPipelineLayoutCreateInfo *, const VkAllocationCallbacks *,   \
    VkPipelineLayout *)                                                                                            \
  F(void, DestroyPipelineLayout, VkDevice, VkPipelineLayout, const VkAllocationCallbacks *)                        \
  F(VkResult, CreateComputePipelines, VkDevice, VkPipelineCache, uint32_t count,                                   \
    const VkComputePipelineCreateInfo *, const VkAllocationCallbacks *, VkPipeline *)                              \
  F(void, DestroyPipeline, VkDevice, VkPipeline, const VkAllocationCallbacks *)                                    \
  F(void, CmdBindPipeline, VkCommandBuffer, int32_t bind_point, VkPipeline)                                        \
  F(void, CmdBindDescriptorSets, VkCommandBuffer, int32_t bind_point, VkPipelineLayout, uint32_t first,            \
    uint32_t count, const VkDescriptorSet *, uint32_t offset_count, const uint32_t *offsets)                       \
  F(void, CmdPushConstants, VkCommandBuffer, VkPipelineLayout, VkFlags stages, uint32_t offset, uint32_t size,     \
    const void *)                                                                                                  \
  F(void, CmdDispatch, VkCommandBuffer, uint32_t x, uint32_t y, uint32_t z)                                        \
  F(void, CmdDispatchIndirect, VkCommandBuffer, VkBuffer, VkDeviceSize offset)

/* NULL where the extension is missing or belongs to another system. */
#define LF_VULKAN_DEVICE_OPTIONAL(F)                                                                               \
  F(VkResult, GetMemoryFdKHR, VkDevice, const VkMemoryGetFdInfoKHR *, int *)                                       \
  F(VkResult, ImportSemaphoreFdKHR, VkDevice, const VkImportSemaphoreFdInfoKHR *)                                  \
  F(VkResult, GetSemaphoreFdKHR, VkDevice, const VkSemaphoreGetFdInfoKHR *, int *)                                 \
  F(VkResult, GetMemoryWin32HandleKHR, VkDevice, const VkMemoryGetWin32HandleInfoKHR *, void **)                   \
  F(VkResult, ImportSemaphoreWin32HandleKHR, VkDevice, const VkImportSemaphoreWin32HandleInfoKHR *)                \
  F(VkResult, GetSemaphoreWin32HandleKHR, VkDevice, const VkSemaphoreGetWin32HandleInfoKHR *, void **)             \
  F(VkResult, GetMemoryHostPointerPropertiesEXT, VkDevice, uint32_t handle_type, const void *,                     \
    VkMemoryHostPointerPropertiesEXT *)                                                                            \
  F(void, CmdPushDescriptorSetKHR, VkCommandBuffer, int32_t bind_point, VkPipelineLayout, uint32_t set,            \
    uint32_t count, const VkWriteDescriptorSet *)

#define LF_VULKAN_MEMBER(result, name, ...) result (*name)(__VA_ARGS__);

/* The needed functions are all there in an open instance or device; of the optional ones each may be NULL. */
typedef struct {
  LF_VULKAN_GLOBAL(LF_VULKAN_MEMBER) LF_VULKAN_GLOBAL_OPTIONAL(LF_VULKAN_MEMBER) LF_VULKAN_INSTANCE(LF_VULKAN_MEMBER)
  LF_VULKAN_INSTANCE_OPTIONAL(LF_VULKAN_MEMBER)
} lf_instance_functions;

typedef struct { LF_VULKAN_DEVICE(LF_VULKAN_MEMBER) LF_VULKAN_DEVICE_OPTIONAL(LF_VULKAN_MEMBER) } lf_device_functions;

#endif
