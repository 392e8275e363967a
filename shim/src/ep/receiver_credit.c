/* What a receiver tells its sender: what was taken and released, and that it has closed. */
#include <inttypes.h>

#include "base/status.h"
#include "ep/receiver.h"
#include "host/pool.h"
#include "job/control.h"

void lf_receiver_corrupt(lf_receiver *r, const char *what, uint64_t got) {
  lf_trouble_set(&r->trouble, LF_ECORRUPT_SEGMENT, "%s sent what it can't have: %s 0x%" PRIx64 " at frame %" PRIu64,
                 r->peer.who, what, got, r->accepted);
  lf_receiver_stir(r);
}

int lf_receiver_untold(const lf_receiver *r) {
  return lf_receiver_taken(r) != r->taken_told || lf_receiver_released(r) != r->released_told || r->returned != r->returned_told;
}

void lf_receiver_tell(lf_receiver *r) {
  uint64_t released = lf_receiver_released(r); /* before `taken`, which is never less */
  lf_credit credit = {.lane = r->lane,
                      .state = r->finished ? LF_CREDIT_CLOSED : r->closed || r->over ? LF_CREDIT_DIED : LF_CREDIT_OPEN,
                      .address = r->address,
                      .taken = lf_receiver_taken(r),
                      .released = released,
                      .bytes = r->returned};
  atomic_store_explicit(&r->tell_at, credit.taken + (r->slots / 4 ? r->slots / 4 : 1), memory_order_relaxed);
  if (lf_control_post_now(r->job, r->peer.rank, LF_WORD_CREDIT, &credit, sizeof credit) < 0) return; /* a round will */
  r->taken_told = credit.taken;
  r->released_told = credit.released;
  r->returned_told = credit.bytes;
  r->closed_told = r->closed;
  r->wanted_room = 0;
  if (r->wanted_released && credit.released >= r->wanted_released) r->wanted_released = 0;
  atomic_store_explicit(&r->tell_next, r->wanted_released != 0, memory_order_relaxed);
}

void lf_receiver_answer(lf_receiver *r) {
  int now = r->wanted_room && (lf_receiver_taken(r) != r->taken_told || r->returned != r->returned_told);
  if (r->wanted_released && lf_receiver_released(r) >= r->wanted_released) now = 1;
  if (r->returned - r->returned_told >= LF_POOL_BYTES / 4) now = 1;
  if (now) {
    lf_receiver_tell(r);
    return;
  }
  if (r->wanted_room) atomic_store_explicit(&r->tell_at, r->taken_told + 1, memory_order_relaxed);
  if (r->wanted_room || r->wanted_released) atomic_store_explicit(&r->tell_next, 1, memory_order_relaxed);
}
