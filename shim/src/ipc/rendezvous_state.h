/* The state of a rendezvous, and the steps that each system implements for rendezvous.c. */
#ifndef LF_RENDEZVOUS_STATE_H
#define LF_RENDEZVOUS_STATE_H

#if defined(_WIN32)
#include "ipc/rendezvous_win32.h"
#else
#include "ipc/rendezvous_posix.h"
#endif

/* Takes the role of `key`. NAME_IN_USE, PERMISSION_DENIED, SYSTEM. On failure the caller leaves. */
int32_t lf_rendezvous_begin(lf_rendezvous *r, const lf_rendezvous_key *key);
/* Prepares a poll: 1; LF_OK when there is nothing to poll now; or a failure. */
int32_t lf_rendezvous_refresh(lf_rendezvous *r);
/* Accepts a producer into `arriving`, or refuses it: 1. LF_OK when none has connected; or a failure. */
int32_t lf_rendezvous_accept(lf_rendezvous *r);
/* Connects to the consumer and sends it the events: 1 with the link; LF_EMPTY when no consumer listens; or the failure
 * of either, with the link if there is one, which the caller releases. */
int32_t lf_rendezvous_dial(lf_rendezvous *r, lf_link **out);
/* Closes the listener and what has arrived. */
void lf_rendezvous_stop_listening(lf_rendezvous *r);
/* Releases all that lf_rendezvous_begin and the other steps acquired, the role included. */
void lf_rendezvous_leave(lf_rendezvous *r);
/* Notes that the role's holder has a peer. */
void lf_role_met(const lf_rendezvous *r);

#endif
