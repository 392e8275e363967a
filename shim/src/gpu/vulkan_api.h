/*
 * The part of Vulkan 1.2 that the shim uses, declared here so that it builds without Vulkan's headers. Names, values
 * and layouts are the specification's; test/native/vulkan-api.test.ts compares them with the official headers where
 * those are installed. All platforms of the shim are 64-bit, so each handle is a pointer.
 */
#ifndef LF_VULKAN_API_H
#define LF_VULKAN_API_H

#include <stddef.h>
#include <stdint.h>

typedef struct VkInstance_T *VkInstance;
typedef struct VkPhysicalDevice_T *VkPhysicalDevice;
typedef struct VkDevice_T *VkDevice;
typedef struct VkQueue_T *VkQueue;
typedef struct VkCommandBuffer_T *VkCommandBuffer;
typedef struct VkBuffer_T *VkBuffer;
typedef struct VkCommandPool_T *VkCommandPool;
typedef struct VkDebugUtilsMessengerEXT_T *VkDebugUtilsMessengerEXT;
typedef struct VkDescriptorPool_T *VkDescriptorPool;
typedef struct VkDescriptorSet_T *VkDescriptorSet;
typedef struct VkDescriptorSetLayout_T *VkDescriptorSetLayout;
typedef struct VkDeviceMemory_T *VkDeviceMemory;
typedef struct VkFence_T *VkFence;
typedef struct VkImage_T *VkImage;
typedef struct VkPipeline_T *VkPipeline;
typedef struct VkPipelineCache_T *VkPipelineCache;
typedef struct VkPipelineLayout_T *VkPipelineLayout;
typedef struct VkSampler_T *VkSampler;
typedef struct VkSemaphore_T *VkSemaphore;
typedef struct VkShaderModule_T *VkShaderModule;

typedef uint32_t VkBool32;
typedef uint32_t VkFlags;
typedef uint64_t VkDeviceSize;
typedef int32_t VkResult;
typedef int32_t VkStructureType;
/* Always NULL: the driver uses its own allocator. */
typedef struct VkAllocationCallbacks VkAllocationCallbacks;
typedef void (*PFN_vkVoidFunction)(void);

enum {
  VK_SUCCESS = 0, VK_NOT_READY = 1, VK_TIMEOUT = 2, VK_INCOMPLETE = 5, VK_ERROR_OUT_OF_HOST_MEMORY = -1,
  VK_ERROR_OUT_OF_DEVICE_MEMORY = -2, VK_ERROR_INITIALIZATION_FAILED = -3, VK_ERROR_DEVICE_LOST = -4,
  VK_ERROR_MEMORY_MAP_FAILED = -5, VK_ERROR_LAYER_NOT_PRESENT = -6, VK_ERROR_EXTENSION_NOT_PRESENT = -7,
  VK_ERROR_FEATURE_NOT_PRESENT = -8, VK_ERROR_INCOMPATIBLE_DRIVER = -9, VK_ERROR_TOO_MANY_OBJECTS = -10,
  VK_ERROR_FRAGMENTED_POOL = -12, VK_ERROR_UNKNOWN = -13, VK_ERROR_OUT_OF_POOL_MEMORY = -1000069000,
  VK_ERROR_INVALID_EXTERNAL_HANDLE = -1000072003, VK_ERROR_INVALID_SHADER_NV = -1000012000
};

