/* Frames over endpoints: sizes, methods of sending, order, held frames, credits. Four ranks: the even ones send to
 * the odd ones, and some tests are of a rank with itself. */
#include "ep_test.h"
#include "host/pool.h"

static int other(void) { return rank ^ 1; }
static int even(void) { return rank & ~1; }
static int sends(void) { return rank % 2 == 0; }

/* ---- every method and size ---- */

enum { SEND, PUT, START, LOAN, METHODS };

static uint8_t *scratch;
#define SCRATCH ((size_t)24 << 20)

/* Sends frame number `n`; what is at `data` stays until the ticket is through. */
static void send_frame(int32_t to, int method, uint64_t n, size_t length, uint8_t *data) {
  int32_t result;
  double ticket, gone;
  lf_loan loan;
  if (method != LOAN || length == 0) test_fill(data, length, n);
  if (method == LOAN && length == 0) method = SEND;
  switch (method) {
    case SEND:
      CHECK_EQ(UNTIL(sent(to, lf_tx_send(to, data, (uint32_t)length))), 1);
      memset(data, 0xee, length); /* it was copied */
      break;
    case PUT:
      result = UNTIL(sent(to, lf_mpi_tx_send_coalesced(to, data, (uint32_t)length)));
      CHECK(result == 1 || result == 2);
      memset(data, 0xee, length);
      if (n % 5 == 0) CHECK_EQ(lf_mpi_tx_flush(to), LF_OK);
      break;
    case START:
      CHECK_EQ(UNTIL(sent(to, lf_mpi_tx_send_zcopy(to, data, (double)length, &ticket))), 1);
      do CHECK_EQ(lf_mpi_tx_sent(to, &gone), LF_OK);
      while (gone < ticket);
      memset(data, 0xee, length);
      break;
    default:
      CHECK_EQ(UNTIL(sent(to, lf_tx_loan(to, (double)(length + n % 3), &loan))), 1);
      lf_region_info info;
      CHECK_EQ(lf_tx_region(to, loan.region, &info), LF_OK);
      CHECK(loan.offset + (double)length <= info.size);
      test_fill((char *)(uintptr_t)info.address + (size_t)loan.offset, length, n);
      CHECK_EQ(lf_tx_commit(to, loan.block, (double)length), 1);
  }
}

static void sizes(void) {
  static const size_t around[] = {LF_INLINE_MAX, 1000, LF_EAGER_MAX, 4096, 16384, 65536, 1u << 20, 4u << 20, LF_RNDV_MAX};
  ep_pair p = open_pair(even(), even() + 1, 256, 0);
  uint64_t n = 0, bytes = 0;
  for (int method = 0; method < METHODS; method++) {
    for (size_t length = 0; length < 140; length++, n++, bytes += length - 1) {
      if (sends()) send_frame(p.to, method, n, length, scratch);
      else expect_frame(p.from, n, length);
    }
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
      for (size_t length = around[i] - 1; length <= around[i] + 1; length++, n++, bytes += length - 1) {
        if (sends()) send_frame(p.to, method, n, length, scratch);
        else expect_frame(p.from, n, length);
      }
    }
  }
  lf_end_stats stats;
  if (sends()) {
    drain(p.to);
    stats = sender_stats(p.to);
  } else {
    CHECK_EQ(lf_rx_stats(p.from, &stats), LF_OK);
    CHECK_EQ(stats.queued, 0);
  }
  CHECK_EQ(stats.frames, (double)n);
  CHECK_EQ(stats.bytes, (double)bytes);
  close_pair(p);
}

/* ---- order, and frames that are held ---- */

#define HELD 300

static size_t random_size(test_random *r) {
  static const size_t most[] = {130, 130, 130, 5000, 5000, 200000, 3000000};
  return (size_t)test_below(r, most[test_below(r, 7)]);
}

