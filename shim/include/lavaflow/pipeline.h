#ifndef LAVAFLOW_PIPELINE_H
#define LAVAFLOW_PIPELINE_H

#include "lavaflow/status.h"

/* ---- pipeline: a compute shader ---- */

/* SPIR-V whose entry point is `main`, with `bindings` storage buffers (set 0, bindings 0 and up) and `push_bytes` of push
 * constants (at most 128). SHADER_INVALID. It returns at once: the driver compiles on a thread of the shim, and until then the
 * pipeline can only be closed. */
LF_API int32_t lf_pipeline_create(int32_t device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                                  uint32_t push_bytes);
/* 1 when it is compiled, 0 while it is not; the driver's failure, if it has refused it: SHADER_INVALID, SYSTEM, out of memory,
 * GPU_DEVICE_LOST. */
LF_API int32_t lf_pipeline_ready(int32_t pipeline);
/* Runs it on x * y * z workgroups. INVALID_ARGUMENT until it is compiled. */
LF_API int32_t lf_queue_dispatch(int32_t device, int32_t pipeline, const int32_t *memories, uint32_t count,
                                 const void *push, uint32_t push_bytes, uint32_t x, uint32_t y, uint32_t z, double *value);
/* Also while it is compiled: the compile goes on, and frees what it needs when it ends. */
LF_API int32_t lf_pipeline_close(int32_t pipeline);

/* ---- step: several commands of one submission, one after the other ---- */

enum {
  LF_STEP_DISPATCH = 0, /* x = groups */
  LF_STEP_INDIRECT = 1, /* x, y and z are three words at `offset` of `memory`; 0 of them is nothing to do */
  LF_STEP_ZERO = 2,     /* `bytes` bytes from `offset` of `memory` */
  LF_STEP_COPY = 3      /* they come to `to_offset` of `to`; not within one memory */
};
/* Different ones in one submission. */
#define LF_STEP_PIPELINES_MAX 32

/* Offsets and sizes are bytes, and multiples of 4; a memory is named by its place in the submission's list. */
typedef struct {
  int32_t kind;
  uint32_t no_barrier; /* 1: may run at the same time as the step before it; 0: after that, and sees what it wrote */
  int32_t pipeline;
  uint32_t groups;
  uint32_t memory, offset, bytes;
  uint32_t to, to_offset;
  uint32_t push[7]; /* as many as the pipeline's push constants */
} lf_step;

/* Submits the steps. A pipeline's bindings are the first of the memories. 1 with the value, LF_FULL as for the queue. */
LF_API int32_t lf_queue_steps(int32_t device, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                              uint32_t step_count, double *value);
/* Submits steps that wait on the GPU until lf_queue_trigger, or until anything else is submitted to the device: then they run first,
 * wanted or not. They are there sooner than what is submitted when it is wanted, and see what the host wrote before they were let
 * go. 1 with the value; LF_FULL where there is no room, or commands of the same steps are under way. */
LF_API int32_t lf_queue_arm(int32_t device, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                                uint32_t step_count, double *value);
/* 1 as long as the steps of this value wait. */
LF_API int32_t lf_queue_armed(int32_t device, double value);
/* Lets what waits run; LF_OK also where nothing does. */
LF_API int32_t lf_queue_trigger(int32_t device);

#endif
