/*
 * Where two processes meet: a directory that only this user can write to. The consumer listens on "<name>.sock"; the
 * producer connects. Roles are role_posix.c's. A socket that a killed process left behind is taken away by the next one
 * that opens any name here.
 */
#include "ipc/rendezvous_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/handle.h"
#include "base/monotonic.h"
#include "base/status.h"

/* Whoever removes the directory does so in several steps: a rendezvous that makes it anew waits so long, lest it come between. */
#define DISTURBED_NS ((uint64_t)20000000)

static int32_t not_mine(const char *path, uid_t owner) {
  return lf_fail(LF_EPERMISSION_DENIED, "", 0, "runtime directory %s belongs to user %u, not to this one (%u)", path,
                 (unsigned)owner, (unsigned)geteuid());
}

static int32_t open_directory(const char *path, int *out) {
  if (mkdir(path, 0700) != 0 && errno != EEXIST)
    return lf_fail_errno(errno == EACCES ? LF_EPERMISSION_DENIED : LF_ESYSTEM, "mkdir", errno, "runtime directory %s",
                         path);
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  struct stat info;
  if (fd < 0) {
    int error = errno;
    /* Whoever made a link there could also point it elsewhere. Linux says ENOTDIR to a link, others ELOOP. */
    int there = lstat(path, &info) == 0;
    int linked = there && S_ISLNK(info.st_mode);
    if (error == EACCES && there && !linked && info.st_uid != geteuid()) return not_mine(path, info.st_uid);
    return lf_fail_errno(error == EACCES || linked ? LF_EPERMISSION_DENIED : LF_ESYSTEM, "open", error,
                         "runtime directory %s%s", path, linked ? " is a symbolic link" : "");
  }
  int32_t status = LF_OK;
  if (fstat(fd, &info) != 0)
    status = lf_fail_errno(LF_ESYSTEM, "fstat", errno, "runtime directory %s", path);
  else if (info.st_uid != geteuid())
    status = not_mine(path, info.st_uid);
  else if (info.st_mode & (S_IWGRP | S_IWOTH))
    status = lf_fail(LF_EPERMISSION_DENIED, "", 0, "runtime directory %s can be written to by others (mode %04o)", path,
                     (unsigned)info.st_mode & 07777);
  if (status < 0) close(fd);
  else *out = fd;
  return status;
}

/* The address through the directory's descriptor where the system has such paths: short, and safe from renames. */
static int32_t address_of(const lf_rendezvous *r, struct sockaddr_un *out) {
  memset(out, 0, sizeof *out);
  out->sun_family = AF_UNIX;
  int length;
#if defined(__linux__)
  length = snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/%s" LF_SOCKET_SUFFIX, r->directory, r->key);
#else
  length = snprintf(out->sun_path, sizeof out->sun_path, "%s/%s" LF_SOCKET_SUFFIX, r->path, r->key);
#endif
  if (length >= (int)sizeof out->sun_path)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%s/%s" LF_SOCKET_SUFFIX " is longer than a socket path may be (%zu bytes)",
                   r->path, r->key, sizeof out->sun_path - 1);
  return LF_OK;
}

static void unlink_socket(const lf_rendezvous *r) {
  char file[LF_KEY_MAX_BYTES + sizeof LF_SOCKET_SUFFIX];
  snprintf(file, sizeof file, "%s" LF_SOCKET_SUFFIX, r->key);
  unlinkat(r->directory, file, 0);
}

/* Takes away what killed processes left: the sockets whose consumer's role is free, because a living consumer has its
 * role before it binds. Looking takes a read lock, by which others tell a sweep from a consumer. */
