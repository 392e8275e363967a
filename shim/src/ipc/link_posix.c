#include "ipc/link_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "host/segment.h"

#define MAGIC 0x574c464cu /* "LFLW" */

/* Precedes each message. An OS handle is attached to its first byte. */
typedef struct {
  uint32_t magic;
  uint16_t version;
  uint16_t kind;
  uint32_t length;
  uint32_t handles; /* 0 or 1 */
} header;

struct lf_link {
  _Atomic uint32_t owners;
  int socket;
  int event_fd;  /* -1 until it has arrived (accepting side) */
  int spare; /* a descriptor that is closed during a receive, so that a full table cannot swallow a passed one */
  int gone;
  int dropped;    /* the kernel dropped a passed handle, because the table was full */
  int torn;       /* this side has written part of a message: nothing may follow it */
  int32_t failed; /* the peer's stream lost its framing: the status of all later receives */
  uint32_t filled; /* bytes read so far of the header and the data */
  header head;
  lf_message message;
};

static int spare_descriptor(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

int32_t lf_link_adopt(int socket, int event_fd, lf_link **out) {
  lf_link *link = calloc(1, sizeof *link);
  if (!link) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a link of %zu bytes", sizeof *link);
  int spare = spare_descriptor();
  if (spare < 0) {
    int error = errno;
    free(link);
    return lf_fail_errno(LF_ESYSTEM, "open", error, "no descriptor is left for a link to the peer");
  }
  atomic_init(&link->owners, 1);
  link->socket = socket;
  link->event_fd = event_fd;
  link->spare = spare;
  link->message.os = -1;
  *out = link;
  return LF_OK;
}

lf_link *lf_link_retain(lf_link *link) {
  atomic_fetch_add(&link->owners, 1);
  return link;
}

void lf_link_release(lf_link *link) {
  if (!link || atomic_fetch_sub(&link->owners, 1) != 1) return;
  if (link->message.os >= 0) close((int)link->message.os);
  if (link->event_fd >= 0) close(link->event_fd);
  if (link->spare >= 0) close(link->spare);
  close(link->socket);
  free(link);
}

static int32_t peer_gone(lf_link *link, const char *api, int error) {
  link->gone = 1;
  return lf_fail(LF_EPEER_DIED, api, error, "the peer ended the connection");
}

int32_t lf_link_put(lf_link *link, uint32_t kind, const void *data, uint32_t length, int64_t os) {
  if (length > LF_LINK_MESSAGE_MAX)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a message of %u bytes; %d is the most", length, LF_LINK_MESSAGE_MAX);
  if (link->torn) return lf_fail(LF_ETIMEOUT, "", 0, "the peer stopped reading in the middle of an earlier message");
  header head = {MAGIC, LF_WIRE_VERSION, (uint16_t)kind, length, os >= 0};
  struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)data, length}};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = length ? 2 : 1};
  if (os >= 0) {
    int fd = (int)os;
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  size_t total = sizeof head + length, sent = 0;
  uint64_t deadline = 0;
  while (sent < total) {
#if defined(MSG_NOSIGNAL)
    ssize_t n = sendmsg(link->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
#else
    ssize_t n = sendmsg(link->socket, &message, MSG_DONTWAIT);
#endif
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return peer_gone(link, "sendmsg", errno);
      /* ETOOMANYREFS: too many handles are in flight to peers that do not read. */
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS && errno != ETOOMANYREFS) {
        link->torn = sent > 0;
        return lf_fail_errno(LF_ESYSTEM, "sendmsg", errno, "to the peer");
      }
      if (sent == 0) return LF_FULL;
      /* Part of a message is in the stream, so it has to be completed. The rest is small, and the peer only has to
       * read. */
      uint64_t now = lf_now();
      if (!deadline) deadline = now + 1000000000u;
      if (now >= deadline) {
        link->torn = 1;
        return lf_fail(LF_ETIMEOUT, "sendmsg", EAGAIN, "the peer stopped reading in the middle of a message");
      }
      struct pollfd ready = {.fd = link->socket, .events = POLLOUT};
      poll(&ready, 1, 100);
      continue;
    }
    sent += (size_t)n;
    message.msg_control = NULL; /* the handle was attached to the first byte */
    message.msg_controllen = 0;
    size_t skip = (size_t)n;
    for (int i = 0; i < 2 && skip; i++) {
      size_t part = skip < parts[i].iov_len ? skip : parts[i].iov_len;
      parts[i].iov_base = (char *)parts[i].iov_base + part;
      parts[i].iov_len -= part;
      skip -= part;
    }
  }
  return 1;
}