enum {
  VK_STRUCTURE_TYPE_APPLICATION_INFO = 0, VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO = 1,
  VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO = 2, VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO = 3,
  VK_STRUCTURE_TYPE_SUBMIT_INFO = 4, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO = 5,
  VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE = 6, VK_STRUCTURE_TYPE_FENCE_CREATE_INFO = 8,
  VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO = 9, VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO = 12,
  VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO = 16, VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO = 18,
  VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO = 29, VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO = 30,
  VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO = 32, VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO = 33,
  VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO = 34, VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET = 35,
  VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO = 39, VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO = 40,
  VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO = 42, VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER = 44,
  VK_STRUCTURE_TYPE_MEMORY_BARRIER = 46, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2 = 1000059000,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 = 1000059001,
  VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2 = 1000059005,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2 = 1000059006,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO = 1000071002,
  VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES = 1000071003,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES = 1000071004,
  VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO = 1000072000,
  VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO = 1000072002,
  VK_STRUCTURE_TYPE_IMPORT_MEMORY_WIN32_HANDLE_INFO_KHR = 1000073000,
  VK_STRUCTURE_TYPE_EXPORT_MEMORY_WIN32_HANDLE_INFO_KHR = 1000073001,
  VK_STRUCTURE_TYPE_MEMORY_GET_WIN32_HANDLE_INFO_KHR = 1000073003,
  VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR = 1000074000, VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR = 1000074002,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO = 1000076000,
  VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES = 1000076001,
  VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO = 1000077000,
  VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_WIN32_HANDLE_INFO_KHR = 1000078000,
  VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_WIN32_HANDLE_INFO_KHR = 1000078001,
  VK_STRUCTURE_TYPE_SEMAPHORE_GET_WIN32_HANDLE_INFO_KHR = 1000078003,
  VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR = 1000079000,
  VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR = 1000079001,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES = 1000082000,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES = 1000094000,
  VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS = 1000127000,
  VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO = 1000127001,
  VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CALLBACK_DATA_EXT = 1000128003,
  VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT = 1000128004,
  VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2 = 1000146000,
  VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2 = 1000146003,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES = 1000168000,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES = 1000175000,
  VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT = 1000178000,
  VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT = 1000178001,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT = 1000178002,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES = 1000196000,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES = 1000207000,
  VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO = 1000207002,
  VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO = 1000207003, VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO = 1000207004,
  VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO = 1000207005,
  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT = 1000237000,
  VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT = 1000247000
};

#define VK_QUEUE_FAMILY_EXTERNAL (~1u)
#define VK_QUEUE_FAMILY_IGNORED (~0u)
#define VK_WHOLE_SIZE (~0ull)

/* ---- instance ---- */

typedef struct {
  VkStructureType sType; const void *pNext; const char *pApplicationName; uint32_t applicationVersion;
  const char *pEngineName; uint32_t engineVersion; uint32_t apiVersion;
} VkApplicationInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; const VkApplicationInfo *pApplicationInfo;
  uint32_t enabledLayerCount; const char *const *ppEnabledLayerNames; uint32_t enabledExtensionCount;
  const char *const *ppEnabledExtensionNames;
} VkInstanceCreateInfo;

enum { VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR = 1 };

typedef struct { char extensionName[256]; uint32_t specVersion; } VkExtensionProperties;

typedef struct {
  char layerName[256]; uint32_t specVersion; uint32_t implementationVersion; char description[256];
} VkLayerProperties;

enum {
  VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT = 0x100, VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT = 0x1000,
  VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT = 1, VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT = 2,
  VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT = 4
};

/* The members behind name queues, command buffers and objects. */
typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; const char *pMessageIdName; int32_t messageIdNumber;
  const char *pMessage;
} VkDebugUtilsMessengerCallbackDataEXT;

typedef VkBool32 (*PFN_vkDebugUtilsMessengerCallbackEXT)(VkFlags severity, VkFlags types,
                                                         const VkDebugUtilsMessengerCallbackDataEXT *data, void *user);

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; VkFlags messageSeverity; VkFlags messageType;
  PFN_vkDebugUtilsMessengerCallbackEXT pfnUserCallback; void *pUserData;
} VkDebugUtilsMessengerCreateInfoEXT;

typedef enum { VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT = 4 } VkValidationFeatureEnableEXT;

typedef struct {
  VkStructureType sType; const void *pNext; uint32_t enabledValidationFeatureCount;
  const VkValidationFeatureEnableEXT *pEnabledValidationFeatures; uint32_t disabledValidationFeatureCount;
  const int32_t *pDisabledValidationFeatures;
} VkValidationFeaturesEXT;

/* ---- physical device ---- */

enum {
  VK_PHYSICAL_DEVICE_TYPE_OTHER = 0, VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU = 1,
  VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU = 2, VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU = 3, VK_PHYSICAL_DEVICE_TYPE_CPU = 4
};

