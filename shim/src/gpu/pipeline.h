/* A compute pipeline: a shader, its layout, and descriptor sets that submissions use in turn. */
#ifndef LF_PIPELINE_H
#define LF_PIPELINE_H

#include "gpu/device.h"
#include "gpu/gpu_memory.h"

#define LF_BINDINGS_MAX 16 /* storage buffers of a shader */
#define LF_PUSH_BYTES_MAX 128 /* the maximum that each Vulkan driver has */

/* As lf_pipeline_create, but waits for the compile. The pipeline does not keep the device open. */
int32_t lf_pipeline_make(lf_device *device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                         uint32_t push_bytes, lf_pipeline **out);
/* The same, compiled on another thread, which is an owner of the device until the compile has ended. */
int32_t lf_pipeline_start(lf_device *device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                          uint32_t push_bytes, lf_pipeline **out);
/* 1 when the compile has ended; 0 while it runs, and the pipeline can only be released; or the compile's failure. */
int32_t lf_pipeline_compiled(const lf_pipeline *pipeline);
/* Releases one reference. The last is released when no work in flight uses the pipeline. A compile that runs frees the
 * pipeline at its end. */
void lf_pipeline_release(lf_pipeline *pipeline);
/* Records a dispatch into the open submission. `buffers` has one for each binding, `push` the push constants. LF_OK;
 * LF_FULL while work in flight uses all descriptor sets. */
int32_t lf_pipeline_record(lf_pipeline *pipeline, VkCommandBuffer commands, const VkDescriptorBufferInfo *buffers,
                           const void *push, uint32_t x, uint32_t y, uint32_t z);

/* A descriptor set, NULL for a pipeline without bindings, and the count of the pipeline's writes when it was written:
 * while that is the last write, the set is unchanged. */
typedef struct {
  VkDescriptorSet set;
  uint64_t written;
} lf_descriptors;

/* lf_pipeline_record in parts, for several dispatches with the same buffers: selects a set for the next submission;
 * records the commands before each dispatch. */
int32_t lf_pipeline_set(lf_pipeline *pipeline, const VkDescriptorBufferInfo *buffers, lf_descriptors *out);
void lf_pipeline_bind(lf_pipeline *pipeline, VkCommandBuffer commands, const lf_descriptors *descriptors,
                      const void *push);

lf_device *lf_pipeline_device(const lf_pipeline *pipeline);
uint32_t lf_pipeline_bindings(const lf_pipeline *pipeline);
uint32_t lf_pipeline_push_bytes(const lf_pipeline *pipeline);
/* Workgroups of a dispatch along x, at most. */
uint32_t lf_pipeline_groups_max(const lf_pipeline *pipeline);
/* Fills `buffers` with one memory for each binding. LF_OK; INVALID_ARGUMENT for a memory that is too large for a
 * shader. */
int32_t lf_pipeline_buffers(const lf_pipeline *pipeline, lf_gpu_memory *const *memories,
                            VkDescriptorBufferInfo *buffers);
/* LF_OK; INVALID_ARGUMENT unless `count` and `push_bytes` are the pipeline's, and the device can have x * y * z
 * workgroups. */
int32_t lf_pipeline_check(const lf_pipeline *pipeline, uint32_t count, uint32_t push_bytes, uint32_t x, uint32_t y,
                          uint32_t z);
/* Submits a dispatch whose arguments were checked. 1 with the timeline value, or LF_FULL. */
int32_t lf_pipeline_dispatch(lf_pipeline *pipeline, lf_gpu_memory *const *memories, const void *push, uint32_t x,
                             uint32_t y, uint32_t z, double *value);
/* Retains the pipeline until the open submission has ended. LF_OK, INVALID_ARGUMENT. */
int32_t lf_pipeline_keep(lf_pipeline *pipeline);

#endif