/* Many are held at any time, and released in any order. */
static void in_order(uint32_t frames, ep_pair p, uint64_t seed) {
  struct {
    lf_frame frame;
    int32_t result;
  } *held = calloc(HELD, sizeof *held);
  CHECK(held != NULL);
  uint32_t holds = 0;
  uint64_t held_bytes = 0;
  test_random sizes_of = {seed}, methods = {seed + 1};
  for (uint32_t n = 0; n < frames; n++) {
    size_t length = random_size(&sizes_of);
    int method = (int)test_below(&methods, METHODS);
    if (p.to) send_frame(p.to, method, n, length, scratch);
    if (!p.from) continue;
    lf_frame frame;
    int32_t result = receive(p.from, &frame);
    CHECK(result >= 0);
    CHECK_EQ(frame_length(result, &frame), length);
    CHECK_EQ(frame.sequence, n);
    held[holds].frame = frame;
    held[holds++].result = result;
    held_bytes += length;
    /* Far from what would use up the memory, as the sender would wait for it. */
    while (holds == HELD || held_bytes > (uint64_t)8 << 20) {
      uint32_t i = (uint32_t)test_below(&methods, holds);
      lf_frame *f = &held[i].frame;
      length = frame_length(held[i].result, f);
      CHECK_EQ(test_differs(frame_bytes(p.from, held[i].result, f), length, (uint64_t)f->sequence), length);
      CHECK_EQ(lf_rx_release(p.from, frame_token(held[i].result, f)), LF_OK);
      held_bytes -= length;
      held[i] = held[--holds];
    }
  }
  for (uint32_t i = 0; i < holds; i++)
    CHECK_EQ(lf_rx_release(p.from, frame_token(held[i].result, &held[i].frame)), LF_OK);
  free(held);
  if (p.from) CHECK_EQ(lf_rx_release(p.from, 0), LF_ECLOSED);
  if (p.to) drain(p.to);
}

static void between_two(void) {
  static uint64_t seed;
  if (!seed) seed = test_number("LAVA_FLOW_SEED", 1);
  ep_pair p = open_pair(even(), even() + 1, 64, 0);
  in_order(3000, p, seed);
  close_pair(p);
  p = open_pair(even() + 1, even(), 1024, 0);
  in_order(3000, p, seed + 2);
  close_pair(p);
}

static void with_itself(void) {
  ep_pair p = open_pair(rank, rank, 64, 0);
  in_order(1500, p, 3);
  close_pair(p);
}

/* Both ways on two channels at once, in bursts of small frames. */
static void both_ways(void) {
  ep_pair there = open_pair(even(), even() + 1, 256, 0), back = open_pair(even() + 1, even(), 256, 0);
  int32_t to = sends() ? there.to : back.to, from = sends() ? back.from : there.from;
  uint64_t n = 0, got = 0;
  for (int burst = 0; burst < 2000; burst++) {
    for (int i = 0; i < burst % 70; i++, n++) {
      test_fill(scratch, 8 + n % 100, n);
      int32_t result = UNTIL(lf_mpi_tx_send_coalesced(to, scratch, (uint32_t)(8 + n % 100)));
      CHECK(result == 1 || result == 2);
    }
    for (; got < n; got++) expect_frame(from, got, 8 + got % 100);
  }
  close_pair(there);
  close_pair(back);
}

/* ---- credits ---- */

static uint64_t fill(int32_t to, size_t length) {
  uint64_t count = 0;
  int32_t result;
  while ((result = sent(to, lf_tx_send(to, scratch, (uint32_t)length))) != LF_FULL) {
    CHECK_EQ(result, 1);
    count++;
  }
  return count;
}

static void take_one(int32_t from) {
  lf_frame frame;
  int32_t result = lf_rx_receive(from, &frame);
  CHECK(result >= 0 && (result <= LF_INLINE_MAX || result == LF_REGION));
  CHECK_EQ(lf_rx_release(from, frame_token(result, &frame)), LF_OK);
}

static void capacity_is_exact(void) {
  static const size_t lengths[] = {0, 64, 120, 121, 3968, 3969, 4096, 1u << 20, 5u << 20};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t length = lengths[i];
    ep_pair p = open_pair(rank, rank, 256, 0);
    uint64_t capacity = fill(p.to, length);
    CHECK(capacity > 1 && capacity <= 256);
    CHECK_EQ(sender_stats(p.to).queued, (double)capacity);
    for (int round = 0; round < 5; round++) {
      CHECK_EQ(lf_tx_send(p.to, scratch, (uint32_t)length), LF_FULL);
      take_one(p.from);
      CHECK_EQ(lf_tx_send(p.to, scratch, (uint32_t)length), 1);
    }
    for (uint64_t n = 0; n < capacity; n++) take_one(p.from);
    lf_frame frame;
    CHECK_EQ(lf_rx_receive(p.from, &frame), LF_EMPTY);
    CHECK_EQ(sender_stats(p.to).queued, 0);
    CHECK_EQ(fill(p.to, length), capacity);
    for (uint64_t n = 0; n < capacity; n++) take_one(p.from);
    close_pair(p);
  }
}

