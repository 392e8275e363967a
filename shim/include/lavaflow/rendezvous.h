#ifndef LAVAFLOW_RENDEZVOUS_H
#define LAVAFLOW_RENDEZVOUS_H

#include "lavaflow/status.h"

/* ---- rendezvous: two processes of one user and host connect under a name in a directory ---- */

enum { LF_ROLE_PRODUCER = 0, LF_ROLE_CONSUMER = 1 };
#define LF_SCOPE_MAX 16

typedef struct {
  uint32_t refused;  /* peers refused because they run as another user */
  int32_t last_uid;  /* the user id of the last refused peer */
} lf_rendezvous_info;

/* Takes a role under a name; a handle. `directory` is created with mode 0700; a directory that other users can write to
 * is refused: PERMISSION_DENIED. Strings are UTF-8, with their lengths in bytes. `scope` has up to LF_SCOPE_MAX digits
 * and lower-case letters: equal names in different scopes are different. It is empty for the host's names, and a job's
 * id for a job's. NAME_IN_USE when a live process has the role. */
LF_API int32_t lf_rendezvous_open(const char *directory, uint32_t directory_bytes, const char *name,
                                  uint32_t name_bytes, int32_t role, const char *scope, uint32_t scope_bytes);
/* Polls for a peer of the same user: 0 while there is none, else the handle of a link to it. Never blocks.
 * WIRE_VERSION_MISMATCH, SYSTEM. */
LF_API int32_t lf_rendezvous_poll(int32_t handle);
/* Stops listening and connecting. The role stays taken until lf_rendezvous_close. LF_OK. */
LF_API int32_t lf_rendezvous_stop(int32_t handle);
/* The refused peers so far. LF_OK. */
LF_API int32_t lf_rendezvous_info_get(int32_t handle, lf_rendezvous_info *out);
/* Gives the role back. LF_OK. */
LF_API int32_t lf_rendezvous_close(int32_t handle);

#define LF_CALL_SITE_MAX_BYTES 256

enum { LF_HOLDER_HAS = 0, LF_HOLDER_LEFT = 1, LF_HOLDER_DIED = 2 };

/* The process that has a role, or had it last, by the note that it wrote into the directory. */
typedef struct {
  double since_ms; /* since 1970 */
  double left_ms;  /* LF_HOLDER_LEFT: since 1970 */
  int32_t state;   /* LF_HOLDER_... */
  int32_t pid;
  int32_t here;    /* 1: this process */
  int32_t met;     /* 1: it was connected to a peer */
  uint32_t call_site_bytes;
  char call_site[LF_CALL_SITE_MAX_BYTES]; /* the line of the program that opened the role: UTF-8, not trusted */
} lf_role_holder;

/* Notes the line of the program that opened the rendezvous, for lf_rendezvous_holder. LF_OK. */
LF_API int32_t lf_rendezvous_note(int32_t handle, const char *call_site, uint32_t bytes);
/* 1 with the holder; 0 when no process has had the role in that directory; LF_EMPTY when that is unknown. Does not
 * change the directory. */
LF_API int32_t lf_rendezvous_holder(const char *directory, uint32_t directory_bytes, const char *name,
                                    uint32_t name_bytes, int32_t role, const char *scope, uint32_t scope_bytes,
                                    lf_role_holder *out);

/* Opens a watch, on which a thread waits for many rendezvous; a handle. LF_EMPTY on systems other than Linux, where the
 * caller polls each rendezvous. */
LF_API int32_t lf_watch_open(void);
/* A duplicate of the watch's descriptor, which the caller owns: readable while lf_watch_next has a result. LF_OK. */
LF_API int32_t lf_watch_event_fd(int32_t watch, int64_t *out);
/* The handle of a rendezvous to poll, or 0. Each is returned once, until it is polled. */
LF_API int32_t lf_watch_next(int32_t watch);
/* LF_OK. Its rendezvous stay open. */
LF_API int32_t lf_watch_close(int32_t watch);
/* Arms the watch for a rendezvous, before each wait. 1: lf_watch_next will return the rendezvous when it has to be
 * polled. LF_EMPTY: the caller polls the rendezvous periodically. */
LF_API int32_t lf_rendezvous_watch(int32_t handle, int32_t watch);

#endif
