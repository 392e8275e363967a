#include <windows.h>

#include "base/realtime.h"

/* From 1601, where FILETIME begins, to 1970, in its units of 100 ns. */
#define UNTIL_1970 116444736000000000ull

uint64_t lf_realtime_micros(void) {
  FILETIME now;
  GetSystemTimePreciseAsFileTime(&now);
  return (((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime) - UNTIL_1970) / 10;
}
