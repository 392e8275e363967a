/* The memory that this process may still allocate: the machine's, or its control group's where that is less. */
#ifndef LF_MEMORY_LIMIT_H
#define LF_MEMORY_LIMIT_H

#include <stdint.h>

/* LF_OK; HOST_OUT_OF_MEMORY, naming both sizes, when `size` bytes are not available. Called before pages are allocated,
 * because the kernel kills a process rather than refuse it shared pages. */
int32_t lf_memory_limit_check(uint64_t size);

#endif
