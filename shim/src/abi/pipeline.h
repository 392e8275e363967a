/* Compute shaders by their handles. */
#ifndef LF_ABI_PIPELINE_H
#define LF_ABI_PIPELINE_H

#include "gpu/pipeline.h"

/* The pipeline of a handle, compiled, or NULL with the failure recorded. */
lf_pipeline *lf_pipeline_get(int32_t handle, const lf_device *device);
/* The memories of a pipeline's bindings, of the pipeline's device. */
int32_t lf_pipeline_memories(const lf_pipeline *pipeline, const int32_t *handles, lf_gpu_memory **out);

#endif