static void sweep(const lf_rendezvous *r) {
  int fd = openat(r->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
  if (!entries) {
    if (fd >= 0) close(fd);
    return;
  }
  /* A lock of its own description: locks of the same description never exclude each other. */
  int probe = lf_lock_open(r->directory);
  for (struct dirent *entry; probe >= 0 && (entry = readdir(entries));) {
    char key[LF_KEY_MAX_BYTES + sizeof LF_SOCKET_SUFFIX];
    size_t length = strlen(entry->d_name), suffix = sizeof LF_SOCKET_SUFFIX - 1;
    if (length <= suffix || length >= sizeof key || strcmp(entry->d_name + length - suffix, LF_SOCKET_SUFFIX) != 0) continue;
    memcpy(key, entry->d_name, length - suffix);
    key[length - suffix] = 0;
    if (!lf_role_is_free(probe, key)) continue;
    unlinkat(r->directory, entry->d_name, 0);
    lf_role_leave(probe, key);
  }
  if (probe >= 0) close(probe);
  closedir(entries);
}

static void stop_listening(lf_rendezvous *r) {
  if (r->listener >= 0) {
    unlink_socket(r);
    close(r->listener);
  }
  r->listener = -1;
  lf_link_release(r->arriving);
  r->arriving = NULL;
}

static void leave_place(lf_rendezvous *r) {
  lf_watch_remove(r);
  stop_listening(r);
  if (r->lock >= 0) {
    if (r->handle) lf_role_leaves(r);
    close(r->lock); /* gives the role back */
  }
  if (r->directory >= 0) close(r->directory);
  r->directory = r->lock = -1;
}

static int32_t take_place(lf_rendezvous *r) {
  struct sockaddr_un address;
  int32_t status = open_directory(r->path, &r->directory);
  if (status == LF_OK) status = address_of(r, &address);
  if (status == LF_OK) {
    r->lock = lf_lock_open(r->directory);
    if (r->lock < 0) status = lf_fail_errno(LF_ESYSTEM, "openat", errno, "%s/" LF_LOCK_FILE, r->path);
  }
  return status == LF_OK ? lf_role_take(r) : status;
}

/* Whether what the descriptor shows is what stands under the path; `at` is where that begins. */
static int is_at(int descriptor, int at, const char *path) {
  struct stat held, there;
  return fstat(descriptor, &held) == 0 && fstatat(at, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
         held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

/* Files of the directory went: where it, or the lock file, did, this side meets in what stands there now. */
static int32_t look_after_place(lf_rendezvous *r) {
  r->disturbed_at = 0;
  if (!is_at(r->directory, AT_FDCWD, r->path) || !is_at(r->lock, r->directory, LF_LOCK_FILE)) {
    leave_place(r);
    return take_place(r);
  }
  char file[LF_KEY_MAX_BYTES + sizeof LF_SOCKET_SUFFIX];
  snprintf(file, sizeof file, "%s" LF_SOCKET_SUFFIX, r->key);
  if (r->listener >= 0 && faccessat(r->directory, file, F_OK, AT_SYMLINK_NOFOLLOW) != 0) stop_listening(r);
  return LF_OK;
}

static void destroy(void *object) {
  lf_rendezvous *r = object;
  leave_place(r);
  free(r);
}

int32_t lf_rendezvous_open(const char *directory, uint32_t directory_bytes, const char *name, uint32_t name_bytes,
                           int32_t role, const char *scope, uint32_t scope_bytes) {
  if (!directory || !name || directory_bytes == 0 || directory_bytes >= PATH_MAX ||
      memchr(directory, 0, directory_bytes))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a runtime directory of %u bytes", directory_bytes);
  if (name_bytes == 0 || name_bytes > LF_NAME_MAX_BYTES || memchr(name, 0, name_bytes) || memchr(name, '/', name_bytes) ||
      memchr(name, '\\', name_bytes))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a channel name has 1 to %d bytes and no slash, backslash or NUL",
                   LF_NAME_MAX_BYTES);
  if (role != LF_ROLE_PRODUCER && role != LF_ROLE_CONSUMER)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "role %d", role);
  if (scope_bytes > LF_SCOPE_MAX || (scope_bytes && !scope))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a scope has up to %d bytes", LF_SCOPE_MAX);
  for (uint32_t i = 0; i < scope_bytes; i++)
    if (!scope[i] || !strchr("0123456789abcdefghijklmnopqrstuvwxyz", scope[i]))
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a scope has digits and lower-case letters only");
  lf_rendezvous *r = calloc(1, sizeof *r);
  if (!r) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a rendezvous of %zu bytes", sizeof *r);
  r->role = role;
  r->directory = r->lock = r->listener = r->watched_directory = -1;
  memcpy(r->path, directory, directory_bytes);
  memcpy(r->name, name, name_bytes);
  snprintf(r->key, sizeof r->key, "%s%s%.*s", r->name, scope_bytes ? "@" : "", (int)scope_bytes, scope ? scope : "");

  int32_t status = take_place(r);
  if (status == LF_OK) {
    sweep(r);
    status = lf_handle_make(LF_KIND_RENDEZVOUS, r, destroy);
  }
  if (status < 0) destroy(r);
  else r->handle = status;
  return status;
}

static int32_t listen_now(lf_rendezvous *r) {
  unlink_socket(r); /* a killed consumer's: this one has its role now */
  struct sockaddr_un address;
  int32_t status = address_of(r, &address);
  int fd = -1;
  if (status == LF_OK) {
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *api = "socket";
    int failed = fd < 0;
    if (!failed) failed = (api = "fcntl", lf_socket_prepare(fd)) != 0;
    if (!failed) failed = (api = "bind", bind(fd, (struct sockaddr *)&address, sizeof address)) != 0;
    if (!failed) failed = (api = "listen", listen(fd, 16)) != 0;
    if (failed) status = lf_fail_errno(LF_ESYSTEM, api, errno, "%s/%s" LF_SOCKET_SUFFIX, r->path, r->name);
  }
  if (status < 0 && fd >= 0) close(fd);
  if (status == LF_OK) {
    r->listener = fd;
    /* Tells producers that watch the directory: the file is there since `bind`, when nobody listened yet. */
    char file[LF_KEY_MAX_BYTES + sizeof LF_SOCKET_SUFFIX];
    snprintf(file, sizeof file, "%s" LF_SOCKET_SUFFIX, r->key);
    if (fchmodat(r->directory, file, 0600, 0) != 0)
      status = lf_fail_errno(LF_ESYSTEM, "fchmodat", errno, "%s/%s", r->path, file);
  }
  return status;
}

static int peer_uid(int fd, uid_t *out) {
#if defined(__linux__)
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
  *out = peer.uid;
  return 0;
#else
  gid_t group;
  return getpeereid(fd, out, &group);
#endif
}

/* LF_OK when the peer is this user. Counts and refuses it otherwise. */
static int32_t check_user(lf_rendezvous *r, int fd) {
  uid_t uid;
  if (peer_uid(fd, &uid) != 0) return lf_fail_errno(LF_ESYSTEM, "getsockopt(SO_PEERCRED)", errno, "the peer's user");
  if (uid == geteuid()) return LF_OK;
  r->refused++;
  r->last_uid = (int32_t)uid;
  return lf_fail(LF_EPERMISSION_DENIED, "getsockopt(SO_PEERCRED)", 0, "the peer of \"%s\" runs as user %u, not as %u",
                 r->name, (unsigned)uid, (unsigned)geteuid());
}

static int accept_next(int listener) {
#if defined(__linux__)
  return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
#else
  return accept(listener, NULL, NULL);
#endif
}

static int32_t poll_consumer(lf_rendezvous *r) {
  if (r->listener < 0) {
    int32_t status = listen_now(r);
    if (status < 0) return status;
  }
  for (int turned_away = 0; !r->arriving; turned_away++) {
    if (turned_away == 16) return LF_OK; /* the rest at the next poll */
    int fd = accept_next(r->listener);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR) return LF_OK;
      return lf_fail_errno(LF_ESYSTEM, "accept", errno, "no descriptor is left for a peer of \"%s\"", r->name);
    }
    /* Somebody else's process can't make this one fail: it is turned away, and the wait goes on. */
    if (lf_socket_prepare(fd) != 0 || check_user(r, fd) < 0) {
      close(fd);
      continue;
    }
    int32_t status = lf_link_adopt(fd, -1, &r->arriving);
    if (status < 0) {
      close(fd);
      return status;
    }
  }
  lf_message *message;
  int32_t status = lf_link_take(r->arriving, &message);
  if (status == LF_EMPTY) return LF_OK;
  if (status == 1 && lf_link_take_event_fd(r->arriving, message) == 0) {
    lf_link *link = r->arriving;
    r->arriving = NULL;
    return lf_link_handle(link);
  }
  /* A peer of another version learns ours from the head of any message, as this process learned its. */
  if (status == LF_EWIRE_VERSION_MISMATCH) lf_link_put(r->arriving, LF_KIND_FIRST_FREE, NULL, 0, -1);
  lf_link_release(r->arriving);
  r->arriving = NULL;
  return status == LF_EWIRE_VERSION_MISMATCH || status == LF_ESYSTEM ? status : LF_OK;
}

