/*
 * The waiter of a device: a thread that sleeps until the timeline reaches a value, then rings a bell that an event loop
 * can watch. Nothing but the bell comes from it: who hears it looks at the queue itself.
 */
#ifndef LF_WAITER_H
#define LF_WAITER_H

#include "gpu/device.h"

typedef struct lf_waiter lf_waiter;

/* LF_OK, or LF_EMPTY where an event loop can't watch such a thing. */
int32_t lf_waiter_open(lf_device *device, VkSemaphore timeline, lf_waiter **out);
/* A descriptor that becomes readable; the caller owns it. */
int32_t lf_waiter_event_fd(lf_waiter *waiter, int64_t *out);
/* Rings once more when `value` is reached, or can't be any more. */
void lf_waiter_notify_at(lf_waiter *waiter, uint64_t value);
/* 1 when the thread has ended; 0 when the driver does not return from its wait: then thread and timeline must stay. */
int lf_waiter_close(lf_waiter *waiter);

#endif
