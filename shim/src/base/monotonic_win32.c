#include "base/monotonic.h"
#include "base/win32.h"

uint64_t lf_now_coarse(void) { return GetTickCount64() * 1000000u; }

uint64_t lf_now(void) {
  LARGE_INTEGER ticks, per_second; /* since Windows XP neither call fails */
  QueryPerformanceCounter(&ticks);
  QueryPerformanceFrequency(&per_second);
  uint64_t now = (uint64_t)ticks.QuadPart, second = (uint64_t)per_second.QuadPart;
  return now / second * 1000000000u + now % second * 1000000000u / second;
}
