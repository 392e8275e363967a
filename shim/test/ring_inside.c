/* What a user of the ring never sees, or sees after 4,000,000,000 messages. */
#include "host/pool.h"
#include "inside.h"

#define MESSAGES (TEST_TSAN ? 8000u : 20000u)

/* For two_threads, which is ThreadSanitizer's look at the ring; ring.c has the fuller tests of what arrives. */
typedef struct {
  test_ring ring;
  uint64_t seed;
} flow;

static uint32_t length_of(test_random *random) {
  uint64_t kind = test_below(random, 8);
  return (uint32_t)test_below(random, kind < 5 ? LF_INLINE_MAX + 1 : kind < 7 ? 3000 : 40000);
}

/* A loan now and then, which is committed after what was sent meanwhile; that is its place in the order. */
static void sends(void *given) {
  const flow *f = given;
  test_random random = {f->seed};
  static uint8_t payload[40000];
  for (uint32_t i = 0; i < MESSAGES; i++) {
    uint32_t length = length_of(&random);
    if (i % 5 || length == 0) {
      test_fill(payload, length, f->seed + i);
      test_send(f->ring.producer, f->ring.producer_link, payload, length);
      continue;
    }
    lf_loan loan;
    int32_t result;
    while ((result = CHECK_OK(lf_tx_loan(f->ring.producer, length, &loan))) != 1) {
      if (result == LF_RETIRE) test_retire(f->ring.producer);
      else test_wait_for_capacity(f->ring.producer, f->ring.producer_link);
    }
    lf_region_info info;
    CHECK_EQ(lf_tx_region(f->ring.producer, loan.region, &info), LF_OK);
    test_fill((char *)(uintptr_t)info.address + (size_t)loan.offset, length, f->seed + i);
    CHECK_EQ(lf_tx_commit(f->ring.producer, loan.block, length), 1);
  }
  while (CHECK_OK(lf_tx_arm(f->ring.producer, 1)) == 0) test_sleep(f->ring.producer_link);
}

static void stream(test_ring *ring) {
  flow f = {*ring, test_seed()};
  test_random lengths = {f.seed}, order = {~f.seed};
  uint32_t tokens[8], held = 0;
  test_thread sender;
  test_start(&sender, sends, &f);
  for (uint32_t i = 0; i < MESSAGES; i++) {
    lf_frame frame;
    size_t length;
    int32_t result = test_receive(ring->consumer, ring->consumer_link, &frame);
    const void *payload = test_payload(ring->consumer, &frame, result, &length);
    CHECK_EQ(length, length_of(&lengths));
    CHECK_EQ(test_differs(payload, length, f.seed + i), length);
    tokens[held++] = test_token(&frame, result);
    if (held < 8) continue;
    uint64_t at = test_below(&order, held);
    CHECK_EQ(lf_rx_release(ring->consumer, tokens[at]), LF_OK);
    tokens[at] = tokens[--held];
  }
  while (held) CHECK_EQ(lf_rx_release(ring->consumer, tokens[--held]), LF_OK);
  test_join(&sender);
}

static void two_threads(void) {
  static const uint32_t slots[] = {16, 256};
  for (int i = 0; i < 2; i++) {
    TEST_EACH_MODE(fenced) {
      test_ring ring = test_ring_open(slots[i], fenced);
      stream(&ring);
      inside_ring_close(&ring);
    }
  }
}

/* As if `start` messages had been sent, and as many blocks had come back. */
static void begin_at(const test_ring *ring, uint64_t start) {
  lf_shm_tx *p = inside_producer(ring);
  lf_shm_rx *c = inside_consumer(ring);
  for (uint64_t at = start - p->slot_count; at != start; at++)
    atomic_store(&p->slots[at & (p->slot_count - 1)].word, lf_sequence(at));
  for (uint64_t at = start - LF_BLOCKS_MAX; at != start; at++)
    atomic_store(&p->ring->returns[at % LF_BLOCKS_MAX], lf_sequence(at));
  p->head = p->taken = p->released = p->returned = start;
  c->position = c->released = c->returned = start;
  atomic_store(&p->ring->taken, start);
  atomic_store(&p->ring->released, start);
}

