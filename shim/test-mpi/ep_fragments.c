/* Memory of the caller's: tickets, and frames in fragments. Four ranks: the even ones send to the odd ones. */
#include "ep_test.h"

static int even(void) { return rank & ~1; }
static int sends(void) { return rank % 2 == 0; }

/* ---- tickets ---- */

#define STARTED 40
#define STARTED_BYTES ((size_t)300000)

static void tickets(void) {
  ep_pair p = open_pair(even(), even() + 1, 64, 0);
  if (sends()) {
    uint8_t *data[STARTED];
    double ticket[STARTED], gone = 0;
    for (int i = 0; i < STARTED; i++) {
      size_t length = i % 4 == 3 ? 50 : STARTED_BYTES + (size_t)i;
      data[i] = malloc(STARTED_BYTES + STARTED);
      CHECK(data[i] != NULL);
      test_fill(data[i], length, (uint64_t)i);
      CHECK_EQ(UNTIL(lf_mpi_tx_send_zcopy(p.to, data[i], (double)length, &ticket[i])), 1);
      CHECK_EQ(ticket[i], i + 1);
    }
    for (int i = 0; i < STARTED; i++) {
      while (gone < ticket[i]) {
        double before = gone;
        CHECK_EQ(lf_mpi_tx_sent(p.to, &gone), LF_OK);
        CHECK(gone >= before && gone <= ticket[STARTED - 1]);
        test_yield();
      }
      memset(data[i], 0xee, STARTED_BYTES + STARTED); /* MPI reads it no more */
      free(data[i]);
    }
    drain(p.to);
  } else {
    for (int i = 0; i < STARTED; i++) expect_frame(p.from, (uint64_t)i, i % 4 == 3 ? 50 : STARTED_BYTES + (size_t)i);
  }
  close_pair(p);
}

/* ---- fragments ---- */

static const size_t lengths[] = {1, 1000, 5000, LF_FRAGMENT_BYTES - 1, LF_FRAGMENT_BYTES, LF_FRAGMENT_BYTES + 1,
                                 5 * (size_t)LF_FRAGMENT_BYTES + 12345};
#define FRAMES (sizeof lengths / sizeof *lengths)
#define FRAGMENTS_MAX 8
#define BETWEEN 100000u /* a frame that is committed while fragments of another are missing */

static uint8_t *memory;

static size_t fragment_of(size_t length, size_t at) {
  return length - at < LF_FRAGMENT_BYTES ? length - at : LF_FRAGMENT_BYTES;
}

static void send_in_fragments(int32_t to, size_t length, uint64_t key) {
  double ticket = 0, gone = 0;
  lf_loan loan;
  lf_region_info info;
  CHECK_EQ(UNTIL(sent(to, lf_tx_loan(to, BETWEEN, &loan))), 1);
  CHECK_EQ(lf_tx_region(to, loan.region, &info), LF_OK);
  test_fill((char *)(uintptr_t)info.address + (size_t)loan.offset, BETWEEN, key + 1);
  test_fill(memory, length, key);
  CHECK_EQ(UNTIL(lf_mpi_tx_begin_fragments(to, (double)length)), 1);
  CHECK_EQ(lf_mpi_tx_begin_fragments(to, 5), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_send_zcopy(to, memory, (double)length, &ticket), LF_EINVALID_ARGUMENT);
  for (size_t at = 0; at < length; at += LF_FRAGMENT_BYTES) {
    if (at == 0) CHECK_EQ(lf_tx_commit(to, loan.block, BETWEEN), 1);
    CHECK_EQ(lf_mpi_tx_send_fragment(to, memory + at, (double)(fragment_of(length, at) + 1), &ticket), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_mpi_tx_send_fragment(to, memory + at, (double)fragment_of(length, at), &ticket), 1);
  }
  CHECK_EQ(lf_mpi_tx_send_fragment(to, memory, 1, &ticket), LF_EINVALID_ARGUMENT);
  CHECK_EQ(UNTIL(sent(to, lf_tx_send(to, "small", 5))), 1);
  while (gone < ticket) {
    CHECK_EQ(lf_mpi_tx_sent(to, &gone), LF_OK);
    test_yield();
  }
  memset(memory, 0xee, length);
}

static void receive_in_fragments(int32_t from, size_t length, uint64_t key) {
  lf_frame frame;
  double ticket = 0, there = 0;
  CHECK_EQ(receive(from, &frame), LF_REGION);
  CHECK_EQ(frame.reach, LF_REACH_STAGED);
  CHECK_EQ(frame.region, 0);
  CHECK_EQ(frame.length, (double)length);
  CHECK_EQ(frame.sequence, (double)key);
  for (size_t at = 0; at < length; at += LF_FRAGMENT_BYTES) {
    CHECK_EQ(lf_mpi_rx_receive_fragment(from, memory + at, (double)(fragment_of(length, at) + 1), &ticket), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_mpi_rx_receive_fragment(from, memory + at, (double)fragment_of(length, at), &ticket), 1);
  }
  CHECK_EQ(lf_mpi_rx_receive_fragment(from, memory, 1, &ticket), LF_EINVALID_ARGUMENT);
  while (there < ticket) {
    CHECK_EQ(lf_mpi_rx_arrived(from, &there), LF_OK);
    test_yield();
  }
  CHECK_EQ(test_differs(memory, length, key), length);
  CHECK_EQ(lf_rx_release(from, frame.token), LF_OK);
}

