/* The cost of a call into the shim from C, through a pointer, as a program that opened the shim at run time calls
 * it. */
#include "bench.h"
#include "lavaflow.h"

#define BATCH 1000

int main(int argc, char **argv) {
  if (bench_usage(argc, 4, "noop CPU CPU COUNT")) return 2;
  alarm(BENCH_LIMIT_S);
  bench_pin(argv[1]);
  size_t batches = (size_t)atoll(argv[3]) / BATCH, warm = batches / 10;
  double *samples = calloc(batches ? batches : 1, sizeof *samples);
  if (!batches || !samples) bench_fail("calloc");
  int32_t (*volatile call)(void) = lf_abi_version;
  uint32_t sum = 0;
  for (size_t batch = 0; batch < batches; batch++) {
    uint64_t start = bench_now();
    for (int32_t i = 0; i < BATCH; i++) sum += (uint32_t)call();
    samples[batch] = (double)(bench_now() - start) / BATCH;
  }
  bench_print("noop-c", samples + warm, batches - warm, 0.99, "{");
  printf(",\"sum\":%u}\n", sum);
  return 0;
}
