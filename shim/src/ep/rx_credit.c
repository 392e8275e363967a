/* The credits that a receiving end sends, and its close. */
#include <inttypes.h>

#include "base/status.h"
#include "ep/rx.h"
#include "host/pool.h"
#include "job/control.h"

void lf_ep_rx_corrupt(lf_ep_rx *r, const char *what, uint64_t got) {
  lf_sticky_set(&r->sticky, LF_ECORRUPT_SEGMENT, "%s sent what it can't have: %s 0x%" PRIx64 " at frame %" PRIu64,
                 r->peer.who, what, got, r->accepted);
  lf_ep_rx_notify(r);
}

int lf_ep_rx_owes_credits(const lf_ep_rx *r) {
  return lf_ep_rx_taken(r) != r->taken_told || lf_ep_rx_released(r) != r->released_told ||
         r->returned != r->returned_told;
}

void lf_ep_rx_send_credits(lf_ep_rx *r) {
  uint64_t released = lf_ep_rx_released(r); /* read before `taken`, which is never smaller */
  lf_credit credit = {.tag = r->tag,
                      .state = r->finished ? LF_CREDIT_CLOSED : r->closed || r->over ? LF_CREDIT_DIED : LF_CREDIT_OPEN,
                      .address = r->address,
                      .taken = lf_ep_rx_taken(r),
                      .released = released,
                      .bytes = r->returned};
  atomic_store_explicit(&r->tell_at, credit.taken + (r->slots / 4 ? r->slots / 4 : 1), memory_order_relaxed);
  /* After a failure the next round tries again. */
  if (lf_control_post_now(r->job, r->peer.rank, LF_WORD_CREDIT, &credit, sizeof credit) < 0) return;
  r->taken_told = credit.taken;
  r->released_told = credit.released;
  r->returned_told = credit.bytes;
  r->closed_told = r->closed;
  r->wanted_credits = 0;
  if (r->wanted_released && credit.released >= r->wanted_released) r->wanted_released = 0;
  atomic_store_explicit(&r->tell_next, r->wanted_released != 0, memory_order_relaxed);
}

void lf_ep_rx_answer(lf_ep_rx *r) {
  int now = r->wanted_credits && (lf_ep_rx_taken(r) != r->taken_told || r->returned != r->returned_told);
  if (r->wanted_released && lf_ep_rx_released(r) >= r->wanted_released) now = 1;
  if (r->returned - r->returned_told >= LF_POOL_BYTES / 4) now = 1;
  if (now) {
    lf_ep_rx_send_credits(r);
    return;
  }
  if (r->wanted_credits) atomic_store_explicit(&r->tell_at, r->taken_told + 1, memory_order_relaxed);
  if (r->wanted_credits || r->wanted_released) atomic_store_explicit(&r->tell_next, 1, memory_order_relaxed);
}
