#include <time.h>

#include "base/realtime.h"

static uint64_t system_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now); /* never fails for CLOCK_REALTIME */
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__)
#include <x86intrin.h>

/*
 * A read of the system's clock costs 22 ns. 12 of them order the read of the time stamp counter against other
 * instructions, which a stamp does not need. So for up to a millisecond after each read of that clock, the time is
 * extrapolated from the bare counter. The counter's rate is used only if the last two intervals agree on it to a
 * thousandth. The result is then within two microseconds of the system's clock. A change of the system's clock is seen
 * up to a millisecond later. Each thread has its own anchor, so that threads share no state.
 */
#define STRETCH_NS 1000000       /* the longest extrapolation: bounds the error of the rate */
#define STALE_NS 1000000000ull   /* an anchor older than this gives no rate: the clock may have been set */
#define AGREEMENT 1024           /* two rates agree if they differ by less than 1 / AGREEMENT of the newer one */
#define UNDISTURBED_TICKS 4000 /* about a microsecond; a slower read of the clock was interrupted and is not used */

static _Thread_local struct {
  uint64_t ticks, ns; /* of the last read of the system's clock */
  uint64_t span;      /* ticks from then on for which the rate may be used; 0: the rate is not known well enough */
  uint64_t rate;      /* ns a tick, in units of 2^-32; 0: unknown */
} anchor;

static uint64_t read_system(void) {
  uint64_t before = __rdtsc(), ns = system_ns(), ticks = __rdtsc();
  uint64_t passed = ticks - anchor.ticks, time = ns - anchor.ns, old = anchor.rate, rate = 0;
  if (ticks - before > UNDISTURBED_TICKS) {
    anchor.span = 0;
    return ns;
  }
  int stale = time > STALE_NS || passed == 0 || passed > 16 * STALE_NS; /* or set back */
  if (!stale && time < STRETCH_NS) return ns;
  if (!stale) rate = (time << 32) / passed;
  anchor.ticks = ticks;
  anchor.ns = ns;
  anchor.rate = rate;
  anchor.span = rate && (rate > old ? rate - old : old - rate) <= rate / AGREEMENT
                    ? (uint64_t)STRETCH_NS * passed / time
                    : 0;
  return ns;
}

uint64_t lf_realtime_micros(void) {
  uint64_t passed = __rdtsc() - anchor.ticks;
  if (__builtin_expect(passed < anchor.span, 1)) return (anchor.ns + (passed * anchor.rate >> 32)) / 1000;
  return read_system() / 1000;
}
#else
uint64_t lf_realtime_micros(void) { return system_ns() / 1000; }
#endif
