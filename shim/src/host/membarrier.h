/* The barrier between an end that parks and the end that wakes it. */
#ifndef LF_MEMBARRIER_H
#define LF_MEMBARRIER_H

#include <stdatomic.h>

/*
 * Parking is Dekker's problem: the sleeper's "I am armed" and the waker's "a frame is there" must not both be missed.
 * The sleeper pays for both sides: a membarrier makes each running thread of the two processes pass a full barrier. So
 * the waker needs no fence on its fast path, where a fence would wait for the slot's cache line on each message. Where
 * membarrier is unavailable, `fenced` is set on both sides, and both use a fence.
 */
void lf_barrier_of_sleeper(int fenced);
static inline void lf_barrier_of_waker(int fenced) {
  if (fenced) atomic_thread_fence(memory_order_seq_cst);
  else atomic_signal_fence(memory_order_seq_cst);
}

#endif
