/* One failure per thread: which call, its own status and words. Every function that fails ends in lf_fail. */
#ifndef LF_STATUS_H
#define LF_STATUS_H

#include "lavaflow.h"

/* Records the failure and returns `code`, so that `return lf_fail(...)` is the whole error path. */
int32_t lf_fail(int32_t code, const char *api, int32_t native_status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* errno's own words are appended to the text. */
int32_t lf_fail_errno(int32_t code, const char *api, int32_t error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The code of this thread's last failure: what to return when a function said NULL because it failed. */
int32_t lf_status_code(void);

/* The result of lf_..._viable: gives `viable` back, with the reason in `why`. */
int32_t lf_status_viable(int viable, const char *reason, uint32_t capacity, char *why);

#endif
