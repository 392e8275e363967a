#ifndef LF_CUDA_MEMORY_H
#define LF_CUDA_MEMORY_H

#include "cuda/cuda.h"
#include "gpu/gpu_memory.h"

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

/* Imports GPU memory. EXTERNAL_MEMORY_UNSUPPORTED, EXTERNAL_HANDLE_MISMATCH. */
int32_t lf_cuda_memory_import(lf_gpu_memory *memory, lf_cuda_memory **out);
/* As lf_cuda_import_os_handle and lf_cuda_adopt. */
int32_t lf_cuda_memory_import_os_handle(int64_t os_handle, double allocation, double size, const uint8_t *device_uuid,
                                        lf_cuda_memory **out);
int32_t lf_cuda_memory_adopt(uint64_t pointer, double size, lf_cuda_memory **out);
/* As lf_cuda_export. */
int32_t lf_cuda_memory_export(lf_cuda_memory *memory, double *allocation, int64_t *os_handle);
/* As lf_cuda_copy, and as lf_cuda_read and lf_cuda_write: copies to `to` or from `from`; the other is NULL. */
int32_t lf_cuda_memory_copy(lf_cuda_memory *target, double target_offset, lf_cuda_memory *source, double source_offset,
                            double size);
int32_t lf_cuda_memory_transfer(lf_cuda_memory *memory, double offset, void *to, const void *from, uint32_t size);
/* Waits until all copies from and to the memory have ended. LF_OK, TIMEOUT after 30 s. */
int32_t lf_cuda_memory_wait(const lf_cuda_memory *memory);
/* 1 when all copies from and to the memory have ended, else 0. */
int32_t lf_cuda_memory_idle(const lf_cuda_memory *memory);
/* Frees the memory, which no copy may use. LF_OK, SYSTEM. */
int32_t lf_cuda_memory_free(lf_cuda_memory *memory);
/* Waits for the copies, then frees the memory; never frees memory that a copy uses after the limit. */
void lf_cuda_memory_drop(void *memory);

#endif
