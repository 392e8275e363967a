/*
 * A watch: one descriptor becomes readable when a producer connects to one of the listening sockets, or when a file in
 * a runtime directory is created or removed, by which a producer learns of its consumer. On Linux it uses epoll and
 * inotify. Other systems have no watch, and callers poll. (On Windows an event loop of sockets can watch neither pipes
 * nor their names.)
 */
#include "base/status.h"
#include "ipc/rendezvous_state.h"

#if defined(__linux__)
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "host/segment.h"

/* epoll's data of inotify's descriptor; a listener's is the handle of its rendezvous. */
#define OF_DIRECTORY 0u
/* IN_ATTRIB: a consumer changes its socket's mode once it listens, as the file exists a moment earlier. */
#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF)
#define GONE (IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)

struct lf_watch {
  int poll;
  int notify; /* -1 until a directory is watched, and when the user's limit of inotify instances is reached */
  lf_rendezvous *first;
};

int32_t lf_watch_make(lf_watch **out) {
  lf_watch *w = calloc(1, sizeof *w);
  if (!w) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a watch of %zu bytes", sizeof *w);
  w->notify = -1;
  w->poll = epoll_create1(EPOLL_CLOEXEC);
  if (w->poll < 0) {
    int error = errno;
    free(w);
    return lf_fail_errno(LF_ESYSTEM, "epoll_create1", error, "no descriptor is left to wait for peers on");
  }
  *out = w;
  return LF_OK;
}

void lf_watch_free(lf_watch *w) {
  for (lf_rendezvous *r = w->first, *next; r; r = next) {
    next = r->next_watched;
    r->watch = NULL;
    r->next_watched = NULL;
    r->watched_directory = -1;
  }
  if (w->notify >= 0) close(w->notify);
  close(w->poll);
  free(w);
}

int32_t lf_watch_copy_event_fd(const lf_watch *w, int64_t *out) { return lf_os_handle_duplicate(w->poll, out); }

/* ---- arming ---- */

/* Opens inotify with the first directory. Without inotify, consumers are still told, by their listeners. */
static void watch_directory(lf_watch *w, lf_rendezvous *r) {
  if (w->notify < 0) {
    w->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = OF_DIRECTORY};
    if (w->notify >= 0 && epoll_ctl(w->poll, EPOLL_CTL_ADD, w->notify, &event) != 0) {
      close(w->notify);
      w->notify = -1;
    }
    if (w->notify < 0) return;
  }
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", r->directory);
  r->watched_directory = inotify_add_watch(w->notify, path, EVENTS | IN_ONLYDIR);
}

/* Armed before each wait: a listener's event occurs once. */
static int watch_listener(lf_watch *w, const lf_rendezvous *r) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint32_t)r->handle};
  if (epoll_ctl(w->poll, EPOLL_CTL_MOD, r->listener, &event) == 0) return 1;
  return errno == ENOENT && epoll_ctl(w->poll, EPOLL_CTL_ADD, r->listener, &event) == 0;
}

int32_t lf_watch_arm(lf_watch *w, lf_rendezvous *r) {
  if (r->watch != w) {
    lf_watch_remove(r);
    r->watch = w;
    r->next_watched = w->first;
    w->first = r;
    watch_directory(w, r);
    r->news = LF_NEWS_TOLD; /* events before the watch are found by one more poll */
  }
  if (r->news || r->busy || r->disturbed_at || r->arriving) return LF_EMPTY;
  if (r->role == LF_ROLE_PRODUCER) return r->watched_directory >= 0 ? 1 : LF_EMPTY;
  return r->listener >= 0 && watch_listener(w, r) ? 1 : LF_EMPTY;
}

