/* Ranks that die with channels open. Four ranks: the even ones live, the odd ones die, each with one channel to its
 * neighbour and one from it; under a launcher that is told to let the others live. No rank dies by a signal, as MPICH's
 * launcher then sometimes kills the others although told not to. */
#include <unistd.h>

#include "base/handle.h"
#include "ep/rx.h"

#include "ep_test.h"

static int even(void) { return rank & ~1; }
static int other(void) { return rank ^ 1; }
static int lives(void) { return rank % 2 == 0; }
static uint8_t *data;
#define BYTES ((size_t)4 << 20)

static const size_t lengths[] = {50, 5000, 500000, 120, 3000000, 0};
#define FRAMES (sizeof lengths / sizeof *lengths)

static ep_pair from_dead, to_dead;

/* Down to the last byte of each, while nothing of it was received. */
static int all_are_here(void) {
  lf_ep_rx *r = lf_handle_get(LF_KIND_RX, from_dead.from);
  CHECK(r != NULL);
  lf_job_lock(job);
  lf_job_rounds(job);
  uint32_t here = 0;
  for (uint32_t i = r->arrivals.head; i != r->arrivals.tail; i++)
    here += ((lf_arrival *)lf_fifo_at(&r->arrivals, i, sizeof(lf_arrival)))->missing == 0;
  lf_job_unlock(job);
  return here == FRAMES;
}

/* What was sent before is there, whether it was received or not. */
static void sender_dies(void) {
  from_dead = open_pair(even() + 1, even(), 64, 0);
  to_dead = open_pair(even(), even() + 1, 64, 0);
  if (!lives()) {
    for (size_t i = 0; i < FRAMES; i++) {
      test_fill(data, lengths[i], i);
      CHECK_EQ(lf_tx_send(from_dead.to, data, (uint32_t)lengths[i]), 1);
    }
    /* Everything is at the other side when it says so; nothing of it was received. */
    CHECK_EQ(hear(other()), 1);
    return;
  }
  while (!all_are_here()) test_yield();
  while (sender_stats(to_dead.to).queued < 64) CHECK_OK(lf_tx_send(to_dead.to, data, 100));
  tell(other(), 1);
}

/* No rank receives it, and MPI may never complete it. */
static void receiver_dies(void) {
  if (!lives()) return;
  double ticket, gone = 0;
  int32_t result = lf_mpi_tx_send_zcopy(to_dead.to, data, BYTES, &ticket);
  CHECK(result == LF_FULL || result == LF_EPEER_DIED);
  while (lf_mpi_tx_sent(to_dead.to, &gone) >= 0 && gone < ticket) test_yield();
  while ((result = lf_tx_arm(to_dead.to, 0)) >= 0) test_yield();
  CHECK_EQ(result, LF_EPEER_DIED);
  CHECK_EQ(lf_tx_arm(to_dead.to, 1), LF_EPEER_DIED);
  CHECK_EQ(lf_tx_send(to_dead.to, data, 1), LF_EPEER_DIED);
  CHECK_EQ(lf_mpi_tx_send_zcopy(to_dead.to, data, BYTES, &ticket), LF_EPEER_DIED);
  lf_end_stats stats = sender_stats(to_dead.to);
  CHECK_EQ(stats.queued, 64);
  CHECK_EQ(stats.peer, 2);
  CHECK_EQ(lf_tx_close(to_dead.to), LF_OK);
}

static void all_arrives(void) {
  if (!lives()) return;
  lf_frame frame;
  lf_status status;
  for (size_t i = 0; i < FRAMES; i++) expect_frame(from_dead.from, i, lengths[i]);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(receive(from_dead.from, &frame), LF_EPEER_DIED);
    lf_status_last(&status);
    CHECK(strstr(status.text, WHO) != NULL);
    CHECK_EQ(lf_rx_receive(from_dead.from, &frame), LF_EPEER_DIED);
    CHECK_EQ(lf_rx_arm(from_dead.from), 1);
  }
  CHECK_EQ(lf_rx_close(from_dead.from), LF_OK);
}

int main(void) {
  lf_peer_silence = LF_PEER_SILENCE_NS / 4;
  data = malloc(BYTES);
  CHECK(data != NULL);
  join_job();
  RUN(sender_dies);
  RUN(receiver_dies);
  RUN(all_arrives);
  if (!lives()) _Exit(0);
  CHECK_EQ(lf_job_close(0, 10000), 0);
  free(data);
  return 0;
}
