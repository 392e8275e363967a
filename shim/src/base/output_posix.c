#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "base/output.h"
#include "base/thread.h"

/* Nanoseconds. Bounds the wait for a reader that does not read: one that does needs less than a millisecond. */
#define DRAIN_NS ((uint64_t)1000000000)
/* Nanoseconds between two polls of a pipe. */
#define DRAIN_POLL_NS 200000u

static int has_unread(int fd) {
  struct stat stat;
  int unread = 0;
  return fstat(fd, &stat) == 0 && S_ISFIFO(stat.st_mode) && ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;
}

void lf_output_drain(void) {
  uint64_t end = lf_now() + DRAIN_NS;
  while ((has_unread(STDOUT_FILENO) || has_unread(STDERR_FILENO)) && lf_now() < end) lf_thread_nap(DRAIN_POLL_NS);
}
