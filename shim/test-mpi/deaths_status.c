/* A rank that ends with an error does not wait for the others, and they learn of it without having to find it out. Four
 * ranks, under a launcher that is told to let the others live; it may end with a status that is not 0. */
#include "job_test.h"

static int is_silent(void *given) { return ((lf_peer *)given)->silent; }

static void told_at_once(void) {
  int failing = size - 1;
  lf_peer *peers[RANKS_MAX];
  lf_job_lock(job);
  for (int r = 0; r < size; r++) CHECK((peers[r] = lf_peer_retain(job, r)) != NULL);
  lf_job_unlock(job);
  barrier(size);
  if (rank == 0) { /* it waits already, and only for its own part of the barrier */
    CHECK_EQ(lf_job_close(0, 10000), 0);
  } else if (rank == failing) {
    CHECK_EQ(lf_job_close(1, 10000), 0);
  } else {
    rounds_until(is_silent, peers[failing]);
    CHECK_EQ(lf_job_close(0, 10000), 0);
  }
}

int main(void) {
  lf_peer_silence = (uint64_t)1 << 62; /* no rank is found dead by silence here */
  join_job();
  RUN(told_at_once);
  return 0;
}
