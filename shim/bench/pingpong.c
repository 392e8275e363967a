/*
 * The floor under every message between two processors: one 64-byte line each way with a counter in it, and nothing
 * else. Both ways to spin are measured; the faster one counts.
 */
#include "bench.h"

#define BATCH 100 /* round trips between two looks at the clock */

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
  echo(t->lines, 0, t->rounds, 1);
  echo(t->lines, t->rounds, t->rounds, 0);
}

static inline __attribute__((always_inline)) void play(lines *l, uint64_t from, uint64_t rounds, int relax,
                                                       double *samples) {
  uint64_t at = from;
  for (uint64_t batch = 0; batch < rounds / BATCH; batch++) {
    uint64_t start = bench_now();
    for (int i = 0; i < BATCH; i++) {
      at++;
      atomic_store_explicit(&l->there, at, memory_order_release);
      await_value(&l->back, at, relax);
    }
    samples[batch] = (double)(bench_now() - start) / BATCH / 2;
  }
}

int main(int argc, char **argv) {
  if (bench_usage(argc, 4, "pingpong CPU CPU ROUNDS")) return 2;
  uint64_t rounds = (uint64_t)atoll(argv[3]) / BATCH * BATCH;
  size_t batches = rounds / BATCH, warm = batches / 10;
  double *relaxed = calloc(batches, sizeof *relaxed), *plain = calloc(batches, sizeof *plain);
  if (!batches || !relaxed || !plain) bench_fail("calloc");
  task t = {bench_shared(sizeof(lines)), rounds};
  pid_t child = bench_fork(argv, other, &t);
  play(t.lines, 0, rounds, 1, relaxed);
  play(t.lines, rounds, rounds, 0, plain);
  bench_join(child);
  bench_print("pause", relaxed + warm, batches - warm, 0.99, "{");
  bench_print("plain", plain + warm, batches - warm, 0.99, ",");
  puts("}");
  return 0;
}
