/* How much memory this process may still take: the machine's, or its control group's where that is less. */
#ifndef LF_MEMORY_LIMIT_H
#define LF_MEMORY_LIMIT_H

#include <stdint.h>

/* Fails with HOST_OUT_OF_MEMORY, naming both sizes, when `size` bytes would not fit. Shared pages are taken at once,
 * and the kernel would rather kill a process than refuse them, so this asks before. */
int32_t lf_memory_limit_check(uint64_t size);

#endif