typedef struct {
  uint32_t maxImageDimension1D, maxImageDimension2D, maxImageDimension3D, maxImageDimensionCube, maxImageArrayLayers;
  uint32_t maxTexelBufferElements, maxUniformBufferRange, maxStorageBufferRange, maxPushConstantsSize;
  uint32_t maxMemoryAllocationCount, maxSamplerAllocationCount;
  VkDeviceSize bufferImageGranularity, sparseAddressSpaceSize;
  uint32_t maxBoundDescriptorSets;
  uint32_t maxPerStageDescriptorSamplers, maxPerStageDescriptorUniformBuffers, maxPerStageDescriptorStorageBuffers;
  uint32_t maxPerStageDescriptorSampledImages, maxPerStageDescriptorStorageImages;
  uint32_t maxPerStageDescriptorInputAttachments, maxPerStageResources;
  uint32_t maxDescriptorSetSamplers, maxDescriptorSetUniformBuffers, maxDescriptorSetUniformBuffersDynamic;
  uint32_t maxDescriptorSetStorageBuffers, maxDescriptorSetStorageBuffersDynamic, maxDescriptorSetSampledImages;
  uint32_t maxDescriptorSetStorageImages, maxDescriptorSetInputAttachments;
  uint32_t maxVertexInputAttributes, maxVertexInputBindings, maxVertexInputAttributeOffset;
  uint32_t maxVertexInputBindingStride, maxVertexOutputComponents;
  uint32_t maxTessellationGenerationLevel, maxTessellationPatchSize;
  uint32_t maxTessellationControlPerVertexInputComponents, maxTessellationControlPerVertexOutputComponents;
  uint32_t maxTessellationControlPerPatchOutputComponents, maxTessellationControlTotalOutputComponents;
  uint32_t maxTessellationEvaluationInputComponents, maxTessellationEvaluationOutputComponents;
  uint32_t maxGeometryShaderInvocations, maxGeometryInputComponents, maxGeometryOutputComponents;
  uint32_t maxGeometryOutputVertices, maxGeometryTotalOutputComponents;
  uint32_t maxFragmentInputComponents, maxFragmentOutputAttachments, maxFragmentDualSrcAttachments;
  uint32_t maxFragmentCombinedOutputResources;
  uint32_t maxComputeSharedMemorySize, maxComputeWorkGroupCount[3], maxComputeWorkGroupInvocations;
  uint32_t maxComputeWorkGroupSize[3];
  uint32_t subPixelPrecisionBits, subTexelPrecisionBits, mipmapPrecisionBits;
  uint32_t maxDrawIndexedIndexValue, maxDrawIndirectCount;
  float maxSamplerLodBias, maxSamplerAnisotropy;
  uint32_t maxViewports, maxViewportDimensions[2];
  float viewportBoundsRange[2];
  uint32_t viewportSubPixelBits;
  size_t minMemoryMapAlignment;
  VkDeviceSize minTexelBufferOffsetAlignment, minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment;
  int32_t minTexelOffset;
  uint32_t maxTexelOffset;
  int32_t minTexelGatherOffset;
  uint32_t maxTexelGatherOffset;
  float minInterpolationOffset, maxInterpolationOffset;
  uint32_t subPixelInterpolationOffsetBits;
  uint32_t maxFramebufferWidth, maxFramebufferHeight, maxFramebufferLayers;
  VkFlags framebufferColorSampleCounts, framebufferDepthSampleCounts, framebufferStencilSampleCounts;
  VkFlags framebufferNoAttachmentsSampleCounts;
  uint32_t maxColorAttachments;
  VkFlags sampledImageColorSampleCounts, sampledImageIntegerSampleCounts, sampledImageDepthSampleCounts;
  VkFlags sampledImageStencilSampleCounts, storageImageSampleCounts;
  uint32_t maxSampleMaskWords;
  VkBool32 timestampComputeAndGraphics;
  float timestampPeriod;
  uint32_t maxClipDistances, maxCullDistances, maxCombinedClipAndCullDistances, discreteQueuePriorities;
  float pointSizeRange[2], lineWidthRange[2], pointSizeGranularity, lineWidthGranularity;
  VkBool32 strictLines, standardSampleLocations;
  VkDeviceSize optimalBufferCopyOffsetAlignment, optimalBufferCopyRowPitchAlignment, nonCoherentAtomSize;
} VkPhysicalDeviceLimits;

