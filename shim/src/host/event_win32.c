/* Bun's event loop on Windows has nothing that a thread could make readable: no bell, and the caller polls. */
#include "host/event.h"

#include "lavaflow.h"

int32_t lf_event_open(lf_event *bell) {
  *bell = (lf_event){0};
  return LF_EMPTY;
}

void lf_event_notify(lf_event *bell) { (void)bell; }

int32_t lf_event_copy(const lf_event *bell, int64_t *out) {
  (void)bell;
  (void)out;
  return LF_EMPTY;
}

void lf_event_close(lf_event *bell) { (void)bell; }
