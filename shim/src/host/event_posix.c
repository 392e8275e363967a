#include "host/event.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/status.h"
#include "host/socket_posix.h"

#if !defined(MSG_NOSIGNAL)
#define MSG_NOSIGNAL 0 /* macOS has no such flag: lf_socket_prepare sets SO_NOSIGPIPE */
#endif

int32_t lf_event_open(lf_event *event) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
    return lf_fail_errno(LF_ESYSTEM, "socketpair", errno, "the two sockets of an event");
  if (lf_socket_prepare(ends[0]) < 0 || lf_socket_prepare(ends[1]) < 0) {
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return lf_fail_errno(LF_ESYSTEM, "fcntl", error, "the two sockets of an event");
  }
  *event = (lf_event){.ends = {ends[0], ends[1]}, .open = 1};
  return LF_OK;
}

void lf_event_notify(lf_event *event) {
  if (!event->open) return;
  /* A full socket is readable, so a failed send loses nothing. */
  ssize_t sent;
  do sent = send(event->ends[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
}

int32_t lf_event_copy(const lf_event *event, int64_t *out) {
  if (!event->open) return LF_EMPTY;
  int fd = fcntl(event->ends[0], F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return lf_fail_errno(LF_ESYSTEM, "fcntl", errno, "a duplicate of an event");
  *out = fd;
  return LF_OK;
}

void lf_event_close(lf_event *event) {
  if (!event->open) return;
  close(event->ends[0]);
  close(event->ends[1]);
  *event = (lf_event){0};
}
