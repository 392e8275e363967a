/* A program that initialised MPI for one thread only, or has finalised it: lava-flow does not use it, and says why each
 * time. Four ranks. */
#include "job_test.h"

static int32_t open_job(void) {
  int32_t status;
  while ((status = lf_job_open()) == LF_PENDING) test_yield();
  return status;
}

static void for_one_thread(void) {
  const lf_mpi *mpi = lf_mpi_load();
  lf_status last;
  int level = 0;
  CHECK(mpi != NULL);
  CHECK_EQ(mpi->Init_thread(NULL, NULL, 0, &level), 0); /* MPI_THREAD_SINGLE of every kind */
  if (level >= mpi->thread_multiple) {
    test_skipped = 1;
    printf("skip %s: %s gives all threads always\n", test_name, mpi->info.implementation);
    return;
  }
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(open_job(), LF_EMPI_UNAVAILABLE);
    CHECK_EQ(lf_status_last(&last), LF_OK);
    CHECK(strstr(last.text, "MPI_THREAD_MULTIPLE"));
    CHECK(lf_job_get() == NULL);
    CHECK_EQ(lf_status_code(), LF_EMPI_UNAVAILABLE);
  }
  CHECK_EQ(standing(), LF_LAUNCH_RANK);
  CHECK_EQ(lf_job_abort(1, NULL, 0), 0); /* there is no job to end */
  CHECK_EQ(lf_job_close(0, 1000), 0);
  CHECK_EQ(open_job(), LF_EMPI_UNAVAILABLE);
}

int main(void) {
  RUN(for_one_thread);
  CHECK_EQ(lf_mpi_load()->Finalize(), 0);
  return 0;
}
