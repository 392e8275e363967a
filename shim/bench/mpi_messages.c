/* Windows of small messages, in million messages a second. */
#include "mpi_bench.h"

/* Windows between two looks at the clock. */
#define BATCH 100u

int main(int argc, char **argv) {
  if (bench_usage(argc, 5, "mpi_messages CPU CPU BYTES COUNT")) return 2;
  size_t bytes = (size_t)atoll(argv[3]), batches = (size_t)atoll(argv[4]) / BENCH_WINDOW / BATCH;
  bench_mpi m = bench_mpi_open(argc, argv, 0);
  char *data = calloc(1, bytes);
  double *samples = calloc(batches, sizeof *samples);
  if (!data || !samples) bench_fail("calloc");
  for (size_t batch = 0; batch < batches; batch++) {
    uint64_t start = bench_now();
    for (uint32_t i = 0; i < BATCH; i++) bench_mpi_window(&m, data, bytes, 1);
    samples[batch] = 1000.0 * BENCH_WINDOW * BATCH / (double)(bench_now() - start);
  }
  bench_mpi_end(&m, "messages-c", samples, batches, 0.01);
  return 0;
}
