#include "gpu/gpu_memory.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/status.h"
#include "gpu/external.h"
#include "gpu/parts.h"
#include "gpu/queue.h"
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
  return lf_device_fail(device, LF_EGPU_OUT_OF_MEMORY, "vkCreateBuffer", result, "a buffer of %" PRIu64 " bytes", bytes);
}

static VkMemoryRequirements requirements(lf_device *device, VkBuffer buffer) {
  VkBufferMemoryRequirementsInfo2 info = {.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2, .buffer = buffer};
  VkMemoryRequirements2 found = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
  device->vk.GetBufferMemoryRequirements2(device->device, &info, &found);
  return found.memoryRequirements;
}

int32_t lf_gpu_memory_types(lf_device *device, uint32_t *bits) {
  VkBuffer sample;
  int32_t status = create_buffer(device, 4096, LF_EXTERNAL_MEMORY, &sample);
  if (status < 0) return status;
  *bits = requirements(device, sample).memoryTypeBits;
  device->vk.DestroyBuffer(device->device, sample, NULL);
  return LF_OK;
}

void lf_gpu_memory_destroy(lf_gpu_memory *m) {
  lf_device *device = m->device;
  lf_external_drop(&m->os);
  device->destroyed++;
  if (m->buffer) device->vk.DestroyBuffer(device->device, m->buffer, NULL);
  if (m->memory) {
    device->vk.FreeMemory(device->device, m->memory, NULL); /* unmaps it too */
    device->allocations--;
    if (!m->imported && !m->pinned) device->taken -= m->allocation;
  }
  free(m);
}

/* An object with its buffer, and no memory yet. */
static int32_t begin(lf_device *device, uint64_t size, uint64_t bytes, VkFlags handle_type, lf_gpu_memory **out) {
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
  m->allocation = requirements(device, m->buffer).size;
  *out = m;
  return LF_OK;
}

/* From here on the memory is an owner of its device. */
static int32_t done(lf_gpu_memory *m, lf_gpu_memory **out) {
  lf_device_retain(m->device);
  *out = m;
  return LF_OK;
}

static int32_t check_size(const lf_device *device, uint64_t size) {
  if (size >= 1 && (double)size <= device->info.allocation_max) return LF_OK;
  return lf_fail(size ? LF_EGPU_OUT_OF_MEMORY : LF_EINVALID_ARGUMENT, "", 0,
                 "%" PRIu64 " bytes asked for; one allocation of %s has 1 to %.0f bytes", size, device->info.name,
                 device->info.allocation_max);
}

/* Depends on nothing but the size, as an importer has to come to the same. */
static uint32_t type_for(const lf_device *device, uint64_t bytes, int host_visible) {
  if (!host_visible) return device->type_local;
  uint32_t type = device->type_local_mapped;
  if (type == UINT32_MAX) return device->type_readback;
  return bytes <= device->memory.memoryHeaps[device->memory.memoryTypes[type].heapIndex].size ? type
                                                                                              : device->type_readback;
}

/* Allocates what the buffer needs and binds it; `next` is the chain for the allocation. Memory is dedicated: drivers keep
 * what they export apart from everything else only then. Returns as Vulkan does, with the call in *api. */
