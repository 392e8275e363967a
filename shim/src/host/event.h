/* An event: one thread notifies, the event loop of another watches a descriptor. An event carries no data; the watcher
 * polls for what has happened. */
#ifndef LF_EVENT_H
#define LF_EVENT_H

#include <stdint.h>

typedef struct {
  int ends[2]; /* written at [1], watched at [0] */
  int open;
} lf_event;

/* LF_OK; LF_EMPTY on systems whose event loop cannot watch an event; SYSTEM. */
int32_t lf_event_open(lf_event *event);
/* Makes the descriptor readable. Callable on any thread; without effect while it is readable, and on an event that is
 * not open. */
void lf_event_notify(lf_event *event);
/* A duplicate of the watched descriptor, which the caller owns. LF_EMPTY for an event that is not open. */
int32_t lf_event_copy(const lf_event *event, int64_t *out);
/* Idempotent. The event may be all zero. */
void lf_event_close(lf_event *event);

#endif
