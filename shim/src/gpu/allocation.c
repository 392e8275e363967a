/* Allocations of the driver, each with its buffer. */
#include "gpu/allocation.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/status.h"
#include "gpu/external.h"
#include "host/backing.h"
#include "host/memory_limit.h"

static int32_t create_buffer(lf_device *device, uint64_t bytes, VkFlags handle_type, VkBuffer *out) {
  VkExternalMemoryBufferCreateInfo external = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                               .handleTypes = handle_type};
  VkBufferCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
      .pNext = &external,
      .size = bytes,
      .usage = LF_BUFFER_USAGE,
      .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
  VkResult result = device->vk.CreateBuffer(device->device, &info, NULL, out);
  if (result == VK_SUCCESS) return LF_OK;
  *out = NULL;
  return lf_device_fail(device, LF_EGPU_OUT_OF_MEMORY, "vkCreateBuffer", result, "a buffer of %" PRIu64 " bytes",
                        bytes);
}

VkMemoryRequirements lf_allocation_requirements(lf_device *device, VkBuffer buffer) {
  VkBufferMemoryRequirementsInfo2 info = {.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2,
                                          .buffer = buffer};
  VkMemoryRequirements2 found = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
  device->vk.GetBufferMemoryRequirements2(device->device, &info, &found);
  return found.memoryRequirements;
}

int32_t lf_gpu_memory_types(lf_device *device, uint32_t *bits) {
  VkBuffer sample;
  int32_t status = create_buffer(device, 4096, LF_EXTERNAL_MEMORY, &sample);
  if (status < 0) return status;
  *bits = lf_allocation_requirements(device, sample).memoryTypeBits;
  device->vk.DestroyBuffer(device->device, sample, NULL);
  return LF_OK;
}

void lf_gpu_memory_destroy(lf_gpu_memory *m) {
  lf_device *device = m->device;
  lf_external_drop(&m->os);
  device->destroyed++;
  if (m->buffer) device->vk.DestroyBuffer(device->device, m->buffer, NULL);
  if (m->memory) {
    device->vk.FreeMemory(device->device, m->memory, NULL); /* also unmaps it */
    device->allocations--;
    if (!m->imported && !m->pinned) device->allocated -= m->allocation;
  }
  free(m);
}

int32_t lf_allocation_begin(lf_device *device, uint64_t size, uint64_t bytes, VkFlags handle_type,
                            lf_gpu_memory **out) {
  int32_t status = lf_device_check(device);
  if (status < 0) return status;
  lf_gpu_memory *m = calloc(1, sizeof *m);
  if (!m) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for a GPU memory object", sizeof *m);
  m->device = device;
  m->size = size;
  m->bytes = bytes;
  m->os = -1;
  status = create_buffer(device, bytes, handle_type, &m->buffer);
  if (status < 0) {
    free(m);
    return status;
  }
  m->allocation = lf_allocation_requirements(device, m->buffer).size;
  *out = m;
  return LF_OK;
}

int32_t lf_allocation_end(lf_gpu_memory *m, lf_gpu_memory **out) {
  lf_device_retain(m->device);
  *out = m;
  return LF_OK;
}

int32_t lf_allocation_check_size(const lf_device *device, uint64_t size) {
  if (size >= 1 && (double)size <= device->info.allocation_max) return LF_OK;
  return lf_fail(size ? LF_EGPU_OUT_OF_MEMORY : LF_EINVALID_ARGUMENT, "", 0,
                 "%" PRIu64 " bytes asked for; one allocation of %s has 1 to %.0f bytes", size, device->info.name,
                 device->info.allocation_max);
}

uint32_t lf_allocation_type(const lf_device *device, uint64_t bytes, int host_visible) {
  if (!host_visible) return device->type_local;
  uint32_t type = device->type_local_mapped;
  if (type == UINT32_MAX) return device->type_readback;
  return bytes <= device->memory.memoryHeaps[device->memory.memoryTypes[type].heapIndex].size ? type
                                                                                              : device->type_readback;
}

VkResult lf_allocation_bind(lf_gpu_memory *m, uint32_t type, int dedicated, const void *next, const char **api) {
  lf_device *device = m->device;
  VkMemoryDedicatedAllocateInfo own = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .pNext = next, .buffer = m->buffer};
  VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                               .pNext = dedicated ? &own : next,
                               .allocationSize = m->allocation,
                               .memoryTypeIndex = type};
  *api = "vkAllocateMemory";
  VkResult result = device->vk.AllocateMemory(device->device, &info, NULL, &m->memory);
  if (result != VK_SUCCESS) {
    m->memory = NULL;
    return result;
  }
  device->allocations++;
  if (!m->imported && !m->pinned) device->allocated += m->allocation;
  m->local = (device->memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0;
  *api = "vkBindBufferMemory";
  return device->vk.BindBufferMemory(device->device, m->buffer, m->memory, 0);
}

