/* A program that initialised MPI itself, and finalises it: here the ranks of the lower half; the others leave that to
 * lava-flow. Four ranks. */
#include "job_test.h"

static int hosted; /* this rank's program has MPI */

static void initialises(void) {
  const lf_mpi *mpi = lf_mpi_load();
  int own_rank = -1, own_size = 0, level = 0;
  CHECK(mpi != NULL);
  int launched = lf_mpi_launched(&own_size);
  CHECK(launched && own_size > 0);
  /* The rank is not known before, so this is the launcher's word for it. */
  const char *names[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"};
  for (int i = 0; i < 3 && own_rank < 0; i++) own_rank = (int)(int64_t)test_number(names[i], (uint64_t)-1);
  CHECK(own_rank >= 0 && own_rank < own_size);
  hosted = own_rank < own_size / 2;
  if (hosted) {
    CHECK_EQ(mpi->Init_thread(NULL, NULL, mpi->thread_multiple, &level), 0);
    CHECK(level >= mpi->thread_multiple);
  }
  join_job();
  CHECK_EQ(rank, own_rank);
  CHECK_EQ(job->info.ours, !hosted);
  barrier(size);
}

static int overs;
static char reason_of_over[300];

static int idle(lf_job_end *end, uint64_t now) {
  (void)end;
  (void)now;
  return 0;
}

static void over(lf_job_end *end, const char *reason) {
  (void)end;
  overs++;
  snprintf(reason_of_over, sizeof reason_of_over, "%s", reason ? reason : "");
}

static lf_job_end open_end = {.round = idle, .over = over};

static int is_silent(void *given) { return ((lf_peer *)given)->silent; }

/* Those that have MPI from lava-flow are told by those that finalise it, and their own end is not held up by them. */
static void finalises(void) {
  lf_job_info info;
  lf_peer *first;
  int finalised = 0;
  lf_job_lock(job);
  lf_job_add(job, &open_end);
  for (int r = 0; r < size; r++) CHECK((first = lf_peer_retain(job, r)) != NULL);
  first = lf_peer_retain(job, 0);
  lf_job_unlock(job);
  barrier(size);
  if (!hosted) {
    rounds_until(is_silent, first);
    CHECK_EQ(lf_peer_any_dead(), -1);
    CHECK_EQ(lf_job_close(0, 10000), 1);
    CHECK_EQ(overs, 1);
    return;
  }
  CHECK_EQ(job->mpi->Finalize(), 0);
  CHECK_EQ(overs, 1);
  CHECK(strstr(reason_of_over, "finalised by the program that initialised it"));
  CHECK(lf_job_get() == NULL);
  CHECK_EQ(lf_job_describe(&info), LF_EMPI_FAILED);
  CHECK_EQ(lf_job_open(), LF_EMPI_FAILED);
  CHECK_EQ(lf_job_close(0, 10000), 0);
  CHECK_EQ(job->mpi->Finalized(&finalised), 0);
  CHECK(finalised);
}

int main(void) {
  RUN(initialises);
  RUN(finalises);
  return 0;
}
