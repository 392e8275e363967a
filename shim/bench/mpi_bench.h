/*
 * Two ranks of an MPI job that call the library themselves, as any C program does: the one that the shim would open,
 * under the standard's names. The first rank measures and prints.
 */
#ifndef LF_MPI_BENCH_H
#define LF_MPI_BENCH_H

#include "base/library.h"
#include "base/status.h"
#include "bench.h"
#include "mpi/mpi.h"

#define BENCH_WINDOW 64u
#define BENCH_TAG 1

typedef struct {
  const lf_mpi *mpi;
  int rank;
  /* not used by the shim */
  int (*Init)(int *argc, char ***argv);
  int (*Send)(const void *data, int count, lf_mpi_handle type, int to, int tag, lf_mpi_handle comm);
  int (*Recv)(void *data, int count, lf_mpi_handle type, int from, int tag, lf_mpi_handle comm, void *status);
  int (*Waitall)(int count, void *requests, void *statuses);
  void *ignore; /* MPI_STATUS_IGNORE, MPI_STATUSES_IGNORE */
  size_t request_bytes; /* an array of requests has them this far apart */
} bench_mpi;

static inline void bench_call(int error, const char *name) {
  if (error == 0) return;
  fprintf(stderr, "%s: error %d\n", name, error);
  exit(1);
}
#define BENCH_CALL(m, name, ...) bench_call((m)->name(__VA_ARGS__), "MPI_" #name)

/* Every program's first two arguments are the processors of the two ranks. `threads`: several of the program's threads
 * may call MPI, one at a time; else it has one. */
static inline bench_mpi bench_mpi_open(int argc, char **argv, int threads) {
  alarm(BENCH_LIMIT_S);
  bench_mpi m = {.mpi = lf_mpi_load()};
  lf_status last;
  lf_status_last(&last);
  if (!m.mpi) {
    fprintf(stderr, "%s\n", last.text);
    exit(1);
  }
  const char *const path[] = {m.mpi->info.library, NULL};
  const char *const names[] = {"MPI_Init", "MPI_Send", "MPI_Recv", "MPI_Waitall", NULL};
  void *functions[4];
  const char *missing = lf_library_symbols(lf_library_open(path, last.text, sizeof last.text), names, functions);
  if (missing) bench_fail(missing);
  memcpy(&m.Init, &functions[0], sizeof m.Init);
  memcpy(&m.Send, &functions[1], sizeof m.Send);
  memcpy(&m.Recv, &functions[2], sizeof m.Recv);
  memcpy(&m.Waitall, &functions[3], sizeof m.Waitall);
  int ints = m.mpi->info.kind == LF_MPI_MPICH || m.mpi->info.kind == LF_MPI_MICROSOFT;
  m.ignore = ints ? (void *)1 : NULL;
  m.request_bytes = ints ? sizeof(int) : sizeof(void *);
  int size = 0, level = 0;
  if (threads) BENCH_CALL(m.mpi, Init_thread, &argc, &argv, m.mpi->thread_multiple, &level);
  else BENCH_CALL(&m, Init, &argc, &argv);
  BENCH_CALL(m.mpi, Comm_rank, m.mpi->comm_world, &m.rank);
  BENCH_CALL(m.mpi, Comm_size, m.mpi->comm_world, &size);
  if (size != 2) {
    fprintf(stderr, "%d ranks; start 2\n", size);
    exit(2);
  }
  bench_pin(argv[1 + m.rank]);
  return m;
}

static inline void bench_mpi_send(const bench_mpi *m, const void *data, size_t bytes) {
  BENCH_CALL(m, Send, data, (int)bytes, m->mpi->byte, 1 - m->rank, BENCH_TAG, m->mpi->comm_world);
}

static inline void bench_mpi_receive(const bench_mpi *m, void *data, size_t bytes) {
  BENCH_CALL(m, Recv, data, (int)bytes, m->mpi->byte, 1 - m->rank, BENCH_TAG, m->mpi->comm_world, m->ignore);
}

/* As OSU's tests of bandwidth and message rate: a window of messages from and to one buffer (or of `buffers` buffers),
 * then one short answer. */
static inline void bench_mpi_window(const bench_mpi *m, void *data, size_t bytes, size_t buffers) {
  static uint64_t requests[BENCH_WINDOW];
  char answer[4] = {0};
  for (uint32_t i = 0; i < BENCH_WINDOW; i++) {
    lf_mpi_request *request = (lf_mpi_request *)(void *)((char *)requests + i * m->request_bytes);
    void *buffer = (char *)data + i % buffers * bytes;
    if (m->rank == 0)
      BENCH_CALL(m->mpi, Isend, buffer, (int)bytes, m->mpi->byte, 1, BENCH_TAG, m->mpi->comm_world, request);
    else
      BENCH_CALL(m->mpi, Irecv, buffer, (int)bytes, m->mpi->byte, 0, BENCH_TAG, m->mpi->comm_world, request);
  }
  BENCH_CALL(m, Waitall, (int)BENCH_WINDOW, requests, m->ignore);
  if (m->rank == 0) bench_mpi_receive(m, answer, sizeof answer);
  else bench_mpi_send(m, answer, sizeof answer);
}

/* Ends MPI, and prints the first rank's measurements without their first fifth. */
static inline void bench_mpi_end(const bench_mpi *m, const char *name, double *samples, size_t count, double tail) {
  size_t warm = count / 5;
  if (m->rank == 0) {
    bench_print(name, samples + warm, count - warm, tail, "{");
    printf("}\n");
    fflush(stdout);
  }
  BENCH_CALL(m->mpi, Finalize);
}

#endif
