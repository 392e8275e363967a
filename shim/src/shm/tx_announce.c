/* The messages about regions: one is announced, or dropped. */
#include <stdlib.h>

#include "base/status.h"
#include "shm/tx.h"

/* Sends a drop message: 1. A consumer that is parked wakes up and unmaps the region. */
static int32_t put_drop(lf_shm_tx *p, uint32_t id) {
  lf_drop_message drop = {id, 0, p->head};
  int32_t status = lf_link_put(p->link, LF_KIND_DROP, &drop, sizeof drop, -1);
  if (status != 1) return status;
  p->pool.regions[LF_INDEX(id)].announced = 0;
  lf_shm_tx_wake_peer(p);
  return 1;
}

/* Sends the drop messages that the full connection refused before. */
void lf_shm_tx_retry_drops(lf_shm_tx *p) {
  while (p->dropping_count && put_drop(p, p->dropping[p->dropping_count - 1]) == 1) p->dropping_count--;
}

int32_t lf_shm_tx_drop(lf_shm_tx *p, uint32_t id) {
  int32_t status = put_drop(p, id);
  if (status == LF_FULL) {
    if (p->dropping_count == p->dropping_capacity) {
      uint32_t capacity = p->dropping_capacity ? p->dropping_capacity * 2 : 16;
      uint32_t *more = realloc(p->dropping, capacity * sizeof *more);
      if (!more) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "%u regions to drop", capacity);
      p->dropping = more;
      p->dropping_capacity = capacity;
    }
    p->dropping[p->dropping_count++] = id;
    return LF_OK;
  }
  /* A peer that died has unmapped everything. */
  return status == 1 || status == LF_EPEER_DIED ? LF_OK : status;
}

int32_t lf_shm_tx_put(lf_shm_tx *p, uint32_t kind, const void *message, uint32_t length, int64_t os) {
  int32_t status = lf_link_put(p->link, kind, message, length, os);
  if (status == LF_EPEER_DIED) return lf_shm_tx_check_peer(p);
  return status == LF_FULL ? lf_shm_tx_full(p) : status;
}

int32_t lf_shm_tx_announce(lf_shm_tx *p, const lf_region_message *message, int64_t os) {
  if (p->dropping_count) lf_shm_tx_retry_drops(p);
  return lf_shm_tx_put(p, LF_KIND_REGION, message, sizeof *message, os);
}
