/*
 * How fast a sleeping process wakes: the second one sleeps in epoll_wait (poll where there is none), the first sends
 * it the time at a steady pace. Through a pipe and, on Linux, through an eventfd with the time in shared memory.
 */
#include <fcntl.h>
#include <poll.h>

#include "bench.h"
#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/eventfd.h>
#endif

typedef struct {
  size_t count;
  double *samples; /* shared, written by the sleeper */
  _Atomic uint64_t sent;
  int reader, writer;
  int is_event;
} task;

static void sleeper(void *argument) {
  task *t = argument;
#if defined(__linux__)
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, t->reader, &event) != 0) bench_fail("epoll_ctl");
#endif
  for (size_t i = 0; i < t->count; i++) {
#if defined(__linux__)
    if (epoll_wait(epoll, &event, 1, -1) != 1) bench_fail("epoll_wait");
#else
    struct pollfd watched = {.fd = t->reader, .events = POLLIN};
    if (poll(&watched, 1, -1) != 1) bench_fail("poll");
#endif
    uint64_t word;
    if (read(t->reader, &word, sizeof word) != sizeof word) bench_fail("read");
    uint64_t sent = t->is_event ? atomic_load(&t->sent) : word;
    t->samples[i] = (double)(bench_now() - sent) / 1000;
  }
}

static void measure(char **argv, task *t) {
  pid_t child = bench_fork(argv, sleeper, t);
  struct timespec pace = {0, atol(argv[4]) * 1000000};
  for (size_t i = 0; i < t->count; i++) {
    nanosleep(&pace, NULL);
    uint64_t now = bench_now(), one = 1;
    atomic_store(&t->sent, now);
    if (write(t->writer, t->is_event ? &one : &now, sizeof now) != sizeof now) bench_fail("write");
  }
  bench_join(child);
}

int main(int argc, char **argv) {
  if (bench_usage(argc, 5, "wake CPU CPU COUNT PACE_MS")) return 2;
  size_t count = (size_t)atoll(argv[3]);
  task *t = bench_shared(sizeof *t);
  t->count = count;
  t->samples = bench_shared(count * sizeof *t->samples);
  int ends[2];
  if (pipe(ends) != 0) bench_fail("pipe");
  t->reader = ends[0];
  t->writer = ends[1];
  measure(argv, t);
  bench_print("pipe", t->samples, count, 0.99, "{");
#if defined(__linux__)
  t->reader = t->writer = eventfd(0, EFD_CLOEXEC);
  if (t->reader < 0) bench_fail("eventfd");
  t->is_event = 1;
  measure(argv, t);
  bench_print("eventfd", t->samples, count, 0.99, ",");
#endif
  puts("}");
  return 0;
}
