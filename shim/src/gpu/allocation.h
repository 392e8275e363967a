/* Allocations of the driver, each with its buffer: below the block cache, which keeps them, and parts, which divide them. */
#ifndef LF_ALLOCATION_H
#define LF_ALLOCATION_H

#include "gpu/gpu_memory.h"

/* LF_OK for a size that one allocation of the device can have. */
int32_t lf_allocation_check_size(const lf_device *device, uint64_t size);
/* LF_OK, or GPU_OUT_OF_MEMORY where a software GPU has no `bytes` left. */
int32_t lf_allocation_check_limit(const lf_device *device, uint64_t bytes);
/* The memory type. Depends on nothing but the size, as an importer has to come to the same. */
uint32_t lf_allocation_type(const lf_device *device, uint64_t bytes, int host_visible);
VkMemoryRequirements lf_allocation_requirements(lf_device *device, VkBuffer buffer);

/* An object with its buffer, and no memory yet. */
int32_t lf_allocation_begin(lf_device *device, uint64_t size, uint64_t bytes, VkFlags handle_type, lf_gpu_memory **out);
/* Allocates what the buffer needs and binds it; `next` is the chain for the allocation. Memory is dedicated: drivers keep
 * what they export apart from everything else only then. Returns as Vulkan does, with the call in *api. */
VkResult lf_allocation_bind(lf_gpu_memory *memory, uint32_t type, int dedicated, const void *next, const char **api);
int32_t lf_allocation_map(lf_gpu_memory *memory);
/* Records why `api` failed. Drivers call it out of memory, too, where something else is used up that an allocation needs. */
int32_t lf_allocation_fail(lf_gpu_memory *memory, const char *api, VkResult result);
/* From here on the memory is an owner of its device. */
int32_t lf_allocation_end(lf_gpu_memory *memory, lf_gpu_memory **out);

/* A block for parts: never exported, no owner of its device, and mapped where it is `host_visible`. */
int32_t lf_gpu_memory_allocate_block(lf_device *device, uint64_t bytes, int host_visible, lf_gpu_memory **out);
/* Whether an ArrayBuffer shows it. */
int lf_gpu_memory_shown(const lf_gpu_memory *memory);
/* The memory types, as bits, that an exportable buffer may have. */
int32_t lf_gpu_memory_types(lf_device *device, uint32_t *bits);
/* Gives it back to the driver. No work may use it. */
void lf_gpu_memory_destroy(lf_gpu_memory *memory);

#endif
