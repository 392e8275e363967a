/*
 * A rendezvous in a directory that only this user can write to. The consumer listens on the socket "<name>.sock", the
 * producer connects to it. role_posix.c has the roles. The next process that opens any name here removes the sockets of
 * killed processes.
 */
#include "ipc/rendezvous_state.h"

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

#include "base/monotonic.h"
#include "base/status.h"

/* ns. A directory is removed in several steps. A rendezvous that would create it again waits this long, so that it does
 * not interfere. */
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
    /* A symbolic link is refused, as its maker could point it elsewhere. Linux reports ENOTDIR for a link, other
     * systems ELOOP. */
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

/* The socket's address. Linux has paths through the directory's descriptor, which are short and unaffected by
 * renames. */
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
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "%s/%s" LF_SOCKET_SUFFIX " is longer than a socket path may be (%zu bytes)",
                   r->path, r->key, sizeof out->sun_path - 1);
  return LF_OK;
}

static void unlink_socket(const lf_rendezvous *r) {
  char file[LF_KEY_MAX_BYTES + sizeof LF_SOCKET_SUFFIX];
  snprintf(file, sizeof file, "%s" LF_SOCKET_SUFFIX, r->key);
  unlinkat(r->directory, file, 0);
}

/* Removes the sockets of killed processes: those whose consumer's role is free, as a live consumer takes its role
 * before it binds. The poll takes a read lock, by which other processes tell a sweep from a consumer. */
