/*
 * The barriers of sleeper and waker alone: each writes a word and then reads the other's. In no round may both miss the
 * other's word.
 */
#include <stdatomic.h>

#include "base/thread.h"
#include "host/membarrier.h"
#include "rings.h"
#include "shm/ring.h"

#define ROUNDS (TEST_TSAN ? 20000u : 100000u)

typedef struct {
  _Alignas(128) _Atomic uint32_t value;
} line;

static struct {
  line waiting, message; /* each holds the number of the round */
  line round, done;
  uint32_t waker_saw; /* of `waiting` */
  int fenced;
} t;

static void wait_until(line *l, uint32_t wanted) {
  for (uint32_t spins = 0; atomic_load_explicit(&l->value, memory_order_acquire) != wanted; spins++)
    if (spins % 256 == 255) test_yield();
}

static void pause_for(test_random *delays) {
  for (uint64_t n = test_below(delays, 32); n > 0; n--) lf_relax();
}

static void wakes(void *unused) {
  (void)unused;
  test_random delays = {1};
  for (uint32_t i = 1; i <= ROUNDS; i++) {
    wait_until(&t.round, i);
    pause_for(&delays);
    atomic_store_explicit(&t.message.value, i, memory_order_release);
    lf_barrier_of_waker(t.fenced);
    t.waker_saw = atomic_load_explicit(&t.waiting.value, memory_order_relaxed);
    atomic_store_explicit(&t.done.value, i, memory_order_release);
  }
}

static void one_sees_the_other(void) {
  TEST_EACH_MODE(fenced) {
    memset(&t, 0, sizeof t);
    t.fenced = fenced;
    test_random delays = {2};
    test_thread waker;
    test_start(&waker, wakes, NULL);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
      atomic_store_explicit(&t.round.value, i, memory_order_release);
      pause_for(&delays);
      atomic_store_explicit(&t.waiting.value, i, memory_order_relaxed);
      lf_barrier_of_sleeper(t.fenced);
      uint32_t saw = atomic_load_explicit(&t.message.value, memory_order_acquire);
      wait_until(&t.done, i);
      CHECK(saw == i || t.waker_saw == i);
    }
    test_join(&waker);
  }
}

int main(void) {
  RUN(one_sees_the_other);
  return 0;
}
