/* Notifies the users of ends that wait. */
#include "ep/rx.h"
#include "ep/tx.h"

void lf_ep_tx_notify(lf_ep_tx *s) {
  s->moves++;
  int over = s->peer_state || s->sticky.code;
  int rings = s->armed_credits || (s->armed_released && (s->released == s->head || over)) ||
              (s->armed_sent && (s->sent != s->sent_told || over));
  if (!rings) return;
  s->armed_credits = s->armed_released = s->armed_sent = 0;
  if (s->waits) lf_job_wait_end(s->job);
  s->waits = 0;
  if (s->has_event) lf_event_notify(&s->event);
}

void lf_ep_rx_signal(lf_ep_rx *r) {
  r->armed = 0;
  if (r->waits) lf_job_wait_end(r->job);
  r->waits = 0;
  if (r->has_event) lf_event_notify(&r->event);
}

void lf_ep_rx_notify(lf_ep_rx *r) {
  if (r->armed) lf_ep_rx_signal(r);
}
