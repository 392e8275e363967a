/*
 * The floor under every message between two processors: one 64-byte line each way with a counter in it, and nothing
 * else. Both ways to spin are measured; the faster one counts.
 */
#include "bench.h"

#define BATCH 100 /* round trips between two looks at the clock, for the median */
#define SINGLE(rounds) ((rounds) / 10) /* round trips that are timed one by one, for the p99 */

typedef struct {
  _Alignas(128) _Atomic uint64_t there;
  _Alignas(128) _Atomic uint64_t back;
} lines;

typedef struct {
  lines *lines;
  uint64_t rounds;
} task;

static inline __attribute__((always_inline)) void await_value(_Atomic uint64_t *word, uint64_t wanted, int relax) {
  while (atomic_load_explicit(word, memory_order_acquire) != wanted) {
    if (relax) bench_relax();
  }
}

static inline __attribute__((always_inline)) void echo(lines *l, uint64_t from, uint64_t rounds, int relax) {
  for (uint64_t i = from + 1; i <= from + rounds; i++) {
    await_value(&l->there, i, relax);
    atomic_store_explicit(&l->back, i, memory_order_release);
  }
}

static void other(void *argument) {
  task *t = argument;
  uint64_t all = t->rounds + SINGLE(t->rounds);
  echo(t->lines, 0, all, 1);
  echo(t->lines, all, all, 0);
}

static inline __attribute__((always_inline)) void play(lines *l, uint64_t from, size_t count, uint64_t batch, int relax,
                                                       double *samples) {
  uint64_t at = from;
  for (size_t sample = 0; sample < count; sample++) {
    uint64_t start = bench_now();
    for (uint64_t i = 0; i < batch; i++) {
      at++;
      atomic_store_explicit(&l->there, at, memory_order_release);
      await_value(&l->back, at, relax);
    }
    samples[sample] = (double)(bench_now() - start) / (double)batch / 2;
  }
}

int main(int argc, char **argv) {
  if (bench_usage(argc, 4, "pingpong CPU CPU ROUNDS")) return 2;
  uint64_t rounds = (uint64_t)atoll(argv[3]) / BATCH * BATCH;
  size_t batches = rounds / BATCH, singles = SINGLE(rounds), warm = batches / 10;
  double *relaxed = calloc(batches + singles, sizeof *relaxed), *plain = calloc(batches + singles, sizeof *plain);
  if (!batches || !relaxed || !plain) bench_fail("calloc");
  task t = {bench_shared(sizeof(lines)), rounds};
  pid_t child = bench_fork(argv, other, &t);
  play(t.lines, 0, batches, BATCH, 1, relaxed);
  play(t.lines, rounds, singles, 1, 1, relaxed + batches);
  play(t.lines, rounds + singles, batches, BATCH, 0, plain);
  play(t.lines, 2 * rounds + singles, singles, 1, 0, plain + batches);
  bench_join(child);
  bench_print_latency("pause", relaxed + warm, batches - warm, relaxed + batches, singles, "{");
  bench_print_latency("plain", plain + warm, batches - warm, plain + batches, singles, ",");
  puts("}");
  return 0;
}
