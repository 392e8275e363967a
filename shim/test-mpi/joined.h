/* The job that a test is a rank of. Comes after all other headers, as functions there have arguments of these names. */
#ifndef LF_JOINED_H
#define LF_JOINED_H

#include "job/job.h"
#include "test.h"

#define RANKS_MAX 64

static lf_job *job;
static int rank, size;

static inline void join_job(void) {
  int32_t status;
  while ((status = lf_job_open()) == LF_PENDING) test_yield();
  CHECK_EQ(status, 1);
  job = lf_job_get();
  CHECK(job != NULL);
  rank = job->info.rank;
  size = job->info.size;
  CHECK(size <= RANKS_MAX);
}

#endif
