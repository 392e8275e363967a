/* A program that initialised MPI itself finalises it while the job's thread is in a call of MPI. Four ranks. */
#include "job_test.h"

#define BYTES (8 << 20) /* of a message to this rank itself: MPI copies them within one call, which takes milliseconds */

static char sent[BYTES], received[BYTES];
static _Atomic int in_calls;
static int overs;

static int copy(lf_job_end *end, uint64_t now) {
  (void)end;
  (void)now;
  const lf_mpi *mpi = job->mpi;
  lf_mpi_request in = mpi->request_null, out = mpi->request_null;
  lf_mpi_status status;
  atomic_store(&in_calls, 1);
  CHECK_EQ(mpi->Irecv(received, BYTES, mpi->byte, rank, LF_TAG_EAGER(1), job->comm, &in), 0);
  CHECK_EQ(mpi->Isend(sent, BYTES, mpi->byte, rank, LF_TAG_EAGER(1), job->comm, &out), 0);
  for (int flag = 0; !flag;) CHECK_EQ(mpi->Test(&out, &flag, &status), 0);
  for (int flag = 0; !flag;) CHECK_EQ(mpi->Test(&in, &flag, &status), 0);
  return LF_BUSY;
}

static void over(lf_job_end *end, const char *reason) {
  (void)end;
  overs++;
  CHECK(reason && strstr(reason, "finalised by the program that initialised it"));
}

static lf_job_end busy = {.round = copy, .over = over};

static void finalises(void) {
  const lf_mpi *mpi = lf_mpi_load();
  int level = 0, finalised = 0;
  CHECK(mpi != NULL);
  CHECK_EQ(mpi->Init_thread(NULL, NULL, mpi->thread_multiple, &level), 0);
  join_job();
  barrier(size);
  lf_job_lock(job);
  lf_job_add(job, &busy);
  lf_job_unlock(job);
  while (!atomic_load(&in_calls)) test_yield();
  CHECK_EQ(mpi->Finalize(), 0);
  CHECK_EQ(overs, 1);
  CHECK(lf_job_get() == NULL);
  CHECK_EQ(lf_job_close(0, 10000), 0);
  CHECK_EQ(mpi->Finalized(&finalised), 0);
  CHECK(finalised);
}

int main(void) {
  RUN(finalises);
  return 0;
}