typedef struct {
  VkBool32 residencyStandard2DBlockShape, residencyStandard2DMultisampleBlockShape, residencyStandard3DBlockShape;
  VkBool32 residencyAlignedMipSize, residencyNonResidentStrict;
} VkPhysicalDeviceSparseProperties;

typedef struct {
  uint32_t apiVersion; uint32_t driverVersion; uint32_t vendorID; uint32_t deviceID; int32_t deviceType;
  char deviceName[256]; uint8_t pipelineCacheUUID[16]; VkPhysicalDeviceLimits limits;
  VkPhysicalDeviceSparseProperties sparseProperties;
} VkPhysicalDeviceProperties;

typedef struct {
  VkStructureType sType; void *pNext; VkPhysicalDeviceProperties properties;
} VkPhysicalDeviceProperties2;

typedef struct {
  VkStructureType sType; void *pNext; uint8_t deviceUUID[16]; uint8_t driverUUID[16]; uint8_t deviceLUID[8];
  uint32_t deviceNodeMask; VkBool32 deviceLUIDValid;
} VkPhysicalDeviceIDProperties;

typedef struct { uint8_t major, minor, subminor, patch; } VkConformanceVersion;

typedef struct {
  VkStructureType sType; void *pNext; int32_t driverID; char driverName[256]; char driverInfo[256];
  VkConformanceVersion conformanceVersion;
} VkPhysicalDeviceDriverProperties;

enum { VK_DRIVER_ID_NVIDIA_PROPRIETARY = 4, VK_DRIVER_ID_MESA_LLVMPIPE = 13 };

typedef struct {
  VkStructureType sType; void *pNext; uint32_t maxPerSetDescriptors; VkDeviceSize maxMemoryAllocationSize;
} VkPhysicalDeviceMaintenance3Properties;

typedef struct {
  VkStructureType sType; void *pNext; VkDeviceSize minImportedHostPointerAlignment;
} VkPhysicalDeviceExternalMemoryHostPropertiesEXT;

typedef struct {
  VkStructureType sType; void *pNext; VkBool32 timelineSemaphore;
} VkPhysicalDeviceTimelineSemaphoreFeatures;

typedef struct {
  VkStructureType sType; void *pNext; VkBool32 shaderFloat16; VkBool32 shaderInt8;
} VkPhysicalDeviceShaderFloat16Int8Features;

typedef struct {
  VkStructureType sType; void *pNext; VkBool32 shaderSubgroupExtendedTypes;
} VkPhysicalDeviceShaderSubgroupExtendedTypesFeatures;

typedef struct {
  VkStructureType sType; void *pNext; uint32_t subgroupSize; VkFlags supportedStages; VkFlags supportedOperations;
  VkBool32 quadOperationsInAllStages;
} VkPhysicalDeviceSubgroupProperties;

/* The features of Vulkan 1.0: an array instead of 55 names, as the shim needs none. */
typedef struct { VkStructureType sType; void *pNext; VkBool32 features[55]; } VkPhysicalDeviceFeatures2;

enum {
  VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT = 1, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT = 2,
  VK_MEMORY_PROPERTY_HOST_COHERENT_BIT = 4, VK_MEMORY_PROPERTY_HOST_CACHED_BIT = 8,
  VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT = 0x10, VK_MEMORY_PROPERTY_PROTECTED_BIT = 0x20,
  VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD = 0x40, VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD = 0x80,
  VK_MEMORY_HEAP_DEVICE_LOCAL_BIT = 1
};

typedef struct { VkFlags propertyFlags; uint32_t heapIndex; } VkMemoryType;
typedef struct { VkDeviceSize size; VkFlags flags; } VkMemoryHeap;

typedef struct {
  uint32_t memoryTypeCount; VkMemoryType memoryTypes[32]; uint32_t memoryHeapCount; VkMemoryHeap memoryHeaps[16];
} VkPhysicalDeviceMemoryProperties;

