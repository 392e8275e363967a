#include <time.h>

#include "base/realtime.h"

static uint64_t system_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now); /* fails for no clock that every system has */
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__)
#include <x86intrin.h>

/*
 * The system's clock costs 22 ns, of which 12 go into ordering the read of the processor's time stamp counter against
 * other instructions, which a stamp does not need. So between two readings of that clock, a millisecond apart, the bare
 * counter goes on by itself. Its rate is that of the last two intervals, if they agree to a thousandth: so what is returned
 * is within two microseconds of the system's clock, unless somebody sets that, and then a millisecond later. Each thread
 * has its own, so that nothing has to be agreed upon.
 */
#define STRETCH_NS 1000000
#define STALE_NS 1000000000ull
#define AGREEMENT 1024
#define UNDISTURBED_TICKS 4000 /* about a microsecond: the clock was read without an interruption */

static _Thread_local struct {
  uint64_t ticks, ns; /* when the system's clock was read last */
  uint64_t span;      /* ticks from then on for which the rate may be used; 0: it is not known well enough */
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
