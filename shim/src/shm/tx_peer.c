/* The sending end's view of its consumer: its position, whether it is parked, closed or died, and writes that are
 * invalid. */
#include <inttypes.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "shm/tx.h"

void lf_shm_tx_wake_peer(lf_shm_tx *p) {
  lf_barrier_of_waker(p->fenced);
  if (atomic_exchange_explicit(&p->ring->consumer.waiting, 0, memory_order_relaxed)) lf_link_notify(p->link);
}

/* Takes all slots away, so that every send calls lf_shm_tx_check_capacity, which returns the error. */
static void fail_for_good(lf_shm_tx *p, int32_t code) {
  p->failed = code;
  p->taken = p->head - p->slot_count;
}

int32_t lf_shm_tx_corrupt(lf_shm_tx *p, const char *what, uint64_t got) {
  fail_for_good(p, LF_ECORRUPT_SEGMENT);
  return lf_fail(LF_ECORRUPT_SEGMENT, "", 0, "the consumer wrote what it can't have: %s %" PRIu64 " at message %" PRIu64,
                 what, got, p->head);
}

int32_t lf_shm_tx_failed(const lf_shm_tx *p) {
  if (p->failed == LF_EPEER_DIED) return lf_fail(LF_EPEER_DIED, "", 0, "the consumer died");
  return lf_fail(p->failed, "", 0, "this channel failed before at message %" PRIu64, p->head);
}

/* The caller has read `closed`. The flag is not read again: a hostile consumer could clear it. */
static int32_t peer_closed(void) { return lf_fail(LF_ECHANNEL_CLOSED, "", 0, "the consumer closed the channel"); }

int32_t lf_shm_tx_check_peer(lf_shm_tx *p) {
  if (atomic_load_explicit(&p->ring->consumer.closed, memory_order_acquire)) return peer_closed();
  if (!lf_link_peer_alive(p->link)) {
    /* The consumer may have closed between the two reads. */
    if (atomic_load_explicit(&p->ring->consumer.closed, memory_order_acquire)) return peer_closed();
    if (!p->failed) fail_for_good(p, LF_EPEER_DIED);
    return lf_shm_tx_failed(p);
  }
  return LF_OK;
}

int32_t lf_shm_tx_read_taken(lf_shm_tx *p) {
  uint64_t taken = atomic_load_explicit(&p->ring->taken, memory_order_acquire);
  if (taken == p->taken) return 0;
  if (taken > p->head || taken < p->taken) return lf_shm_tx_corrupt(p, "position", taken);
  p->taken = taken;
  return 1;
}

/* Asks the kernel once a millisecond at most. */
int32_t lf_shm_tx_full(lf_shm_tx *p) {
  uint64_t now = lf_now();
  if (now >= p->next_check) {
    p->next_check = now + 1000000u;
    int32_t status = lf_shm_tx_check_peer(p);
    if (status < 0) return status;
  } else if (atomic_load_explicit(&p->ring->consumer.closed, memory_order_relaxed)) {
    return peer_closed();
  }
  return LF_FULL;
}

int32_t lf_shm_tx_wake(lf_shm_tx *p) {
  if (atomic_load_explicit(&p->ring->consumer.closed, memory_order_relaxed)) return peer_closed();
  if (!atomic_exchange_explicit(&p->ring->consumer.waiting, 0, memory_order_relaxed)) return 1;
  lf_link_notify(p->link);
  if (!lf_link_known_gone(p->link)) return 1;
  int32_t status = lf_shm_tx_check_peer(p);
  return status < 0 ? status : 1;
}

int32_t lf_shm_tx_check_capacity(lf_shm_tx *p) {
  if (p->failed) return lf_shm_tx_failed(p);
  int32_t status = lf_shm_tx_read_taken(p);
  if (status < 0) return status;
  return lf_shm_tx_has_capacity(p) ? LF_OK : lf_shm_tx_full(p);
}