static void expect_small(int32_t from) {
  lf_frame frame;
  CHECK_EQ(receive(from, &frame), 5);
  CHECK_EQ(memcmp(frame.payload, "small", 5), 0);
  CHECK_EQ(lf_rx_release(from, 0), LF_OK);
}

static void in_fragments(int apart) {
  ep_pair p = open_pair(even(), even() + 1, 64, apart);
  uint64_t key = 0;
  for (size_t i = 0; i < 2 * FRAMES; i++, key += 3) {
    size_t length = lengths[i % FRAMES];
    if (sends()) {
      send_in_fragments(p.to, length, key);
    } else {
      if (apart) receive_in_fragments(p.from, length, key);
      else expect_frame(p.from, key, length);
      expect_frame(p.from, key + 1, BETWEEN);
      expect_small(p.from);
    }
  }
  if (sends()) drain(p.to);
  close_pair(p);
}

static void put_where_the_user_says(void) { in_fragments(1); }
static void put_into_blocks(void) { in_fragments(0); }

/* The sender ends in the middle: what it sent whole arrives, and what it did not is told. */
static void cut_off(void) {
  for (int apart = 0; apart < 2; apart++) {
    ep_pair p = open_pair(even(), even() + 1, 64, apart);
    double ticket, gone = 0, there;
    if (sends()) {
      lf_loan loan;
      CHECK_EQ(lf_tx_loan(p.to, BETWEEN, &loan), 1);
      lf_region_info info;
      CHECK_EQ(lf_tx_region(p.to, loan.region, &info), LF_OK);
      test_fill((char *)(uintptr_t)info.address + (size_t)loan.offset, BETWEEN, (uint64_t)apart);
      CHECK_EQ(lf_mpi_tx_begin_fragments(p.to, 3.5 * LF_FRAGMENT_BYTES), 1);
      CHECK_EQ(lf_tx_commit(p.to, loan.block, BETWEEN), 1);
      CHECK_EQ(lf_mpi_tx_send_fragment(p.to, memory, LF_FRAGMENT_BYTES, &ticket), 1);
      if (apart) CHECK_EQ(hear(rank + 1), 1); /* the frame was received */
      CHECK_EQ(lf_mpi_tx_sent(p.to, &gone), LF_OK);
    } else {
      lf_frame frame;
      if (apart) {
        CHECK_EQ(receive(p.from, &frame), LF_REGION);
        tell(rank - 1, 1);
        for (int i = 0; i < 4; i++)
          CHECK_EQ(lf_mpi_rx_receive_fragment(p.from, memory + i * LF_FRAGMENT_BYTES, (i < 3 ? 1 : 0.5) * LF_FRAGMENT_BYTES, &ticket), 1);
        while (lf_mpi_rx_arrived(p.from, &there) == LF_OK) test_yield();
        CHECK_EQ(lf_mpi_rx_arrived(p.from, &there), LF_EPEER_DIED);
        CHECK_EQ(lf_rx_release(p.from, frame.token), LF_OK);
      }
      expect_frame(p.from, (uint64_t)apart, BETWEEN);
      CHECK_EQ(receive(p.from, &frame), LF_ECHANNEL_CLOSED);
    }
    close_pair(p);
  }
}

/* A receiver that closes with places given for fragments, and one that gave none. */
static void receiver_leaves(void) {
  for (int given = 0; given < 2; given++) {
    ep_pair p = open_pair(even(), even() + 1, 64, 1);
    double ticket = 0, gone = 0;
    lf_frame frame;
    if (sends()) {
      CHECK_EQ(lf_mpi_tx_begin_fragments(p.to, 3.5 * LF_FRAGMENT_BYTES), 1);
      await_rank(rank + 1);
      for (int i = 0; i < 4 && lf_mpi_tx_send_fragment(p.to, memory, (i < 3 ? 1 : 0.5) * LF_FRAGMENT_BYTES, &ticket) == 1; i++)
        continue;
      while (gone < ticket) { /* all of it is accepted, and dropped */
        CHECK_EQ(lf_mpi_tx_sent(p.to, &gone), LF_OK);
        test_yield();
      }
      while (sender_stats(p.to).peer == 0) test_yield();
      CHECK_EQ(lf_tx_send(p.to, "x", 1), LF_ECHANNEL_CLOSED);
      close_pair(p);
      await_rank(rank + 1);
    } else {
      if (given) {
        CHECK_EQ(receive(p.from, &frame), LF_REGION);
        CHECK_EQ(lf_mpi_rx_receive_fragment(p.from, memory, LF_FRAGMENT_BYTES, &ticket), 1);
      }
      await_rank(rank - 1);
      close_pair(p);
      await_rank(rank - 1); /* `memory` may be written to until then */
    }
  }
}

int main(void) {
  memory = malloc((size_t)FRAGMENTS_MAX * LF_FRAGMENT_BYTES);
  CHECK(memory != NULL);
  join_job();
  RUN(tickets);
  RUN(put_where_the_user_says);
  RUN(put_into_blocks);
  RUN(cut_off);
  RUN(receiver_leaves);
  CHECK_EQ(lf_job_close(0, 30000), 1);
  free(memory);
  return 0;
}