static void sweep(const lf_rendezvous *r) {
  int fd = openat(r->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
  if (!entries) {
    if (fd >= 0) close(fd);
    return;
  }
  /* Opened anew: locks of one open file description never exclude each other. */
  int probe = lf_lock_open(r->directory);
  for (struct dirent *entry; probe >= 0 && (entry = readdir(entries));) {
    char key[LF_KEY_MAX_BYTES + sizeof LF_SOCKET_SUFFIX];
    size_t length = strlen(entry->d_name), suffix = sizeof LF_SOCKET_SUFFIX - 1;
    if (length <= suffix || length >= sizeof key || strcmp(entry->d_name + length - suffix, LF_SOCKET_SUFFIX) != 0)
      continue;
    memcpy(key, entry->d_name, length - suffix);
    key[length - suffix] = 0;
    if (!lf_role_is_free(probe, key)) continue;
    unlinkat(r->directory, entry->d_name, 0);
    lf_role_leave(probe, key);
  }
  if (probe >= 0) close(probe);
  closedir(entries);
}

void lf_rendezvous_stop_listening(lf_rendezvous *r) {
  if (r->listener >= 0) {
    unlink_socket(r);
    close(r->listener);
  }
  r->listener = -1;
  lf_link_release(r->arriving);
  r->arriving = NULL;
}

void lf_rendezvous_leave(lf_rendezvous *r) {
  lf_watch_remove(r);
  lf_rendezvous_stop_listening(r);
  if (r->lock >= 0) {
    if (r->handle) lf_role_leaves(r);
    close(r->lock); /* gives the role back */
  }
  if (r->directory >= 0) close(r->directory);
  r->directory = r->lock = -1;
}

static int32_t enter(lf_rendezvous *r) {
  struct sockaddr_un address;
  int32_t status = open_directory(r->path, &r->directory);
  if (status == LF_OK) status = address_of(r, &address);
  if (status == LF_OK) {
    r->lock = lf_lock_open(r->directory);
    if (r->lock < 0) status = lf_fail_errno(LF_ESYSTEM, "openat", errno, "%s/" LF_LOCK_FILE, r->path);
  }
  return status == LF_OK ? lf_role_take(r) : status;
}

/* Whether the open file is the one at `path`, relative to `at`. */
static int is_at(int descriptor, int at, const char *path) {
  struct stat held, there;
  return fstat(descriptor, &held) == 0 && fstatat(at, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
         held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

/* Files of the directory were removed. If the directory or the lock file was, enters those that are there now. */
static int32_t reenter(lf_rendezvous *r) {
  r->disturbed_at = 0;
  if (!is_at(r->directory, AT_FDCWD, r->path) || !is_at(r->lock, r->directory, LF_LOCK_FILE)) {
    lf_rendezvous_leave(r);
    return enter(r);
  }
  char file[LF_KEY_MAX_BYTES + sizeof LF_SOCKET_SUFFIX];
  snprintf(file, sizeof file, "%s" LF_SOCKET_SUFFIX, r->key);
  if (r->listener >= 0 && faccessat(r->directory, file, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
    lf_rendezvous_stop_listening(r);
  return LF_OK;
}

int32_t lf_rendezvous_begin(lf_rendezvous *r, const lf_rendezvous_key *key) {
  r->directory = r->lock = r->listener = r->watched_directory = -1;
  memcpy(r->path, key->directory, key->directory_bytes);
  snprintf(r->key, sizeof r->key, "%s%s%.*s", r->name, key->scope_bytes ? "@" : "", (int)key->scope_bytes,
           key->scope ? key->scope : "");
  int32_t status = enter(r);
  if (status == LF_OK) sweep(r);
  return status;
}

int32_t lf_rendezvous_refresh(lf_rendezvous *r) {
  r->news = LF_NO_NEWS;
  if (r->disturbed_at) {
    if (lf_now() - r->disturbed_at < DISTURBED_NS) return LF_OK;
    int32_t status = reenter(r);
    if (status < 0) return status;
  }
  r->busy = 0;
  return 1;
}

static int32_t listen_now(lf_rendezvous *r) {
  unlink_socket(r); /* left by a killed consumer, whose role this one has */
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
    /* Tells producers that watch the directory: the file exists since `bind`, before the socket listened. */
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

/* LF_OK when the peer runs as this user. Otherwise counts it and fails with PERMISSION_DENIED. */
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

int32_t lf_rendezvous_accept(lf_rendezvous *r) {
  int32_t status = r->listener < 0 ? listen_now(r) : LF_OK;
  if (status < 0) return status;
  int fd = accept_next(r->listener);
  if (fd < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR) return LF_OK;
    return lf_fail_errno(LF_ESYSTEM, "accept", errno, "no descriptor is left for a peer of \"%s\"", r->name);
  }
  /* A process of another user is refused. It cannot make this process fail. */
  if (lf_socket_prepare(fd) != 0 || check_user(r, fd) < 0) {
    close(fd);
    return 1;
  }
  status = lf_link_adopt(fd, -1, &r->arriving);
  if (status == LF_OK) return 1;
  close(fd);
  return status;
}

int32_t lf_rendezvous_dial(lf_rendezvous *r, lf_link **out) {
  struct sockaddr_un address;
  int32_t status = address_of(r, &address);
  if (status < 0) return status;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return lf_fail_errno(LF_ESYSTEM, "socket", errno, "no descriptor is left for \"%s\"", r->name);
  int pair[2] = {-1, -1};
  if (lf_socket_prepare(fd) != 0) {
    status = lf_fail_errno(LF_ESYSTEM, "fcntl", errno, "the socket of \"%s\"", r->name);
  } else if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    int error = errno;
    r->busy = error == EAGAIN;
    /* No consumer yet, a killed one, or one that is just starting or busy: the next poll tries again. */
    if (error == ENOENT || error == ECONNREFUSED || error == EAGAIN || error == EINTR || error == EINPROGRESS)
      status = LF_EMPTY;
    else
      status = lf_fail_errno(error == EACCES ? LF_EPERMISSION_DENIED : LF_ESYSTEM, "connect", error,
                             "%s/%s" LF_SOCKET_SUFFIX,
                             r->path, r->name);
  } else if ((status = check_user(r, fd)) == LF_OK) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 || lf_socket_prepare(pair[0]) != 0 ||
        lf_socket_prepare(pair[1]) != 0)
      status = lf_fail_errno(LF_ESYSTEM, "socketpair", errno, "no descriptor is left for \"%s\"", r->name);
    else
      status = lf_link_adopt(fd, pair[0], out);
  }
  if (status != LF_OK) {
    close(fd);
    if (pair[0] >= 0) close(pair[0]);
    if (pair[1] >= 0) close(pair[1]);
    return status;
  }
  status = lf_link_put(*out, LF_KIND_EVENT_FD, NULL, 0, pair[1]);
  close(pair[1]);
  return status;
}
