#include <stdlib.h>

#include "base/handle.h"
#include "base/status.h"
#include "base/whole.h"
#include "host/backing.h"
#include "metal/metal.h"

static void release(void *contents, void *object) {
  (void)contents;
  lf_metal_memory *memory = object;
  void *pool = lf_metal_pool_push();
  lf_metal_release(memory->buffer);
  lf_metal_pool_pop(pool);
  free(memory);
}

static void destroy(void *object) {
  lf_metal_memory *memory = object;
  if (memory->contents) lf_backing_free(memory->contents, release, memory);
  else release(NULL, memory);
}

static int32_t make(lf_metal_memory *memory, const lf_metal_device *device, int32_t host_visible, uint64_t *address) {
  memory->buffer = LF_SEND(device->device, new_buffer, (lf_ns_uint)memory->size,
                           host_visible ? LF_MTL_STORAGE_SHARED : LF_MTL_STORAGE_PRIVATE);
  if (!memory->buffer)
    return lf_fail(LF_EGPU_OUT_OF_MEMORY, "newBufferWithLength:options:", 0, "%s has less than %llu bytes",
                   device->name,
                   (unsigned long long)memory->size);
  memory->contents = host_visible ? LF_SEND(memory->buffer, contents) : NULL;
  *address = (uintptr_t)memory->contents;
  if (host_visible && !*address)
    return lf_fail(LF_ENOT_HOST_VISIBLE, "contents", 0, "%s does not map memory that it shares", device->name);
  return lf_handle_make(LF_KIND_METAL_MEMORY, memory, destroy);
}

int32_t lf_metal_memory_create(int32_t handle, double size, int32_t host_visible, uint64_t *address) {
  const lf_metal_device *device = lf_handle_get(LF_KIND_METAL_DEVICE, handle);
  if (!device) return lf_handle_stale(LF_KIND_METAL_DEVICE, handle);
  if (!address) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the address");
  if (!lf_whole(size) || size < 1) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%g bytes are no size", size);
  if (size > (double)device->buffer_max)
    return lf_fail(LF_EGPU_OUT_OF_MEMORY, "maxBufferLength", 0, "a buffer of %s has at most %llu bytes, not %.0f",
                   device->name, (unsigned long long)device->buffer_max, size);
  lf_metal_memory *memory = malloc(sizeof *memory);
  if (!memory) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "memory of Metal's");
  *memory = (lf_metal_memory){.device = device->device, .size = (uint64_t)size};
  void *pool = lf_metal_pool_push();
  int32_t result = make(memory, device, host_visible, address);
  lf_metal_pool_pop(pool);
  if (result < 0) destroy(memory);
  return result;
}

int32_t lf_metal_memory_close(int32_t handle) {
  lf_metal_memory *memory = lf_handle_take(LF_KIND_METAL_MEMORY, handle);
  if (!memory) return lf_handle_stale(LF_KIND_METAL_MEMORY, handle);
  destroy(memory);
  return LF_OK;
}
