#ifndef LF_CUDA_MEMORY_H
#define LF_CUDA_MEMORY_H

#include "cuda/cuda.h"

/* Memory that CUDA can use: imported from Vulkan, from another process, or CUDA's own. */
typedef struct {
  const lf_cuda_functions *cu;
  lf_cuda_device device;
  CUdeviceptr pointer;
  uint64_t size;
  CUexternalMemory external; /* NULL: memory that CUDA's user allocated and frees, or `reserved` */
  uint64_t reserved;         /* bytes of addresses that it is mapped at, for all GPUs that reach it; 0: none */
  /* Made by the first copy. All copies to this memory run in the stream, and it waits for those from it: when `last` has
   * passed, nothing uses the memory. */
  CUstream stream;
  CUevent last;
  int has_peer;
  CUdevice peer; /* the last one whose memory this device was told to reach */
} lf_cuda_memory;

/* NULL with the failure recorded. */
lf_cuda_memory *lf_cuda_memory_get(int32_t handle);
/* Waits, up to 30 s, until all copies from and to it have ended: LF_OK, or ETIMEOUT. */
int32_t lf_cuda_memory_wait(const lf_cuda_memory *memory);
/* 1 when all copies from and to it have ended, 0 when not. */
int32_t lf_cuda_memory_idle(const lf_cuda_memory *memory);

#endif