/* The sequence in a slot has 32 bits: it comes round, in the ring and in the ring of returned blocks. */
static void sequences_come_round(void) {
  for (uint64_t before = 0; before < 20; before++) {
    test_ring ring = test_ring_open(4, 1);
    begin_at(&ring, ((uint64_t)3 << 32) - before);
    uint8_t payload[300];
    for (uint32_t i = 0; i < 40; i++) {
      uint32_t length = i % 3 ? 300 : 30;
      test_fill(payload, length, i);
      CHECK_EQ(lf_tx_send(ring.producer, payload, length), 1);
      lf_frame frame;
      size_t got;
      int32_t result = CHECK_OK(lf_rx_receive(ring.consumer, &frame));
      const void *at = test_payload(ring.consumer, &frame, result, &got);
      CHECK(got == length && test_differs(at, got, i) == got);
      CHECK_EQ(lf_rx_release(ring.consumer, test_token(&frame, result)), LF_OK);
      CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_EMPTY);
    }
    CHECK_EQ(lf_tx_arm(ring.producer, 1), 1);
    inside_ring_close(&ring);
  }
  TEST_EACH_MODE(fenced) {
    test_ring ring = test_ring_open(64, fenced);
    begin_at(&ring, ((uint64_t)1 << 32) - MESSAGES / 2);
    stream(&ring);
    CHECK(inside_consumer(&ring)->position > (uint64_t)1 << 32);
    inside_ring_close(&ring);
  }
}

/* A producer that dies while it writes has published nothing. */
static void half_a_commit(void) {
  test_ring ring = test_ring_open(4, 1);
  lf_shm_tx *p = inside_producer(&ring);
  lf_frame frame;
  CHECK_EQ(lf_tx_send(ring.producer, "whole", 5), 1);
  memset(lf_shm_tx_slot(p)->payload, 0xff, LF_INLINE_MAX);
  CHECK_EQ(lf_rx_receive(ring.consumer, &frame), 5);
  CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_EMPTY);
  lf_segment kept = p->segment;
  memset(&p->segment, 0, sizeof p->segment);
  lf_shm_tx_ops.close(lf_handle_take(LF_KIND_TX, ring.producer), 1);
  CHECK_EQ(lf_link_close(ring.producer_link), LF_OK);
  ring.producer = ring.producer_link = 0;
  CHECK_EQ(lf_rx_arm(ring.consumer), 1);
  for (int i = 0; i < 3; i++) CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_EPEER_DIED);
  inside_ring_close(&ring);
  inside_close(&kept);
}

/* Out of memory is an error only when waiting can't help. */
static void no_memory_for_blocks(void) {
  test_ring ring = test_ring_open(16, 1);
  static uint8_t payload[9000];
  lf_frame frame;
  lf_loan loan;
  inside_no_memory = 1;
  CHECK_EQ(lf_tx_send(ring.producer, payload, 2000), LF_EHOST_OUT_OF_MEMORY);
  CHECK_EQ(lf_tx_loan(ring.producer, 2000, &loan), LF_EHOST_OUT_OF_MEMORY);
  CHECK_EQ(lf_tx_send(ring.producer, payload, 100), 1); /* this needs none */
  inside_no_memory = 0;
  CHECK_EQ(lf_tx_send(ring.producer, payload, 2000), 1);
  inside_no_memory = 1;
  CHECK_EQ(lf_tx_send(ring.producer, payload, 9000), LF_FULL); /* the one under way will come back */
  CHECK_EQ(lf_rx_receive(ring.consumer, &frame), 100);
  CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_REGION);
  CHECK_EQ(lf_rx_release(ring.consumer, frame.token), LF_OK);
  CHECK_EQ(lf_tx_arm(ring.producer, 0), 1);
  CHECK_EQ(lf_tx_send(ring.producer, payload, 9000), LF_RETIRE);
  test_retire(ring.producer);
  CHECK_EQ(lf_tx_send(ring.producer, payload, 9000), LF_EHOST_OUT_OF_MEMORY);
  inside_no_memory = 0;
  CHECK_EQ(lf_tx_send(ring.producer, payload, 9000), 1);
  inside_ring_close(&ring);
}

