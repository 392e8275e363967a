/* What the files of CUDA, OpenCL and OpenGL share: opening their libraries, and handing memory and semaphores over. */
#ifndef LF_INTEROP_H
#define LF_INTEROP_H

#include <stddef.h>
#include <stdint.h>

#include "lavaflow.h"

#if defined(_WIN32)
#include "base/win32.h"
typedef INIT_ONCE lf_once;
#define LF_ONCE INIT_ONCE_STATIC_INIT
#else
#include <pthread.h>
typedef pthread_once_t lf_once;
#define LF_ONCE PTHREAD_ONCE_INIT
#endif

/* Runs `open` once in the process, whichever thread comes first; the others wait for it. */
void lf_once_run(lf_once *once, void (*open)(void));

/* Opens the library that the environment's `variable` names ("off": none), else the first of `names` that is there. NULL
 * with the reason in `why`. */
void *lf_interop_library(const char *variable, const char *const *names, char *why, size_t why_bytes);

/* What lf_..._viable answers. */
int32_t lf_interop_tell(int viable, const char *reason, uint32_t capacity, char *why);

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

/* 32 hexadecimal digits. */
typedef struct {
  char text[2 * LF_UUID_BYTES + 1];
} lf_uuid_text;
lf_uuid_text lf_uuid_print(const uint8_t *uuid);

/* Whether `value` is a whole number from 0 to 2^53: what a double carries exactly. */
static inline int lf_whole(double value) {
  return value >= 0 && value <= 9007199254740992.0 && value == (double)(uint64_t)value;
}

#endif
