/* Bun's event loop on Windows has nothing that a thread could make readable: no bell, and the caller polls. */
#include "host/event.h"

#include "lavaflow.h"

int32_t lf_bell_open(lf_bell *bell) {
  *bell = (lf_bell){0};
  return LF_EMPTY;
}

void lf_bell_ring(lf_bell *bell) { (void)bell; }

int32_t lf_bell_copy(const lf_bell *bell, int64_t *out) {
  (void)bell;
  (void)out;
  return LF_EMPTY;
}

void lf_bell_close(lf_bell *bell) { (void)bell; }
