/* What the files of CUDA, OpenCL and OpenGL share: opening their libraries, and handing memory and semaphores over. */
#ifndef LF_INTEROP_H
#define LF_INTEROP_H

#include <stddef.h>
#include <stdint.h>

#include "lavaflow.h"

/* GPU memory on its way into another API. */
typedef struct {
  int64_t os; /* the caller's: taken (lf_external_taken), or refused (lf_external_refuse) */
  uint64_t size;
  uint64_t allocation; /* what the other API must be told */
  uint8_t device_uuid[LF_UUID_BYTES];
} lf_shared_memory;
int32_t lf_share_memory(int32_t memory, lf_shared_memory *out);

typedef struct {
  int64_t os;
  int32_t kind; /* LF_SEMAPHORE_... */
  uint8_t device_uuid[LF_UUID_BYTES];
} lf_shared_semaphore;
/* `binary_only` names the API where that knows no timelines: EXTERNAL_MEMORY_UNSUPPORTED for one. */
int32_t lf_share_semaphore(int32_t semaphore, const char *binary_only, lf_shared_semaphore *out);

#endif
