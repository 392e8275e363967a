/* A bell: one thread rings, the event loop of another watches a descriptor. It says that there is something to look at,
 * and nothing else. */
#ifndef LF_EVENT_H
#define LF_EVENT_H

#include <stdint.h>

typedef struct {
  int ends[2]; /* rung at [1], watched at [0] */
  int open;
} lf_event;

/* LF_OK; LF_EMPTY where an event loop can't watch such a thing; SYSTEM. */
int32_t lf_event_open(lf_event *bell);
/* Any thread. One that rings already is enough; one that is not open stays silent. */
void lf_event_notify(lf_event *bell);
/* A duplicate of the end to watch; the caller owns it. LF_EMPTY for one that is not open. */
int32_t lf_event_copy(const lf_event *bell, int64_t *out);
/* Idempotent, and right for one that was never opened and is all zero. */
void lf_event_close(lf_event *bell);

#endif
