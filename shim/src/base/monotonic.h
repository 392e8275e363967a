/* The monotonic clock. */
#ifndef LF_MONOTONIC_H
#define LF_MONOTONIC_H

#include <stdint.h>

/* Nanoseconds of a clock that never goes back. */
uint64_t lf_now(void);
/* The same clock, some milliseconds late, at a tenth of the cost where the system has such a one. */
uint64_t lf_now_coarse(void);

#endif
