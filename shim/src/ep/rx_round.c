/* The rounds of a receiving end, and its end. */
#include <inttypes.h>

#include "base/status.h"
#include "ep/rx.h"
#include "host/pool.h"

void lf_ep_rx_free(lf_ep_rx *r) {
  lf_ep_peer_close(r->job, &r->peer);
  lf_pool_close(&r->pool);
  lf_cells_close(&r->cells);
  lf_fifo_close(&r->arrivals);
  lf_fifo_close(&r->incoming);
  lf_fifo_close(&r->apart);
  free(r->scratch);
  free(r);
}

static int accept(lf_ep_rx *r) {
  int did = 0;
  for (int i = 0; i < 64 && lf_ep_rx_poll(r, NULL) == LF_PENDING; i++) {
    did = LF_MOVED;
    if (r->next - r->first < LF_POSTED / 2) lf_ep_rx_post(r, LF_POSTED);
  }
  lf_ep_rx_post(r, LF_POSTED);
  if (lf_ep_rx_progress_rndv(r)) did = LF_MOVED;
  return did;
}

/* The user receives no more: the frames that still arrive are dropped. */
static void drop(lf_ep_rx *r) {
  while (lf_fifo_count(&r->arrivals)) {
    lf_arrival *a = lf_fifo_at(&r->arrivals, r->arrivals.head, sizeof *a);
    if (a->kind == LF_ARRIVAL_APART) {
      if (!lf_fifo_reserve(&r->apart, 1, sizeof a->length)) return;
      *(uint64_t *)lf_fifo_at(&r->apart, r->apart.tail++, sizeof a->length) = a->length;
    } else if (a->missing || r->rndv_next == r->arrivals.head) {
      if (a->kind == LF_ARRIVAL_BLOCK) break;
    } else if (a->kind == LF_ARRIVAL_BLOCK) {
      lf_pool_release(&r->pool, a->index);
    }
    if (r->rndv_next == r->arrivals.head) r->rndv_next++;
    r->arrivals.head++;
  }
  if (!lf_fifo_count(&r->apart) || lf_fifo_count(&r->incoming)) return;
  uint64_t *left = lf_fifo_at(&r->apart, r->apart.head, sizeof *left);
  uint32_t bytes = *left < LF_FRAGMENT_BYTES ? (uint32_t)*left : LF_FRAGMENT_BYTES;
  if (!r->scratch) r->scratch = malloc(LF_FRAGMENT_BYTES);
  if (!r->scratch || lf_ep_rx_expect(r, r->scratch, bytes, 0, r->tickets + 1) < 0) return;
  r->tickets++;
  *left -= bytes;
  if (!*left) r->apart.head++;
}

static int linger(lf_ep_rx *r, int did, int died) {
  if (!r->closed_told && !died) lf_ep_rx_send_credits(r);
  drop(r);
  int rest = lf_fifo_count(&r->arrivals) + lf_fifo_count(&r->apart) + lf_fifo_count(&r->incoming) > 0;
  if (!died && !r->sticky.code && (!r->ended || rest || !r->closed_told)) return did | LF_BUSY;
  if (!lf_ep_rx_cancel(r)) return did;
  lf_job_remove(r->job, &r->end);
  lf_ep_work(r->job, &r->working, 0);
  lf_ep_rx_free(r);
  return did;
}

int lf_ep_rx_round(lf_job_end *end, uint64_t now) {
  lf_ep_rx *r = lf_ep_rx_of(end);
  int did = r->sticky.code ? 0 : accept(r);
  int died = lf_ep_peer_died(&r->peer, now);
  if (r->closed) return linger(r, did, died);
  if (died && !r->ended) {
    lf_sticky_set(&r->sticky, LF_EPEER_DIED, "%s died; %" PRIu64 " messages it sent were received", r->peer.who,
                   r->accepted);
    lf_ep_rx_notify(r);
  }
  if (lf_ep_rx_owes_credits(r) && !died) {
    lf_ep_rx_send_credits(r);
    did = LF_MOVED;
  }
  if (lf_pool_trim(&r->pool, now)) did = LF_MOVED;
  return did | (lf_fifo_count(&r->incoming) ? LF_BUSY : 0);
}

void lf_ep_rx_over(lf_job_end *end, const char *reason) {
  lf_ep_rx *r = lf_ep_rx_of(end);
  r->over = 1;
  if (!r->closed_told) lf_ep_rx_send_credits(r);
  r->kept = !lf_ep_rx_cancel(r);
  r->first = r->next;
  r->incoming.head = r->incoming.tail;
  lf_ep_work(r->job, &r->working, 0);
  lf_sticky_over(&r->sticky, reason);
  if (r->closed && !r->kept) lf_ep_rx_free(r);
  else lf_ep_rx_notify(r);
}
