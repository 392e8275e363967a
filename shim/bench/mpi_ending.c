/* A rank that has done its work and ends: it says when, and the job is over when the last of them is gone. */
#include <time.h>

#include "base/library.h"
#include "base/status.h"
#include "bench.h"
#include "mpi/mpi.h"

static void must(int error, const char *what) {
  if (error == 0) return;
  fprintf(stderr, "%s: error %d\n", what, error);
  exit(1);
}

int main(int argc, char **argv) {
  alarm(BENCH_LIMIT_S);
  const lf_mpi *mpi = lf_mpi_load();
  lf_status last;
  lf_status_last(&last);
  if (!mpi) {
    fprintf(stderr, "%s\n", last.text);
    return 1;
  }
  const char *const path[] = {mpi->info.library, NULL};
  const char *const names[] = {"MPI_Barrier", NULL};
  void *found[1];
  const char *missing = lf_library_symbols(lf_library_open(path, last.text, sizeof last.text), names, found);
  if (missing) bench_fail(missing);
  int (*barrier)(lf_mpi_handle);
  memcpy(&barrier, &found[0], sizeof barrier);
  int level = 0;
  must(mpi->Init_thread(&argc, &argv, mpi->thread_multiple, &level), "MPI_Init_thread");
  must(barrier(mpi->comm_world), "MPI_Barrier");
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  printf("{\"doneAt\":%.6f}\n", (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6);
  fflush(stdout);
  must(mpi->Finalize(), "MPI_Finalize");
  return 0;
}
