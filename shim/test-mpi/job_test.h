/* For the tests of the job: they handle the messages of the control channel themselves, in place of the handlers in
 * abi/job.c. */
#ifndef LF_JOB_TEST_H
#define LF_JOB_TEST_H

#include "base/status.h"
#include "ipc/link.h"
#include "job/control.h"

#include "base/monotonic.h"
#include "joined.h"

#define LIMIT_NS ((uint64_t)60 * 1000000000) /* only ends a hang */

static inline int32_t standing(void) {
  lf_launch_info info;
  CHECK_EQ(lf_launch_examine(NULL, 0, &info), LF_OK);
  return info.standing;
}

static uint32_t come[RANKS_MAX]; /* how many times each rank has come to a meeting */
/* Reads what is no word of a meeting. */
static void (*read_word)(int from, lf_word word, const uint8_t *data, uint32_t length);

static void any_word(lf_job *j, int from, lf_word word, const uint8_t *data, uint32_t length) {
  CHECK(j == job || !job);
  if (word == LF_WORD_ASK) come[from]++;
  else if (read_word) read_word(from, word, data, length);
}
#define READS_WORDS(handler)                                                                \
  void handler(lf_job *j, int from, lf_word word, const uint8_t *data, uint32_t length) { \
    any_word(j, from, word, data, length);                                                  \
  }
READS_WORDS(lf_lease_shard_word)
READS_WORDS(lf_lease_word)
READS_WORDS(lf_connection_word)
READS_WORDS(lf_ep_tx_word)

/* Rounds, here and in the job's thread, until it is so; `done` is called under the lock. */
static inline void rounds_until(int (*done)(void *given), void *given) {
  uint64_t end = lf_now() + LIMIT_NS;
  for (int is_done = 0; !is_done; test_yield()) {
    lf_job_lock(job);
    lf_job_round(job, lf_now());
    is_done = done(given);
    lf_job_unlock(job);
    if (!is_done && lf_now() > end) test_fail(__FILE__, __LINE__, "it did not come to it");
  }
}

static inline void post(int to, lf_word word, const void *data, uint32_t length) {
  lf_job_lock(job);
  CHECK_EQ(lf_control_post(job, to, word, data, length), LF_OK);
  lf_job_unlock(job);
}

static int barrier_ranks;
static inline int all_came(void *given) {
  for (int r = 0; r < barrier_ranks; r++)
    if (come[r] < *(uint32_t *)given) return 0;
  return 1;
}

/* The first `ranks` ranks wait for one another. */
static inline void barrier(int ranks) {
  static uint32_t barriers;
  barriers++;
  barrier_ranks = ranks;
  for (int r = 0; r < ranks; r++) post(r, LF_WORD_ASK, NULL, 0);
  rounds_until(all_came, &barriers);
}

#endif
