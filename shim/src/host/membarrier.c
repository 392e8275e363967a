#include "host/membarrier.h"

#include "lavaflow.h"

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int registered; /* 0: not tried, 1: yes, -1: no */

int32_t lf_membarrier_viable(void) {
  int state = atomic_load(&registered);
  if (state == 0) {
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    int there = commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) &&
                syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
    state = there ? 1 : -1;
    atomic_store(&registered, state);
  }
  return state == 1;
}

void lf_barrier_of_sleeper(int fenced) {
  atomic_thread_fence(memory_order_seq_cst);
  /* The command worked at registration. If it fails now, neither side would have a fence: the global command needs no
   * registration and passes a barrier on all processors. */
  if (!fenced && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0)
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

#else

int32_t lf_membarrier_viable(void) { return 0; }

void lf_barrier_of_sleeper(int fenced) {
  (void)fenced;
  atomic_thread_fence(memory_order_seq_cst);
}

#endif
