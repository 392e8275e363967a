#ifndef LAVAFLOW_PIPELINE_H
#define LAVAFLOW_PIPELINE_H

#include "lavaflow/status.h"

/* ---- pipeline: a compute shader ---- */

/* Starts the compile of a shader; a handle. The SPIR-V has the entry point `main`, `bindings` storage buffers (set 0,
 * bindings from 0) and `push_bytes` of push constants, a multiple of 4 and at most 128. The driver compiles on a thread
 * of the shim. Until it has ended, the pipeline can only be closed. SHADER_INVALID, INVALID_ARGUMENT,
 * HOST_OUT_OF_MEMORY. */
LF_API int32_t lf_pipeline_create(int32_t device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                                  uint32_t push_bytes);
/* 1 when the compile has ended, 0 while it runs. If the driver failed: SHADER_INVALID, SYSTEM, GPU_OUT_OF_MEMORY,
 * HOST_OUT_OF_MEMORY, GPU_DEVICE_LOST. */
LF_API int32_t lf_pipeline_ready(int32_t pipeline);
/* Submits a dispatch of x * y * z workgroups. `memories` has one memory for each binding. 1 with the timeline value, or
 * LF_FULL; INVALID_ARGUMENT while the compile runs. */
LF_API int32_t lf_queue_dispatch(int32_t device, int32_t pipeline, const int32_t *memories, uint32_t count,
                                 const void *push, uint32_t push_bytes, uint32_t x, uint32_t y, uint32_t z,
                                 double *value);
/* Closes the handle. A compile that runs goes on, and releases the pipeline when it ends. LF_OK. */
LF_API int32_t lf_pipeline_close(int32_t pipeline);

/* ---- step: the commands of one submission, in order ---- */

enum {
  LF_STEP_DISPATCH = 0, /* `groups` workgroups along x */
  /* the workgroups along x, y and z are three words at `offset` of `memory`; a 0 skips the step */
  LF_STEP_INDIRECT = 1,
  LF_STEP_ZERO = 2,     /* zeroes `bytes` bytes from `offset` of `memory` */
  LF_STEP_COPY = 3      /* copies those bytes to `to_offset` of `to`, another memory */
};
/* Different pipelines in one submission. */
#define LF_STEP_PIPELINES_MAX 32

/* Offsets and sizes are bytes, and multiples of 4. `memory` and `to` are indices in the submission's list of
 * memories. */
typedef struct {
  int32_t kind;
  uint32_t no_barrier; /* 1: the step may run at the same time as the previous step; 0: after it, and sees its writes */
  int32_t pipeline;
  uint32_t groups;
  uint32_t memory, offset, bytes;
  uint32_t to, to_offset;
  uint32_t push[7]; /* as many words as the pipeline has push constants */
} lf_step;

/* Submits steps. A pipeline's bindings are the first of the memories, in order. 1 with the timeline value, LF_FULL,
 * INVALID_ARGUMENT. */
LF_API int32_t lf_queue_steps(int32_t device, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                              uint32_t step_count, double *value);
/* Submits steps as an armed submission: they wait on the GPU for lf_queue_trigger, or for the next call that submits to
 * the device, which triggers them first. They start sooner than steps that are submitted at that time, and see all that
 * the host wrote before the trigger. 1 with the timeline value; LF_FULL as for the queue, and while a submission of the
 * same steps is in flight. */
LF_API int32_t lf_queue_arm(int32_t device, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                                uint32_t step_count, double *value);
/* 1 while the submission of this value is armed, else 0. */
LF_API int32_t lf_queue_armed(int32_t device, double value);
/* Triggers the armed submission, if there is one. LF_OK, GPU_DEVICE_LOST. */
LF_API int32_t lf_queue_trigger(int32_t device);

#endif
