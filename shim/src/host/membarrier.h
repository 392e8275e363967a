/* The barrier between an end that goes to sleep and one that wakes it. */
#ifndef LF_MEMBARRIER_H
#define LF_MEMBARRIER_H

#include <stdatomic.h>

/*
 * Going to sleep is Dekker's problem: "I wait" and "there is something" must not pass each other. The sleeper pays for
 * both: a membarrier makes every running thread of the two processes pass a full barrier, so the other side needs none
 * on its fast path (a fence there would wait for the slot's line on every message). Where there is no membarrier,
 * `fenced` is set on both sides and both use a fence.
 */
void lf_barrier_of_sleeper(int fenced);
static inline void lf_barrier_of_waker(int fenced) {
  if (fenced) atomic_thread_fence(memory_order_seq_cst);
  else atomic_signal_fence(memory_order_seq_cst);
}

#endif
