/* What the Windows files share: failures in the system's own words, and handles as the integers that segment.h has. */
#ifndef LF_WIN32_H
#define LF_WIN32_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "base/status.h"

/* The system's words for `error` (of GetLastError) are appended to the text, in ASCII. */
int32_t lf_fail_win32(int32_t code, const char *api, DWORD error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same for memory asked for: HOST_OUT_OF_MEMORY where `error` says that there is none left, else SYSTEM. */
int32_t lf_fail_win32_memory(const char *api, DWORD error, size_t size);

static inline HANDLE lf_handle_of(int64_t os) { return (HANDLE)(intptr_t)os; }
static inline int64_t lf_os_of(HANDLE handle) { return (int64_t)(intptr_t)handle; }

#endif
