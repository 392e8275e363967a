/*
 * Two processes connect under a name: the consumer listens, the producer connects. rendezvous.c has the steps that all
 * systems share; rendezvous_posix.c and rendezvous_win32.c have the system calls.
 */
#ifndef LF_RENDEZVOUS_H
#define LF_RENDEZVOUS_H

#include "ipc/link.h"

typedef struct lf_rendezvous lf_rendezvous;

#define LF_NAME_MAX_BYTES 64

/* The arguments of lf_rendezvous_open. Strings have lengths and no terminator. */
typedef struct {
  const char *directory, *name, *scope;
  uint32_t directory_bytes, name_bytes, scope_bytes;
  int32_t role;
} lf_rendezvous_key;

/* Takes a role, as lf_rendezvous_open. */
int32_t lf_rendezvous_make(const lf_rendezvous_key *key, lf_rendezvous **out);
/* Polls for a peer: LF_OK with its link, whose caller becomes an owner, or with NULL. */
int32_t lf_rendezvous_connect(lf_rendezvous *rendezvous, lf_link **out);
/* As lf_rendezvous_stop. */
void lf_rendezvous_end(lf_rendezvous *rendezvous);
/* The number of refused peers, and the user id of the last one. */
void lf_rendezvous_refusals(const lf_rendezvous *rendezvous, lf_rendezvous_info *out);
/* Notes the line of the program that opened the rendezvous, of up to LF_CALL_SITE_MAX_BYTES. */
void lf_rendezvous_write_note(lf_rendezvous *rendezvous, const char *call_site, uint32_t bytes);
/* The handle by which lf_watch_poll names the rendezvous. */
void lf_rendezvous_set_handle(lf_rendezvous *rendezvous, int32_t handle);
/* Gives the role back and frees the rendezvous, which may be partly made. */
void lf_rendezvous_free(lf_rendezvous *rendezvous);

/* ---- watch.c: a descriptor that becomes readable when a rendezvous has to be polled ---- */

typedef struct lf_watch lf_watch;

/* LF_OK; LF_EMPTY on systems without such a descriptor; SYSTEM, HOST_OUT_OF_MEMORY. */
int32_t lf_watch_make(lf_watch **out);
void lf_watch_free(lf_watch *watch);
/* As lf_watch_event_fd, lf_watch_next and lf_rendezvous_watch. */
int32_t lf_watch_copy_event_fd(const lf_watch *watch, int64_t *out);
int32_t lf_watch_poll(lf_watch *watch);
int32_t lf_watch_arm(lf_watch *watch, lf_rendezvous *rendezvous);
/* Ends the watch of a rendezvous, if there is one. */
void lf_watch_remove(lf_rendezvous *rendezvous);

#endif