int32_t lf_allocation_map(lf_gpu_memory *m) {
  lf_device *device = m->device;
  VkResult result = device->vk.MapMemory(device->device, m->memory, 0, VK_WHOLE_SIZE, 0, &m->address);
  if (result == VK_SUCCESS) return LF_OK;
  m->address = NULL;
  return lf_device_fail(device, LF_ENOT_HOST_VISIBLE, "vkMapMemory", result, "%" PRIu64 " bytes of %s", m->bytes,
                        device->info.name);
}

int32_t lf_allocation_fail(lf_gpu_memory *m, const char *api, VkResult result) {
  lf_device *device = m->device;
  uint64_t limit;
  if (device->allocations >= device->allocations_max)
    return lf_device_fail(device, LF_EGPU_OUT_OF_MEMORY, api, result,
                          "%" PRIu64 " bytes asked for on %s, where this process has %u allocations: the driver grants %u "
                          "(maxMemoryAllocationCount)",
                          m->size, device->info.name, device->allocations, device->allocations_max);
  if (!lf_external_left(&limit))
    return lf_device_fail(device, LF_EGPU_OUT_OF_MEMORY, api, result,
                          "%" PRIu64 " bytes asked for on %s, and no descriptor is left for them: this process may have "
                          "%" PRIu64,
                          m->size, device->info.name, limit);
  double available = lf_device_free_bytes(device);
  if (available < 0)
    return lf_device_fail(device, LF_EGPU_OUT_OF_MEMORY, api, result,
                          "%" PRIu64 " bytes asked for on %s, which has %.0f in all and does not say how many are free",
                          m->size, device->info.name, device->info.heap_bytes);
  return lf_device_fail(device, LF_EGPU_OUT_OF_MEMORY, api, result,
                        "%" PRIu64 " bytes asked for, %.0f available on %s", m->size, available, device->info.name);
}

/* The memory of a software GPU is host memory. Its driver allocates more than it reports and more than the host has,
 * and a process that touches such memory is killed. So both limits are checked here. */
int32_t lf_allocation_check_limit(const lf_device *device, uint64_t bytes) {
  if (device->info.type != LF_GPU_CPU) return LF_OK;
  uint64_t all = (uint64_t)device->info.heap_bytes;
  if (bytes > all || device->allocated > all - bytes)
    return lf_fail(LF_EGPU_OUT_OF_MEMORY, "", 0, "%" PRIu64 " bytes asked for, %" PRIu64 " available on %s", bytes,
                   device->allocated < all ? all - device->allocated : 0, device->info.name);
  if (lf_memory_limit_check(bytes) == LF_OK) return LF_OK;
  lf_status why;
  lf_status_last(&why);
  return lf_fail(LF_EGPU_OUT_OF_MEMORY, why.api, why.native_status, "%s: %s", device->info.name, why.text);
}

int32_t lf_gpu_memory_allocate_block(lf_device *device, uint64_t bytes, int host_visible, lf_gpu_memory **out) {
  lf_gpu_memory *m;
  int32_t status = lf_allocation_check_limit(device, bytes);
  if (status == LF_OK) status = lf_allocation_begin(device, bytes, bytes, 0, &m);
  if (status < 0) return status;
  m->host_visible = host_visible != 0;
  m->unshared = 1;
  uint32_t type = lf_allocation_type(device, bytes, host_visible);
  const char *api = "vkGetBufferMemoryRequirements2";
  /* type_local and its like were selected for exportable buffers: this buffer's types may differ. */
  VkResult result = VK_ERROR_FEATURE_NOT_PRESENT;
  if (lf_allocation_requirements(device, m->buffer).memoryTypeBits >> type & 1)
    result = lf_allocation_bind(m, type, 0, NULL, &api);
  status = result == VK_SUCCESS ? host_visible ? lf_allocation_map(m) : LF_OK : lf_allocation_fail(m, api, result);
  if (status < 0) lf_gpu_memory_destroy(m);
  else *out = m;
  return status;
}

/* Pinned pages are unmapped by their owner, not by the driver. */
int lf_gpu_memory_shown(const lf_gpu_memory *m) { return m->address && !m->pinned && lf_backing_held(m->address); }
