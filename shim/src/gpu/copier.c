#include "gpu/copier.h"

#include "gpu/copy_shader.h"
#include "gpu/pipeline.h"

/* Bytes. Below this size the driver's copy is as fast as the shader. */
#define SHADER_BYTES_MIN ((uint64_t)64 << 10)
/* Bytes that one dispatch copies at most: well below the 4 GiB that a shader can address in a buffer. */
#define DISPATCH_BYTES_MAX ((uint64_t)2 << 30)
/* Workgroups of a dispatch: the least maximum that Vulkan guarantees. */
#define GROUPS_MAX 65535u

/* Limits that are alignments are powers of two. */
void lf_copier_choose(lf_device *device) {
  VkPhysicalDeviceProperties properties;
  device->vulkan->vk.GetPhysicalDeviceProperties(device->physical, &properties);
  const VkPhysicalDeviceLimits *limits = &properties.limits;
  uint64_t alignment = limits->minStorageBufferOffsetAlignment, bytes_max = limits->maxStorageBufferRange;
  device->storage_alignment = alignment;
  device->allocations_max = limits->maxMemoryAllocationCount;
  if (alignment < LF_COPY_UNIT) alignment = LF_COPY_UNIT;
  if (bytes_max > DISPATCH_BYTES_MAX) bytes_max = DISPATCH_BYTES_MAX;
  if (limits->maxComputeWorkGroupInvocations < LF_COPY_GROUP || limits->maxComputeWorkGroupSize[0] < LF_COPY_GROUP)
    bytes_max = 0;
  device->copier_alignment = alignment;
  device->copier_bytes_max = device->info.type == LF_GPU_CPU ? 0 : bytes_max / alignment * alignment;
}

void lf_copier_close(lf_device *device) {
  if (device->copier) lf_pipeline_release(device->copier);
  device->copier = NULL;
}

static int suits(const lf_device *device, const lf_range *from, const lf_range *to) {
  return device->copier_bytes_max > 0 && from->size >= SHADER_BYTES_MIN && from->memory->local && to->memory->local &&
         from->offset % device->copier_alignment == 0 && to->offset % device->copier_alignment == 0;
}

/* Returns the bytes that it recorded: not the odd bytes at the end, and none beyond a failure, as the driver's copy can
 * do the rest without memory or descriptor sets. */
static uint64_t by_shader(lf_device *device, VkCommandBuffer commands, const lf_range *from, const lf_range *to) {
  if (!device->copier && lf_pipeline_make(device, lf_copy_shader, sizeof lf_copy_shader, 2, sizeof(uint32_t),
                                          &device->copier) < 0) {
    device->copier_bytes_max = 0; /* so that later copies do not try again */
    return 0;
  }
  uint64_t size = from->size / LF_COPY_UNIT * LF_COPY_UNIT, done = 0;
  while (done < size) {
    uint64_t bytes = size - done < device->copier_bytes_max ? size - done : device->copier_bytes_max;
    uint32_t units = (uint32_t)(bytes / LF_COPY_UNIT), groups = (units + LF_COPY_GROUP - 1) / LF_COPY_GROUP;
    VkDescriptorBufferInfo buffers[2] = {{from->memory->buffer, from->memory->start + from->offset + done, bytes},
                                         {to->memory->buffer, to->memory->start + to->offset + done, bytes}};
    if (groups > GROUPS_MAX) groups = GROUPS_MAX;
    if (lf_pipeline_record(device->copier, commands, buffers, &units, groups, 1, 1) != LF_OK) break;
    done += bytes;
  }
  return done;
}

void lf_copier_record(lf_device *device, VkCommandBuffer commands, const lf_range *from, const lf_range *to) {
  uint64_t done = suits(device, from, to) ? by_shader(device, commands, from, to) : 0;
  if (done == from->size) return;
  VkBufferCopy rest = {from->memory->start + from->offset + done, to->memory->start + to->offset + done,
                       from->size - done};
  device->vk.CmdCopyBuffer(commands, from->memory->buffer, to->memory->buffer, 1, &rest);
}
