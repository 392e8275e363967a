/* An event: notified by one thread, watched by another. */
#include "host/event.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include "test.h"

static int rings(int fd) {
  struct pollfd watched = {.fd = fd, .events = POLLIN};
  return poll(&watched, 1, 0) == 1;
}

static void silence(int fd) {
  char taken[4096];
  while (read(fd, taken, sizeof taken) > 0) continue;
}

static void rings_until_heard(void) {
  lf_event event = {0};
  int64_t os = -1;
  CHECK_EQ(lf_event_open(&event), LF_OK);
  CHECK_EQ(lf_event_copy(&event, &os), LF_OK);
  int fd = (int)os;
  CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  CHECK(!rings(fd));
  lf_event_notify(&event);
  CHECK(rings(fd));
  silence(fd);
  CHECK(!rings(fd));
  for (int i = 0; i < 1000000; i++) lf_event_notify(&event); /* more than a socket holds: it neither waits nor fails */
  CHECK(rings(fd));
  silence(fd);
  CHECK(!rings(fd));
  lf_event_notify(&event);
  CHECK(rings(fd));
  lf_event_close(&event);
  silence(fd);
  CHECK(rings(fd)); /* its end is heard too */
  close(fd);
}

static void silent_when_not_open(void) {
  lf_event event = {0};
  int64_t os = -1;
  lf_event_notify(&event);
  CHECK_EQ(lf_event_copy(&event, &os), LF_EMPTY);
  CHECK_EQ(os, -1);
  lf_event_close(&event);
  CHECK_EQ(lf_event_open(&event), LF_OK);
  lf_event_close(&event);
  lf_event_close(&event);
  lf_event_notify(&event);
  CHECK_EQ(lf_event_copy(&event, &os), LF_EMPTY);
}

static void no_descriptor_left(void) {
  lf_event event = {0};
  int64_t os = -1;
  int taken[256], count = 0;
  struct rlimit before, few;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = before;
  few.rlim_cur = 200;
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  while ((taken[count] = open("/dev/null", O_RDONLY)) >= 0) count++;
  CHECK_EQ(lf_event_open(&event), LF_ESYSTEM);
  close(taken[--count]);
  close(taken[--count]);
  CHECK_EQ(lf_event_open(&event), LF_OK);
  CHECK_EQ(lf_event_copy(&event, &os), LF_ESYSTEM);
  lf_event_close(&event);
  while (count > 0) close(taken[--count]);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void) {
  RUN(rings_until_heard);
  RUN(silent_when_not_open);
  RUN(no_descriptor_left);
  return 0;
}
