/* Bun's event loop on Windows watches no descriptor that a thread could make readable: there is no waiter, and callers
 * poll. */
#include "gpu/waiter.h"

int32_t lf_waiter_open(lf_device *device, VkSemaphore timeline, lf_waiter **out) {
  (void)device;
  (void)timeline;
  *out = NULL;
  return LF_EMPTY;
}

/* The functions below are never called, as no waiter is opened. */
int32_t lf_waiter_event_fd(lf_waiter *waiter, int64_t *out) {
  (void)waiter;
  (void)out;
  return LF_EMPTY;
}

void lf_waiter_notify_at(lf_waiter *waiter, uint64_t value) {
  (void)waiter;
  (void)value;
}

int lf_waiter_close(lf_waiter *waiter) {
  (void)waiter;
  return 1;
}
