/* Compute pipelines by their handles. */
#ifndef LF_ABI_PIPELINE_H
#define LF_ABI_PIPELINE_H

#include "gpu/pipeline.h"

/* The compiled pipeline of a handle, which must be of `device`; NULL with the failure recorded. */
lf_pipeline *lf_pipeline_get(int32_t handle, const lf_device *device);
/* Looks up one memory of the pipeline's device for each of its bindings. LF_OK, INVALID_ARGUMENT, CLOSED. */
int32_t lf_pipeline_memories(const lf_pipeline *pipeline, const int32_t *handles, lf_gpu_memory **out);

#endif
