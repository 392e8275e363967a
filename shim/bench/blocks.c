/* memcpy of one source block into blocks of a channel's kind of memory that take turns: the least that sending a block
 * can cost when it is copied. */
#include "bench.h"
#include "host/segment.h"

#define BATCH 16

int main(int argc, char **argv) {
  if (bench_usage(argc, 6, "blocks CPU CPU BYTES BLOCKS COUNT")) return 2;
  size_t bytes = (size_t)atoll(argv[3]), blocks = (size_t)atoll(argv[4]), batches = (size_t)atoll(argv[5]) / BATCH;
  alarm(BENCH_LIMIT_S);
  bench_pin(argv[1]);
  double *samples = calloc(batches ? batches : 1, sizeof *samples);
  char *source = malloc(bytes);
  lf_segment segment;
  if (!batches || !samples || !source) bench_fail("malloc");
  if (lf_segment_create(bytes * blocks, &segment) != 0) bench_fail("lf_segment_create");
  char *target = segment.address;
  memset(source, 1, bytes);
  size_t warm = batches / 10, at = 0;
  for (size_t batch = 0; batch < batches; batch++) {
    uint64_t start = bench_now();
    for (int i = 0; i < BATCH; i++) {
      source[0] = (char)i;
      memcpy(target + at * bytes, source, bytes);
      __asm__ volatile("" ::: "memory");
      at = at + 1 == blocks ? 0 : at + 1;
    }
    samples[batch] = (double)bytes * BATCH / (double)(bench_now() - start);
  }
  bench_print("copy", samples + warm, batches - warm, 0.01, "{");
  puts("}");
  return 0;
}
