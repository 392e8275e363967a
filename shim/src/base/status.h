/* The last failure of each thread: the failed call, its status and its message. Every function that fails ends in
 * lf_fail. */
#ifndef LF_STATUS_H
#define LF_STATUS_H

#include "lavaflow.h"

/* Records the failure and returns `code`, so that `return lf_fail(...)` is the whole error path. */
int32_t lf_fail(int32_t code, const char *api, int32_t native_status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As lf_fail, with the system's message for `error` appended to the text. */
int32_t lf_fail_errno(int32_t code, const char *api, int32_t error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The code of this thread's last failure, for callers of a function that returned NULL. */
int32_t lf_status_code(void);

/* The result of an lf_..._viable function: returns `viable`, with the reason in `why`. INVALID_ARGUMENT without
 * `why`. */
int32_t lf_status_viable(int viable, const char *reason, uint32_t capacity, char *why);

#endif
