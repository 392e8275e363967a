/* A compute shader made ready: its layout, and descriptor sets that take turns with the submissions. */
#ifndef LF_PIPELINE_H
#define LF_PIPELINE_H

#include "gpu/device.h"
#include "gpu/gpu_memory.h"

/* Storage buffers of one shader. */
#define LF_BINDINGS_MAX 16
#define LF_PUSH_BYTES_MAX 128

/* As lf_pipeline_create. It does not keep the device open. */
int32_t lf_pipeline_make(lf_device *device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                         uint32_t push_bytes, lf_pipeline **out);
/* Gives up one reference. The last one goes when no work that uses the pipeline is under way. */
void lf_pipeline_release(lf_pipeline *pipeline);
/* Records a dispatch into the open submission. `buffers` has one for each binding, `push` the push constants. LF_OK, or
 * LF_FULL when work under way uses all descriptor sets. */
int32_t lf_pipeline_record(lf_pipeline *pipeline, VkCommandBuffer commands, const VkDescriptorBufferInfo *buffers,
                           const void *push, uint32_t x, uint32_t y, uint32_t z);

/* A descriptor set, NULL where there are no bindings; and which of the pipeline's writes to its sets it has: as long as that
 * is the last one, it is as it was. */
typedef struct {
  VkDescriptorSet set;
  uint64_t written;
} lf_descriptors;

/* The same in parts, for several dispatches with the same buffers: a set for the next submission, and what every dispatch
 * needs before it. */
int32_t lf_pipeline_set(lf_pipeline *pipeline, const VkDescriptorBufferInfo *buffers, lf_descriptors *out);
void lf_pipeline_bind(lf_pipeline *pipeline, VkCommandBuffer commands, const lf_descriptors *descriptors,
                      const void *push);

/* The pipeline of a handle, or NULL with the failure recorded. */
lf_pipeline *lf_pipeline_get(int32_t handle, const lf_device *device);
uint32_t lf_pipeline_bindings(const lf_pipeline *pipeline);
uint32_t lf_pipeline_push_bytes(const lf_pipeline *pipeline);
/* Of one dispatch, in x. */
uint32_t lf_pipeline_groups_max(const lf_pipeline *pipeline);
/* The memories of its bindings, looked up and checked. */
int32_t lf_pipeline_buffers(const lf_pipeline *pipeline, const int32_t *memories, lf_gpu_memory **found,
                            VkDescriptorBufferInfo *buffers);
/* The open submission keeps the pipeline. */
int32_t lf_pipeline_keep(lf_pipeline *pipeline);

#endif
