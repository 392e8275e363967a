/* What large frames took goes back while their channel stays open. Two of the ranks; the others wait. */
#include "base/monotonic.h"
#include "ep_test.h"

#define MIB ((uint64_t)1 << 20)

/* Both ends give back what large frames took, while the channel stays open. */
static void gives_back(void) {
  if (rank > 1) return;
  ep_pair p = open_pair(0, 1, 16, 0);
  for (uint64_t i = 0; i < 3; i++) {
    uint64_t length = (66 + 7 * i) * MIB;
    if (rank == 0) {
      lf_loan loan;
      lf_region_info info;
      CHECK_EQ(UNTIL(sent(p.to, lf_tx_loan(p.to, (double)length, &loan))), 1);
      CHECK_EQ(lf_tx_region(p.to, loan.region, &info), LF_OK);
      memset((uint8_t *)(uintptr_t)info.address + (size_t)loan.offset, (int)i + 1, length);
      CHECK_EQ(lf_tx_commit(p.to, loan.block, (double)length), 1);
    } else {
      lf_frame frame;
      int32_t result = receive(p.from, &frame);
      const uint8_t *bytes = frame_bytes(p.from, result, &frame);
      for (uint64_t at = 0; at < length; at += 4096) CHECK_EQ(bytes[at], i + 1);
      CHECK_EQ(lf_rx_release(p.from, frame.token), LF_OK);
    }
  }
  if (rank == 0) drain(p.to);
  lf_end_stats stats;
  uint64_t end = lf_now() + LIMIT_NS;
  do {
    CHECK_EQ(rank == 0 ? lf_tx_stats(p.to, &stats) : lf_rx_stats(p.from, &stats), LF_OK);
    if (lf_now() > end) test_fail(__FILE__, __LINE__, "%.0f bytes are kept", stats.region_bytes);
    test_yield();
  } while (stats.region_bytes > (double)LF_POOL_IDLE_BYTES + (double)MIB);
  if (rank == 1) expect_frame(p.from, 3, 20 * MIB);
  if (rank == 0) {
    static uint8_t again[20 << 20];
    test_fill(again, sizeof again, 3);
    CHECK_EQ(UNTIL(sent(p.to, lf_tx_send(p.to, again, sizeof again))), 1);
    drain(p.to);
  }
  close_pair(p);
}

int main(void) {
  join_job();
  RUN(gives_back);
  CHECK_EQ(lf_job_close(0, 60000), 1);
  return 0;
}
