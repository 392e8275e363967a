/* Ends whose user waits are woken. */
#include "ep/receiver.h"
#include "ep/sender.h"

void lf_sender_stir(lf_sender *s) {
  s->moves++;
  int over = s->peer_state || s->trouble.code;
  int rings = s->armed_room || (s->armed_released && (s->released == s->head || over)) ||
              (s->armed_sent && (s->sent != s->sent_told || over));
  if (!rings) return;
  s->armed_room = s->armed_released = s->armed_sent = 0;
  if (s->waits) lf_job_wait_end(s->job);
  s->waits = 0;
  if (s->has_bell) lf_event_notify(&s->bell);
}

void lf_receiver_ring(lf_receiver *r) {
  r->armed = 0;
  if (r->waits) lf_job_wait_end(r->job);
  r->waits = 0;
  if (r->has_bell) lf_event_notify(&r->bell);
}

void lf_receiver_stir(lf_receiver *r) {
  if (r->armed) lf_receiver_ring(r);
}
