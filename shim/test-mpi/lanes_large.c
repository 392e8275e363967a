/* Frames of more bytes than an int counts. Two of the ranks; the others wait. */
#include <unistd.h>

#include "lanes_test.h"

#define GIB ((uint64_t)1 << 30)

/* So much is looked at in each MiB: all of it would take a minute. */
#define LOOKED 4096u
#define STEP ((size_t)1 << 20)

static void mark(uint8_t *data, size_t length, uint64_t key) {
  for (size_t at = 0; at < length; at += STEP) test_fill(data + at, length - at < LOOKED ? length - at : LOOKED, key + at);
  if (length > LOOKED) test_fill(data + length - LOOKED, LOOKED, key + length);
}

static void check_marks(const uint8_t *data, size_t length, uint64_t key) {
  for (size_t at = 0; at < length; at += STEP) {
    size_t some = length - at < LOOKED ? length - at : LOOKED;
    if (at + some > length - LOOKED) some = length - LOOKED - at; /* the last ones were written over */
    if ((int64_t)some > 0) CHECK_EQ(test_differs(data + at, some, key + at), some);
  }
  CHECK_EQ(test_differs(data + length - LOOKED, LOOKED, key + length), LOOKED);
}

static uint64_t free_memory(void) {
  return (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void large(void) {
  /* Every rank says whether it has the memory, as one may have used it when the next one looks. */
  int enough = free_memory() > 9 * GIB;
  if (rank == 0) tell(1, (uint64_t)enough);
  if (rank == 1) enough = hear(0) == 1;
  if (!test_requires("memory", enough, "frames of 2 GiB need 9 GiB of free memory")) return;
  if (rank > 1) return;
  const uint64_t length = 2 * GIB + 4099;
  lane_pair p = open_lane(0, 1, 16, 0);
  uint8_t *data = NULL;
  if (rank == 0) {
    double ticket, gone = 0;
    data = malloc(length);
    CHECK(data != NULL);
    mark(data, length, 1);
    CHECK_EQ(UNTIL(lf_sender_start(p.to, data, (double)length, &ticket)), 1);
    while (gone < ticket) {
      CHECK_EQ(lf_sender_sent(p.to, &gone), LF_OK);
      test_yield();
    }
  } else {
    lf_frame frame;
    int32_t result = receive(p.from, &frame);
    CHECK_EQ(result, LF_REGION);
    CHECK_EQ(frame.length, (double)length);
    check_marks(frame_bytes(p.from, result, &frame), length, 1);
    CHECK_EQ(lf_receiver_release(p.from, frame.token), LF_OK);
  }
  free(data);
  lf_loan loan;
  lf_region_info info;
  if (rank == 0) {
    CHECK_EQ(UNTIL(sent(p.to, lf_sender_loan(p.to, 2.5 * GIB, &loan))), 1);
    CHECK_EQ(lf_sender_region(p.to, loan.region, &info), LF_OK);
    mark((uint8_t *)(uintptr_t)info.address + (size_t)loan.offset, 2 * GIB + 5, 9);
    CHECK_EQ(lf_sender_commit(p.to, loan.block, 2.0 * GIB + 5), 1);
    drain(p.to);
  } else {
    lf_frame frame;
    int32_t result = receive(p.from, &frame);
    CHECK_EQ(frame.length, 2.0 * GIB + 5);
    check_marks(frame_bytes(p.from, result, &frame), 2 * GIB + 5, 9);
    CHECK_EQ(lf_receiver_release(p.from, frame.token), LF_OK);
  }
  close_lane(p);
}

int main(void) {
  join_job();
  RUN(large);
  CHECK_EQ(lf_job_close(0, 60000), 1);
  return 0;
}
