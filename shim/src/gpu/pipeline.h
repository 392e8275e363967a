/* A compute shader made ready: its layout, and descriptor sets that take turns with the submissions. */
#ifndef LF_PIPELINE_H
#define LF_PIPELINE_H

#include "gpu/device.h"
#include "gpu/gpu_memory.h"

/* Storage buffers of one shader. */
#define LF_BINDINGS_MAX 16
#define LF_PUSH_BYTES_MAX 128

/* As lf_pipeline_create, but compiled when it returns. The pipeline does not keep the device open. */
int32_t lf_pipeline_make(lf_device *device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                         uint32_t push_bytes, lf_pipeline **out);
/* The same, and compiles on another thread, which keeps the device open until the compile has ended. */
int32_t lf_pipeline_start(lf_device *device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                          uint32_t push_bytes, lf_pipeline **out);
/* 1; 0 while the compile is under way, when the pipeline can only be released; or the compile's failure. */
int32_t lf_pipeline_compiled(const lf_pipeline *pipeline);
/* Gives up one reference. The last one goes when no work that uses the pipeline is under way. A compile that is under way frees
 * the pipeline at its end. */
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

lf_device *lf_pipeline_device(const lf_pipeline *pipeline);
uint32_t lf_pipeline_bindings(const lf_pipeline *pipeline);
uint32_t lf_pipeline_push_bytes(const lf_pipeline *pipeline);
/* Of one dispatch, in x. */
uint32_t lf_pipeline_groups_max(const lf_pipeline *pipeline);
/* One memory of its device for each of its bindings, as it takes them. INVALID_ARGUMENT for one that is too large. */
int32_t lf_pipeline_buffers(const lf_pipeline *pipeline, lf_gpu_memory *const *memories,
                            VkDescriptorBufferInfo *buffers);
/* INVALID_ARGUMENT unless it takes so many memories and bytes of push constants, and the device so many workgroups. */
int32_t lf_pipeline_check(const lf_pipeline *pipeline, uint32_t count, uint32_t push_bytes, uint32_t x, uint32_t y,
                          uint32_t z);
/* Submits a dispatch that was checked: 1 with the value, or LF_FULL. */
int32_t lf_pipeline_dispatch(lf_pipeline *pipeline, lf_gpu_memory *const *memories, const void *push, uint32_t x,
                             uint32_t y, uint32_t z, double *value);
/* The open submission keeps the pipeline. */
int32_t lf_pipeline_keep(lf_pipeline *pipeline);

#endif
