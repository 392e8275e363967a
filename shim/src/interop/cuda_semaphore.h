#ifndef LF_CUDA_SEMAPHORE_H
#define LF_CUDA_SEMAPHORE_H

#include "gpu/semaphore.h"

typedef struct lf_cuda_semaphore lf_cuda_semaphore;

/* Imports a semaphore. EXTERNAL_MEMORY_UNSUPPORTED, EXTERNAL_HANDLE_MISMATCH, BACKEND_UNAVAILABLE. */
int32_t lf_cuda_semaphore_make(lf_semaphore *semaphore, lf_cuda_semaphore **out);
/* As lf_cuda_semaphore_wait and lf_cuda_semaphore_signal. */
int32_t lf_cuda_semaphore_enqueue(const lf_cuda_semaphore *semaphore, double value, uint64_t stream, int is_wait);
/* LF_OK, SYSTEM. */
int32_t lf_cuda_semaphore_free(lf_cuda_semaphore *semaphore);

#endif
