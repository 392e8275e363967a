/* Windows of large messages, in GB/s: "plain" from and to memory as malloc gives it, "huge" in transparent huge pages. With
 * OVER messages of a window come from, and go to, OVER buffers in turn, else all of them use one buffer. */
#include "mpi_bench.h"

#define HUGE_PAGE ((size_t)2 << 20)

int main(int argc, char **argv) {
  if (bench_usage(argc < 7 ? argc : 6, 6, "mpi_bandwidth CPU CPU BYTES COUNT plain|huge [OVER]")) return 2;
  size_t buffers = argc > 6 ? (size_t)atoll(argv[6]) : 1;
  size_t bytes = (size_t)atoll(argv[3]), windows = (size_t)atoll(argv[4]) / BENCH_WINDOW;
  int huge = strcmp(argv[5], "huge") == 0;
  bench_mpi m = bench_mpi_open(argc, argv, 0);
  void *data = NULL;
  if (posix_memalign(&data, huge ? HUGE_PAGE : (size_t)getpagesize(), bytes * buffers) != 0) bench_fail("posix_memalign");
#if defined(__linux__)
  if (madvise(data, bytes * buffers, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0) bench_fail("madvise");
#endif
  memset(data, 1, bytes * buffers);
  double *samples = calloc(windows, sizeof *samples);
  if (!samples) bench_fail("calloc");
  for (size_t window = 0; window < windows; window++) {
    uint64_t start = bench_now();
    bench_mpi_window(&m, data, bytes, buffers);
    samples[window] = (double)(bytes * BENCH_WINDOW) / (double)(bench_now() - start);
  }
  bench_mpi_end(&m, buffers > 1 ? "bandwidth-over-c" : huge ? "bandwidth-huge-c" : "bandwidth-c", samples, windows, 0.01);
  return 0;
}
