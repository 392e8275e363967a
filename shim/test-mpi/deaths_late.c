/* A rank that dies while the others wait for it, at the end of the job. Four ranks, under a launcher that is told to
 * let the others live; it may end with a status that is not 0. Each rank says "ok" as often, also the one that dies. */
#include "job_test.h"

static int is_dead(void *given) { return ((lf_peer *)given)->dead; }

static void left_alone(void) {
  lf_peer *peers[RANKS_MAX];
  lf_job_lock(job);
  for (int r = 0; r < size; r++) CHECK((peers[r] = lf_peer_retain(job, r)) != NULL);
  lf_job_unlock(job);
  barrier(size);
  if (rank != size - 1) {
    CHECK_EQ(lf_job_close(0, 10000), 0);
    return;
  }
  for (int r = 0; r < size - 1; r++) {
    rounds_until(is_dead, peers[r]);
    CHECK(!peers[r]->silent); /* they wait */
  }
}

int main(void) {
  lf_peer_silence = LF_PEER_SILENCE_NS / 4;
  join_job();
  RUN(left_alone);
  if (rank == size - 1) _Exit(0);
  return 0;
}
