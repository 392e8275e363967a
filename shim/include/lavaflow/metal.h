#ifndef LAVAFLOW_METAL_H
#define LAVAFLOW_METAL_H

#include "lavaflow/pipeline.h"

/* ---- metal: an Apple GPU, through the Objective-C runtime opened at run time ----
 * Every submission reaches the next value, 1 and up. 64 can be under way: beyond that there is LF_FULL, with the value to
 * wait for. Handles may be closed in any order, and while the GPU works: Metal keeps what it uses. */

typedef struct {
  char name[256];
  double buffer_max; /* bytes of the largest buffer */
  uint32_t workgroup_max; /* bytes of the variables that a workgroup shares */
  uint32_t reserved;
} lf_metal_info;

/* 1 with the name of the system's device when Metal can be used; 0 with the reason. The library is the one that
 * LAVA_FLOW_METAL names ("off": none), else the system's. */
LF_API int32_t lf_metal_viable(uint32_t capacity, char *why);
/* A handle of the system's default device. BACKEND_UNAVAILABLE with the reason. */
LF_API int32_t lf_metal_open(void);
LF_API int32_t lf_metal_describe(int32_t metal, lf_metal_info *out);
LF_API int32_t lf_metal_close(int32_t metal);

/* A handle of zeroed memory, shared with the host where `host_visible` is 1: *address is then where it lies, else 0.
 * GPU_OUT_OF_MEMORY. */
LF_API int32_t lf_metal_memory_create(int32_t metal, double size, int32_t host_visible, uint64_t *address);
LF_API int32_t lf_metal_memory_close(int32_t memory);

/* A handle of the compute function `main_` of MSL (UTF-8), run on `threads` threads a workgroup. Its storage buffers have the
 * indices 0 to buffers - 1; the next index is that of its push words, where it has any; and the next that of the sizes, where
 * `sized` lists buffers: their bytes, 32 bits each, in this order. SHADER_INVALID with Metal's words, INVALID_ARGUMENT where
 * the device has not so many threads. */
LF_API int32_t lf_metal_pipeline_create(int32_t metal, const char *msl, uint32_t bytes, uint32_t threads, uint32_t buffers,
                                        uint32_t push_words, const uint8_t *sized, uint32_t sized_count);
LF_API int32_t lf_metal_pipeline_close(int32_t pipeline);

/* Submits steps as lf_queue_steps does, over at most 16 memories. 1 with the value, or LF_FULL. GPU_DEVICE_LOST. */
LF_API int32_t lf_metal_steps(int32_t metal, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                              uint32_t step_count, double *value);
/* 1 when the work of `value` has ended, 0 when not after spinning for `spin_us`. GPU_DEVICE_LOST with Metal's words when
 * any work has failed. */
LF_API int32_t lf_metal_reached(int32_t metal, double value, double spin_us);

#endif
