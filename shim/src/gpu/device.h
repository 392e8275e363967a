/*
 * A GPU as this process uses it: Vulkan's instance (vulkan.c), a GPU's capabilities (physical.c), a logical device with
 * its own function table (device.c, device_open.c), its memory (gpu_memory.c) and its queue (queue.c). No state is
 * global: two devices share nothing.
 */
#ifndef LF_DEVICE_H
#define LF_DEVICE_H

#include <stdio.h>

#include "gpu/vulkan_functions.h"
#include "lavaflow.h"

typedef struct lf_queue lf_queue;
typedef struct lf_pipeline lf_pipeline;
typedef struct lf_block_cache lf_block_cache;
typedef struct lf_parts lf_parts;
typedef struct lf_staging lf_staging;

/* The instance. It is counted: its handle and each device are owners. */
typedef struct {
  void *library;
  VkInstance instance;
  lf_instance_functions vk;
  _Atomic uint32_t references;
  uint32_t count;
  VkPhysicalDevice *physical;
  VkDebugUtilsMessengerEXT messenger;
  FILE *messages; /* the file that LAVA_FLOW_VALIDATION names, or NULL */
  char *named, *messages_named; /* values of LAVA_FLOW_VULKAN and LAVA_FLOW_VALIDATION at the open; NULL: not set */
} lf_vulkan;

/* Opens an instance, with one reference. GPU_DEVICE_NOT_FOUND, HOST_OUT_OF_MEMORY. */
int32_t lf_vulkan_make(lf_vulkan **out);
void lf_vulkan_release(lf_vulkan *vulkan);

/* The usage of each buffer. */
#define LF_BUFFER_USAGE                                                                                       \
  (VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | \
   VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT)

/* The name of a result: "VK_ERROR_...". */
const char *lf_vulkan_result_name(VkResult result);

/* A GPU's capabilities, as far as the shim uses them (physical.c). */
typedef struct {
  lf_gpu_info info;
  VkPhysicalDeviceMemoryProperties memory;
  uint32_t family; /* queue family of its queue */
  uint64_t host_import_alignment;
  int has_budget, has_push_descriptor, has_portability_subset, has_external_semaphore;
  int reexport; /* imported memory can be exported again */
} lf_physical;

void lf_physical_describe(const lf_vulkan *vulkan, VkPhysicalDevice physical, lf_physical *out);

/* Counted: its handle and each of its memories, semaphores, pipelines and compiles are owners. One thread at a time
 * uses a device, except for the queue's waiter and for compiles (compile.h). When a compile is the last owner, its
 * thread frees the device. */
typedef struct lf_device lf_device;
struct lf_device {
  lf_vulkan *vulkan;
  VkPhysicalDevice physical;
  VkDevice device;
  lf_device_functions vk;
  lf_gpu_info info;
  VkPhysicalDeviceMemoryProperties memory;
  _Atomic uint32_t references;
  void (*teardown)(lf_device *device); /* called when the last reference is released */
  uint64_t destroyed; /* count of destroyed buffers and pipelines: drivers may reuse their handles */
  int32_t lost; /* 1: GPU_DEVICE_LOST has occurred, and every call fails with it */
  /* Memory types, or UINT32_MAX: device-local; device-local and mapped; host memory for uploads; cached host memory for
   * readback. The mapped types are coherent. */
  uint32_t type_local, type_local_mapped, type_upload, type_readback;
  uint64_t host_import_alignment; /* of pointers and sizes for VK_EXT_external_memory_host; 0 without it */
  uint64_t allocated;                 /* bytes allocated by this device, in use or in the cache */
  uint32_t allocations, allocations_max; /* count of this device's allocations, and the driver's limit */
  uint64_t storage_alignment;     /* of the offsets of a shader's bindings */
  int has_budget;                 /* VK_EXT_memory_budget */
  int reexport;                   /* imported memory can be exported again */
  uint64_t exported_kinds[3];     /* by lf_external_kind: the kind of file of the driver's handles; 0: not known yet */
  uint32_t family;                /* queue family of its queue */
  lf_queue *queue;
  lf_block_cache *cache;
  lf_parts *parts;                /* two: for memory that is not mapped, and for memory that is */
  lf_device *next_shown; /* in the list of closed devices whose memory an ArrayBuffer shows */
  lf_staging *staging;
  /* Copies within the GPU (copier.c): the shader, or NULL before its first use; the bytes that one dispatch copies at
   * most, or 0 where vkCmdCopyBuffer copies; the alignment of offsets that the shader can copy. */
  lf_pipeline *copier;
  uint64_t copier_bytes_max, copier_alignment;
  int64_t timeline_os; /* of the queue's timeline, as lf_external_export_semaphore keeps it */
};

/* Opens GPU `index` of the instance, which must exist, with one reference. GPU_DEVICE_NOT_FOUND, HOST_OUT_OF_MEMORY. */
int32_t lf_device_make(lf_vulkan *vulkan, uint32_t index, lf_device **out);
/* LF_OK; GPU_DEVICE_LOST for a device that was lost. */
int32_t lf_device_check(const lf_device *device);
lf_device *lf_device_retain(lf_device *device);
void lf_device_release(lf_device *device);

/* Records a failed Vulkan call with the name of its result ("VK_ERROR_..."). Returns `code`, except for
 * VK_ERROR_DEVICE_LOST, which marks the device and returns GPU_DEVICE_LOST, and VK_ERROR_OUT_OF_HOST_MEMORY:
 * HOST_OUT_OF_MEMORY. */
int32_t lf_device_fail(lf_device *device, int32_t code, const char *api, VkResult result, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* As lf_device_available. */
double lf_device_free_bytes(lf_device *device);

/* EXTERNAL_HANDLE_MISMATCH unless `uuids` (device, driver) are this device's. */
int32_t lf_device_check_uuids(const lf_device *device, const uint8_t *uuids);

#endif