static int32_t poll_producer(lf_rendezvous *r) {
  struct sockaddr_un address;
  int32_t status = address_of(r, &address);
  if (status < 0) return status;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return lf_fail_errno(LF_ESYSTEM, "socket", errno, "no descriptor is left for \"%s\"", r->name);
  int pair[2] = {-1, -1};
  lf_link *link = NULL;
  if (lf_socket_prepare(fd) != 0) {
    status = lf_fail_errno(LF_ESYSTEM, "fcntl", errno, "the socket of \"%s\"", r->name);
  } else if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    int error = errno;
    r->busy = error == EAGAIN;
    /* Nobody there yet, or one that died there, or one that is just coming or busy: again at the next poll. */
    if (error == ENOENT || error == ECONNREFUSED || error == EAGAIN || error == EINTR || error == EINPROGRESS)
      status = LF_EMPTY;
    else
      status = lf_fail_errno(error == EACCES ? LF_EPERMISSION_DENIED : LF_ESYSTEM, "connect", error, "%s/%s" LF_SOCKET_SUFFIX,
                             r->path, r->name);
  } else if ((status = check_user(r, fd)) == LF_OK) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 || lf_socket_prepare(pair[0]) != 0 ||
        lf_socket_prepare(pair[1]) != 0)
      status = lf_fail_errno(LF_ESYSTEM, "socketpair", errno, "no descriptor is left for \"%s\"", r->name);
    else
      status = lf_link_adopt(fd, pair[0], &link);
  }
  if (status != LF_OK) {
    close(fd);
    if (pair[0] >= 0) close(pair[0]);
    if (pair[1] >= 0) close(pair[1]);
    return status == LF_EMPTY ? LF_OK : status;
  }
  status = lf_link_put(link, LF_KIND_EVENT_FD, NULL, 0, pair[1]);
  close(pair[1]);
  if (status != 1) {
    lf_link_release(link);
    return status == LF_EPEER_DIED || status == LF_FULL ? LF_OK : status;
  }
  return lf_link_handle(link);
}

int32_t lf_rendezvous_poll(int32_t handle) {
  lf_rendezvous *r = lf_handle_get(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  if (r->settled) return LF_OK;
  r->news = LF_NO_NEWS;
  if (r->disturbed_at) {
    if (lf_now() - r->disturbed_at < DISTURBED_NS) return LF_OK;
    int32_t status = look_after_place(r);
    if (status < 0) return status;
  }
  r->busy = 0;
  return r->role == LF_ROLE_CONSUMER ? poll_consumer(r) : poll_producer(r);
}

int32_t lf_rendezvous_stop(int32_t handle) {
  lf_rendezvous *r = lf_handle_get(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  stop_listening(r);
  r->settled = 1;
  lf_role_met(r);
  return LF_OK;
}

int32_t lf_rendezvous_info_get(int32_t handle, lf_rendezvous_info *out) {
  lf_rendezvous *r = lf_handle_get(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the information");
  out->refused = r->refused;
  out->last_uid = r->last_uid;
  return LF_OK;
}

int32_t lf_rendezvous_close(int32_t handle) {
  lf_rendezvous *r = lf_handle_take(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  destroy(r);
  return LF_OK;
}
