/* Copies and fills of GPU and GPU-pinned memory, by their handles. */
#include "abi/transfer.h"

#include <inttypes.h>

#include "abi/device.h"
#include "abi/memory.h"
#include "base/status.h"
#include "base/whole.h"
#include "gpu/copier.h"
#include "gpu/queue.h"

int32_t lf_range_of(lf_device *device, int32_t memory, double offset, double size, lf_range *out) {
  lf_gpu_memory *gpu = lf_memory_gpu(memory);
  if (!gpu) return lf_status_code();
  if (gpu->device != device)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory 0x%x belongs to %s as another device has it, not to this one",
                   (unsigned)memory, gpu->device->info.name);
  if (!lf_whole(offset) || !lf_whole(size) || size < 1)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.17g bytes from byte %.17g: whole numbers, and at least one byte",
                   size, offset);
  if ((uint64_t)offset > gpu->size || (uint64_t)size > gpu->size - (uint64_t)offset)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.17g bytes from byte %.17g of a memory of %" PRIu64, size, offset,
                   gpu->size);
  *out = (lf_range){.memory = gpu, .offset = (uint64_t)offset, .size = (uint64_t)size};
  return LF_OK;
}

int32_t lf_queue_copy(int32_t handle, int32_t source, double source_offset, int32_t target, double target_offset,
                      double size, double *value) {
  lf_device *device = lf_device_get(handle);
  if (!device) return lf_status_code();
  if (!value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the value");
  lf_range from, to;
  int32_t status = lf_range_of(device, source, source_offset, size, &from);
  if (status == LF_OK) status = lf_range_of(device, target, target_offset, size, &to);
  if (status < 0) return status;
  if (from.memory == to.memory && from.offset < to.offset + to.size && to.offset < from.offset + from.size)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%" PRIu64 " bytes from byte %" PRIu64 " to byte %" PRIu64
                   " of the same memory overlap", from.size, from.offset, to.offset);
  VkCommandBuffer commands;
  status = lf_queue_begin(device, 1, &commands);
  if (status == LF_FULL) return lf_queue_full(device, value);
  if (status < 0) return status;
  lf_copier_record(device, commands, &from, &to);
  status = lf_queue_use(device, from.memory);
  if (status == LF_OK) status = lf_queue_use(device, to.memory);
  return lf_queue_finish(device, status, value);
}

int32_t lf_queue_fill(int32_t handle, int32_t memory, double offset, double size, uint32_t value32, double *value) {
  lf_device *device = lf_device_get(handle);
  if (!device) return lf_status_code();
  if (!value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the value");
  lf_range range;
  int32_t status = lf_range_of(device, memory, offset, size, &range);
  if (status < 0) return status;
  if (range.offset % 4 != 0 || range.size % 4 != 0)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "filling %" PRIu64 " bytes from byte %" PRIu64
                   ": both have to be multiples of 4", range.size, range.offset);
  VkCommandBuffer commands;
  status = lf_queue_begin(device, 1, &commands);
  if (status == LF_FULL) return lf_queue_full(device, value);
  if (status < 0) return status;
  device->vk.CmdFillBuffer(commands, range.memory->buffer, range.memory->start + range.offset, range.size, value32);
  return lf_queue_finish(device, lf_queue_use(device, range.memory), value);
}