static VkResult bind(lf_gpu_memory *m, uint32_t type, int dedicated, const void *next, const char **api) {
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
  if (!m->imported && !m->pinned) device->taken += m->allocation;
  m->local = (device->memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0;
  *api = "vkBindBufferMemory";
  return device->vk.BindBufferMemory(device->device, m->buffer, m->memory, 0);
}

static int32_t map(lf_gpu_memory *m) {
  lf_device *device = m->device;
  VkResult result = device->vk.MapMemory(device->device, m->memory, 0, VK_WHOLE_SIZE, 0, &m->address);
  if (result == VK_SUCCESS) return LF_OK;
  m->address = NULL;
  return lf_device_fail(device, LF_ENOT_HOST_VISIBLE, "vkMapMemory", result, "%" PRIu64 " bytes of %s", m->bytes,
                        device->info.name);
}

/* What an allocation needs beside memory, and drivers call it that memory ran out when it does. */
static int32_t no_memory(lf_gpu_memory *m, const char *api, VkResult result) {
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

/* A software GPU's memory is the host's, and its driver gives out more than there is, and more than it says that it has:
 * who then touches it would be killed. */
static int32_t room_for(const lf_device *device, uint64_t bytes) {
  if (device->info.type != LF_GPU_CPU) return LF_OK;
  uint64_t all = (uint64_t)device->info.heap_bytes;
  if (bytes > all || device->taken > all - bytes)
    return lf_fail(LF_EGPU_OUT_OF_MEMORY, "", 0, "%" PRIu64 " bytes asked for, %" PRIu64 " available on %s", bytes,
                   device->taken < all ? all - device->taken : 0, device->info.name);
  if (lf_room_for(bytes) == LF_OK) return LF_OK;
  lf_status why;
  lf_status_last(&why);
  return lf_fail(LF_EGPU_OUT_OF_MEMORY, why.api, why.native_status, "%s: %s", device->info.name, why.text);
}

static int32_t allocate_new(lf_device *device, uint64_t size, uint64_t bytes, int host_visible, lf_gpu_memory **out) {
  lf_gpu_memory *m;
  int32_t status = room_for(device, bytes);
  if (status < 0) {
    lf_block_cache_empty(device);
    status = room_for(device, bytes);
  }
  if (status == LF_OK) status = begin(device, size, bytes, LF_EXTERNAL_MEMORY, &m);
  if (status < 0) return status;
  m->host_visible = host_visible != 0;
  VkExportMemoryAllocateInfo exported = {.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
                                         .handleTypes = LF_EXTERNAL_MEMORY};
  const char *api;
  uint32_t type = type_for(device, bytes, host_visible);
  VkResult result = bind(m, type, 1, &exported, &api);
  if ((result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_TOO_MANY_OBJECTS) && !m->memory) {
    lf_block_cache_empty(device);
    result = bind(m, type, 1, &exported, &api);
  }
  status = result == VK_SUCCESS ? host_visible ? map(m) : LF_OK : no_memory(m, api, result);
  if (status == LF_OK) return done(m, out);
  lf_gpu_memory_destroy(m);
  return status;
}

int32_t lf_gpu_memory_allocate(lf_device *device, uint64_t size, int host_visible, lf_gpu_memory **out) {
  int32_t status = lf_device_check(device);
  if (status == LF_OK) status = check_size(device, size);
  if (status < 0) return status;
  /* What is mapped can't move, so it could not be exported. */
  if (host_visible || size > LF_PART_BYTES_MAX) return lf_gpu_memory_allocate_own(device, size, host_visible, out);
  lf_gpu_memory *m = lf_parts_take(device, size, host_visible);
  if (!m) {
    lf_gpu_memory_collect(device, lf_queue_seen(device));
    m = lf_parts_take(device, size, host_visible);
  }
  if (!m) m = lf_parts_take_new(device, size, host_visible);
  if (!m) return lf_gpu_memory_allocate_own(device, size, host_visible, out);
  m->size = size;
  return done(m, out);
}

int32_t lf_gpu_memory_allocate_own(lf_device *device, uint64_t size, int host_visible, lf_gpu_memory **out) {
  uint64_t bytes = lf_block_bytes(device, size);
  lf_gpu_memory *m = lf_block_cache_take(device, bytes, host_visible);
  if (!m) {
    lf_gpu_memory_collect(device, lf_queue_seen(device));
    m = lf_block_cache_take(device, bytes, host_visible);
  }
  if (!m) return allocate_new(device, size, bytes, host_visible, out);
  m->size = size;
  m->last_use = 0;
  return done(m, out);
}

int32_t lf_gpu_memory_allocate_block(lf_device *device, uint64_t bytes, int host_visible, lf_gpu_memory **out) {
  lf_gpu_memory *m;
  int32_t status = room_for(device, bytes);
  if (status == LF_OK) status = begin(device, bytes, bytes, 0, &m);
  if (status < 0) return status;
  m->host_visible = host_visible != 0;
  m->unshared = 1;
  uint32_t type = type_for(device, bytes, host_visible);
  const char *api = "vkGetBufferMemoryRequirements2";
  /* The type was chosen for buffers that are exported. */
  VkResult result = VK_ERROR_FEATURE_NOT_PRESENT;
  if (requirements(device, m->buffer).memoryTypeBits >> type & 1) result = bind(m, type, 0, NULL, &api);
  status = result == VK_SUCCESS ? host_visible ? map(m) : LF_OK : no_memory(m, api, result);
  if (status < 0) lf_gpu_memory_destroy(m);
  else *out = m;
  return status;
}

/* Of the buffer's types, the first that is the GPU's own, mapped and coherent, and has room. UINT32_MAX: there is none. */
static uint32_t window_type(const lf_device *device, VkBuffer buffer, uint64_t bytes) {
  const VkFlags wanted =
      VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  const VkPhysicalDeviceMemoryProperties *memory = &device->memory;
  uint32_t bits = requirements((lf_device *)device, buffer).memoryTypeBits;
  for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
    const VkMemoryType *type = &memory->memoryTypes[i];
    if ((bits & 1u << i) && (type->propertyFlags & wanted) == wanted && memory->memoryHeaps[type->heapIndex].size >= bytes)
      return i;
  }
  return UINT32_MAX;
}

int32_t lf_gpu_memory_allocate_window(lf_device *device, uint64_t size, lf_gpu_memory **out) {
  lf_gpu_memory *m;
  int32_t status = check_size(device, size);
  if (status == LF_OK) status = room_for(device, size);
  if (status == LF_OK) status = begin(device, size, size, 0, &m);
  if (status < 0) return status;
  m->host_visible = m->unshared = 1;
  uint32_t type = window_type(device, m->buffer, size);
  if (type == UINT32_MAX) {
    lf_gpu_memory_destroy(m);
    return lf_fail(LF_ENOT_HOST_VISIBLE, "", 0, "%s maps no %" PRIu64 " bytes of its own memory", device->info.name, size);
  }
  const char *api;
  VkResult result = bind(m, type, 1, NULL, &api);
  status = result == VK_SUCCESS ? map(m) : no_memory(m, api, result);
  if (status == LF_OK) return done(m, out);
  lf_gpu_memory_destroy(m);
  return status;
}

/* ---- sharing ---- */

int32_t lf_gpu_memory_export(lf_gpu_memory *m, int64_t *out) {
  lf_device *device = m->device;
  if (m->pinned)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "pinned memory belongs to this process alone: it is not shared");
  if (m->unshared)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "this memory was made for this process alone: it is not shared");
  if (m->imported && !device->reexport)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "the driver of %s does not export what was imported",
                   device->info.name);
  int32_t status = lf_device_check(device);
  if (status == LF_OK) status = lf_parts_move_out(m);
  if (status == LF_OK) status = lf_external_export_memory(device, m->memory, &m->os, out);
  if (status != LF_OK) return status;
  m->exported = 1;
  lf_external_learn(device, LF_EXTERNAL_IS_MEMORY, *out);
  return LF_OK;
}

