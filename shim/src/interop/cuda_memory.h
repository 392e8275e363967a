#ifndef LF_CUDA_MEMORY_H
#define LF_CUDA_MEMORY_H

#include "cuda/cuda.h"

/* CUDA memory: imported from Vulkan, imported from another process, or the caller's. */
typedef struct {
  const lf_cuda_functions *cu;
  lf_cuda_device device;
  CUdeviceptr pointer;
  uint64_t size;
  CUexternalMemory external; /* NULL: the caller's memory, or `reserved` */
  /* bytes of the address range that it is mapped to, for all GPUs that can access it; 0: none */
  uint64_t reserved;
  /* Created by the first copy. All copies to this memory run in the stream, which also waits for those from it. When
   * `last` has passed, no copy uses the memory. */
  CUstream stream;
  CUevent last;
  int has_peer;
  CUdevice peer; /* the last device whose memory this device was allowed to access */
} lf_cuda_memory;

/* The memory of a handle, or NULL with the failure recorded. */
lf_cuda_memory *lf_cuda_memory_get(int32_t handle);
/* Waits until all copies from and to the memory have ended. LF_OK, TIMEOUT after 30 s. */
int32_t lf_cuda_memory_wait(const lf_cuda_memory *memory);
/* 1 when all copies from and to the memory have ended, else 0. */
int32_t lf_cuda_memory_idle(const lf_cuda_memory *memory);

#endif
