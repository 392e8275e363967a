/* Shared by the tests of endpoints: a message from rank to rank outside of them, and channels between two ranks. */
#ifndef LF_EP_TEST_H
#define LF_EP_TEST_H

#include <string.h>

#include "ep/ep.h"

#include "base/monotonic.h"
#include "joined.h"

#define LIMIT_NS ((uint64_t)120 * 1000000000) /* only ends a hang */
#define WHO "the other rank"

/* Until the call says something else than LF_EMPTY, LF_FULL or LF_OK. */
#define UNTIL(call)                                                                                           \
  ({                                                                                                          \
    uint64_t until_end = lf_now() + LIMIT_NS;                                                                 \
    int32_t until_got;                                                                                        \
    while ((until_got = (call)) == LF_EMPTY || until_got == LF_FULL || until_got == LF_OK) {                  \
      if (lf_now() > until_end) test_fail(__FILE__, __LINE__, "%s did not come to it", #call);                \
      test_yield();                                                                                           \
    }                                                                                                         \
    until_got;                                                                                                \
  })

/* ---- messages outside of the endpoints ---- */

#define WORD_TAG LF_TAG_EAGER(job->tags - 1)

static inline int32_t finished(lf_mpi_request *request) {
  lf_mpi_status status;
  int flag = 0;
  lf_job_lock(job);
  CHECK_EQ(job->mpi->Test(request, &flag, &status), 0);
  lf_job_round(job, lf_now());
  lf_job_unlock(job);
  return flag;
}

static inline void post(int to, int tag, const void *data, size_t length) {
  lf_mpi_request request = 0;
  lf_job_lock(job);
  CHECK_EQ(job->mpi->Isend(data, (int)length, job->mpi->byte, to, tag, job->comm, &request), 0);
  lf_job_unlock(job);
  UNTIL(finished(&request));
}

static inline void tell(int to, uint64_t word) { post(to, WORD_TAG, &word, sizeof word); }

static inline uint64_t hear(int from) {
  uint64_t word = 0;
  lf_mpi_request request = 0;
  lf_job_lock(job);
  CHECK_EQ(job->mpi->Irecv(&word, sizeof word, job->mpi->byte, from, WORD_TAG, job->comm, &request), 0);
  lf_job_unlock(job);
  UNTIL(finished(&request));
  return word;
}

/* Both ranks come to it. */
static inline void await_rank(int other) {
  if (other == rank) return;
  tell(other, 1);
  CHECK_EQ(hear(other), 1);
}

/* ---- channels ---- */

typedef struct {
  int32_t to, from; /* handles; 0 where the end is in another process */
  uint32_t tag;
} ep_pair;

/* A channel from the one rank to the other, which may be the same; both call. */
static inline ep_pair open_pair(int source, int target, uint32_t slots, int fragments) {
  ep_pair p = {0};
  uint64_t tag = 0, address = 0;
  if (rank == source) {
    p.to = CHECK_OK(lf_mpi_tx_open(target, 0, slots, WHO, sizeof WHO - 1, &p.tag));
    tag = p.tag;
    if (target != rank) tell(target, tag);
  }
  if (rank == target) {
    if (source != rank) tag = hear(source);
    double at = 0;
    p.tag = (uint32_t)tag;
    p.from = CHECK_OK(lf_mpi_rx_open(source, 0, p.tag, slots, fragments, WHO, sizeof WHO - 1));
    CHECK_EQ(UNTIL(lf_mpi_rx_ready(p.from, &at)), 1);
    address = (uint64_t)at;
    if (source != rank) tell(source, address);
  }
  if (rank == source) {
    if (target != rank) address = hear(target);
    CHECK_EQ(lf_mpi_tx_connect(p.to, (double)address), LF_OK);
  }
  return p;
}

static inline void close_pair(ep_pair p) {
  if (p.to) CHECK_EQ(lf_tx_close(p.to), LF_OK);
  if (p.from) CHECK_EQ(lf_rx_close(p.from), LF_OK);
}

/* Does what LF_RETIRE asks for. */
static inline int sender_retires(int32_t sender, int32_t result) {
  uint32_t region;
  if (result != LF_RETIRE) return 0;
  if (lf_tx_retirable(sender, &region) == 1) CHECK_EQ(lf_tx_retire(sender, region), LF_OK);
  return 1;
}

static inline int32_t sent(int32_t sender, int32_t result) {
  return sender_retires(sender, result) ? LF_FULL : result;
}

/* The next frame, or the end: not LF_EMPTY, not LF_RETIRE. */
static inline int32_t receive(int32_t receiver, lf_frame *out) {
  for (;;) {
    int32_t result = UNTIL(lf_rx_receive_wait(receiver, 1000, 20, out) + 1) - 1; /* 0 is a length */
    if (result == LF_TIMEOUT) continue;
    if (result != LF_RETIRE) return result;
    CHECK_EQ(lf_rx_retire(receiver, out->region), LF_OK);
  }
}

static inline uint64_t frame_length(int32_t result, const lf_frame *frame) {
  return result == LF_REGION ? (uint64_t)frame->length : (uint64_t)result;
}

/* Where its bytes are. */
static inline const void *frame_bytes(int32_t receiver, int32_t result, const lf_frame *frame) {
  if (result != LF_REGION) return frame->payload;
  lf_region_info info;
  CHECK_EQ(lf_rx_region(receiver, frame->region, &info), LF_OK);
  CHECK_EQ(info.kind, LF_REGION_POOLED);
  CHECK(frame->offset >= 0 && frame->offset + frame->length <= info.size);
  return (const char *)(uintptr_t)info.address + (size_t)frame->offset;
}

static inline uint32_t frame_token(int32_t result, const lf_frame *frame) {
  return result == LF_REGION ? frame->token : 0;
}

/* Receives one and checks it whole. */
static inline void expect_frame(int32_t receiver, uint64_t sequence, uint64_t length) {
  lf_frame frame;
  int32_t result = receive(receiver, &frame);
  CHECK(result >= 0);
  CHECK_EQ(frame_length(result, &frame), length);
  CHECK_EQ(frame.sequence, (double)sequence);
  CHECK_EQ(test_differs(frame_bytes(receiver, result, &frame), length, sequence), length);
  CHECK_EQ(lf_rx_release(receiver, frame_token(result, &frame)), LF_OK);
}

static inline lf_end_stats sender_stats(int32_t sender) {
  lf_end_stats stats;
  CHECK_EQ(lf_tx_stats(sender, &stats), LF_OK);
  return stats;
}

/* Until all that was sent is released. */
static inline void drain(int32_t sender) {
  for (uint64_t end = lf_now() + LIMIT_NS; sender_stats(sender).queued > 0; test_yield())
    if (lf_now() > end) test_fail(__FILE__, __LINE__, "%.0f frames are not released", sender_stats(sender).queued);
}

#endif
