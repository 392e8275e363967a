/* Bun's event loop on Windows watches no descriptor that a thread could make readable: events do not open, and callers
 * poll. */
#include "host/event.h"

#include "lavaflow.h"

int32_t lf_event_open(lf_event *event) {
  *event = (lf_event){0};
  return LF_EMPTY;
}

void lf_event_notify(lf_event *event) { (void)event; }

int32_t lf_event_copy(const lf_event *event, int64_t *out) {
  (void)event;
  (void)out;
  return LF_EMPTY;
}

void lf_event_close(lf_event *event) { (void)event; }