/* As long as any other work on a GPU may take. */
#define MOVE_LIMIT_NS ((uint64_t)30 * 1000 * 1000 * 1000)

static int32_t wait_until(lf_gpu_memory *m, uint64_t value) {
  int32_t status = lf_queue_wait(m->device, value, MOVE_LIMIT_NS);
  if (status != LF_TIMEOUT) return status < 0 ? status : LF_OK;
  return lf_fail(LF_ETIMEOUT, "", 0,
                 "the first export of %" PRIu64 " bytes copies them, and the work before that on %s did not end within 30 s",
                 m->size, m->device->info.name);
}

int32_t lf_gpu_memory_export_at_rest(lf_gpu_memory *m, int64_t *out) {
  int32_t status = lf_parts_move_out(m);
  while (status == LF_FULL) {
    double room;
    lf_queue_full(m->device, &room);
    status = wait_until(m, (uint64_t)room);
    if (status == LF_OK) status = lf_parts_move_out(m);
  }
  if (status == LF_OK && m->moved_at > lf_queue_seen(m->device)) status = wait_until(m, m->moved_at);
  return status < 0 ? status : lf_gpu_memory_export(m, out);
}

/* Compares with a handle of this device's own making: its kind is learnt once, but a software device's memory is a file,
 * and has to be like one of the same size. */
static int32_t check_handle(lf_gpu_memory *m, int64_t os) {
  lf_device *device = m->device;
  int software = device->info.type == LF_GPU_CPU;
  if (!software && device->exported_kinds[LF_EXTERNAL_IS_MEMORY])
    return lf_external_check(device, LF_EXTERNAL_IS_MEMORY, os, -1);
  lf_gpu_memory *like;
  int64_t sample;
  uint64_t bytes = software ? m->bytes : lf_block_bytes(device, 1);
  int32_t status = allocate_new(device, bytes, bytes, m->host_visible, &like);
  if (status < 0) return status;
  status = lf_gpu_memory_export(like, &sample);
  if (status == LF_OK) {
    status = lf_external_check(device, LF_EXTERNAL_IS_MEMORY, os, software ? sample : -1);
    if (lf_os_handle_close(sample) < 0 && status == LF_OK) status = lf_status_code();
  }
  lf_gpu_memory_free(like, NULL, NULL);
  return status;
}

static int32_t take_in(lf_gpu_memory *m, int64_t os, uint64_t allocation) {
  lf_device *device = m->device;
  if (m->allocation != allocation)
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0,
                   "memory of %" PRIu64 " bytes has an allocation of %" PRIu64 " here, and the one imported has %" PRIu64,
                   m->size, m->allocation, allocation);
  int32_t status = check_handle(m, os);
  if (status < 0) return status;
  lf_import_info import;
  const char *api;
  const void *chain = lf_external_import_info(os, &import);
  /* Who is to export it again says so here, and Mesa's software driver exports nothing else. Hardware is not told: NVIDIA's
   * driver (580) would say that it imported, and have allocated new memory instead; it exports what it imported anyway. */
  VkExportMemoryAllocateInfo again = {.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
                                      .pNext = chain,
                                      .handleTypes = LF_EXTERNAL_MEMORY};
  if (device->reexport && device->info.type == LF_GPU_CPU) chain = &again;
  uint32_t type = type_for(device, m->bytes, m->host_visible);
  VkResult result = bind(m, type, 1, chain, &api);
  if (result == VK_SUCCESS) return LF_OK;
  /* An import takes no memory: that it is out of it is what a driver may say of a handle that is not what it seems. */
  return lf_device_fail(device, LF_EEXTERNAL_HANDLE_MISMATCH, api, result,
                        "OS handle %" PRId64 " as %" PRIu64 " bytes of %s", os, allocation, device->info.name);
}

