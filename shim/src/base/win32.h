/* Shared by the Windows files: failures with the system's message, and HANDLEs as the integers of segment.h. */
#ifndef LF_WIN32_H
#define LF_WIN32_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "base/status.h"

/* As lf_fail, with the system's message for `error` (of GetLastError) appended to the text, in ASCII. */
int32_t lf_fail_win32(int32_t code, const char *api, DWORD error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same for a failed allocation: HOST_OUT_OF_MEMORY when `error` says that memory is out, else SYSTEM. */
int32_t lf_fail_win32_memory(const char *api, DWORD error, size_t size);

static inline HANDLE lf_handle_of(int64_t os) { return (HANDLE)(intptr_t)os; }
static inline int64_t lf_os_of(HANDLE handle) { return (int64_t)(intptr_t)handle; }

#endif
