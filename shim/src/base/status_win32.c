#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/win32.h"

/* In English, so that a failure reads the same for each code page and language of the user. */
static void system_words(DWORD error, char *out, DWORD capacity) {
  DWORD length = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, error,
                                MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), out, capacity, NULL);
  while (length && (out[length - 1] == '\n' || out[length - 1] == '\r' || out[length - 1] == '.' || out[length - 1] == ' '))
    length--;
  out[length] = 0;
  for (char *at = out; *at; at++)
    if (*at < ' ' || *at > '~') *at = '?';
  if (!length) snprintf(out, capacity, "Windows error %lu", error);
}

int32_t lf_fail_win32(int32_t code, const char *api, DWORD error, const char *format, ...) {
  lf_status sized;
  char text[sizeof sized.text], words[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  system_words(error, words, sizeof words);
  return lf_fail(code, api, (int32_t)error, "%s%s%s", text, *text ? ": " : "", words);
}

int32_t lf_fail_win32_memory(const char *api, DWORD error, size_t size) {
  int none_left = error == ERROR_NOT_ENOUGH_MEMORY || error == ERROR_OUTOFMEMORY || error == ERROR_COMMITMENT_LIMIT ||
                  error == ERROR_COMMITMENT_MINIMUM || error == ERROR_NO_SYSTEM_RESOURCES ||
                  error == ERROR_WORKING_SET_QUOTA || error == ERROR_PAGEFILE_QUOTA || error == ERROR_DISK_FULL;
  return lf_fail_win32(none_left ? LF_EHOST_OUT_OF_MEMORY : LF_ESYSTEM, api, error, "memory of %zu bytes", size);
}
