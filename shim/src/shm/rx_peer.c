/* The receiving end's view of its producer: whether it lives, the regions that it announces, and writes that are
 * invalid. */
#include <inttypes.h>

#include "base/status.h"
#include "shm/rx.h"

int32_t lf_shm_rx_corrupt(lf_shm_rx *c, const char *what, uint64_t got) {
  c->failed = LF_ECORRUPT_SEGMENT;
  return lf_corrupt_producer(what, got, c->position);
}

int lf_shm_rx_peer_alive(lf_shm_rx *c) {
  int alive = lf_link_peer_alive(c->link);
  if (!alive) lf_regions_abandon(&c->regions);
  return alive;
}

int32_t lf_shm_rx_failed(lf_shm_rx *c) {
  return lf_fail(c->failed, "", 0, "this channel failed before at message %" PRIu64, c->position);
}

/* The loop ends even with a hostile producer: each message adds a region, up to a limit, or drops one once. */
int32_t lf_shm_rx_read_link(lf_shm_rx *c) {
  for (;;) {
    lf_message *message;
    int32_t status = lf_link_take(c->link, &message);
    if (status == LF_EMPTY || status == LF_EPEER_DIED) return LF_OK;
    if (status == 1) status = lf_regions_read(&c->regions, message, c->position);
    if (status < 0) {
      c->failed = status;
      return status;
    }
  }
}