typedef struct {
  VkStructureType sType; void *pNext; VkPhysicalDeviceMemoryProperties memoryProperties;
} VkPhysicalDeviceMemoryProperties2;

typedef struct {
  VkStructureType sType; void *pNext; VkDeviceSize heapBudget[16]; VkDeviceSize heapUsage[16];
} VkPhysicalDeviceMemoryBudgetPropertiesEXT;

enum { VK_QUEUE_GRAPHICS_BIT = 1, VK_QUEUE_COMPUTE_BIT = 2 };

typedef struct { uint32_t width, height, depth; } VkExtent3D;

typedef struct {
  VkFlags queueFlags; uint32_t queueCount; uint32_t timestampValidBits; VkExtent3D minImageTransferGranularity;
} VkQueueFamilyProperties;

typedef struct {
  VkStructureType sType; void *pNext; VkQueueFamilyProperties queueFamilyProperties;
} VkQueueFamilyProperties2;

/* ---- external memory and semaphores ---- */

enum {
  VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT = 1, VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_WIN32_BIT = 2,
  VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT = 0x80, VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT = 1,
  VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT = 2, VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT = 4,
  VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT = 1, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_WIN32_BIT = 2,
  VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT = 1, VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT = 2
};

typedef struct {
  VkFlags externalMemoryFeatures; VkFlags exportFromImportedHandleTypes; VkFlags compatibleHandleTypes;
} VkExternalMemoryProperties;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; VkFlags usage; uint32_t handleType;
} VkPhysicalDeviceExternalBufferInfo;

typedef struct {
  VkStructureType sType; void *pNext; VkExternalMemoryProperties externalMemoryProperties;
} VkExternalBufferProperties;

typedef struct { VkStructureType sType; const void *pNext; uint32_t handleType; } VkPhysicalDeviceExternalSemaphoreInfo;

typedef struct {
  VkStructureType sType; void *pNext; VkFlags exportFromImportedHandleTypes; VkFlags compatibleHandleTypes;
  VkFlags externalSemaphoreFeatures;
} VkExternalSemaphoreProperties;

typedef struct { VkStructureType sType; const void *pNext; VkFlags handleTypes; } VkExternalMemoryBufferCreateInfo;
typedef struct { VkStructureType sType; const void *pNext; VkFlags handleTypes; } VkExportMemoryAllocateInfo;
typedef struct { VkStructureType sType; const void *pNext; uint32_t handleType; int fd; } VkImportMemoryFdInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; VkDeviceMemory memory; uint32_t handleType;
} VkMemoryGetFdInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; uint32_t handleType; void *handle; const uint16_t *name;
} VkImportMemoryWin32HandleInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; const void *pAttributes; /* SECURITY_ATTRIBUTES */
  uint32_t dwAccess; const uint16_t *name;
} VkExportMemoryWin32HandleInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; VkDeviceMemory memory; uint32_t handleType;
} VkMemoryGetWin32HandleInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; uint32_t handleType; void *pHostPointer;
} VkImportMemoryHostPointerInfoEXT;

typedef struct { VkStructureType sType; void *pNext; uint32_t memoryTypeBits; } VkMemoryHostPointerPropertiesEXT;
typedef struct { VkStructureType sType; const void *pNext; VkFlags handleTypes; } VkExportSemaphoreCreateInfo;

enum { VK_SEMAPHORE_IMPORT_TEMPORARY_BIT = 1 };

typedef struct {
  VkStructureType sType; const void *pNext; VkSemaphore semaphore; VkFlags flags; uint32_t handleType; int fd;
} VkImportSemaphoreFdInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; VkSemaphore semaphore; uint32_t handleType;
} VkSemaphoreGetFdInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; VkSemaphore semaphore; VkFlags flags; uint32_t handleType; void *handle;
  const uint16_t *name;
} VkImportSemaphoreWin32HandleInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; const void *pAttributes; /* SECURITY_ATTRIBUTES */
  uint32_t dwAccess; const uint16_t *name;
} VkExportSemaphoreWin32HandleInfoKHR;

