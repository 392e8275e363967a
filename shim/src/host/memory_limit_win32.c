#include "host/memory_limit.h"

#include <inttypes.h>

#include "base/status.h"
#include "base/win32.h"

int32_t lf_memory_limit_check(uint64_t size) {
  MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
  if (!GlobalMemoryStatusEx(&memory)) return lf_fail_win32(LF_ESYSTEM, "GlobalMemoryStatusEx", GetLastError(), "");
  if (size <= memory.ullAvailPageFile) return LF_OK;
  return lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "%" PRIu64 " bytes asked for, %" PRIu64 " available to this process",
                 size, (uint64_t)memory.ullAvailPageFile);
}
