/* The monotonic clock. */
#ifndef LF_MONOTONIC_H
#define LF_MONOTONIC_H

#include <stdint.h>

/* Nanoseconds of a clock that never goes back. */
uint64_t lf_now(void);
/* The same clock, up to some milliseconds late. On systems with a coarse clock a read costs a tenth. */
uint64_t lf_now_coarse(void);

#endif
