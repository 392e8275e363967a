/* How channels end: closed on one side or the other, with frames under method; and tags that are used again. Four ranks:
 * the even ones send to the odd ones. */
#include "base/monotonic.h"
#include "ep_test.h"

static int even(void) { return rank & ~1; }
static int other(void) { return rank ^ 1; }
static int sends(void) { return rank % 2 == 0; }
static uint8_t *data;
#define BYTES ((size_t)6 << 20)

static const size_t lengths[] = {10, 1000, 100000, 0, 3000000, 120};
#define FRAMES (sizeof lengths / sizeof *lengths)

/* All that was sent arrives, then the end, again and again; frames that are held stay as they are. */
static void sender_closes(void) {
  for (int reader_waits = 0; reader_waits < 2; reader_waits++) {
    ep_pair p = open_pair(even(), even() + 1, 64, 0);
    if (reader_waits) await_rank(other());
    if (sends()) {
      for (size_t i = 0; i < FRAMES; i++) {
        test_fill(data, lengths[i], i);
        CHECK_EQ(lf_tx_send(p.to, data, (uint32_t)lengths[i]), 1);
      }
      close_pair(p);
      if (!reader_waits) await_rank(other());
      continue;
    }
    if (!reader_waits) await_rank(other()); /* everything came without this thread */
    lf_frame held[FRAMES], frame;
    int32_t results[FRAMES];
    for (size_t i = 0; i < FRAMES; i++) CHECK_OK(results[i] = receive(p.from, &held[i]));
    for (int i = 0; i < 3; i++) {
      CHECK_EQ(receive(p.from, &frame), LF_ECHANNEL_CLOSED);
      CHECK_EQ(lf_rx_receive(p.from, &frame), LF_ECHANNEL_CLOSED);
      CHECK_EQ(lf_rx_arm(p.from), 1);
    }
    for (size_t i = 0; i < FRAMES; i++) {
      CHECK_EQ(frame_length(results[i], &held[i]), lengths[i]);
      CHECK_EQ(test_differs(frame_bytes(p.from, results[i], &held[i]), lengths[i], i), lengths[i]);
      CHECK_EQ(lf_rx_release(p.from, frame_token(results[i], &held[i])), LF_OK);
    }
    close_pair(p);
  }
}

/* The receiver goes: the sender is told by whatever it does next, and what it started leaves its memory. */
static void receiver_closes(void) {
  for (int act = 0; act < 6; act++) {
    ep_pair p = open_pair(even(), even() + 1, 64, 0);
    if (!sends()) {
      if (act % 2) expect_frame(p.from, 0, 100000);
      await_rank(other());
      close_pair(p);
      continue;
    }
    test_fill(data, 100000, 0);
    double ticket, gone = 0;
    CHECK_EQ(lf_mpi_tx_send_zcopy(p.to, data, 100000, &ticket), 1);
    await_rank(other());
    int32_t result = 1;
    lf_loan loan;
    lf_end_stats stats;
    for (uint64_t end = lf_now() + LIMIT_NS; result >= 0; test_yield()) {
      CHECK(lf_now() < end);
      switch (act) {
        case 0: result = lf_tx_send(p.to, data, 10); break;
        case 1: result = lf_tx_send(p.to, data, 100000); break;
        case 2:
          result = lf_tx_loan(p.to, 5000, &loan);
          if (result == 1) result = lf_tx_commit(p.to, loan.block, 5000);
          break;
        case 3: result = lf_tx_arm(p.to, 0); break;
        case 4:
          result = lf_tx_reserve(p.to);
          if (result == 1) result = lf_tx_commit_inline(p.to, data, 3);
          break;
        default: result = lf_mpi_tx_send_coalesced(p.to, data, 5);
      }
    }
    CHECK_EQ(result, LF_ECHANNEL_CLOSED);
    do CHECK_EQ(lf_mpi_tx_sent(p.to, &gone), LF_OK);
    while (gone < ticket);
    CHECK_EQ(lf_tx_stats(p.to, &stats), LF_OK);
    CHECK_EQ(stats.peer, 1);
    if (act == 3) CHECK_EQ(lf_tx_arm(p.to, 1), 1); /* what it had was released before */
    close_pair(p);
  }
}

