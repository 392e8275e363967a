/*
 * The waiter of a device: a thread that sleeps until the timeline reaches a value, then notifies an event that an event
 * loop can watch. The event carries no data: its watcher polls the queue.
 */
#ifndef LF_WAITER_H
#define LF_WAITER_H

#include "gpu/device.h"

typedef struct lf_waiter lf_waiter;

/* LF_OK; LF_EMPTY on systems whose event loop cannot watch an event; SYSTEM, HOST_OUT_OF_MEMORY. */
int32_t lf_waiter_open(lf_device *device, VkSemaphore timeline, lf_waiter **out);
/* A descriptor that becomes readable; the caller owns it. LF_OK. */
int32_t lf_waiter_event_fd(lf_waiter *waiter, int64_t *out);
/* Notifies once when `value` is reached or can no longer be reached. */
void lf_waiter_notify_at(lf_waiter *waiter, uint64_t value);
/* 1 when the thread has ended; 0 when the driver does not return from its wait: thread and timeline must then stay for
 * the life of the process. */
int lf_waiter_close(lf_waiter *waiter);

#endif
