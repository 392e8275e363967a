/*
 * Slots of two sizes in one mapped buffer. Large transfers use several large slots, so that the processor copies one
 * while the GPU copies another. There is a small slot for each submission that can be in flight, so small transfers
 * wait neither for each other nor for a large one. A slot is free again when the timeline has reached the work that
 * used it and, for a read, when its bytes were copied out.
 */
#include "gpu/staging.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "gpu/queue.h"

#define LARGE_BYTES ((uint64_t)4 << 20) /* the most that one call transfers */
#define LARGE_SLOTS 8
#define SMALL_BYTES ((uint64_t)16 << 10)
#define SMALL_SLOTS LF_QUEUE_DEPTH
#define SLOTS (LARGE_SLOTS + SMALL_SLOTS)
#define RING_BYTES (LARGE_SLOTS * LARGE_BYTES + SMALL_SLOTS * SMALL_BYTES)

typedef struct {
  uint64_t value; /* of the work that uses the slot */
  uint32_t bytes; /* of a read that was not ended; 0: none */
  uint32_t generation; /* of reads: detects the token of a read that was ended */
} slot;

/* The last part of a transfer. The next part of the same transfer needs no order after it. */
typedef struct {
  const lf_gpu_memory *memory;
  uint64_t next; /* offset */
  uint64_t value;
  int reads;
} part;

struct lf_staging {
  VkBuffer buffer;
  VkDeviceMemory memory;
  uint8_t *address;
  slot slots[SLOTS];
  uint32_t small; /* where the search for a small slot begins */
  part last;
};

/* ---- the ring ---- */

static void destroy(lf_device *device, lf_staging *s) {
  if (s->buffer) device->vk.DestroyBuffer(device->device, s->buffer, NULL);
  if (s->memory) device->vk.FreeMemory(device->device, s->memory, NULL);
  free(s);
}

/* Creates the buffer, in host memory that stays mapped, cached and coherent. */
static int32_t make(lf_device *device, lf_staging *s) {
  VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                             .size = RING_BYTES,
                             .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                             .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
  const char *api = "vkCreateBuffer";
  VkResult result = device->vk.CreateBuffer(device->device, &info, NULL, &s->buffer);
  if (result == VK_SUCCESS) {
    VkBufferMemoryRequirementsInfo2 of = {.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2,
                                          .buffer = s->buffer};
    VkMemoryRequirements2 needs = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
    device->vk.GetBufferMemoryRequirements2(device->device, &of, &needs);
    VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                     .allocationSize = needs.memoryRequirements.size,
                                     .memoryTypeIndex = device->type_readback != UINT32_MAX ? device->type_readback
                                                                                               : device->type_upload};
    api = "vkAllocateMemory";
    result = device->vk.AllocateMemory(device->device, &allocate, NULL, &s->memory);
  }
  if (result == VK_SUCCESS) {
    api = "vkBindBufferMemory";
    result = device->vk.BindBufferMemory(device->device, s->buffer, s->memory, 0);
  }
  void *address = NULL;
  if (result == VK_SUCCESS) {
    api = "vkMapMemory";
    result = device->vk.MapMemory(device->device, s->memory, 0, VK_WHOLE_SIZE, 0, &address);
  }
  if (result != VK_SUCCESS)
    return lf_device_fail(device, LF_EHOST_OUT_OF_MEMORY, api, result, "%llu bytes of host memory for %s",
                          (unsigned long long)RING_BYTES, device->info.name);
  s->address = address;
  return LF_OK;
}

static int32_t staging_of(lf_device *device, lf_staging **out) {
  if (!device->staging) {
    lf_staging *s = calloc(1, sizeof *s);
    if (!s) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a staging ring of %zu bytes", sizeof *s);
    int32_t status = make(device, s);
    if (status < 0) {
      destroy(device, s);
      return status;
    }
    device->staging = s;
  }
  *out = device->staging;
  return LF_OK;
}

void lf_staging_close(lf_device *device) {
  if (device->staging) destroy(device, device->staging);
  device->staging = NULL;
}

/* ---- slots ---- */

static uint64_t offset_of(uint32_t index) {
  return index < LARGE_SLOTS ? index * LARGE_BYTES : LARGE_SLOTS * LARGE_BYTES + (index - LARGE_SLOTS) * SMALL_BYTES;
}

static int is_free(const slot *p, uint64_t reached) { return p->bytes == 0 && p->value <= reached; }

/* The index of a free slot for `size` bytes, or for a first part of them. SLOTS when there is none, with the value that
 * frees one (0: a read must be ended). */
