#ifndef LAVAFLOW_SEMAPHORE_H
#define LAVAFLOW_SEMAPHORE_H

#include "lavaflow/status.h"

/* ---- semaphore: order between the work of this device's queue and that of other APIs and processes ---- */

enum { LF_SEMAPHORE_TIMELINE = 0, LF_SEMAPHORE_BINARY = 1 };

/* Creates an exportable semaphore; a handle. A timeline begins at 0. EXTERNAL_MEMORY_UNSUPPORTED when the driver can't
 * share that kind. */
LF_API int32_t lf_semaphore_create(int32_t device, int32_t kind);
/* A new OS handle; the caller owns it. LF_OK. */
LF_API int32_t lf_semaphore_export(int32_t semaphore, int64_t *out);
/* Imports a semaphore; a handle. Takes ownership of the OS handle, also when it fails. EXTERNAL_HANDLE_MISMATCH as for
 * memory. */
LF_API int32_t lf_semaphore_import(int32_t device, int32_t kind, int64_t os_handle, const uint8_t *uuids);
/* Submits a signal, which runs when all submissions before it have ended, or a wait, which all submissions after it
 * wait for. `value` is for timelines: 1 to 2^53, for a signal greater than the timeline's. 1 with the queue's timeline
 * value, LF_FULL, INVALID_ARGUMENT. */
LF_API int32_t lf_semaphore_signal(int32_t semaphore, double value, double *queue_value);
LF_API int32_t lf_semaphore_wait(int32_t semaphore, double value, double *queue_value);
/* The current value of a timeline. LF_OK; INVALID_ARGUMENT for a binary semaphore. */
LF_API int32_t lf_semaphore_value(int32_t semaphore, double *out);
/* LF_OK. Submissions in flight keep the semaphore. */
LF_API int32_t lf_semaphore_close(int32_t semaphore);

#endif
