/* Ranks that die: the last one exits, the one before it is stopped. Four ranks, under a launcher that is told to let
 * the others live; its status may be other than 0. Each rank prints the same number of "ok", also those that die. No
 * rank dies by a signal, because MPICH's launcher then sometimes kills the others although told not to. */
#include <signal.h>

#include "job_test.h"

static int survivors; /* the ranks below this one */
static pid_t stopped; /* the process of the rank that is stopped */

static void read_pid(int from, lf_word word, const uint8_t *data, uint32_t length) {
  if (word == LF_WORD_PUT) {
    CHECK_EQ(from, survivors);
    CHECK_EQ(length, sizeof stopped);
    memcpy(&stopped, data, length);
  }
}

static int has_pid(void *given) {
  (void)given;
  return stopped != 0;
}

static int is_dead(void *given) { return ((lf_peer *)given)->dead; }

static void noticed(void) {
  lf_peer *peers[RANKS_MAX];
  lf_job_lock(job);
  for (int r = 0; r < size; r++) CHECK((peers[r] = lf_peer_retain(job, r)) != NULL);
  lf_job_unlock(job);
  survivors = size - 2;
  read_word = read_pid;
  barrier(size);
  if (rank == survivors) {
    pid_t own = getpid();
    for (int r = 0; r < survivors; r++) post(r, LF_WORD_PUT, &own, sizeof own);
  }
  barrier(size);
  if (rank >= survivors) return;
  rounds_until(has_pid, NULL);
  for (int r = survivors; r < size; r++) {
    rounds_until(is_dead, peers[r]);
    CHECK(peers[r]->silent);
  }
  barrier(survivors);
  for (int r = 0; r < survivors; r++) CHECK(!peers[r]->dead);
  CHECK(lf_peer_any_dead() >= survivors);
}

/* Messages to dead ranks are dropped: any number can be posted. */
static void dead_ranks_hold_no_memory(void) {
  static uint8_t data[LF_WORD_MAX];
  if (rank >= survivors) return;
  lf_job_lock(job);
  for (int i = 0; i < 100000; i++)
    for (int r = survivors; r < size; r++) CHECK_EQ(lf_control_post(job, r, LF_WORD_CONNECTION, data, sizeof data), LF_OK);
  CHECK_EQ(lf_peer_retain(job, survivors)->dead, 1);
  lf_job_unlock(job);
  barrier(survivors);
}

static void leaves_without_finalising(void) {
  if (rank >= survivors) return;
  CHECK_EQ(lf_job_close(0, 10000), 0);
  CHECK(lf_job_get() == NULL);
}

int main(void) {
  lf_peer_silence = LF_PEER_SILENCE_NS / 4;
  join_job();
  RUN(noticed);
  RUN(dead_ranks_hold_no_memory);
  RUN(leaves_without_finalising);
  if (rank == survivors) kill(getpid(), SIGSTOP); /* until the first rank has seen the end of it */
  if (rank >= survivors) _Exit(0);
  if (rank == 0) kill(stopped, SIGCONT);
  return 0;
}
