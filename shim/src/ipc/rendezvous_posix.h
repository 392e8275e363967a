/* What a rendezvous of a POSIX system is made of: rendezvous_posix.c meets, role_posix.c holds the role, watch.c
 * lets it sleep. */
#ifndef LF_RENDEZVOUS_POSIX_H
#define LF_RENDEZVOUS_POSIX_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/link_posix.h"

#define LF_NAME_MAX_BYTES 64
/* A name with its scope: "NAME" or "NAME@SCOPE". Files, locks and notes go by it. */
#define LF_KEY_MAX_BYTES (LF_NAME_MAX_BYTES + 1 + LF_SCOPE_MAX)
#define LF_LOCK_FILE ".lock"
#define LF_SOCKET_SUFFIX ".sock"

typedef struct lf_watch lf_watch;

/* Whether something has come for a rendezvous since it was polled last. */
typedef enum { LF_NO_NEWS, LF_NEWS, LF_NEWS_TOLD } lf_news;

typedef struct lf_rendezvous {
  int32_t role;
  int32_t handle;
  int directory; /* descriptor: a directory swapped by its path can't fool us */
  int lock;
  int listener; /* consumer only, -1 before and after */
  int settled;
  lf_link *arriving; /* accepted, its bell not here yet */
  uint32_t refused;
  int32_t last_uid;
  int busy;              /* the consumer's queue of connections is full, of which nothing tells the end */
  uint64_t disturbed_at; /* when files of the directory were seen to go; 0: never, or that was looked at */
  lf_watch *watch;
  struct lf_rendezvous *next_watched;
  int watched_directory; /* inotify's number of it, -1 without */
  lf_news news;
  char path[PATH_MAX];
  char name[LF_NAME_MAX_BYTES + 1];
  char key[LF_KEY_MAX_BYTES + 1];
} lf_rendezvous;

/* ---- role_posix.c ---- */

/* Opens the lock file of the directory: a descriptor, or -1 with errno. */
int lf_lock_open(int directory);

/* Takes the role and writes down who has it; NAME_IN_USE when a live process has it. */
int32_t lf_role_take(const lf_rendezvous *r);

/* For a sweep: 1 when nobody has the consumer's role of `key`, which a read lock of `lock` then keeps free until
 * lf_role_leave. */
int lf_role_is_free(int lock, const char *key);
void lf_role_leave(int lock, const char *key);

/* Write down that this holder has a peer, and that it gives the role back. */
void lf_role_met(const lf_rendezvous *r);
void lf_role_leaves(const lf_rendezvous *r);

/* ---- watch.c ---- */

/* The rendezvous goes, or goes to another directory. */
#if defined(__linux__)
void lf_watch_remove(lf_rendezvous *r);
#else
static inline void lf_watch_remove(lf_rendezvous *r) { r->watch = NULL; }
#endif

#endif