static uint32_t take(lf_device *device, lf_staging *s, uint64_t size, uint64_t *value) {
  uint32_t first = size <= SMALL_BYTES ? LARGE_SLOTS : 0, count = size <= SMALL_BYTES ? SMALL_SLOTS : LARGE_SLOTS;
  /* of large slots the first free one, which may still be in the cache */
  uint32_t start = size <= SMALL_BYTES ? s->small : 0;
  uint64_t reached = lf_queue_seen(device), soonest = UINT64_MAX;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t index = first + (start + i) % count;
    const slot *p = &s->slots[index];
    if (is_free(p, reached)) {
      if (first == LARGE_SLOTS) s->small = (index - LARGE_SLOTS + 1) % SMALL_SLOTS;
      return index;
    }
    if (p->bytes == 0 && p->value < soonest) soonest = p->value;
  }
  *value = soonest == UINT64_MAX ? 0 : soonest;
  return SLOTS;
}

/* ---- transfers ---- */

/* Transfers one part between a slot and the GPU's memory, from `data` or to the host: 1 with the timeline value, or
 * LF_FULL with the value to wait for. */
static int32_t transfer(lf_device *device, lf_staging *s, uint32_t index, const lf_range *range, const void *data,
                        int first, uint64_t bytes, uint64_t *value) {
  part *last = &s->last;
  int reads = !data;
  /* Only a transfer that continues where the last work ended is known to touch other bytes. */
  int continues = !first && last->memory == range->memory && last->next == range->offset && last->reads == reads &&
                last->value == lf_queue_last(device);
  VkCommandBuffer commands;
  int32_t status = lf_queue_begin(device, !continues, &commands);
  if (status == LF_FULL) {
    double needed;
    lf_queue_full(device, &needed);
    *value = (uint64_t)needed;
  }
  if (status != LF_OK) return status;
  uint64_t at = offset_of(index);
  if (data) memcpy(s->address + at, data, bytes);
  uint64_t start = range->memory->start + range->offset;
  VkBufferCopy region = {reads ? start : at, reads ? at : start, bytes};
  VkBuffer source = reads ? range->memory->buffer : s->buffer;
  VkBuffer target = reads ? s->buffer : range->memory->buffer;
  device->vk.CmdCopyBuffer(commands, source, target, 1, &region);
  if (reads) lf_queue_to_host(device);
  status = lf_queue_use(device, range->memory);
  if (status < 0) {
    lf_queue_drop(device);
    return status;
  }
  status = lf_queue_end(device, value);
  if (status != 1) return status;
  s->slots[index].value = *value;
  *last = (part){.memory = range->memory, .next = range->offset + bytes, .value = *value, .reads = reads};
  return 1;
}

/* Transfers the first part of a range, from `data` or to the host. Returns its bytes, with its slot and timeline value;
 * or LF_FULL with the value to wait for. */
static int32_t stage(lf_device *device, const lf_range *range, const void *data, int32_t first, lf_staging **staging,
                     uint32_t *index, uint64_t *value) {
  int32_t status = lf_device_check(device);
  if (status == LF_OK) status = staging_of(device, staging);
  if (status < 0) return status;
  uint64_t bytes = range->size < LARGE_BYTES ? range->size : LARGE_BYTES;
  *index = take(device, *staging, range->size, value);
  if (*index == SLOTS) return LF_FULL;
  status = transfer(device, *staging, *index, range, data, first, bytes, value);
  return status == 1 ? (int32_t)bytes : status;
}

int32_t lf_staging_write(lf_device *device, const lf_range *range, const void *data, int32_t first, double *value) {
  lf_staging *s;
  uint32_t index;
  uint64_t reached = 0;
  int32_t status = stage(device, range, data, first, &s, &index, &reached);
  *value = (double)reached;
  return status;
}

int32_t lf_staging_read(lf_device *device, const lf_range *range, int32_t first, lf_staged_read *out) {
  lf_staging *s;
  uint32_t index;
  uint64_t reached = 0;
  int32_t status = stage(device, range, NULL, first, &s, &index, &reached);
  *out = (lf_staged_read){.value = (double)reached};
  if (status <= 0 || status == LF_FULL) return status;
  slot *p = &s->slots[index];
  p->bytes = (uint32_t)status;
  p->generation++;
  out->token = p->generation << 16 | index;
  return status;
}

int32_t lf_staging_read_end(lf_device *device, uint32_t token, void *target, double size) {
  lf_staging *s = device->staging;
  uint32_t index = token & 0xffff;
  slot *p = s && index < SLOTS ? &s->slots[index] : NULL;
  if (!p || p->bytes == 0 || (p->generation & 0xffff) != token >> 16)
    return lf_fail(LF_ECLOSED, "", 0, "the read 0x%x has ended, or never began", (unsigned)token);
  if (target) {
    int32_t status = lf_queue_has(device, p->value);
    if (status < 0) return status;
    if (status == 0)
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the read's value %llu is not reached yet",
                     (unsigned long long)p->value);
    if (!(size >= 1 && size <= p->bytes && size == (double)(uint32_t)size))
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.17g bytes of a read of %u", size, p->bytes);
    memcpy(target, s->address + offset_of(index), (size_t)size);
  }
  /* Without a target the read may still be in flight: the slot is free when its value is reached. */
  p->bytes = 0;
  return LF_OK;
}
