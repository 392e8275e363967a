#include "host/event.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/status.h"
#include "host/socket_posix.h"

#if !defined(MSG_NOSIGNAL)
#define MSG_NOSIGNAL 0 /* macOS: lf_socket_prepare says it for the whole socket */
#endif

int32_t lf_event_open(lf_event *bell) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
    return lf_fail_errno(LF_ESYSTEM, "socketpair", errno, "the two sockets of a bell");
  if (lf_socket_prepare(ends[0]) < 0 || lf_socket_prepare(ends[1]) < 0) {
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return lf_fail_errno(LF_ESYSTEM, "fcntl", error, "the two sockets of a bell");
  }
  *bell = (lf_event){.ends = {ends[0], ends[1]}, .open = 1};
  return LF_OK;
}

void lf_event_notify(lf_event *bell) {
  if (!bell->open) return;
  /* A socket that is full is readable, and that is all a bell has to be. */
  ssize_t sent;
  do sent = send(bell->ends[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
}

int32_t lf_event_copy(const lf_event *bell, int64_t *out) {
  if (!bell->open) return LF_EMPTY;
  int fd = fcntl(bell->ends[0], F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return lf_fail_errno(LF_ESYSTEM, "fcntl", errno, "a duplicate of a bell");
  *out = fd;
  return LF_OK;
}

void lf_event_close(lf_event *bell) {
  if (!bell->open) return;
  close(bell->ends[0]);
  close(bell->ends[1]);
  *bell = (lf_event){0};
}
