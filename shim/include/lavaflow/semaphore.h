#ifndef LAVAFLOW_SEMAPHORE_H
#define LAVAFLOW_SEMAPHORE_H

#include "lavaflow/status.h"

/* ---- semaphore: order between this device and other users of it ---- */

enum { LF_SEMAPHORE_TIMELINE = 0, LF_SEMAPHORE_BINARY = 1 };

/* Exportable. EXTERNAL_MEMORY_UNSUPPORTED where the driver can't share that kind. */
LF_API int32_t lf_semaphore_create(int32_t device, int32_t kind);
/* A new OS handle; the caller owns it. */
LF_API int32_t lf_semaphore_export(int32_t semaphore, int64_t *out);
/* Takes ownership of the OS handle (also when it fails). EXTERNAL_HANDLE_MISMATCH as for memory. */
LF_API int32_t lf_semaphore_import(int32_t device, int32_t kind, int64_t os_handle, const uint8_t *uuids);
/* In the order of the queue: signals when all work before it has ended; all work after it waits. `value` counts for
 * timelines only. */
LF_API int32_t lf_semaphore_signal(int32_t semaphore, double value, double *queue_value);
LF_API int32_t lf_semaphore_wait(int32_t semaphore, double value, double *queue_value);
/* A timeline's value now. */
LF_API int32_t lf_semaphore_value(int32_t semaphore, double *out);
LF_API int32_t lf_semaphore_close(int32_t semaphore);

#endif