typedef struct {
  VkStructureType sType; const void *pNext; VkSemaphore semaphore; uint32_t handleType;
} VkSemaphoreGetWin32HandleInfoKHR;

/* ---- device ---- */

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; uint32_t queueFamilyIndex; uint32_t queueCount;
  const float *pQueuePriorities;
} VkDeviceQueueCreateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; uint32_t queueCreateInfoCount;
  const VkDeviceQueueCreateInfo *pQueueCreateInfos; uint32_t enabledLayerCount;
  const char *const *ppEnabledLayerNames; uint32_t enabledExtensionCount; const char *const *ppEnabledExtensionNames;
  const void *pEnabledFeatures;
} VkDeviceCreateInfo;

/* ---- memory and buffers ---- */

typedef struct {
  VkStructureType sType; const void *pNext; VkDeviceSize allocationSize; uint32_t memoryTypeIndex;
} VkMemoryAllocateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkImage image; VkBuffer buffer;
} VkMemoryDedicatedAllocateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkDeviceMemory memory; VkDeviceSize offset; VkDeviceSize size;
} VkMappedMemoryRange;

enum {
  VK_BUFFER_USAGE_TRANSFER_SRC_BIT = 1, VK_BUFFER_USAGE_TRANSFER_DST_BIT = 2,
  VK_BUFFER_USAGE_STORAGE_BUFFER_BIT = 0x20, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT = 0x100, VK_SHARING_MODE_EXCLUSIVE = 0
};

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; VkDeviceSize size; VkFlags usage; int32_t sharingMode;
  uint32_t queueFamilyIndexCount; const uint32_t *pQueueFamilyIndices;
} VkBufferCreateInfo;

typedef struct { VkDeviceSize size; VkDeviceSize alignment; uint32_t memoryTypeBits; } VkMemoryRequirements;
typedef struct { VkStructureType sType; const void *pNext; VkBuffer buffer; } VkBufferMemoryRequirementsInfo2;
typedef struct { VkStructureType sType; void *pNext; VkMemoryRequirements memoryRequirements; } VkMemoryRequirements2;

typedef struct {
  VkStructureType sType; void *pNext; VkBool32 prefersDedicatedAllocation; VkBool32 requiresDedicatedAllocation;
} VkMemoryDedicatedRequirements;

/* ---- commands ---- */

enum {
  VK_COMMAND_POOL_CREATE_TRANSIENT_BIT = 1, VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT = 2,
  VK_COMMAND_BUFFER_LEVEL_PRIMARY = 0, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT = 1
};

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; uint32_t queueFamilyIndex;
} VkCommandPoolCreateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkCommandPool commandPool; int32_t level; uint32_t commandBufferCount;
} VkCommandBufferAllocateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; const void *pInheritanceInfo;
} VkCommandBufferBeginInfo;

typedef struct { VkDeviceSize srcOffset; VkDeviceSize dstOffset; VkDeviceSize size; } VkBufferCopy;

enum {
  VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT = 1, VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT = 2,
  VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT = 0x800, VK_ACCESS_INDIRECT_COMMAND_READ_BIT = 1,
  VK_PIPELINE_STAGE_TRANSFER_BIT = 0x1000, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT = 0x2000,
  VK_PIPELINE_STAGE_HOST_BIT = 0x4000, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT = 0x10000, VK_ACCESS_SHADER_READ_BIT = 0x20,
  VK_ACCESS_SHADER_WRITE_BIT = 0x40, VK_ACCESS_TRANSFER_READ_BIT = 0x800, VK_ACCESS_TRANSFER_WRITE_BIT = 0x1000,
  VK_ACCESS_HOST_READ_BIT = 0x2000, VK_ACCESS_HOST_WRITE_BIT = 0x4000, VK_ACCESS_MEMORY_READ_BIT = 0x8000,
  VK_ACCESS_MEMORY_WRITE_BIT = 0x10000
};

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags srcAccessMask; VkFlags dstAccessMask;
} VkMemoryBarrier;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags srcAccessMask; VkFlags dstAccessMask;
  uint32_t srcQueueFamilyIndex; uint32_t dstQueueFamilyIndex; VkBuffer buffer; VkDeviceSize offset; VkDeviceSize size;
} VkBufferMemoryBarrier;

