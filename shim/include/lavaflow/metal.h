#ifndef LAVAFLOW_METAL_H
#define LAVAFLOW_METAL_H

#include "lavaflow/pipeline.h"

/* ---- metal: an Apple GPU, through the Objective-C runtime, opened at run time (experimental) ----
 * Each submission reaches the next value, from 1. Up to 64 can be in flight; beyond that a call returns LF_FULL, with
 * the value to wait for. Handles may be closed in any order and while the GPU works: Metal keeps the objects in use. */

typedef struct {
  char name[256];
  double buffer_max; /* bytes of the largest buffer */
  uint32_t workgroup_max; /* bytes of the variables that a workgroup shares */
  uint32_t reserved;
} lf_metal_info;

/* 1 with the name of the system's device in `why` when Metal can be used; 0 with the reason. The library is the one
 * that LAVA_FLOW_METAL names ("off": none), else the system's. */
LF_API int32_t lf_metal_viable(uint32_t capacity, char *why);
/* Opens the system's default device; a handle. BACKEND_UNAVAILABLE with the reason. */
LF_API int32_t lf_metal_open(void);
LF_API int32_t lf_metal_describe(int32_t metal, lf_metal_info *out);
LF_API int32_t lf_metal_close(int32_t metal);

/* Allocates zeroed memory; a handle. `host_visible` 1: the host can access it at *address, which is 0 otherwise.
 * GPU_OUT_OF_MEMORY, NOT_HOST_VISIBLE. */
LF_API int32_t lf_metal_memory_create(int32_t metal, double size, int32_t host_visible, uint64_t *address);
LF_API int32_t lf_metal_memory_close(int32_t memory);

/* Compiles the compute function `main_` of MSL (UTF-8), with `threads` threads per workgroup; a handle. Its storage
 * buffers have the indices 0 to `buffers` - 1. The next index has its push words, if it has any. The next has the sizes
 * of the buffers that `sized` lists: bytes, 32 bits each, in that order. SHADER_INVALID with Metal's message;
 * INVALID_ARGUMENT when the device has fewer threads. */
LF_API int32_t lf_metal_pipeline_create(int32_t metal, const char *msl, uint32_t bytes, uint32_t threads,
                                        uint32_t buffers, uint32_t push_words, const uint8_t *sized,
                                        uint32_t sized_count);
LF_API int32_t lf_metal_pipeline_close(int32_t pipeline);

/* Submits steps as lf_queue_steps, with at most 16 memories. 1 with the value, LF_FULL, GPU_DEVICE_LOST. */
LF_API int32_t lf_metal_steps(int32_t metal, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                              uint32_t step_count, double *value);
/* 1 when the submission of `value` has ended; 0 when it has not after polling for `spin_us` microseconds.
 * GPU_DEVICE_LOST with Metal's message when any submission has failed. */
LF_API int32_t lf_metal_reached(int32_t metal, double value, double spin_us);

#endif
