/* Second processes, and the descriptors that a process has open. */
#ifndef LF_TEST_PROCESS_H
#define LF_TEST_PROCESS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Runs `body` in a new process, which has no object of the shim. The process ends with status 0, or prints its
 * failure. */
static inline pid_t test_spawn(void (*body)(void *argument), void *argument) {
  test_directory(); /* the same for both */
  fflush(stdout);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid) return pid;
  body(argument);
  _Exit(0);
}

static inline void test_wait(pid_t pid) {
  int how = 0;
  pid_t got;
  do got = waitpid(pid, &how, 0);
  while (got < 0 && errno == EINTR);
  CHECK_EQ(got, pid);
  if (WIFSIGNALED(how)) test_fail(__FILE__, __LINE__, "the second process died of signal %d", WTERMSIG(how));
  if (WEXITSTATUS(how) != 0) _Exit(1); /* it has said why */
}

static inline void test_kill(pid_t pid) {
  CHECK_EQ(kill(pid, SIGKILL), 0);
  int how = 0;
  CHECK_EQ(waitpid(pid, &how, 0), pid);
  if (!WIFSIGNALED(how)) _Exit(1); /* it failed before that, and has said why */
}

static inline int test_open_descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

/* From here on this process gets no new descriptor, until the returned limit is set again. */
static inline struct rlimit test_forbid_descriptors(void) {
  struct rlimit old, low;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  low = old;
  int next = dup(0);
  CHECK(next >= 0);
  low.rlim_cur = (rlim_t)next;
  close(next);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  return old;
}

/* Memory that this process and those it spawns share. */
static inline void *test_shared(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

#endif
