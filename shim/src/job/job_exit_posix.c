/* Leaves the job at the end of the process, for a runtime whose main thread has no listener of its exit. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#else
#include <pthread.h>
#endif

#include "base/status.h"
#include "lavaflow.h"

static double silence_ms;

/* A thread of a library ends the process because it can't go on: the other ranks need not wait then. */
static int is_main(void) {
#if defined(__linux__)
  return syscall(SYS_gettid) == getpid();
#else
  return pthread_main_np();
#endif
}

static void leave(void) {
  if (is_main()) lf_job_close(0, silence_ms);
}

int32_t lf_job_close_at_exit(double timeout_ms) {
  static _Atomic int registered;
  if (!(timeout_ms >= 0 && timeout_ms <= 1e9))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a timeout of %g ms", timeout_ms);
  if (atomic_exchange(&registered, 1)) return LF_OK;
  silence_ms = timeout_ms;
  int error = atexit(leave);
#if !defined(__APPLE__)
  if (!error) error = at_quick_exit(leave); /* how Bun ends on Linux */
#endif
  return error ? lf_fail(LF_ESYSTEM, "atexit", error, "no more functions can be called at the end") : LF_OK;
}
