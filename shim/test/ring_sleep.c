/*
 * Going to sleep while the other side acts. Each round both start at the same moment, a little earlier or later; when
 * both are done, the end that was told to sleep must have had an event: else it would sleep on with a message before it.
 */
#include <stdatomic.h>

#include "rings.h"
#include "base/thread.h"
#include "shm/ring.h"

#define ROUNDS (TEST_TSAN ? 5000u : 20000u)

typedef struct {
  test_ring ring;
  int producer_sleeps; /* else the consumer */
  test_random delays;
  /* on lines of their own: a waiting thread must not slow down what is measured against it */
  _Alignas(128) _Atomic uint32_t round;
  _Alignas(128) _Atomic uint32_t done;
} contest;

static void wait_until(_Atomic uint32_t *value, uint32_t wanted) {
  for (uint32_t spins = 0; atomic_load_explicit(value, memory_order_acquire) != wanted; spins++) {
    if (spins % 256 == 255) test_yield();
    else lf_relax();
  }
}

static void pause_for(test_random *delays) {
  for (uint64_t n = test_below(delays, 64); n > 0; n--) lf_relax();
}

static void acts(void *given) {
  contest *t = given;
  test_random delays = {1};
  for (uint32_t i = 1; i <= ROUNDS; i++) {
    wait_until(&t->round, i);
    pause_for(&delays);
    if (t->producer_sleeps) CHECK_EQ(lf_rx_release(t->ring.consumer, 0), LF_OK);
    else CHECK_EQ(lf_tx_send(t->ring.producer, &i, sizeof i), 1);
    atomic_store_explicit(&t->done, i, memory_order_release);
  }
}

static int32_t arm(const contest *t) {
  return CHECK_OK(t->producer_sleeps ? lf_tx_arm(t->ring.producer, 1) : lf_rx_arm(t->ring.consumer));
}

/* In every second round the other side acts after this one armed, whatever the scheduler does; in the others about then. */
static void sleeps(contest *t) {
  int32_t link = t->producer_sleeps ? t->ring.producer_link : t->ring.consumer_link;
  lf_link *found = lf_handle_get(LF_KIND_LINK, link);
  lf_frame frame;
  for (uint32_t i = 1; i <= ROUNDS; i++) {
    if (t->producer_sleeps) {
      CHECK_EQ(lf_tx_send(t->ring.producer, &i, sizeof i), 1);
      CHECK_EQ(lf_rx_receive(t->ring.consumer, &frame), sizeof i);
      while (CHECK_OK(lf_link_sleep(found, 0)) == 1) { /* that it was received may have rung already */
      }
    } else {
      CHECK_EQ(lf_rx_receive(t->ring.consumer, &frame), LF_EMPTY); /* as a receiver that is about to sleep */
    }
    int before = i % 2 == 0, ready = before ? arm(t) : 0;
    atomic_store_explicit(&t->round, i, memory_order_release);
    if (!before) {
      pause_for(&t->delays);
      ready = arm(t);
    }
    wait_until(&t->done, i);
    int32_t rung = CHECK_OK(lf_link_sleep(found, 0));
    CHECK(ready == 1 || rung == 1);
    CHECK(!before || ready == 0);
    while (rung == 1) rung = CHECK_OK(lf_link_sleep(found, 0)); /* a ring too many counts for no later round */
    if (t->producer_sleeps) continue;
    CHECK_EQ(lf_rx_receive(t->ring.consumer, &frame), sizeof i);
    CHECK_EQ(lf_rx_release(t->ring.consumer, 0), LF_OK);
  }
}

static void contend(int producer_sleeps) {
  TEST_EACH_MODE(fenced) {
    contest t = {.ring = test_ring_open(4, fenced), .producer_sleeps = producer_sleeps, .delays = {2}};
    test_thread other;
    test_start(&other, acts, &t);
    sleeps(&t);
    test_join(&other);
    test_ring_close(&t.ring);
  }
}

static void consumer_never_oversleeps(void) { contend(0); }
static void producer_never_oversleeps(void) { contend(1); }

int main(void) {
  RUN(consumer_never_oversleeps);
  RUN(producer_never_oversleeps);
  return 0;
}
