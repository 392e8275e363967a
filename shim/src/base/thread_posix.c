#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif
#if defined(__APPLE__)
#include <sys/random.h>
#endif

#include "base/status.h"
#include "base/thread.h"

/* Bytes. MPI libraries and the compilers of GPU drivers expect the stack of a main thread; musl's default is 128
 * KiB. */
#define STACK_BYTES ((size_t)8 << 20)

int32_t lf_sleeper_open(lf_sleeper *s) {
  *s = (lf_sleeper){0};
  int error = pthread_mutex_init(&s->lock, NULL);
#if defined(__APPLE__)
  if (!error) error = pthread_cond_init(&s->changed, NULL);
#else
  pthread_condattr_t attributes;
  if (!error) error = pthread_condattr_init(&attributes);
  if (!error) error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  if (!error) error = pthread_cond_init(&s->changed, &attributes);
#endif
  return error ? lf_fail_errno(LF_ESYSTEM, "pthread_cond_init", error, "a sleeper") : LF_OK;
}

int lf_sleeper_sleep(lf_sleeper *s, uint64_t ns) {
  int error = 0;
  pthread_mutex_lock(&s->lock);
#if defined(__APPLE__)
  struct timespec limit = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  while (!s->woken && !error) error = pthread_cond_timedwait_relative_np(&s->changed, &s->lock, &limit);
#else
  struct timespec limit;
  clock_gettime(CLOCK_MONOTONIC, &limit);
  uint64_t end = (uint64_t)limit.tv_nsec + ns;
  limit.tv_sec += (time_t)(end / 1000000000u);
  limit.tv_nsec = (long)(end % 1000000000u);
  while (!s->woken && !error) error = pthread_cond_timedwait(&s->changed, &s->lock, &limit);
#endif
  int woken = s->woken;
  s->woken = 0;
  pthread_mutex_unlock(&s->lock);
  return woken;
}

void lf_sleeper_wake(lf_sleeper *s) {
  pthread_mutex_lock(&s->lock);
  s->woken = 1;
  pthread_cond_signal(&s->changed);
  pthread_mutex_unlock(&s->lock);
}

typedef struct {
  void (*body)(void *given);
  void *given;
} start;

static void *run(void *given) {
  start s = *(start *)given;
  free(given);
#if defined(__linux__)
  prctl(PR_SET_TIMERSLACK, 1ul); /* of this thread only: naps are shorter than the default slack of 50 us */
#endif
  s.body(s.given);
  return NULL;
}

int32_t lf_thread_start(void (*body)(void *given), void *given) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, before;
  start *s = malloc(sizeof *s);
  if (!s) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "the start of a thread");
  *s = (start){body, given};
  int error = pthread_attr_init(&attributes);
  if (!error) {
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
  }
  if (!error) return LF_OK;
  free(s);
  return lf_fail_errno(LF_ESYSTEM, "pthread_create", error, "a thread of the shim");
}

void lf_thread_yield(void) { sched_yield(); }

void lf_thread_nap(uint64_t ns) {
  struct timespec nap = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  nanosleep(&nap, NULL);
}

uint64_t lf_thread_used(void) {
  struct timespec used;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0) return 0;
  return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

int32_t lf_random(uint8_t *out, size_t bytes) {
  if (getentropy(out, bytes) == 0) return LF_OK;
  return lf_fail_errno(LF_ESYSTEM, "getentropy", errno, "%zu random bytes", bytes);
}
