/* A rendezvous of a POSIX system: rendezvous_posix.c connects, role_posix.c holds the role, watch.c waits. */
#ifndef LF_RENDEZVOUS_POSIX_H
#define LF_RENDEZVOUS_POSIX_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/link_posix.h"
#include "ipc/rendezvous.h"

#define LF_DIRECTORY_MAX_BYTES (PATH_MAX - 1u)
/* A name with its scope: "NAME" or "NAME@SCOPE", the key of files, locks and notes. */
#define LF_KEY_MAX_BYTES (LF_NAME_MAX_BYTES + 1 + LF_SCOPE_MAX)
#define LF_LOCK_FILE ".lock"
#define LF_SOCKET_SUFFIX ".sock"

/* Whether a rendezvous has to be polled: nothing has happened since the last poll; something has; lf_watch_poll has
 * told so. */
typedef enum { LF_NO_NEWS, LF_NEWS, LF_NEWS_TOLD } lf_news;

struct lf_rendezvous {
  int32_t role;
  int32_t handle;
  int directory; /* a descriptor, so that a directory swapped under its path is not used */
  int lock;
  int listener; /* of a consumer that listens, else -1 */
  int stopped;
  lf_link *arriving; /* accepted, its event fd has not arrived */
  uint32_t refused;
  int32_t last_uid;
  int busy;              /* the consumer's accept queue is full: nothing tells when it no longer is */
  uint64_t disturbed_at; /* time, in ns, when files of the directory were seen to be removed; 0: never, or handled */
  lf_watch *watch;
  lf_rendezvous *next_watched;
  int watched_directory; /* inotify's number of it, or -1 */
  lf_news news;
  char path[PATH_MAX];
  char name[LF_NAME_MAX_BYTES + 1];
  char key[LF_KEY_MAX_BYTES + 1];
};

/* ---- role_posix.c ---- */

/* Opens the lock file of the directory: a descriptor, or -1 with errno. */
int lf_lock_open(int directory);

/* Takes the role and notes its holder. LF_OK; NAME_IN_USE when a live process has the role. */
int32_t lf_role_take(const lf_rendezvous *r);

/* For a sweep: 1 when no process has the consumer's role of `key`; a read lock of `lock` then keeps it free until
 * lf_role_leave. */
int lf_role_is_free(int lock, const char *key);
void lf_role_leave(int lock, const char *key);

/* Notes that the holder gives the role back. */
void lf_role_leaves(const lf_rendezvous *r);

#endif
