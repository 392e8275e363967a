/* The hybrid logical clock and the time of day under it: among threads, and against the system's own clock. */
#include <stdatomic.h>

#include "base/realtime.h"
#include "test.h"

#define THREADS 4
#define STAMPS (TEST_TSAN ? 20000 : 200000)

typedef struct {
  uint64_t *stamps; /* microseconds and counter in one word, which orders them as the clock does */
  int updates;      /* every other one is of a remote message */
} ticker;

static _Alignas(8) uint64_t word;

static uint64_t joined(const double *stamp) { return (uint64_t)stamp[0] << 12 | (uint64_t)stamp[1]; }

static void tick(void *argument) {
  ticker *t = argument;
  double stamp[2], remote[2] = {0, 0};
  for (int i = 0; i < STAMPS; i++) {
    if (t->updates && i % 2) {
      CHECK_OK(lf_clock_update(&word, -1, remote[0], remote[1], 60e6, stamp));
      CHECK(joined(stamp) > joined(remote));
    } else {
      CHECK_OK(lf_clock_tick(&word, -1, stamp));
    }
    t->stamps[i] = joined(stamp);
    /* A little ahead, so that the threads' clock runs ahead of the wall for some. */
    remote[0] = stamp[0] + i % 3;
    remote[1] = (double)(i % 4096);
  }
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void threads_share_a_clock(void) {
  static uint64_t all[THREADS * (size_t)STAMPS];
  ticker tickers[THREADS];
  test_thread threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    tickers[i] = (ticker){all + i * (size_t)STAMPS, i % 2};
    test_start(&threads[i], tick, &tickers[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    test_join(&threads[i]);
    for (int j = 1; j < STAMPS; j++) CHECK(tickers[i].stamps[j] > tickers[i].stamps[j - 1]);
  }
  qsort(all, THREADS * (size_t)STAMPS, sizeof *all, ascending);
  for (size_t i = 1; i < THREADS * (size_t)STAMPS; i++) CHECK(all[i] != all[i - 1]);
}

#if !defined(_WIN32)
static uint64_t system_micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The realtime clock is within 2 us of the system's, however it is read. */
static void the_wall_is_the_systems(void) {
  uint64_t first = system_micros(), last = first;
  int read = 0;
  while (last - first < 50000) {
    uint64_t before = system_micros(), wall = lf_realtime_micros();
    last = system_micros();
    if (wall + 2 < before || wall > last + 2) test_fail(__FILE__, __LINE__, "%" PRIu64 " us, read between %" PRIu64
                                                        " and %" PRIu64, wall, before, last);
    read++;
  }
  CHECK(read > 0);
}
#endif

static void what_can_not_be(void) {
  double stamp[2];
  uint64_t two[2] = {0, 0};
  CHECK_EQ(lf_clock_tick(NULL, -1, stamp), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_clock_tick(two, -1, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_clock_tick((char *)two + 4, -1, stamp), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_clock_tick(two, 1e300, stamp), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_clock_update(two, 5, 1e300, 0, 1e301, stamp), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_clock_update(two, 5, 5, 4096, 1, stamp), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_clock_update(two, 5, 5.5, 0, 1, stamp), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_clock_update(two, 5, 5, 0.5, 1, stamp), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_clock_update(two, 5, 7, 0, 1, stamp), LF_ECLOCK_DRIFT);
  CHECK_EQ(lf_clock_update(two, 5, 4503599627370495.0, 4095, 1e300, stamp), LF_ECLOCK_DRIFT);
  CHECK_EQ(two[0], 0);
}

static void the_last_stamp_has_none_after_it(void) {
  double stamp[2];
  uint64_t last[1] = {UINT64_MAX - 1};
  CHECK_OK(lf_clock_tick(last, 5, stamp));
  CHECK(stamp[0] == 4503599627370495.0 && stamp[1] == 4095);
  CHECK_EQ(lf_clock_tick(last, 5, stamp), LF_ECLOCK_DRIFT);
  CHECK_EQ(lf_clock_update(last, 5, 5, 0, 1, stamp), LF_ECLOCK_DRIFT);
  CHECK_EQ(last[0], UINT64_MAX);
}

int main(void) {
  RUN(threads_share_a_clock);
#if !defined(_WIN32)
  RUN(the_wall_is_the_systems);
#endif
  RUN(what_can_not_be);
  RUN(the_last_stamp_has_none_after_it);
  return 0;
}
