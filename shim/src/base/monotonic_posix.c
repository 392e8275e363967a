#include "base/monotonic.h"

#include <time.h>

uint64_t lf_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t lf_now_coarse(void) {
#if defined(CLOCK_MONOTONIC_COARSE)
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
#else
  return lf_now();
#endif
}
