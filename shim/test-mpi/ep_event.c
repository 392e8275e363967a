/* Waiting without spinning: events, and calls that sleep. Four ranks: the even ones send to the odd ones. */
#include <poll.h>

#include "ep_test.h"

static int even(void) { return rank & ~1; }
static int other(void) { return rank ^ 1; }
static int sends(void) { return rank % 2 == 0; }

/* Sleeps until an event arrives, and takes it. */
static void take_event(int64_t event) {
  struct pollfd watched = {.fd = (int)event, .events = POLLIN};
  char rings[64];
  CHECK_EQ(poll(&watched, 1, (int)(LIMIT_NS / 1000000)), 1);
  CHECK(watched.revents & POLLIN);
  CHECK(read((int)event, rings, sizeof rings) > 0);
}

#define LARGE (((size_t)8 << 20) + 1)
static uint8_t *large;

#define FRAMES 3000

/* Each frame is waited for as an event loop does: look, arm, sleep. A wake-up that is lost ends in the limit. */
static void frames(void) {
  ep_pair p = open_pair(even(), even() + 1, 64, 0);
  static uint8_t data[20000];
  int64_t event;
  test_random r = {9};
  if (sends()) {
    CHECK_EQ(lf_tx_event_fd(p.to, &event), LF_OK);
    for (uint64_t n = 0; n < FRAMES; n++) {
      size_t length = (size_t)test_below(&r, n % 7 ? 200 : sizeof data);
      test_fill(data, length, n);
      for (;;) {
        int32_t result = sent(p.to, n % 3 ? lf_tx_send(p.to, data, (uint32_t)length)
                                          : lf_mpi_tx_send_coalesced(p.to, data, (uint32_t)length));
        if (result == 1 || result == 2) break;
        CHECK_EQ(result, LF_FULL);
        if (CHECK_OK(lf_tx_arm(p.to, 0)) == 0) take_event(event);
      }
      if (test_below(&r, 50) == 0) {
        while (CHECK_OK(lf_tx_arm(p.to, 1)) == 0) take_event(event);
        CHECK_EQ(sender_stats(p.to).queued, 0);
      }
    }
    while (CHECK_OK(lf_tx_arm(p.to, 1)) == 0) take_event(event);
  } else {
    CHECK_EQ(lf_rx_event_fd(p.from, &event), LF_OK);
    for (uint64_t n = 0; n < FRAMES; n++) {
      size_t length = (size_t)test_below(&r, n % 7 ? 200 : sizeof data);
      test_below(&r, 50);
      lf_frame frame;
      int32_t result;
      while ((result = lf_rx_receive(p.from, &frame)) == LF_EMPTY || result == LF_RETIRE) {
        if (result == LF_RETIRE) CHECK_EQ(lf_rx_retire(p.from, frame.region), LF_OK);
        else if (CHECK_OK(lf_rx_arm(p.from)) == 0) take_event(event);
      }
      CHECK(result >= 0);
      CHECK_EQ(frame_length(result, &frame), length);
      CHECK_EQ(test_differs(frame_bytes(p.from, result, &frame), length, n), length);
      CHECK_EQ(lf_rx_release(p.from, frame_token(result, &frame)), LF_OK);
    }
  }
  CHECK_EQ(lf_os_handle_close(event), LF_OK);
  close_pair(p);
}

/* A ticket rings too, and so does a fragment. */
static void bytes(void) {
  ep_pair p = open_pair(even(), even() + 1, 64, 1);
  static uint8_t data[LF_FRAGMENT_BYTES];
  int64_t event;
  double ticket, gone = 0;
  if (sends()) {
    CHECK_EQ(lf_tx_event_fd(p.to, &event), LF_OK);
    for (int i = 0; i < 20; i++) {
      if (i % 2) CHECK_EQ(UNTIL(lf_mpi_tx_send_zcopy(p.to, data, 1000000, &ticket)), 1);
      else CHECK_EQ(UNTIL(lf_mpi_tx_begin_fragments(p.to, sizeof data)), 1);
      if (i % 2 == 0) CHECK_EQ(lf_mpi_tx_send_fragment(p.to, data, sizeof data, &ticket), 1);
      for (;;) {
        CHECK_EQ(lf_mpi_tx_sent(p.to, &gone), LF_OK);
        if (gone >= ticket) break;
        if (CHECK_OK(lf_tx_arm(p.to, 0)) == 0) take_event(event);
      }
    }
  } else {
    CHECK_EQ(lf_rx_event_fd(p.from, &event), LF_OK);
    for (int i = 0; i < 20; i++) {
      lf_frame frame;
      int32_t result;
      while ((result = lf_rx_receive(p.from, &frame)) == LF_EMPTY)
        if (CHECK_OK(lf_rx_arm(p.from)) == 0) take_event(event);
      CHECK_EQ(result, LF_REGION);
      if (i % 2 == 0) {
        CHECK_EQ(lf_mpi_rx_receive_fragment(p.from, data, sizeof data, &ticket), 1);
        for (;;) {
          CHECK_EQ(lf_mpi_rx_arrived(p.from, &gone), LF_OK);
          if (gone >= ticket) break;
          if (CHECK_OK(lf_rx_arm(p.from)) == 0) take_event(event);
        }
      }
      CHECK_EQ(lf_rx_release(p.from, frame.token), LF_OK);
    }
    /* The sender waits for its last ticket, and would find its peer gone: so it closes first. */
    lf_frame none;
    int32_t result;
    while ((result = lf_rx_receive(p.from, &none)) == LF_EMPTY)
      if (CHECK_OK(lf_rx_arm(p.from)) == 0) take_event(event);
    CHECK_EQ(result, LF_ECHANNEL_CLOSED);
  }
  CHECK_EQ(lf_os_handle_close(event), LF_OK);
  close_pair(p);
}

