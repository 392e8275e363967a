/* Whole numbers that arrive as doubles. */
#ifndef LF_WHOLE_H
#define LF_WHOLE_H

#include <stdint.h>

/* Whether `value` is a whole number from 0 to 2^53: what a double carries exactly. */
static inline int lf_whole(double value) {
  return value >= 0 && value <= 9007199254740992.0 && value == (double)(uint64_t)value;
}

#endif
