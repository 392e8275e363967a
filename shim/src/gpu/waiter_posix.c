#include "gpu/waiter.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif
#include <time.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "base/thread.h"
#include "host/event.h"

/* Requested values that were not reached: as many as the queue has submissions in flight. A value requested twice is
 * stored once. */
#define VALUES_MAX 256
/* One wait in the driver. Bounds how late the thread sees that it must end. */
#define WAIT_NS 250000000u
/* Drivers wake a waiting thread late (NVIDIA's 0.3 ms late after work of some milliseconds). So for NAPPING_NS the
 * thread polls the timeline itself, between naps of NAP_NS, at about a tenth of a core. */
#define NAP_NS 20000
#define NAPPING_NS 20000000u
#define CLOSE_LIMIT_S 2 /* bounds a close while the driver hangs: several waits of WAIT_NS */

struct lf_waiter {
  lf_device *device; /* the thread uses only its function table, which is constant */
  VkSemaphore timeline;
  lf_event event; /* notified by the thread */
  pthread_t thread;
  pthread_mutex_t lock; /* guards the members below */
  pthread_cond_t changed;
  uint64_t values[VALUES_MAX];
  uint32_t count;
  uint64_t reached; /* at the thread's last poll */
  int ending, ended;
};

static VkResult poll_timeline(const lf_waiter *w, uint64_t *reached) {
  return w->device->vk.GetSemaphoreCounterValue(w->device->device, w->timeline, reached);
}

/* Waits until the timeline is beyond `reached`, or until WAIT_NS have passed; returns its value. The wait is for the
 * next value, which precedes each value requested meanwhile: so no request has to interrupt it, and drivers that must
 * poll to wait for one of two semaphores (Mesa's) sleep. A failure counts as reached: the event's watcher asks the
 * driver and gets the failure. */
static uint64_t wait_beyond(const lf_waiter *w, uint64_t reached) {
  const lf_device *d = w->device;
  uint64_t next = reached + 1;
  for (uint64_t until = lf_now() + NAPPING_NS; lf_now() < until;) {
    if (poll_timeline(w, &reached) < 0) return UINT64_MAX;
    if (reached >= next) return reached;
    lf_thread_nap(NAP_NS);
  }
  VkSemaphoreWaitInfo wait = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                              .semaphoreCount = 1,
                              .pSemaphores = &w->timeline,
                              .pValues = &next};
  VkResult result = d->vk.WaitSemaphores(d->device, &wait, WAIT_NS);
  if (result >= 0) result = poll_timeline(w, &reached);
  return result < 0 ? UINT64_MAX : reached;
}

static void *run(void *given) {
  lf_waiter *w = given;
#if defined(__linux__)
  prctl(PR_SET_TIMERSLACK, 1ul); /* of this thread only: a nap is shorter than the default slack of 50 us */
#endif
  pthread_mutex_lock(&w->lock);
  while (!w->ending) {
    if (w->count == 0) {
      pthread_cond_wait(&w->changed, &w->lock);
      continue;
    }
    uint64_t reached = w->reached;
    pthread_mutex_unlock(&w->lock);
    reached = wait_beyond(w, reached);
    pthread_mutex_lock(&w->lock);
    w->reached = reached;
    uint32_t left = 0;
    for (uint32_t i = 0; i < w->count; i++)
      if (w->values[i] > reached) w->values[left++] = w->values[i];
    if (left < w->count) lf_event_notify(&w->event);
    w->count = left;
  }
  w->ended = 1;
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->lock);
  return NULL;
}

static int has(const lf_waiter *w, uint64_t value) {
  for (uint32_t i = 0; i < w->count; i++)
    if (w->values[i] == value) return 1;
  return 0;
}

void lf_waiter_notify_at(lf_waiter *w, uint64_t value) {
  pthread_mutex_lock(&w->lock);
  int known = has(w, value);
  if (value <= w->reached || (!known && w->count == VALUES_MAX)) {
    /* at once, also when the array is full: an early event is harmless, a lost one is not */
    lf_event_notify(&w->event);
  } else if (!known) {
    w->values[w->count++] = value;
    pthread_cond_broadcast(&w->changed);
  }
  pthread_mutex_unlock(&w->lock);
}

int32_t lf_waiter_event_fd(lf_waiter *w, int64_t *out) { return lf_event_copy(&w->event, out); }

/* ---- open and close ---- */

static void destroy(lf_waiter *w) {
  lf_event_close(&w->event);
  pthread_cond_destroy(&w->changed);
  pthread_mutex_destroy(&w->lock);
  free(w);
}

/* The limit of a wait must not depend on the realtime clock. macOS has a call of its own for that. */
static void make_condition(pthread_cond_t *condition) {
#if defined(__APPLE__)
  pthread_cond_init(condition, NULL);
#else
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
#endif
}

static int wait_until_ended(lf_waiter *w) {
  int error = 0;
#if defined(__APPLE__)
  struct timespec limit = {.tv_sec = CLOSE_LIMIT_S};
  while (!w->ended && !error) error = pthread_cond_timedwait_relative_np(&w->changed, &w->lock, &limit);
#else
  struct timespec limit;
  clock_gettime(CLOCK_MONOTONIC, &limit);
  limit.tv_sec += CLOSE_LIMIT_S;
  while (!w->ended && !error) error = pthread_cond_timedwait(&w->changed, &w->lock, &limit);
#endif
  return w->ended;
}

/* Blocks all signals in the new thread: they are for the runtime's threads. */
static int start(lf_waiter *w) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&w->thread, NULL, run, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

int32_t lf_waiter_open(lf_device *device, VkSemaphore timeline, lf_waiter **out) {
  lf_waiter *w = calloc(1, sizeof *w);
  if (!w) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a waiter of %zu bytes", sizeof *w);
  w->device = device;
  w->timeline = timeline;
  pthread_mutex_init(&w->lock, NULL);
  make_condition(&w->changed);
  int32_t status = lf_event_open(&w->event);
  int error = status < 0 ? 0 : start(w);
  if (error) status = lf_fail_errno(LF_ESYSTEM, "pthread_create", error, "the waiter of %s", device->info.name);
  if (status < 0) {
    destroy(w);
    return status;
  }
  *out = w;
  return LF_OK;
}

int lf_waiter_close(lf_waiter *w) {
  pthread_mutex_lock(&w->lock);
  w->ending = 1;
  pthread_cond_broadcast(&w->changed);
  int ended = wait_until_ended(w);
  pthread_mutex_unlock(&w->lock);
  if (!ended) {
    /* The driver keeps the thread. Waiting longer would hang the caller, and freeing what the thread uses would crash
     * it when it returns: so the thread is left, with its few hundred bytes. */
    pthread_detach(w->thread);
    return 0;
  }
  pthread_join(w->thread, NULL);
  destroy(w);
  return 1;
}