/* Reads up to `want` bytes into `into`. A handle that comes along is kept in the message. */
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wsign-compare" /* in musl's CMSG_NXTHDR */
#endif
static int32_t read_some(lf_link *link, void *into, size_t want, size_t *got) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * 4)];
  } control;
  struct iovec part = {into, want};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  int flags = MSG_DONTWAIT;
#if defined(MSG_CMSG_CLOEXEC)
  flags |= MSG_CMSG_CLOEXEC;
#endif
  /* Usually nothing has arrived, and this poll is all that a parking end pays. */
  char first;
  if (recv(link->socket, &first, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return LF_EMPTY;
  /* The kernel drops a passed descriptor silently when the table is full: the spare one is closed to make a free
   * entry. */
  if (link->spare >= 0) close(link->spare);
  ssize_t n;
  do n = recvmsg(link->socket, &message, flags);
  while (n < 0 && errno == EINTR);
  int error = errno;
  if (n > 0) {
    if (message.msg_flags & MSG_CTRUNC) link->dropped = 1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (link->message.os < 0) link->message.os = fd;
        else close(fd); /* more than the protocol allows */
      }
    }
  }
  link->spare = spare_descriptor(); /* may fail while the passed one is open: the next read tries again */
  if (n > 0) {
    *got = (size_t)n;
    return 1;
  }
  if (n == 0) return peer_gone(link, "recvmsg", 0);
  if (error == EAGAIN || error == EWOULDBLOCK) return LF_EMPTY;
  if (error == ECONNRESET) return peer_gone(link, "recvmsg", error);
  return lf_fail_errno(LF_ESYSTEM, "recvmsg", error, "from the peer");
}
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

static int32_t corrupt(lf_link *link, const char *what) {
  link->failed = LF_ECORRUPT_SEGMENT;
  return lf_fail(LF_ECORRUPT_SEGMENT, "recvmsg", 0, "the peer does not speak this protocol: %s", what);
}

int32_t lf_link_take(lf_link *link, lf_message **out) {
  if (link->failed) return lf_fail(link->failed, "", 0, "an earlier message of the peer could not be read");
  if (link->filled == 0 && link->message.os >= 0) {
    close((int)link->message.os);
    link->message.os = -1;
  }
  for (;;) {
    int in_header = link->filled < sizeof(header);
    size_t at = in_header ? link->filled : link->filled - sizeof(header);
    size_t end = in_header ? sizeof(header) : link->head.length;
    char *into = in_header ? (char *)&link->head : (char *)link->message.data;
    if (at < end) {
      size_t got = 0;
      int32_t status = read_some(link, into + at, end - at, &got);
      if (status != 1) return status;
      link->filled += (uint32_t)got;
    }
    if (link->filled < sizeof(header)) continue;
    if (in_header) {
      header head = link->head;
      if (head.magic != MAGIC) return corrupt(link, "no magic number");
      if (head.version != LF_WIRE_VERSION) {
        link->failed = LF_EWIRE_VERSION_MISMATCH;
        return lf_fail(LF_EWIRE_VERSION_MISMATCH, "", 0, "the peer speaks wire version %u, this process version %u",
                       head.version, LF_WIRE_VERSION);
      }
      if (head.length > LF_LINK_MESSAGE_MAX) return corrupt(link, "a message is too long");
      if (head.handles > 1) return corrupt(link, "too many handles");
    }
    if (link->filled < sizeof(header) + link->head.length) continue;
    link->filled = 0;
    if (link->head.handles == 1 && link->message.os < 0) {
      if (!link->dropped) return corrupt(link, "a handle is missing");
      link->dropped = 0;
      return lf_fail(LF_ESYSTEM, "recvmsg", EMFILE, "a descriptor from the peer got lost: no descriptor is left");
    }
    link->message.kind = link->head.kind;
    link->message.length = link->head.length;
    *out = &link->message;
    return 1;
  }
}