void lf_watch_remove(lf_rendezvous *r) {
  lf_watch *w = r->watch;
  if (!w) return;
  int shared = 0;
  for (lf_rendezvous **at = &w->first; *at;) {
    if (*at == r) {
      *at = r->next_watched;
      continue;
    }
    shared |= (*at)->watched_directory == r->watched_directory;
    at = &(*at)->next_watched;
  }
  if (!shared && r->watched_directory >= 0) inotify_rm_watch(w->notify, r->watched_directory);
  if (r->listener >= 0) epoll_ctl(w->poll, EPOLL_CTL_DEL, r->listener, NULL);
  r->watch = NULL;
  r->next_watched = NULL;
  r->watched_directory = -1;
}

/* ---- events ---- */

static int is_socket_of(const char *file, const lf_rendezvous *r) {
  size_t length = strlen(r->key);
  return strncmp(file, r->key, length) == 0 && strcmp(file + length, LF_SOCKET_SUFFIX) == 0;
}

static void take_event(lf_watch *w, const struct inotify_event *event) {
  const char *file = event->len ? event->name : "";
  int is_overflow = (event->mask & IN_Q_OVERFLOW) != 0;
  /* The lock file is removed with the directory, which itself exists while this process has it open. */
  int is_directory = (event->mask & GONE) && (!*file || strcmp(file, LF_LOCK_FILE) == 0);
  for (lf_rendezvous *r = w->first; r; r = r->next_watched) {
    if (!is_overflow && event->wd != r->watched_directory) continue;
    int is_own = is_socket_of(file, r);
    if (!is_overflow && !is_directory && !is_own) continue;
    r->news = LF_NEWS;
    if (is_overflow || is_directory || (is_own && r->listener >= 0 && (event->mask & GONE))) r->disturbed_at = lf_now();
  }
}

static void read_events(lf_watch *w) {
  union {
    struct inotify_event align;
    char bytes[8192];
  } buffer;
  for (;;) {
    ssize_t got = read(w->notify, buffer.bytes, sizeof buffer.bytes);
    if (got <= 0) {
      if (got < 0 && errno == EINTR) continue;
      return;
    }
    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= got;) {
      const struct inotify_event *event = (const void *)(buffer.bytes + at);
      take_event(w, event);
      at += (ssize_t)sizeof *event + event->len;
    }
  }
}

/* A listener that was closed may still have events in a process that inherited it: its number is looked up. */
static lf_rendezvous *find(const lf_watch *w, int32_t handle) {
  lf_rendezvous *r = w->first;
  while (r && r->handle != handle) r = r->next_watched;
  return r;
}

static int gather(lf_watch *w) {
  struct epoll_event events[64];
  int count = epoll_wait(w->poll, events, 64, 0);
  for (int i = 0; i < count; i++) {
    uint32_t handle = (uint32_t)events[i].data.u64;
    lf_rendezvous *r = handle == OF_DIRECTORY ? NULL : find(w, (int32_t)handle);
    if (r) r->news = LF_NEWS;
    else if (handle == OF_DIRECTORY) read_events(w);
  }
  return count > 0;
}

int32_t lf_watch_poll(lf_watch *w) {
  do {
    for (lf_rendezvous *r = w->first; r; r = r->next_watched) {
      if (r->news != LF_NEWS) continue;
      r->news = LF_NEWS_TOLD;
      return r->handle;
    }
  } while (gather(w));
  return 0;
}
#else

int32_t lf_watch_make(lf_watch **out) {
  *out = NULL;
  return LF_EMPTY;
}

/* The functions below are never called, as no watch is made. */
void lf_watch_free(lf_watch *w) { (void)w; }

int32_t lf_watch_copy_event_fd(const lf_watch *w, int64_t *out) {
  (void)w, (void)out;
  return LF_EMPTY;
}

int32_t lf_watch_poll(lf_watch *w) {
  (void)w;
  return 0;
}

int32_t lf_watch_arm(lf_watch *w, lf_rendezvous *r) {
  (void)w, (void)r;
  return LF_EMPTY;
}

void lf_watch_remove(lf_rendezvous *r) { (void)r; }
#endif
