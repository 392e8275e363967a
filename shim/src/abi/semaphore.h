/* Semaphores by their handles. */
#ifndef LF_ABI_SEMAPHORE_H
#define LF_ABI_SEMAPHORE_H

#include "gpu/semaphore.h"

/* The semaphore, or NULL with the failure recorded. */
lf_semaphore *lf_semaphore_get(int32_t handle);

#endif
