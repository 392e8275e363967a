/* Allocations of the driver, each with its buffer. The block cache keeps freed ones, and parts divide some of them. */
#ifndef LF_ALLOCATION_H
#define LF_ALLOCATION_H

#include "gpu/gpu_memory.h"

/* LF_OK; INVALID_ARGUMENT for 0 bytes, GPU_OUT_OF_MEMORY for more than one allocation can have. */
int32_t lf_allocation_check_size(const lf_device *device, uint64_t size);
/* LF_OK; GPU_OUT_OF_MEMORY when a software GPU has less than `bytes` left. */
int32_t lf_allocation_check_limit(const lf_device *device, uint64_t bytes);
/* The index of the memory type. It depends only on the arguments, as an importer must select the same type. */
uint32_t lf_allocation_type(const lf_device *device, uint64_t bytes, int host_visible);
VkMemoryRequirements lf_allocation_requirements(lf_device *device, VkBuffer buffer);

/* Creates an object with its buffer, without memory. HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY, GPU_DEVICE_LOST. */
int32_t lf_allocation_begin(lf_device *device, uint64_t size, uint64_t bytes, VkFlags handle_type, lf_gpu_memory **out);
/* Allocates memory for the buffer and binds it; `next` is the pNext chain of the allocation. Exportable memory is
 * `dedicated`: otherwise some drivers export memory that other buffers are in, too. Returns Vulkan's result, with the
 * call in *api. */
VkResult lf_allocation_bind(lf_gpu_memory *memory, uint32_t type, int dedicated, const void *next, const char **api);
/* Maps the memory. LF_OK, NOT_HOST_VISIBLE. */
int32_t lf_allocation_map(lf_gpu_memory *memory);
/* Records why `api` failed and returns the code. Drivers also report "out of memory" when another resource of an
 * allocation is used up: descriptors, or the number of allocations. */
int32_t lf_allocation_fail(lf_gpu_memory *memory, const char *api, VkResult result);
/* Makes the memory an owner of its device. LF_OK. */
int32_t lf_allocation_end(lf_gpu_memory *memory, lf_gpu_memory **out);

/* Allocates a block for parts: never exported, not an owner of its device, and mapped if `host_visible`.
 * GPU_OUT_OF_MEMORY, NOT_HOST_VISIBLE. */
int32_t lf_gpu_memory_allocate_block(lf_device *device, uint64_t bytes, int host_visible, lf_gpu_memory **out);
/* Whether an ArrayBuffer shows the memory. */
int lf_gpu_memory_shown(const lf_gpu_memory *memory);
/* The memory types, as bits, that an exportable buffer may have. LF_OK. */
int32_t lf_gpu_memory_types(lf_device *device, uint32_t *bits);
/* Frees the allocation at once. No work may use it. */
void lf_gpu_memory_destroy(lf_gpu_memory *memory);

#endif
