#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local lf_status last;

static void record(int32_t code, const char *api, int32_t native_status, const char *format, va_list args) {
  last.code = code;
  last.native_status = native_status;
  snprintf(last.api, sizeof last.api, "%s", api ? api : "");
  vsnprintf(last.text, sizeof last.text, format, args);
}

int32_t lf_fail(int32_t code, const char *api, int32_t native_status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  record(code, api, native_status, format, args);
  va_end(args);
  return code;
}

int32_t lf_fail_errno(int32_t code, const char *api, int32_t error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  record(code, api, error, format, args);
  va_end(args);
  size_t used = strlen(last.text);
  snprintf(last.text + used, sizeof last.text - used, "%s%s", used ? ": " : "", strerror(error));
  return code;
}

int32_t lf_abi_version(void) { return LF_ABI_VERSION; }

int32_t lf_status_last(lf_status *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "lf_status_last: no memory for the status");
  *out = last;
  return LF_OK;
}

int32_t lf_status_code(void) { return last.code; }

int32_t lf_status_viable(int viable, const char *reason, uint32_t capacity, char *why) {
  if (!why || capacity == 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the reason");
  snprintf(why, capacity, "%s", reason);
  return viable;
}
