#ifndef LAVAFLOW_RENDEZVOUS_H
#define LAVAFLOW_RENDEZVOUS_H

#include "lavaflow/status.h"

/* ---- rendezvous: two processes meet under a name in a directory ---- */

enum { LF_ROLE_PRODUCER = 0, LF_ROLE_CONSUMER = 1 };
#define LF_SCOPE_MAX 16

typedef struct {
  uint32_t refused;  /* peers turned away because they run as another user */
  int32_t last_uid;  /* the user id of the last of them */
} lf_rendezvous_info;

/* Takes the role under the name (NAME_IN_USE when a live process has it); returns a handle. `directory` is made with
 * mode 0700; one that others can write to is refused. Both strings are UTF-8 with their lengths in bytes. `scope` (up to
 * LF_SCOPE_MAX digits and lower-case letters) sets equal names apart: of no bytes for the host's, else of the job's. */
LF_API int32_t lf_rendezvous_open(const char *directory, uint32_t directory_bytes, const char *name,
                                  uint32_t name_bytes, int32_t role, const char *scope, uint32_t scope_bytes);
/* 0 while nobody is there; else the handle of a link to a peer of the same user. Never blocks. */
LF_API int32_t lf_rendezvous_poll(int32_t handle);
/* Stops listening; the role stays taken until lf_rendezvous_close. */
LF_API int32_t lf_rendezvous_stop(int32_t handle);
LF_API int32_t lf_rendezvous_info_get(int32_t handle, lf_rendezvous_info *out);
LF_API int32_t lf_rendezvous_close(int32_t handle);

#define LF_CALL_SITE_MAX_BYTES 256

enum { LF_HOLDER_HAS = 0, LF_HOLDER_LEFT = 1, LF_HOLDER_DIED = 2 };

/* Who has a role or had it last, as that process has written it down in the directory. */
typedef struct {
  double since_ms; /* since 1970 */
  double left_ms;  /* LF_HOLDER_LEFT: since 1970 */
  int32_t state;   /* LF_HOLDER_... */
  int32_t pid;
  int32_t here; /* 1: this process */
  int32_t met;  /* 1: it had a peer */
  uint32_t call_site_bytes;
  char call_site[LF_CALL_SITE_MAX_BYTES]; /* where in the program it was opened, UTF-8 of any content */
} lf_role_holder;

/* Writes down where in the program the rendezvous was opened, for lf_rendezvous_holder. */
LF_API int32_t lf_rendezvous_note(int32_t handle, const char *call_site, uint32_t bytes);
/* 1; 0 where nobody has had the role in that directory; LF_EMPTY where that is not known. The directory is left as it is. */
LF_API int32_t lf_rendezvous_holder(const char *directory, uint32_t directory_bytes, const char *name,
                                    uint32_t name_bytes, int32_t role, const char *scope, uint32_t scope_bytes,
                                    lf_role_holder *out);

/* Where many rendezvous of a thread sleep. LF_EMPTY where the system offers none (all but Linux): then they are polled. */
LF_API int32_t lf_watch_open(void);
/* A duplicate of the descriptor, for the caller to close: readable while lf_watch_next has anything to say. */
LF_API int32_t lf_watch_event_fd(int32_t watch, int64_t *out);
/* A rendezvous that is to be polled, or 0. Tells of each once, until it is polled. */
LF_API int32_t lf_watch_next(int32_t watch);
LF_API int32_t lf_watch_close(int32_t watch);
/* 1: `watch` tells when the rendezvous is to be polled. LF_EMPTY: it has to be polled now and then. Asked for anew before
 * each sleep. */
LF_API int32_t lf_rendezvous_watch(int32_t handle, int32_t watch);

#endif