/* The end rings for those who wait for something else. */
static void ends(void) {
  ep_pair p = open_pair(even(), even() + 1, 4, 0), q = open_pair(even() + 1, even(), 4, 0);
  int64_t event;
  lf_frame frame;
  if (sends()) {
    CHECK_EQ(lf_rx_event_fd(q.from, &event), LF_OK);
    CHECK_EQ(lf_rx_arm(q.from), 0);
    CHECK_EQ(lf_tx_close(p.to), LF_OK); /* the other waits for a frame of p, this one for one of q */
    take_event(event);
    CHECK_EQ(lf_rx_receive(q.from, &frame), LF_ECHANNEL_CLOSED);
    CHECK_EQ(lf_rx_close(q.from), LF_OK);
  } else {
    CHECK_EQ(lf_rx_event_fd(p.from, &event), LF_OK);
    while (CHECK_OK(lf_rx_arm(p.from)) == 0) take_event(event);
    CHECK_EQ(lf_rx_receive(p.from, &frame), LF_ECHANNEL_CLOSED);
    CHECK_EQ(lf_tx_close(q.to), LF_OK);
    CHECK_EQ(lf_rx_close(p.from), LF_OK);
  }
  CHECK_EQ(lf_os_handle_close(event), LF_OK);
  p = open_pair(even(), even() + 1, 4, 0);
  if (sends()) {
    CHECK_EQ(lf_tx_event_fd(p.to, &event), LF_OK);
    while (lf_tx_send(p.to, "x", 1) == 1) continue;
    while (lf_tx_arm(p.to, 0) == 1) CHECK_EQ(lf_tx_send(p.to, "x", 1), LF_FULL);
    tell(other(), 1);
    take_event(event);
    CHECK_EQ(lf_tx_arm(p.to, 0), LF_ECHANNEL_CLOSED);
    CHECK_EQ(lf_tx_arm(p.to, 1), LF_ECHANNEL_CLOSED);
    CHECK_EQ(lf_os_handle_close(event), LF_OK);
  } else {
    CHECK_EQ(hear(other()), 1);
  }
  close_pair(p);
}

/* `frames` of a size use all bytes of a channel; each is read before all are released. */
static void fill_and_release(ep_pair p, uint64_t *n, uint32_t frames, size_t length) {
  lf_frame held[64];
  for (uint32_t i = 0; i < frames; i++, ++*n) {
    if (sends()) {
      test_fill(large, length, *n);
      CHECK_EQ(UNTIL(sent(p.to, lf_tx_send(p.to, large, (uint32_t)length))), 1);
      continue;
    }
    CHECK_EQ(receive(p.from, &held[i]), LF_REGION);
    CHECK_EQ(held[i].length, (double)length);
    CHECK_EQ(test_differs(frame_bytes(p.from, LF_REGION, &held[i]), length, *n), length);
  }
  for (uint32_t i = 0; i < frames && p.from; i++) CHECK_EQ(lf_rx_release(p.from, held[i].token), LF_OK);
  if (p.to) drain(p.to);
}

/* The progress thread receives frames, until a region of other sizes has to be retired: an event tells, armed or
 * not. */
static void regions_go(void) {
  ep_pair p = open_pair(even(), even() + 1, 64, 0);
  large = malloc(LARGE);
  CHECK(large != NULL);
  uint64_t n = 0;
  fill_and_release(p, &n, 64, 1u << 20);
  fill_and_release(p, &n, 6, LARGE);
  int64_t event = -1;
  if (p.from) {
    uint32_t region, retired = 0;
    CHECK_EQ(lf_rx_event_fd(p.from, &event), LF_OK);
    await_rank(other());
    while (retired == 0) {
      take_event(event);
      for (; lf_mpi_rx_retirable(p.from, &region) == 1; retired++) CHECK_EQ(lf_rx_retire(p.from, region), LF_OK);
    }
    CHECK_EQ(lf_os_handle_close(event), LF_OK);
  } else {
    await_rank(other());
  }
  fill_and_release(p, &n, 12, LARGE / 2 + 1);
  free(large);
  close_pair(p);
}

/* Without spinning, between naps. */
static void naps(void) {
  ep_pair p = open_pair(even(), even() + 1, 64, 0);
  for (uint64_t n = 0; n < 200; n++) {
    uint8_t data[300];
    size_t length = n % 2 ? sizeof data : 8;
    test_fill(data, length, n);
    if (sends()) {
      CHECK_EQ(hear(other()), n);
      CHECK_EQ(lf_tx_send(p.to, data, (uint32_t)length), 1);
    } else {
      lf_frame frame;
      tell(other(), n);
      int32_t result = lf_rx_receive_wait(p.from, (double)LIMIT_NS / 1e6, 0, &frame);
      CHECK_EQ(frame_length(result, &frame), length);
      CHECK_EQ(lf_rx_release(p.from, frame_token(result, &frame)), LF_OK);
    }
  }
  close_pair(p);
}

int main(void) {
  join_job();
  RUN(frames);
  RUN(bytes);
  RUN(ends);
  RUN(regions_go);
  RUN(naps);
  CHECK_EQ(lf_job_close(0, 30000), 1);
  return 0;
}
