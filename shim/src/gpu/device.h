/*
 * A GPU as this process uses it: Vulkan's instance (vulkan.c), what a GPU offers (physical.c), one logical device with its
 * own function table (device.c, device_open.c), its memory (gpu_memory.c) and its queue (queue.c). No state is global: two devices share
 * nothing.
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

/* The instance, counted: its handle and each device are owners. */
typedef struct {
  void *library;
  VkInstance instance;
  lf_instance_functions vk;
  _Atomic uint32_t references;
  uint32_t count;
  VkPhysicalDevice *physical;
  VkDebugUtilsMessengerEXT messenger;
  FILE *messages; /* what LAVA_FLOW_VALIDATION names, or NULL */
  char *named, *messages_named; /* LAVA_FLOW_VULKAN and LAVA_FLOW_VALIDATION when it was opened; NULL: not set */
} lf_vulkan;

/* With one reference. */
int32_t lf_vulkan_make(lf_vulkan **out);
void lf_vulkan_release(lf_vulkan *vulkan);

/* What every buffer may be used for. */
#define LF_BUFFER_USAGE                                                                                       \
  (VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | \
   VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT)

/* "VK_ERROR_..." */
const char *lf_vulkan_words(VkResult result);

/* What a GPU offers, as far as the shim uses it (physical.c). */
typedef struct {
  lf_gpu_info info;
  VkPhysicalDeviceMemoryProperties memory;
  uint32_t family; /* of its queue */
  uint64_t host_import_alignment;
  int has_budget, has_push_descriptor, has_portability_subset, has_external_semaphore;
  int reexport; /* imported memory can be exported again */
} lf_physical;

void lf_physical_describe(const lf_vulkan *vulkan, VkPhysicalDevice physical, lf_physical *out);

/* Counted: its handle, each memory, semaphore, pipeline and compile of it are owners. Used by one thread at a time, but for the
 * queue's waiter and for compiles (compile.h). A compile that is the last owner frees the device, on its own thread. */
typedef struct lf_device lf_device;
struct lf_device {
  lf_vulkan *vulkan;
  VkPhysicalDevice physical;
  VkDevice device;
  lf_device_functions vk;
  lf_gpu_info info;
  VkPhysicalDeviceMemoryProperties memory;
  _Atomic uint32_t references;
  void (*teardown)(lf_device *device); /* when the last one is given up */
  uint64_t destroyed; /* buffers and pipelines: drivers may give the next ones the same handles */
  int32_t lost; /* GPU_DEVICE_LOST was seen: every call fails from then on */
  /* memory types, or UINT32_MAX: device-local; device-local and mapped; host memory for uploads; cached, for reading.
   * The mapped ones are coherent. */
  uint32_t type_local, type_local_mapped, type_upload, type_readback;
  uint64_t host_import_alignment; /* of pointers and sizes that VK_EXT_external_memory_host takes; 0 without it */
  uint64_t taken;                 /* bytes allocated here, in use or in the cache */
  uint32_t allocations, allocations_max; /* that the driver was asked for here, and that it grants */
  uint64_t storage_alignment;     /* what the places that a shader's bindings begin at are multiples of */
  int has_budget;                 /* VK_EXT_memory_budget */
  int reexport;                   /* imported memory can be exported again */
  uint64_t exported_kinds[3];     /* external.h: of memory, of timelines, of binary semaphores; 0: not known yet */
  uint32_t family;                /* of its queue */
  lf_queue *queue;
  lf_block_cache *cache;
  lf_parts *parts;                /* for what is not mapped and for what is */
  lf_device *next_shown; /* in the row of those whose memory an ArrayBuffer still shows */
  lf_staging *staging;
  /* Of copies within the GPU (copier.c): the shader, or NULL before its first use; the most bytes that it moves at a time,
   * or 0 where vkCmdCopyBuffer does it; what the places it reaches are multiples of. */
  lf_pipeline *copier;
  uint64_t copier_piece, copier_alignment;
  int64_t timeline_os; /* of the queue's timeline: as lf_external_export_semaphore keeps it */
};

/* GPU number `index` of the instance, which has one. With one reference. */
int32_t lf_device_make(lf_vulkan *vulkan, uint32_t index, lf_device **out);
/* GPU_DEVICE_LOST for a device that was lost, else LF_OK. */
int32_t lf_device_check(const lf_device *device);
lf_device *lf_device_retain(lf_device *device);
void lf_device_release(lf_device *device);

/* Records a failed Vulkan call by its own name for the result ("VK_ERROR_..."); returns `code`, but GPU_DEVICE_LOST for
 * VK_ERROR_DEVICE_LOST (and marks the device), and HOST_OUT_OF_MEMORY for VK_ERROR_OUT_OF_HOST_MEMORY. */
int32_t lf_device_fail(lf_device *device, int32_t code, const char *api, VkResult result, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* As lf_device_available. */
double lf_device_free_bytes(lf_device *device);

/* EXTERNAL_HANDLE_MISMATCH unless `uuids` (device, driver) are this device's. */
int32_t lf_device_check_uuids(const lf_device *device, const uint8_t *uuids);

#endif
