/* Ping-pong by MPI_Send and MPI_Recv: half of a round trip, as in OSU's latency test. */
#include "mpi_bench.h"

#define BATCH 100

static void play(const bench_mpi *m, char *to, char *from, size_t bytes, size_t count, int batch, double *samples) {
  for (size_t sample = 0; sample < count; sample++) {
    uint64_t start = bench_now();
    for (int i = 0; i < batch; i++) {
      if (m->rank == 0) bench_mpi_send(m, to, bytes);
      bench_mpi_receive(m, from, bytes);
      if (m->rank == 1) bench_mpi_send(m, to, bytes);
    }
    samples[sample] = (double)(bench_now() - start) / batch / 2;
  }
}

int main(int argc, char **argv) {
  if (bench_usage(argc, 6, "mpi_latency CPU CPU BYTES ROUNDS single|threads")) return 2;
  size_t bytes = (size_t)atoll(argv[3]), batches = (size_t)atoll(argv[4]) / BATCH, singles = batches * BATCH / 10;
  int threads = !strcmp(argv[5], "threads");
  bench_mpi m = bench_mpi_open(argc, argv, threads);
  char *to = calloc(1, bytes), *from = calloc(1, bytes);
  double *samples = calloc(batches + singles, sizeof *samples);
  if (!to || !from || !samples) bench_fail("calloc");
  play(&m, to, from, bytes, batches, BATCH, samples);
  play(&m, to, from, bytes, singles, 1, samples + batches);
  size_t warm = batches / 5;
  if (m.rank == 0) {
    const char *name = threads ? "latency-threads-c" : "latency-c";
    bench_print_latency(name, samples + warm, batches - warm, samples + batches, singles, "{");
    printf("}\n");
    fflush(stdout);
  }
  BENCH_CALL(m.mpi, Finalize);
  return 0;
}
