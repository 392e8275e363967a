#include "gpu/gpu_memory.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/status.h"
#include "gpu/allocation.h"
#include "gpu/external.h"
#include "gpu/parts.h"
#include "gpu/queue.h"

int32_t lf_gpu_memory_allocate_new(lf_device *device, uint64_t size, uint64_t bytes, int host_visible,
                                   lf_gpu_memory **out) {
  lf_gpu_memory *m;
  int32_t status = lf_allocation_check_limit(device, bytes);
  if (status < 0) {
    lf_block_cache_empty(device);
    status = lf_allocation_check_limit(device, bytes);
  }
  if (status == LF_OK) status = lf_allocation_begin(device, size, bytes, LF_EXTERNAL_MEMORY, &m);
  if (status < 0) return status;
  m->host_visible = host_visible != 0;
  VkExportMemoryAllocateInfo exported = {.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
                                         .handleTypes = LF_EXTERNAL_MEMORY};
  const char *api;
  uint32_t type = lf_allocation_type(device, bytes, host_visible);
  VkResult result = lf_allocation_bind(m, type, 1, &exported, &api);
  if ((result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_TOO_MANY_OBJECTS) && !m->memory) {
    lf_block_cache_empty(device);
    result = lf_allocation_bind(m, type, 1, &exported, &api);
  }
  status = result == VK_SUCCESS ? host_visible ? lf_allocation_map(m) : LF_OK : lf_allocation_fail(m, api, result);
  if (status == LF_OK) return lf_allocation_end(m, out);
  lf_gpu_memory_destroy(m);
  return status;
}

int32_t lf_gpu_memory_allocate(lf_device *device, uint64_t size, int host_visible, lf_gpu_memory **out) {
  int32_t status = lf_device_check(device);
  if (status == LF_OK) status = lf_allocation_check_size(device, size);
  if (status < 0) return status;
  /* Mapped memory cannot move, so as a part it could not be exported. */
  if (host_visible || size > LF_PART_BYTES_MAX) return lf_gpu_memory_allocate_own(device, size, host_visible, out);
  lf_gpu_memory *m = lf_parts_allocate(device, size, host_visible);
  if (!m) {
    lf_gpu_memory_collect(device, lf_queue_seen(device));
    m = lf_parts_allocate(device, size, host_visible);
  }
  if (!m) m = lf_parts_allocate_new(device, size, host_visible);
  if (!m) return lf_gpu_memory_allocate_own(device, size, host_visible, out);
  m->size = size;
  return lf_allocation_end(m, out);
}

int32_t lf_gpu_memory_allocate_own(lf_device *device, uint64_t size, int host_visible, lf_gpu_memory **out) {
  uint64_t bytes = lf_block_bytes(device, size);
  lf_gpu_memory *m = lf_block_cache_take(device, bytes, host_visible);
  if (!m) {
    lf_gpu_memory_collect(device, lf_queue_seen(device));
    m = lf_block_cache_take(device, bytes, host_visible);
  }
  if (!m) return lf_gpu_memory_allocate_new(device, size, bytes, host_visible, out);
  m->size = size;
  m->last_use = 0;
  return lf_allocation_end(m, out);
}

/* The first of the buffer's memory types that is device-local, mapped and coherent, in a heap of at least `bytes`.
 * UINT32_MAX when there is none. */
static uint32_t bar_type(const lf_device *device, VkBuffer buffer, uint64_t bytes) {
  const VkFlags wanted =
      VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  const VkPhysicalDeviceMemoryProperties *memory = &device->memory;
  uint32_t bits = lf_allocation_requirements((lf_device *)device, buffer).memoryTypeBits;
  for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
    const VkMemoryType *type = &memory->memoryTypes[i];
    if ((bits & 1u << i) && (type->propertyFlags & wanted) == wanted &&
        memory->memoryHeaps[type->heapIndex].size >= bytes)
      return i;
  }
  return UINT32_MAX;
}