/* Where an announcement does not fit any more, a pipe (Windows) may have room for the drop of a region, which is shorter:
 * as many drops as this never fit. */
enum { EARLY = sizeof(lf_region_message) / sizeof(lf_drop_message) + 2 };

/* A peer that does not read its connection: nothing is lost, what could not be said is said later. */
static void connection_full(void) {
  test_ring ring = test_ring_open(4096, 1);
  lf_shm_tx *p = inside_producer(&ring);
  int32_t sent = 0, result = 1;
  lf_memory_info early[EARLY];
  for (int i = 0; i < EARLY; i++) {
    CHECK_EQ(lf_memory_allocate(LF_MEMORY_SHARED, 100, -1, &early[i]), LF_OK);
    test_fill((void *)(uintptr_t)early[i].address, 100, (uint64_t)sent++);
    CHECK_EQ(lf_shm_tx_send_memory(ring.producer, early[i].handle), 1);
  }
  while (result == 1) {
    lf_memory_info memory;
    CHECK_EQ(lf_memory_allocate(LF_MEMORY_SHARED, 100, -1, &memory), LF_OK);
    test_fill((void *)(uintptr_t)memory.address, 100, (uint64_t)sent);
    result = lf_shm_tx_send_memory(ring.producer, memory.handle);
    if (result == 1) sent++;
    CHECK_EQ(lf_shm_tx_forget_memory(ring.producer, memory.handle), LF_OK);
    CHECK_EQ(lf_memory_close(memory.handle), LF_OK);
    CHECK(sent < 4000);
  }
  CHECK_EQ(result, LF_FULL);
  for (int i = 0; i < EARLY; i++) {
    CHECK_EQ(lf_shm_tx_forget_memory(ring.producer, early[i].handle), LF_OK);
    CHECK_EQ(lf_memory_close(early[i].handle), LF_OK);
  }
  CHECK(p->imports == 0 && p->dropping_count > 0);
  for (int32_t received = 0; received < sent;) {
    lf_frame frame;
    size_t length;
    result = CHECK_OK(lf_rx_receive(ring.consumer, &frame));
    if (result == LF_RETIRE) {
      CHECK_EQ(lf_rx_retire(ring.consumer, frame.region), LF_OK);
      continue;
    }
    const void *at = test_payload(ring.consumer, &frame, result, &length);
    CHECK(length == 100 && test_differs(at, length, (uint64_t)received) == length);
    CHECK_EQ(lf_rx_release(ring.consumer, frame.token), LF_OK);
    received++;
  }
  for (int i = 0; i < 100 && p->dropping_count; i++) { /* each side takes its turn */
    CHECK_OK(lf_tx_arm(ring.producer, 0));
    CHECK_OK(lf_rx_arm(ring.consumer));
  }
  CHECK_EQ(p->dropping_count, 0);
  lf_frame frame;
  CHECK_OK(lf_rx_arm(ring.consumer));
  while ((result = CHECK_OK(lf_rx_receive(ring.consumer, &frame))) == LF_RETIRE)
    CHECK_EQ(lf_rx_retire(ring.consumer, frame.region), LF_OK);
  CHECK_EQ(result, LF_EMPTY);
  lf_end_stats stats;
  CHECK_EQ(lf_rx_stats(ring.consumer, &stats), LF_OK);
  CHECK(stats.regions == 0 && stats.imports == 0);
  for (uint32_t i = 0; i < p->pool.region_capacity; i++) CHECK_EQ(p->pool.regions[i].announced, 0);
  inside_ring_close(&ring);
}

int main(void) {
  RUN(two_threads);
  RUN(sequences_come_round);
  RUN(half_a_commit);
  RUN(no_memory_for_blocks);
  RUN(connection_full);
  return 0;
}
