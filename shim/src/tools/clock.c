/*
 * A hybrid logical clock: Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical Physical Clocks", OPODIS 2014. The two
 * numbers of a stamp, physical microseconds (the paper's l) and the logical counter (its c), are one word: l << 12 | c.
 * So threads that share the word take a stamp by one compare-and-swap. The greater of two words is the later stamp, and
 * a word plus one is the next logical event. If c is full, that is the next microsecond. The paper's proof allows this:
 * l may be greater than the paper's value.
 */
#include <stdatomic.h>

#include "base/realtime.h"
#include "base/status.h"
#include "base/whole.h"
#include "lavaflow.h"

#define LOGICAL_BITS 12
#define LOGICAL_MAX ((uint64_t)(1 << LOGICAL_BITS) - 1)
#define MICROS_MAX 4503599627370495.0 /* 2^52 - 1, in the year 2112 */

static int is_time(double micros) { return micros >= 0 && micros <= MICROS_MAX; }

static void put(uint64_t word, double *out) {
  out[0] = (double)(word >> LOGICAL_BITS);
  out[1] = (double)(word & LOGICAL_MAX);
}

static int32_t no_clock(const void *word, const double *out, double wall) {
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                 "a clock at %p, memory for the stamp at %p, and a realtime clock of %.0f us", word,
                 (const void *)out, wall);
}

/*
 * Takes the least stamp after those that the clock returned or merged, `seen` and the realtime clock. The format's last
 * word has no successor: then the clock stays unchanged.
 */
static int32_t advance(_Atomic uint64_t *clock, uint64_t seen, uint64_t wall, double *out) {
  uint64_t before = atomic_load_explicit(clock, memory_order_relaxed), next;
  do {
    next = (before > seen ? before : seen) + 1;
    if (__builtin_expect(next == 0, 0))
      return lf_fail(LF_ECLOCK_DRIFT, "", 0, "no stamp is later than %.0f us and %.0f, the last one of the format",
                     MICROS_MAX, (double)LOGICAL_MAX);
    if (wall > next) next = wall;
  } while (!atomic_compare_exchange_weak(clock, &before, next));
  put(next, out);
  return LF_OK;
}

static inline uint64_t realtime_word(double wall) {
  return (wall < 0 ? lf_realtime_micros() : (uint64_t)wall) << LOGICAL_BITS;
}

int32_t lf_clock_tick(void *word, double wall, double *out) {
  if (__builtin_expect(!word || (uintptr_t)word % 8 || !out || (wall >= 0 && !is_time(wall)) || wall != wall, 0))
    return no_clock(word, out, wall);
  return advance(word, 0, realtime_word(wall), out);
}

int32_t lf_clock_update(void *word, double wall, double physical, double logical, double max_drift, double *out) {
  if (!word || (uintptr_t)word % 8 || !out || (wall >= 0 && !is_time(wall)) || wall != wall)
    return no_clock(word, out, wall);
  if (!is_time(physical) || !(logical >= 0 && logical <= (double)LOGICAL_MAX) || !lf_whole(physical) ||
      !lf_whole(logical) || !(max_drift >= 0))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "a stamp of %.17g us and %.17g, where whole numbers up to %.0f us and %.0f "
                   "can be, or a drift of %g us", physical, logical, MICROS_MAX, (double)LOGICAL_MAX, max_drift);
  uint64_t now = realtime_word(wall);
  double here = (double)(now >> LOGICAL_BITS);
  if (physical - here > max_drift)
    return lf_fail(LF_ECLOCK_DRIFT, "", 0,
                   "the stamp is %.0f us ahead of this host's realtime clock, and %.0f are allowed",
                   physical - here, max_drift);
  return advance(word, (uint64_t)physical << LOGICAL_BITS | (uint64_t)logical, now, out);
}