int32_t lf_gpu_memory_allocate_bar(lf_device *device, uint64_t size, lf_gpu_memory **out) {
  lf_gpu_memory *m;
  int32_t status = lf_allocation_check_size(device, size);
  if (status == LF_OK) status = lf_allocation_check_limit(device, size);
  if (status == LF_OK) status = lf_allocation_begin(device, size, size, 0, &m);
  if (status < 0) return status;
  m->host_visible = m->unshared = 1;
  uint32_t type = bar_type(device, m->buffer, size);
  if (type == UINT32_MAX) {
    lf_gpu_memory_destroy(m);
    return lf_fail(LF_ENOT_HOST_VISIBLE, "", 0, "%s maps no %" PRIu64 " bytes of its own memory", device->info.name,
                   size);
  }
  const char *api;
  VkResult result = lf_allocation_bind(m, type, 1, NULL, &api);
  status = result == VK_SUCCESS ? lf_allocation_map(m) : lf_allocation_fail(m, api, result);
  if (status == LF_OK) return lf_allocation_end(m, out);
  lf_gpu_memory_destroy(m);
  return status;
}

/* ---- pinning ---- */

int32_t lf_gpu_memory_pin(lf_device *device, void *address, uint64_t size, lf_gpu_memory **out) {
  const uint64_t alignment = device->host_import_alignment;
  const uint32_t host = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
  if (!alignment || !device->vk.GetMemoryHostPointerPropertiesEXT)
    return lf_fail(LF_EGPU_PINNING_FAILED, "", 0, "the driver of %s has no VK_EXT_external_memory_host",
                   device->info.name);
  if ((uintptr_t)address % alignment || size % alignment)
    return lf_fail(LF_EGPU_PINNING_FAILED, "", 0, "%s pins host memory in multiples of %" PRIu64 " bytes: not %" PRIu64,
                   device->info.name, alignment, size);
  lf_gpu_memory *m;
  int32_t status = lf_allocation_begin(device, size, size, host, &m);
  if (status < 0) return status;
  m->pinned = 1;
  m->host_visible = 1;
  m->address = address;
  VkMemoryHostPointerPropertiesEXT properties = {.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
  const char *api = "vkGetMemoryHostPointerPropertiesEXT";
  VkResult result = device->vk.GetMemoryHostPointerPropertiesEXT(device->device, host, address, &properties);
  uint32_t bits = properties.memoryTypeBits & lf_allocation_requirements(device, m->buffer).memoryTypeBits;
  if (result == VK_SUCCESS && bits && m->allocation <= size) {
    VkImportMemoryHostPointerInfoEXT import = {.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
                                               .handleType = host,
                                               .pHostPointer = address};
    m->allocation = size;
    result = lf_allocation_bind(m, (uint32_t)__builtin_ctz(bits), 0, &import, &api);
    if (result == VK_SUCCESS) return lf_allocation_end(m, out);
    status = lf_device_fail(device, LF_EGPU_PINNING_FAILED, api, result, "%" PRIu64 " bytes of host memory", size);
  } else if (result == VK_SUCCESS) {
    status = lf_fail(LF_EGPU_PINNING_FAILED, "", 0,
                     "%s does not take these %" PRIu64 " bytes of host memory (types 0x%x)",
                     device->info.name, size, bits);
  } else {
    status = lf_device_fail(device, LF_EGPU_PINNING_FAILED, api, result, "%" PRIu64 " bytes of host memory", size);
  }
  lf_gpu_memory_destroy(m);
  return status;
}

/* ---- freeing ---- */

void lf_gpu_memory_free(lf_gpu_memory *m, void (*gone)(void *context), void *context) {
  lf_device *device = m->device;
  m->gone = gone;
  m->context = context;
  if (m->peer) lf_semaphore_release(m->peer);
  m->peer = NULL;
  if (m->last_use <= lf_queue_seen(device) && !lf_gpu_memory_shown(m)) lf_block_cache_put(m);
  else lf_block_cache_defer(m);
  lf_device_release(device);
}
