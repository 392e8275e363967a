/* Imports into CUDA, OpenCL and OpenGL: the export of memory and semaphores, and the objects of imports. */
#ifndef LF_INTEROP_H
#define LF_INTEROP_H

#include <stddef.h>
#include <stdint.h>

#include "gpu/gpu_memory.h"
#include "gpu/semaphore.h"
#include "lavaflow.h"

/* Exported GPU memory for another API. */
typedef struct {
  /* owned by the caller: it passes the handle to the API (lf_external_taken) or closes it (lf_external_refuse) */
  int64_t os;
  uint64_t size;
  uint64_t allocation; /* bytes of the allocation, which the API needs */
  uint8_t device_uuid[LF_UUID_BYTES];
} lf_shared_memory;
/* LF_OK, EXTERNAL_MEMORY_UNSUPPORTED, TIMEOUT. */
int32_t lf_share_memory(lf_gpu_memory *memory, lf_shared_memory *out);
/* The same for an import of `size` bytes from byte `offset`. INVALID_ARGUMENT unless the memory has them. */
int32_t lf_share_memory_part(lf_gpu_memory *memory, double offset, double size, lf_shared_memory *out);

typedef struct {
  int64_t os;
  int32_t kind; /* LF_SEMAPHORE_... */
  uint8_t device_uuid[LF_UUID_BYTES];
} lf_shared_semaphore;
/* `binary_only` names the API if it has no timelines: then EXTERNAL_MEMORY_UNSUPPORTED for one. Else NULL. LF_OK. */
int32_t lf_share_semaphore(lf_semaphore *semaphore, const char *binary_only, lf_shared_semaphore *out);

/* A zeroed object for an import of `os`; NULL with HOST_OUT_OF_MEMORY recorded and `os` closed. */
void *lf_import_object(size_t bytes, int64_t os);
/* Destroys an object after a failure, which stays recorded. Returns its code. */
int32_t lf_import_fail(void *object, void (*destroy)(void *object));

#endif
