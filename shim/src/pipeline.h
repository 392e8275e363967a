/* A compute shader made ready: its layout, and descriptor sets that take turns with the submissions. */
#ifndef LF_PIPELINE_H
#define LF_PIPELINE_H

#include "device.h"

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

#endif
