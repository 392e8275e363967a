/* Frames of more bytes than an int counts. Two of the ranks; the others wait. */
#include <string.h>
#include <unistd.h>

#include "ep_test.h"

#define GIB ((uint64_t)1 << 30)

/* Every byte, as words: what test_fill makes takes a minute for this much. The last word may be cut. */
static uint64_t word_of(uint64_t key, size_t at) { return (at + key) * 0x9e3779b97f4a7c15u; }

static void stamp(uint8_t *data, size_t length, uint64_t key) {
  for (size_t at = 0; at < length; at += 8) {
    uint64_t word = word_of(key, at);
    memcpy(data + at, &word, length - at < 8 ? length - at : 8);
  }
}

/* How many bytes are right before the first wrong word. */
static uint64_t right_bytes(const uint8_t *data, size_t length, uint64_t key) {
  for (size_t at = 0; at < length; at += 8) {
    uint64_t word = word_of(key, at);
    if (memcmp(data + at, &word, length - at < 8 ? length - at : 8) != 0) return at;
  }
  return length;
}

static void check_markers(const uint8_t *data, size_t length, uint64_t key) {
  CHECK_EQ(right_bytes(data, length, key), length);
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
  ep_pair p = open_pair(0, 1, 16, 0);
  uint8_t *data = NULL;
  if (rank == 0) {
    double ticket, gone = 0;
    data = malloc(length);
    CHECK(data != NULL);
    stamp(data, length, 1);
    CHECK_EQ(UNTIL(lf_mpi_tx_send_zcopy(p.to, data, (double)length, &ticket)), 1);
    while (gone < ticket) {
      CHECK_EQ(lf_mpi_tx_sent(p.to, &gone), LF_OK);
      test_yield();
    }
  } else {
    lf_frame frame;
    int32_t result = receive(p.from, &frame);
    CHECK_EQ(result, LF_REGION);
    CHECK_EQ(frame.length, (double)length);
    check_markers(frame_bytes(p.from, result, &frame), length, 1);
    CHECK_EQ(lf_rx_release(p.from, frame.token), LF_OK);
  }
  free(data);
  lf_loan loan;
  lf_region_info info;
  if (rank == 0) {
    CHECK_EQ(UNTIL(sent(p.to, lf_tx_loan(p.to, 2.5 * GIB, &loan))), 1);
    CHECK_EQ(lf_tx_region(p.to, loan.region, &info), LF_OK);
    stamp((uint8_t *)(uintptr_t)info.address + (size_t)loan.offset, 2 * GIB + 5, 9);
    CHECK_EQ(lf_tx_commit(p.to, loan.block, 2.0 * GIB + 5), 1);
    drain(p.to);
  } else {
    lf_frame frame;
    int32_t result = receive(p.from, &frame);
    CHECK_EQ(frame.length, 2.0 * GIB + 5);
    check_markers(frame_bytes(p.from, result, &frame), 2 * GIB + 5, 9);
    CHECK_EQ(lf_rx_release(p.from, frame.token), LF_OK);
  }
  close_pair(p);
}

int main(void) {
  join_job();
  RUN(large);
  CHECK_EQ(lf_job_close(0, 60000), 1);
  return 0;
}