void lf_link_notify(lf_link *link) {
  char one = 1;
#if defined(MSG_NOSIGNAL)
  int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
  int flags = MSG_DONTWAIT;
#endif
  ssize_t sent;
  do sent = send(link->event_fd, &one, 1, flags);
  while (sent < 0 && errno == EINTR);
  /* EAGAIN: the event fd is readable already. A peer closes its event fd after it has said so in the segment, or when
   * it dies. */
  if (sent < 0 && (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)) link->gone = 1;
}

void lf_link_hang_up(lf_link *link) {
  shutdown(link->socket, SHUT_RDWR);
  shutdown(link->event_fd, SHUT_RDWR); /* an end of file, even if the runtime still has a duplicate of the descriptor */
  link->gone = 1;
}

int32_t lf_link_sleep(lf_link *link, uint64_t timeout_ns) {
  if (link->gone) return 1;
  struct pollfd watched[2] = {{.fd = link->event_fd, .events = POLLIN}, {.fd = link->socket, .events = 0}};
  uint64_t deadline = lf_now() + timeout_ns;
  for (;;) {
    uint64_t now = lf_now();
    uint64_t left = deadline > now ? deadline - now : 0;
#if defined(__linux__)
    struct timespec time = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
    int n = ppoll(watched, 2, &time, NULL);
#else
    uint64_t ms = (left + 999999u) / 1000000u;
    int n = poll(watched, 2, ms > 1000000000u ? 1000000000 : (int)ms);
#endif
    if (n == 0) return LF_TIMEOUT;
    if (n < 0) {
      if (errno == EINTR) continue;
      return lf_fail_errno(LF_ESYSTEM, "poll", errno, "waiting for the peer");
    }
    if (watched[1].revents & (POLLHUP | POLLERR | POLLNVAL)) link->gone = 1;
    if (watched[0].revents) {
      char notifications[64];
      ssize_t got = recv(link->event_fd, notifications, sizeof notifications, MSG_DONTWAIT);
      if (got == 0) link->gone = 1;
    }
    return 1;
  }
}

int lf_link_known_gone(const lf_link *link) { return link->gone; }

int lf_link_peer_alive(lf_link *link) {
  if (link->gone) return 0;
  /* macOS reports a hang-up only if an event is requested (radar 37537852; since 15.4 POLLHUP is not enough). */
  struct pollfd watched = {.fd = link->socket, .events = POLLIN};
  int n = poll(&watched, 1, 0);
  if (n > 0 && (watched.revents & (POLLHUP | POLLERR | POLLNVAL))) link->gone = 1;
  return !link->gone;
}

int lf_link_take_events(lf_link *link, lf_message *message) {
  struct stat info;
  if (message->kind != LF_KIND_EVENT_FD || message->os < 0) return 0;
  /* Another kind of file could always be readable, and this side would never park. */
  if (fstat((int)message->os, &info) != 0 || !S_ISSOCK(info.st_mode)) return 0;
  link->event_fd = (int)message->os;
  message->os = -1;
  return lf_socket_prepare(link->event_fd) == 0;
}

int32_t lf_link_copy_event_fd(lf_link *link, int64_t *out) { return lf_os_handle_duplicate(link->event_fd, out); }

int32_t lf_link_pid(lf_link *link) {
#if defined(__linux__)
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(link->socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
#else
  pid_t pid;
  socklen_t length = sizeof pid;
  return getsockopt(link->socket, SOL_LOCAL, LOCAL_PEERPID, &pid, &length) == 0 ? pid : 0;
#endif
}