/* NVIDIA's driver (580), once it has refused an import of some size, refuses each allocation of that size and more until
 * some memory of that heap is freed: so some is, or a peer's bad handle would cost this process its GPU. */
static void clear_refusal(lf_device *device, int host_visible) {
  lf_status first;
  lf_gpu_memory *any;
  lf_status_last(&first);
  uint64_t bytes = lf_block_bytes(device, 1);
  if (allocate_new(device, bytes, bytes, host_visible, &any) == LF_OK) {
    lf_gpu_memory_destroy(any);
    lf_device_release(device);
  }
  lf_fail(first.code, first.api, first.native_status, "%s", first.text);
}

int32_t lf_gpu_memory_import(lf_device *device, int64_t os, uint64_t size, uint64_t allocation, int host_visible,
                             lf_gpu_memory **out) {
  lf_external_file file;
  int32_t status = lf_external_open(os, &file);
  if (status < 0) return status;
  lf_gpu_memory *m = NULL;
  status = check_size(device, size);
  if (status == LF_OK) status = begin(device, size, lf_block_bytes_imported(device, size, allocation), LF_EXTERNAL_MEMORY, &m);
  if (status == LF_OK) {
    m->imported = 1;
    m->host_visible = host_visible != 0;
    status = take_in(m, os, allocation);
    /* What was bound, or could not be, has taken the descriptor all the same. */
    if (m->memory) lf_external_taken(os);
    if (m->memory || !lf_external_same(os, &file)) os = -1;
  }
  if (status == LF_OK && host_visible) status = map(m);
  if (status == LF_OK) return done(m, out);
  status = lf_external_refuse(os);
  if (m) lf_gpu_memory_destroy(m);
  clear_refusal(device, host_visible);
  return status;
}

/* ---- pinning ---- */

int32_t lf_gpu_memory_pin(lf_device *device, void *address, uint64_t size, lf_gpu_memory **out) {
  const uint64_t alignment = device->host_import_alignment;
  const uint32_t host = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
  if (!alignment || !device->vk.GetMemoryHostPointerPropertiesEXT)
    return lf_fail(LF_EGPU_PINNING_FAILED, "", 0, "the driver of %s has no VK_EXT_external_memory_host", device->info.name);
  if ((uintptr_t)address % alignment || size % alignment)
    return lf_fail(LF_EGPU_PINNING_FAILED, "", 0, "%s takes host memory in pieces of %" PRIu64 " bytes: not %" PRIu64,
                   device->info.name, alignment, size);
  lf_gpu_memory *m;
  int32_t status = begin(device, size, size, host, &m);
  if (status < 0) return status;
  m->pinned = 1;
  m->host_visible = 1;
  m->address = address;
  VkMemoryHostPointerPropertiesEXT properties = {.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
  const char *api = "vkGetMemoryHostPointerPropertiesEXT";
  VkResult result = device->vk.GetMemoryHostPointerPropertiesEXT(device->device, host, address, &properties);
  uint32_t bits = properties.memoryTypeBits & requirements(device, m->buffer).memoryTypeBits;
  if (result == VK_SUCCESS && bits && m->allocation <= size) {
    VkImportMemoryHostPointerInfoEXT import = {.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
                                               .handleType = host,
                                               .pHostPointer = address};
    m->allocation = size;
    result = bind(m, (uint32_t)__builtin_ctz(bits), 0, &import, &api);
    if (result == VK_SUCCESS) return done(m, out);
    status = lf_device_fail(device, LF_EGPU_PINNING_FAILED, api, result, "%" PRIu64 " bytes of host memory", size);
  } else if (result == VK_SUCCESS) {
    status = lf_fail(LF_EGPU_PINNING_FAILED, "", 0, "%s does not take these %" PRIu64 " bytes of host memory (types 0x%x)",
                     device->info.name, size, bits);
  } else {
    status = lf_device_fail(device, LF_EGPU_PINNING_FAILED, api, result, "%" PRIu64 " bytes of host memory", size);
  }
  lf_gpu_memory_destroy(m);
  return status;
}

/* ---- freeing ---- */

/* Pinned pages are not the driver's to unmap. */
int lf_gpu_memory_shown(const lf_gpu_memory *m) { return m->address && !m->pinned && lf_backing_held(m->address); }

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
