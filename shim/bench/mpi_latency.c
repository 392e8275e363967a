/* Ping-pong by MPI_Send and MPI_Recv: half of a round trip, as in OSU's latency test. */
#include "mpi_bench.h"

#define BATCH 100

int main(int argc, char **argv) {
  if (bench_usage(argc, 6, "mpi_latency CPU CPU BYTES ROUNDS single|threads")) return 2;
  size_t bytes = (size_t)atoll(argv[3]), batches = (size_t)atoll(argv[4]) / BATCH;
  int threads = !strcmp(argv[5], "threads");
  bench_mpi m = bench_mpi_open(argc, argv, threads);
  char *to = calloc(1, bytes), *from = calloc(1, bytes);
  double *samples = calloc(batches, sizeof *samples);
  if (!to || !from || !samples) bench_fail("calloc");
  for (size_t batch = 0; batch < batches; batch++) {
    uint64_t start = bench_now();
    for (int i = 0; i < BATCH; i++) {
      if (m.rank == 0) bench_mpi_send(&m, to, bytes);
      bench_mpi_receive(&m, from, bytes);
      if (m.rank == 1) bench_mpi_send(&m, to, bytes);
    }
    samples[batch] = (double)(bench_now() - start) / BATCH / 2;
  }
  bench_mpi_end(&m, threads ? "latency-threads-c" : "latency-c", samples, batches, 0.99);
  return 0;
}
