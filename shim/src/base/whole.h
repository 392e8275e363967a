/* Integers that TypeScript passes as doubles. */
#ifndef LF_WHOLE_H
#define LF_WHOLE_H

#include <stdint.h>

/* Whether `value` is an integer from 0 to 2^53, the range that a double represents exactly. */
static inline int lf_whole(double value) {
  return value >= 0 && value <= 9007199254740992.0 && value == (double)(uint64_t)value;
}

#endif