/* Everything that is under way when one side goes, or both do, is gone at the next channel. */
static void tags_again(void) {
  uint32_t most = 0;
  for (int i = 0; i < 200; i++) {
    ep_pair p = open_pair(even(), even() + 1, 16, 0);
    int frames = i % 9;
    if (sends()) {
      for (int k = 0; k < frames; k++) {
        size_t length = lengths[(size_t)(i + k) % FRAMES];
        test_fill(data, length, (uint64_t)k);
        int32_t result = lf_tx_send(p.to, data, (uint32_t)length);
        CHECK(result == 1 || (result == LF_ECHANNEL_CLOSED && k >= frames / 2));
      }
    } else {
      for (int k = 0; k < frames / 2; k++) expect_frame(p.from, (uint64_t)k, lengths[(size_t)(i + k) % FRAMES]);
    }
    if (i % 3 == 0) await_rank(other());
    close_pair(p);
    if (p.tag > most) most = p.tag;
  }
  if (sends()) CHECK(most < 100); /* they were not all new ones */
}

/* A channel that was not agreed on. */
static void half_open(void) {
  uint32_t tag;
  if (sends()) {
    int32_t to = CHECK_OK(lf_mpi_tx_open(other(), 0, 16, WHO, sizeof WHO - 1, &tag));
    tell(other(), tag);
    CHECK_EQ(hear(other()), 1);
    CHECK_EQ(lf_tx_close(to), LF_OK);
    return;
  }
  double address;
  lf_frame frame;
  tag = (uint32_t)hear(other());
  int32_t from = CHECK_OK(lf_mpi_rx_open(other(), 0, tag, 16, 0, WHO, sizeof WHO - 1));
  CHECK_EQ(UNTIL(lf_mpi_rx_ready(from, &address)), 1);
  tell(other(), 1);
  CHECK_EQ(receive(from, &frame), LF_ECHANNEL_CLOSED);
  CHECK_EQ(lf_rx_close(from), LF_OK);
}

/* What a thread leaves open is closed when it ends. */
static void thread_body(void *argument) {
  ep_pair *p = argument;
  *p = open_pair(even(), even() + 1, 64, 0);
  if (sends()) CHECK_EQ(lf_tx_send(p->to, "left", 4), 1);
}

static void thread_ends(void) {
  ep_pair p = {0};
  test_thread thread;
  if (sends()) {
    test_start(&thread, thread_body, &p);
    test_join(&thread);
    CHECK_EQ(lf_tx_send(p.to, "x", 1), LF_ECLOSED);
    return;
  }
  lf_frame frame;
  p = open_pair(even(), even() + 1, 64, 0);
  CHECK_EQ(receive(p.from, &frame), 4);
  CHECK_EQ(receive(p.from, &frame), LF_EPEER_DIED);
  close_pair(p);
}

static ep_pair last;

/* This process leaves the job with a channel open: the peer hears that it died, after all that was sent. */
static void left_open(void) {
  last = open_pair(even(), even() + 1, 64, 0);
  ep_pair back = open_pair(even() + 1, even(), 64, 0);
  if (sends()) {
    test_fill(data, 100000, 0);
    CHECK_EQ(lf_tx_send(last.to, data, 100000), 1);
    CHECK_EQ(lf_job_close(0, 30000), 1);
    lf_frame frame;
    CHECK_EQ(lf_tx_send(last.to, data, 5), LF_EMPI_FAILED);
    CHECK_EQ(lf_rx_receive(back.from, &frame), LF_EMPI_FAILED);
    CHECK_EQ(lf_tx_arm(last.to, 0), LF_EMPI_FAILED);
    close_pair(back);
    return;
  }
  lf_frame frame;
  expect_frame(last.from, 0, 100000);
  CHECK_EQ(receive(last.from, &frame), LF_EPEER_DIED);
  while (lf_tx_send(back.to, data, 5) >= 0) test_yield();
  CHECK_EQ(lf_tx_send(back.to, data, 5), LF_EPEER_DIED);
  close_pair(back);
  close_pair(last);
  CHECK_EQ(lf_job_close(0, 30000), 1);
}

int main(void) {
  data = malloc(BYTES);
  CHECK(data != NULL);
  join_job();
  RUN(sender_closes);
  RUN(receiver_closes);
  RUN(tags_again);
  RUN(half_open);
  RUN(thread_ends);
  RUN(left_open);
  free(data);
  return 0;
}
