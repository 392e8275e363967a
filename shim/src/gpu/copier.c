#include "gpu/copier.h"

#include "gpu/copy_shader.h"
#include "gpu/pipeline.h"

/* Less is as fast either way. */
#define SHADER_FROM ((uint64_t)64 << 10)
/* Well below the 4 GiB that a shader reaches of a buffer at most. */
#define PIECE_MAX ((uint64_t)2 << 30)
/* Workgroups that every GPU has room for. */
#define GROUPS_MAX 65535u

/* The limits that are alignments are powers of two. */
void lf_copier_choose(lf_device *device) {
  VkPhysicalDeviceProperties properties;
  device->vulkan->vk.GetPhysicalDeviceProperties(device->physical, &properties);
  const VkPhysicalDeviceLimits *limits = &properties.limits;
  uint64_t alignment = limits->minStorageBufferOffsetAlignment, piece = limits->maxStorageBufferRange;
  device->storage_alignment = alignment;
  device->allocations_max = limits->maxMemoryAllocationCount;
  if (alignment < LF_COPY_UNIT) alignment = LF_COPY_UNIT;
  if (piece > PIECE_MAX) piece = PIECE_MAX;
  if (limits->maxComputeWorkGroupInvocations < LF_COPY_GROUP || limits->maxComputeWorkGroupSize[0] < LF_COPY_GROUP)
    piece = 0;
  device->copier_alignment = alignment;
  device->copier_piece = device->info.type == LF_GPU_CPU ? 0 : piece / alignment * alignment;
}

void lf_copier_close(lf_device *device) {
  if (device->copier) lf_pipeline_release(device->copier);
  device->copier = NULL;
}

static int suits(const lf_device *device, const lf_range *from, const lf_range *to) {
  return device->copier_piece > 0 && from->size >= SHADER_FROM && from->memory->local && to->memory->local &&
         from->offset % device->copier_alignment == 0 && to->offset % device->copier_alignment == 0;
}

/* Returns how many bytes it has recorded: without the odd ones at the end, and none from where something is missing that
 * the driver's own copy can do without. */
static uint64_t by_shader(lf_device *device, VkCommandBuffer commands, const lf_range *from, const lf_range *to) {
  if (!device->copier && lf_pipeline_make(device, lf_copy_shader, sizeof lf_copy_shader, 2, sizeof(uint32_t),
                                          &device->copier) < 0) {
    device->copier_piece = 0; /* not tried again with each copy */
    return 0;
  }
  uint64_t size = from->size / LF_COPY_UNIT * LF_COPY_UNIT, done = 0;
  while (done < size) {
    uint64_t bytes = size - done < device->copier_piece ? size - done : device->copier_piece;
    uint32_t units = (uint32_t)(bytes / LF_COPY_UNIT), groups = (units + LF_COPY_GROUP - 1) / LF_COPY_GROUP;
    VkDescriptorBufferInfo buffers[2] = {{from->memory->buffer, from->memory->start + from->offset + done, bytes},
                                         {to->memory->buffer, to->memory->start + to->offset + done, bytes}};
    if (lf_pipeline_record(device->copier, commands, buffers, &units, groups < GROUPS_MAX ? groups : GROUPS_MAX, 1, 1) !=
        LF_OK)
      break;
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