static void loans_keep_their_slots(void) {
  ep_pair p = open_pair(rank, rank, 64, 0);
  lf_loan loans[64];
  uint32_t count = 0;
  while (lf_tx_loan(p.to, 10000, &loans[count]) == 1) count++;
  CHECK_EQ(count, 64);
  CHECK_EQ(lf_tx_send(p.to, scratch, 1), LF_FULL);
  CHECK_EQ(lf_tx_reserve(p.to), LF_FULL);
  CHECK_EQ(lf_tx_abort(p.to, loans[--count].block), LF_OK);
  CHECK_EQ(lf_tx_abort(p.to, loans[count].block), LF_ECLOSED);
  CHECK_EQ(lf_tx_reserve(p.to), 1);
  CHECK_EQ(lf_tx_send(p.to, scratch, 1), LF_FULL);
  CHECK_EQ(lf_tx_commit(p.to, loans[0].block, 10001), LF_EINVALID_ARGUMENT);
  for (uint32_t i = 0; i < count; i++) CHECK_EQ(lf_tx_commit(p.to, loans[i].block, i % 2 ? 10000 : i), 1);
  CHECK_EQ(lf_tx_commit(p.to, loans[0].block, 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_commit_inline(p.to, scratch, 3), 1);
  CHECK_EQ(lf_tx_commit_inline(p.to, scratch, 3), LF_ECLOSED);
  CHECK_EQ(lf_tx_abort_inline(p.to), LF_ECLOSED);
  CHECK_EQ(sender_stats(p.to).queued, 64);
  for (uint32_t i = 0; i < 64; i++) take_one(p.from);
  CHECK_EQ(fill(p.to, 10000), 64);
  close_pair(p);
}

/* Small frames that are held use no bytes; large ones do, and the release of any one returns credits. */
static void held_frames(void) {
  ep_pair p = open_pair(rank, rank, 256, 0);
  lf_frame held[256];
  for (int round = 0; round < 4; round++) {
    CHECK_EQ(fill(p.to, 100), 256);
    for (int i = 0; i < 256; i++) CHECK_EQ(lf_rx_receive(p.from, &held[i]), 100);
  }
  for (int i = 0; i < 4 * 256; i++) CHECK_EQ(lf_rx_release(p.from, 0), LF_OK);
  CHECK_EQ(sender_stats(p.to).queued, 0);
  for (int round = 0; round < 20; round++) { /* cells that are held are not those that the next frames come into */
    CHECK_EQ(fill(p.to, 1000), 256);
    for (int i = 0; i < 256; i++) CHECK_EQ(lf_rx_receive(p.from, &held[i]), LF_REGION);
    if (round % 2) {
      for (int i = 0; i < 256; i++) CHECK_EQ(lf_rx_release(p.from, held[i].token), LF_OK);
      CHECK_EQ(lf_rx_release(p.from, held[0].token), LF_ECLOSED);
    }
  }
  close_pair(p);

  p = open_pair(rank, rank, 256, 0);
  int count = 0;
  while (lf_tx_send(p.to, scratch, 1u << 20) == 1) CHECK_EQ(lf_rx_receive(p.from, &held[count++]), LF_REGION);
  CHECK_EQ(count, 64);
  for (int i = 0; i < 10; i++) {
    int any = (i * 13) % 64;
    CHECK_EQ(lf_rx_release(p.from, held[any].token), LF_OK);
    CHECK_EQ(lf_tx_send(p.to, scratch, 1u << 20), 1);
    CHECK_EQ(lf_tx_send(p.to, scratch, 1u << 20), LF_FULL);
    CHECK_EQ(lf_rx_receive(p.from, &held[any]), LF_REGION);
  }
  close_pair(p);
}

/* Sizes that grow and shrink, so that regions of one go for those of another; views of all of them were taken. */
static void sizes_change(void) {
  static const double mib[] = {1, 8, 3, 5, 0.5, 8, 0.01, 7, 2, 6, 0.001, 4, 16, 1};
  ep_pair p = open_pair(even(), even() + 1, 256, 0);
  uint64_t n = 0;
  for (size_t i = 0; i < sizeof mib / sizeof *mib; i++) {
    for (int k = 0; k < 12; k++, n++) {
      if (sends()) send_frame(p.to, k % METHODS, n, (size_t)(mib[i] * (1 << 20)), scratch);
      else expect_frame(p.from, n, (uint64_t)(mib[i] * (1 << 20)));
    }
  }
  close_pair(p);
}

static void wrong_arguments(void) {
  ep_pair p = open_pair(rank, rank, 256, 0);
  double ticket;
  uint32_t tag;
  lf_loan loan;
  lf_frame frame;
  static const char who[] = "it";
  CHECK_EQ(lf_mpi_tx_open(size, 0, 256, who, 2, &tag), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_open(-1, 0, 256, who, 2, &tag), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_open(rank, 0, 255, who, 2, &tag), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_open(rank, 7, 256, who, 2, &tag), LF_ECLOSED);
  CHECK_EQ(lf_mpi_tx_open(rank, 0, 256, NULL, 2, &tag), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_open(rank, 0, 256, who, 2, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_rx_open(rank, 0, job->tags, 256, 0, who, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_rx_open(size, 0, 0, 256, 0, who, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_rx_open(rank, 0, 0, 3, 0, who, 2), LF_EINVALID_ARGUMENT);
  int32_t alone = CHECK_OK(lf_mpi_tx_open(rank, 0, 256, who, 2, &tag));
  CHECK_EQ(lf_tx_send(alone, scratch, 1), LF_EINVALID_ARGUMENT); /* the other end is not open */
  CHECK_EQ(lf_mpi_tx_connect(alone, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_connect(alone, 1e300), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_close(alone), LF_OK);
  CHECK_EQ(lf_mpi_tx_connect(p.to, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_send(p.to, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_send_coalesced(p.to, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_send_zcopy(p.to, scratch, -1, &ticket), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_send_zcopy(p.to, scratch, 4294967297.0, &ticket), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_send_zcopy(p.to, NULL, 5, &ticket), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_send_zcopy(p.to, scratch, 5, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_begin_fragments(p.to, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_begin_fragments(p.to, 4294967297.0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mpi_tx_send_fragment(p.to, scratch, 5, &ticket), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_loan(p.to, 0, &loan), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_commit(p.to, 5000, 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_abort(p.to, 0), LF_ECLOSED);
  CHECK_EQ(lf_rx_receive(p.from, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rx_receive_wait(p.from, -1, 0, &frame), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rx_receive_wait(p.from, 0, 0, &frame), LF_TIMEOUT);
  CHECK_EQ(lf_rx_receive_wait(p.from, 3, 1e9, &frame), LF_TIMEOUT);
  CHECK_EQ(lf_rx_receive_wait(p.from, 3, 0, &frame), LF_TIMEOUT);
  CHECK_EQ(lf_rx_release(p.from, 0), LF_ECLOSED);
  CHECK_EQ(lf_mpi_rx_receive_fragment(p.from, scratch, 1, &ticket), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_send(p.to, scratch, 1), 1);
  CHECK_EQ(lf_rx_receive(p.from, &frame), 1);
  for (uint32_t token = 1; token < 100000; token += 97) CHECK_EQ(lf_rx_release(p.from, token), LF_ECLOSED);
  CHECK_EQ(lf_rx_release(p.from, 0xffffffffu), LF_ECLOSED);
  CHECK_EQ(lf_rx_release(p.from, LF_BLOCKS_MAX), LF_ECLOSED);
  CHECK_EQ(lf_rx_release(p.from, 0), LF_OK);
  int32_t to = p.to, from = p.from;
  close_pair(p);
  CHECK_EQ(lf_tx_send(to, scratch, 1), LF_ECLOSED);
  CHECK_EQ(lf_rx_receive(from, &frame), LF_ECLOSED);
  CHECK_EQ(lf_tx_close(to), LF_ECLOSED);
  CHECK_EQ(lf_rx_close(from), LF_ECLOSED);
}

int main(void) {
  scratch = malloc(SCRATCH);
  CHECK(scratch != NULL);
  join_job();
  CHECK(size % 2 == 0);
  RUN(wrong_arguments);
  RUN(capacity_is_exact);
  RUN(loans_keep_their_slots);
  RUN(held_frames);
  RUN(with_itself);
  await_rank(other());
  RUN(sizes);
  RUN(between_two);
  RUN(both_ways);
  RUN(sizes_change);
  CHECK_EQ(lf_job_close(0, 30000), 1);
  free(scratch);
  return 0;
}
