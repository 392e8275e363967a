#include "gpu/compile.h"

#include <stdlib.h>

#include "base/lock.h"
#include "base/once.h"
#include "base/status.h"
#include "base/thread.h"

static lf_lock lock = LF_LOCK_FREE; /* guards the variables below */
static lf_compile *first, **end = &first; /* compiles that have not begun, in the order of their starts */
static uint32_t threads;
static int is_exiting;

static _Thread_local int is_compile_thread;

/* The caller holds the lock. */
static lf_compile *next_compile(void) {
  lf_compile *compile = is_exiting ? NULL : first;
  if (!compile) return NULL;
  first = compile->next;
  if (!first) end = &first;
  return compile;
}

static void run_all(void *unused) {
  (void)unused;
  is_compile_thread = 1;
  lf_lock_take(&lock);
  for (lf_compile *compile; (compile = next_compile());) {
    lf_lock_give(&lock);
    compile->run(compile);
    lf_lock_take(&lock);
  }
  threads--;
  lf_lock_give(&lock);
}

uint32_t lf_compile_threads(void) {
  lf_lock_take(&lock);
  uint32_t count = threads;
  lf_lock_give(&lock);
  return count;
}

#if defined(_WIN32)
/* Windows ends a process's other threads before it unloads the drivers. */
static void watch_exit(void) {}
#else
#define EXIT_POLL_NS 1000000 /* between two polls: short beside a compile */

/* Waits for the compiles that run, because exit() destroys the drivers' state while a thread compiles with it.
 * quick_exit(), by which Bun exits on Linux, destroys nothing and runs no handler. */
static void wait_for_compiles(void) {
  if (is_compile_thread) return; /* the driver itself has called exit() */
  lf_lock_take(&lock);
  is_exiting = 1;
  lf_lock_give(&lock);
  while (lf_compile_threads() > 0) lf_thread_nap(EXIT_POLL_NS);
}

static void watch_exit(void) { atexit(wait_for_compiles); }
#endif

int32_t lf_compile_start(lf_compile *compile) {
  static lf_once once = LF_ONCE;
  lf_once_run(&once, watch_exit);
  lf_lock_take(&lock);
  int32_t status = LF_OK;
  if (threads < LF_COMPILES_MAX) {
    status = lf_thread_start(run_all, NULL);
    if (status == LF_OK) threads++;
  }
  if (status == LF_OK) {
    compile->next = NULL;
    *end = compile;
    end = &compile->next;
  }
  lf_lock_give(&lock);
  return status;
}