typedef struct VkImageMemoryBarrier VkImageMemoryBarrier; /* never used */

typedef struct {
  VkStructureType sType; const void *pNext; uint32_t waitSemaphoreCount; const VkSemaphore *pWaitSemaphores;
  const VkFlags *pWaitDstStageMask; uint32_t commandBufferCount; const VkCommandBuffer *pCommandBuffers;
  uint32_t signalSemaphoreCount; const VkSemaphore *pSignalSemaphores;
} VkSubmitInfo;

typedef struct {
  VkStructureType sType; const void *pNext; uint32_t waitSemaphoreValueCount; const uint64_t *pWaitSemaphoreValues;
  uint32_t signalSemaphoreValueCount; const uint64_t *pSignalSemaphoreValues;
} VkTimelineSemaphoreSubmitInfo;

/* ---- fences and semaphores ---- */

typedef struct { VkStructureType sType; const void *pNext; VkFlags flags; } VkFenceCreateInfo;
typedef struct { VkStructureType sType; const void *pNext; VkFlags flags; } VkSemaphoreCreateInfo;

enum { VK_SEMAPHORE_TYPE_BINARY = 0, VK_SEMAPHORE_TYPE_TIMELINE = 1 };

typedef struct {
  VkStructureType sType; const void *pNext; int32_t semaphoreType; uint64_t initialValue;
} VkSemaphoreTypeCreateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; uint32_t semaphoreCount; const VkSemaphore *pSemaphores;
  const uint64_t *pValues;
} VkSemaphoreWaitInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkSemaphore semaphore; uint64_t value;
} VkSemaphoreSignalInfo;

/* ---- compute pipelines ---- */

enum {
  VK_SHADER_STAGE_COMPUTE_BIT = 0x20, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER = 7,
  VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR = 1, VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT = 1,
  VK_PIPELINE_BIND_POINT_COMPUTE = 1
};

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; size_t codeSize; const uint32_t *pCode;
} VkShaderModuleCreateInfo;

typedef struct {
  uint32_t binding; int32_t descriptorType; uint32_t descriptorCount; VkFlags stageFlags;
  const VkSampler *pImmutableSamplers;
} VkDescriptorSetLayoutBinding;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; uint32_t bindingCount;
  const VkDescriptorSetLayoutBinding *pBindings;
} VkDescriptorSetLayoutCreateInfo;

typedef struct { int32_t type; uint32_t descriptorCount; } VkDescriptorPoolSize;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; uint32_t maxSets; uint32_t poolSizeCount;
  const VkDescriptorPoolSize *pPoolSizes;
} VkDescriptorPoolCreateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkDescriptorPool descriptorPool; uint32_t descriptorSetCount;
  const VkDescriptorSetLayout *pSetLayouts;
} VkDescriptorSetAllocateInfo;

typedef struct { VkBuffer buffer; VkDeviceSize offset; VkDeviceSize range; } VkDescriptorBufferInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkDescriptorSet dstSet; uint32_t dstBinding; uint32_t dstArrayElement;
  uint32_t descriptorCount; int32_t descriptorType; const void *pImageInfo; const VkDescriptorBufferInfo *pBufferInfo;
  const void *pTexelBufferView;
} VkWriteDescriptorSet;

typedef struct VkCopyDescriptorSet VkCopyDescriptorSet; /* never used */

typedef struct { VkFlags stageFlags; uint32_t offset; uint32_t size; } VkPushConstantRange;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; uint32_t setLayoutCount;
  const VkDescriptorSetLayout *pSetLayouts; uint32_t pushConstantRangeCount;
  const VkPushConstantRange *pPushConstantRanges;
} VkPipelineLayoutCreateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; uint32_t stage; VkShaderModule module; const char *pName;
  const void *pSpecializationInfo;
} VkPipelineShaderStageCreateInfo;

typedef struct {
  VkStructureType sType; const void *pNext; VkFlags flags; VkPipelineShaderStageCreateInfo stage;
  VkPipelineLayout layout; VkPipeline basePipelineHandle; int32_t basePipelineIndex;
} VkComputePipelineCreateInfo;

#endif
