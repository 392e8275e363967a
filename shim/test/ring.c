/* The ring between two threads, each with its own mapping as two processes have it. Where a wake-up got lost, test_sleep
 * fails. (ThreadSanitizer sees no race between two mappings: for that, ring_inside.c has both ends use one.) */
#include "rings.h"
#include "shm/tx.h"

#define MESSAGES (TEST_TSAN ? 20000u : 100000u)

typedef struct {
  test_ring ring;
  uint32_t count;
  uint32_t longest;
  uint64_t seed;
} flow;

/* Mostly small, some that need a block, of all lengths in between. */
static uint32_t length_of(test_random *random, uint32_t longest) {
  uint64_t kind = test_below(random, 16);
  uint32_t limit = kind < 12 ? LF_INLINE_MAX : kind < 15 ? 4096 : longest;
  return (uint32_t)test_below(random, (limit < longest ? limit : longest) + 1);
}

static void sends_all(void *given) {
  flow *f = given;
  test_random lengths = {f->seed};
  uint8_t *payload = malloc(f->longest + 8);
  CHECK(payload != NULL);
  for (uint32_t i = 0; i < f->count; i++) {
    uint32_t length = length_of(&lengths, f->longest);
    test_fill(payload, length, f->seed + i);
    test_send(f->ring.producer, f->ring.producer_link, payload, length);
  }
  free(payload);
}

/* Everything arrives, in order, whole. Up to `held` frames are kept back and released in another order. */
static void receives_all(flow *f, uint32_t held) {
  test_random lengths = {f->seed}, order = {~f->seed};
  uint32_t tokens[64], waiting = 0;
  for (uint32_t i = 0; i < f->count; i++) {
    lf_frame frame;
    size_t length;
    int32_t result = test_receive(f->ring.consumer, f->ring.consumer_link, &frame);
    const void *payload = test_payload(f->ring.consumer, &frame, result, &length);
    CHECK_EQ(length, length_of(&lengths, f->longest));
    CHECK_EQ(test_differs(payload, length, f->seed + i), length);
    tokens[waiting++] = test_token(&frame, result);
    while (waiting > held) {
      uint32_t at = (uint32_t)test_below(&order, waiting);
      CHECK_EQ(lf_rx_release(f->ring.consumer, tokens[at]), LF_OK);
      tokens[at] = tokens[--waiting];
    }
  }
  while (waiting) CHECK_EQ(lf_rx_release(f->ring.consumer, tokens[--waiting]), LF_OK);
}

static void stream(int fenced, uint32_t slots, uint32_t longest, uint32_t count, uint32_t held) {
  flow f = {test_ring_open(slots, fenced), count, longest, test_seed()};
  test_thread sender;
  test_start(&sender, sends_all, &f);
  receives_all(&f, held);
  test_join(&sender);
  lf_end_stats stats;
  CHECK_EQ(lf_tx_stats(f.ring.producer, &stats), LF_OK);
  CHECK_EQ(stats.queued, 0);
  test_ring_close(&f.ring);
}

static void small_and_large(void) { stream(!lf_membarrier_viable(), 256, 200000, MESSAGES / 5, 0); }
static void small_and_large_fenced(void) { stream(1, 256, 200000, MESSAGES / 5, 0); }
static void frames_held_and_released_in_any_order(void) { stream(1, 64, 20000, MESSAGES / 5, 32); }
/* So few slots that both sides sleep and wake all the time. */
static void two_slots(void) { stream(!lf_membarrier_viable(), 2, LF_INLINE_MAX, MESSAGES / 4, 0); }
static void two_slots_fenced(void) { stream(1, 2, LF_INLINE_MAX, MESSAGES / 4, 0); }
static void many_slots(void) { stream(!lf_membarrier_viable(), 4096, LF_INLINE_MAX, MESSAGES, 0); }

static void every_small_length(void) {
  test_ring ring = test_ring_open(256, 1);
  uint8_t payload[LF_INLINE_MAX + 8];
  for (uint32_t length = 0; length <= LF_INLINE_MAX; length++) {
    test_fill(payload, sizeof payload, length);
    CHECK_EQ(lf_tx_send(ring.producer, payload, length), 1);
    lf_frame frame;
    memset(&frame, 0xee, sizeof frame);
    CHECK_EQ(lf_rx_receive(ring.consumer, &frame), length);
    CHECK_EQ(test_differs(frame.payload, length, length), length);
    if (length < LF_INLINE_MAX) CHECK_EQ(frame.payload[length], 0xee); /* and not a byte more */
    CHECK_EQ(lf_rx_release(ring.consumer, 0), LF_OK);
  }
  test_ring_close(&ring);
}

static void full_is_exact(void) {
  test_ring ring = test_ring_open(8, 1);
  lf_frame frame;
  for (int lap = 0; lap < 5; lap++) {
    for (int i = 0; i < 8; i++) CHECK_EQ(lf_tx_send(ring.producer, &i, sizeof i), 1);
    CHECK_EQ(lf_tx_send(ring.producer, "", 1), LF_FULL);
    CHECK_EQ(lf_tx_reserve(ring.producer), LF_FULL);
    lf_loan loan;
    CHECK_EQ(lf_tx_loan(ring.producer, 1000, &loan), LF_FULL);
    /* One that was taken is one that has room, at once. */
    CHECK_EQ(lf_rx_receive(ring.consumer, &frame), sizeof(int));
    CHECK_EQ(lf_tx_send(ring.producer, "x", 1), 1);
    CHECK_EQ(lf_tx_send(ring.producer, "x", 1), LF_FULL);
    for (int i = 1; i < 8; i++) CHECK_EQ(lf_rx_receive(ring.consumer, &frame), sizeof(int));
    CHECK_EQ(lf_rx_receive(ring.consumer, &frame), 1);
    CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_EMPTY);
    for (int i = 0; i < 9; i++) CHECK_EQ(lf_rx_release(ring.consumer, 0), LF_OK);
    CHECK_EQ(lf_rx_release(ring.consumer, 0), LF_ECLOSED);
  }
  test_ring_close(&ring);
}

static uint8_t *loaned_bytes(int32_t producer, const lf_loan *loan) {
  lf_region_info info;
  CHECK_EQ(lf_tx_region(producer, loan->region, &info), LF_OK);
  return (uint8_t *)(uintptr_t)info.address + (size_t)loan->offset;
}

static void loans(void) {
  test_ring ring = test_ring_open(8, 1);
  lf_loan loan[4];
  for (uint32_t i = 0; i < 4; i++) {
    CHECK_EQ(lf_tx_loan(ring.producer, 50000, &loan[i]), 1);
    test_fill(loaned_bytes(ring.producer, &loan[i]), 50000, i);
  }
  CHECK_EQ(lf_tx_reserve(ring.producer), 1);
  /* Their places are kept: three messages more, and the ring is full. */
  for (int i = 0; i < 3; i++) CHECK_EQ(lf_tx_send(ring.producer, "s", 1), 1);
  CHECK_EQ(lf_tx_send(ring.producer, "s", 1), LF_FULL);
  /* Committed in another order than lent, one shorter, one not at all. */
  CHECK_EQ(lf_tx_commit(ring.producer, loan[2].block, 50000), 1);
  CHECK_EQ(lf_tx_commit(ring.producer, loan[0].block, 10), 1);
  CHECK_EQ(lf_tx_abort(ring.producer, loan[3].block), LF_OK);
  CHECK_EQ(lf_tx_commit_inline(ring.producer, "inline", 6), 1);
  CHECK_EQ(lf_tx_commit(ring.producer, loan[1].block, 1e9), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_commit(ring.producer, loan[1].block, -1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_commit(ring.producer, loan[1].block, 0), 1);
  /* Used up. */
  CHECK_EQ(lf_tx_commit(ring.producer, loan[1].block, 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_abort(ring.producer, loan[3].block), LF_ECLOSED);
  CHECK_EQ(lf_tx_commit(ring.producer, 0xffffffffu, 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_commit_inline(ring.producer, "x", 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_abort_inline(ring.producer), LF_ECLOSED);

  const struct {
    size_t length;
    int key; /* of the content; -1: not looked at */
  } wanted[] = {{1, -1}, {1, -1}, {1, -1}, {50000, 2}, {10, 0}, {6, -1}, {0, -1}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    lf_frame frame;
    size_t length;
    int32_t result = CHECK_OK(lf_rx_receive(ring.consumer, &frame));
    const void *payload = test_payload(ring.consumer, &frame, result, &length);
    CHECK_EQ(length, wanted[i].length);
    if (wanted[i].key == 2) CHECK_EQ(test_differs(payload, length, 2), length);
    uint32_t token = test_token(&frame, result);
    CHECK_EQ(lf_rx_release(ring.consumer, token), LF_OK);
    if (token) CHECK_EQ(lf_rx_release(ring.consumer, token), LF_ECLOSED);
  }
  test_ring_close(&ring);
}

/* A pool of one size has to make room for another one: idle regions go, on both sides. */
static void regions_retire(void) {
  test_ring ring = test_ring_open(64, 1);
  static uint8_t payload[24u << 20];
  lf_end_stats producer, consumer;
  for (uint32_t round = 0; round < 12; round++) {
    uint32_t length = (round % 4 + 1) * (6u << 20) - round * 1000;
    test_fill(payload, 4096, round);
    test_send(ring.producer, ring.producer_link, payload, length);
    lf_frame frame;
    size_t got;
    int32_t result = test_receive(ring.consumer, ring.consumer_link, &frame);
    const void *found = test_payload(ring.consumer, &frame, result, &got);
    CHECK_EQ(got, length);
    CHECK_EQ(test_differs(found, 4096, round), 4096);
    CHECK_EQ(lf_rx_release(ring.consumer, frame.token), LF_OK);
    CHECK_EQ(lf_tx_stats(ring.producer, &producer), LF_OK);
    CHECK(producer.region_bytes <= 96.0 * (1 << 20));
  }
  lf_frame frame;
  while (CHECK_OK(lf_rx_receive(ring.consumer, &frame)) == LF_RETIRE)
    CHECK_EQ(lf_rx_retire(ring.consumer, frame.region), LF_OK);
  CHECK(CHECK_OK(lf_rx_arm(ring.consumer)) == 0 || lf_rx_receive(ring.consumer, &frame) == LF_RETIRE);
  CHECK_EQ(lf_rx_stats(ring.consumer, &consumer), LF_OK);
  CHECK(consumer.region_bytes <= 160.0 * (1 << 20));
  test_ring_close(&ring);
}

static void memory_is_passed_not_copied(void) {
  test_ring ring = test_ring_open(8, 1);
  lf_memory_info memory;
  CHECK_EQ(lf_memory_allocate(LF_MEMORY_SHARED, 10000, 0, &memory), LF_OK);
  uint8_t *mine = (uint8_t *)(uintptr_t)memory.address;
  test_fill(mine, 10000, 7);
  uint32_t region = 0;
  lf_end_stats stats;
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(lf_shm_tx_send_memory(ring.producer, memory.handle), 1);
    lf_frame frame;
    CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_REGION);
    CHECK_EQ(frame.length, 10000);
    lf_region_info info;
    CHECK_EQ(lf_rx_region(ring.consumer, frame.region, &info), LF_OK);
    CHECK(info.memory > 0);
    CHECK(i == 0 || frame.region == region); /* mapped once */
    region = frame.region;
    uint8_t *theirs = (uint8_t *)(uintptr_t)info.address;
    CHECK_EQ(test_differs(theirs, 10000, 7), 10000);
    theirs[i] ^= 0xff;
    CHECK_EQ(mine[i], theirs[i]);
    theirs[i] ^= 0xff;
    CHECK_EQ(lf_rx_release(ring.consumer, frame.token), LF_OK);
  }
  /* Forgotten with one under way: that one is still good, and then it goes. */
  CHECK_EQ(lf_shm_tx_send_memory(ring.producer, memory.handle), 1);
  CHECK_EQ(lf_shm_tx_forget_memory(ring.producer, memory.handle), LF_OK);
  CHECK_EQ(lf_memory_close(memory.handle), LF_OK);
  lf_frame frame;
  CHECK_OK(lf_rx_arm(ring.consumer)); /* reads what was said about regions */
  CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_REGION);
  size_t length;
  CHECK_EQ(test_differs(test_payload(ring.consumer, &frame, LF_REGION, &length), 10000, 7), 10000);
  CHECK_EQ(lf_rx_retire(ring.consumer, frame.region), LF_EINVALID_ARGUMENT); /* held */
  uint32_t token = frame.token;
  CHECK_EQ(lf_rx_release(ring.consumer, token), LF_OK);
  CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_RETIRE);
  CHECK_EQ(lf_rx_retire(ring.consumer, frame.region), LF_OK);
  CHECK_EQ(lf_rx_stats(ring.consumer, &stats), LF_OK);
  CHECK_EQ(stats.imports, 0);
  CHECK_EQ(lf_shm_tx_send_memory(ring.producer, memory.handle), LF_ECLOSED);
  test_ring_close(&ring);
}

static int32_t shared_memory(void) {
  lf_memory_info memory;
  CHECK_EQ(lf_memory_allocate(LF_MEMORY_SHARED, 4096, 0, &memory), LF_OK);
  return memory.handle;
}

/* Receives one, and gives its token. */
static uint32_t receive_memory(const test_ring *ring) {
  lf_frame frame;
  CHECK_EQ(lf_rx_receive(ring->consumer, &frame), LF_REGION);
  return frame.token;
}

static void releases_of_memory_are_counted(void) {
  test_ring ring = test_ring_open(8, 1);
  int32_t a = shared_memory(), b = shared_memory(), c = shared_memory();
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, a), 0);
  CHECK_EQ(lf_shm_tx_send_memory(ring.producer, a), 1);
  CHECK_EQ(lf_shm_tx_send_memory(ring.producer, a), 1);
  CHECK_EQ(lf_shm_tx_send_memory(ring.producer, b), 1);
  CHECK_EQ(lf_tx_send(ring.producer, "x", 1), 1);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, a), 2);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, b), 1);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, c), 0);
  uint32_t first = receive_memory(&ring), second = receive_memory(&ring), third = receive_memory(&ring);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, a), 2); /* taken is not released */
  CHECK_EQ(lf_rx_release(ring.consumer, third), LF_OK);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, b), 0);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, a), 2);
  CHECK_EQ(lf_rx_release(ring.consumer, second), LF_OK);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, a), 1);
  /* What a buffer that is gone has left at the peer is not its successor's. */
  CHECK_EQ(lf_shm_tx_forget_memory(ring.producer, a), LF_OK);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  lf_frame frame;
  CHECK_EQ(lf_rx_receive(ring.consumer, &frame), 1);
  CHECK_EQ(lf_rx_release(ring.consumer, 0), LF_OK);
  CHECK_EQ(lf_shm_tx_send_memory(ring.producer, c), 1);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, c), 1);
  CHECK_EQ(lf_rx_release(ring.consumer, receive_memory(&ring)), LF_OK);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, c), 0);
  CHECK_EQ(lf_rx_release(ring.consumer, first), LF_OK);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, c), 0);
  /* More than were sent. */
  lf_shm_tx *p = lf_handle_get(LF_KIND_TX, ring.producer);
  atomic_fetch_add(&p->ring->memory_released[p->rcache[(uint32_t)c & 0xffffu].counter], 1);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, c), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(lf_tx_send(ring.producer, "x", 1), LF_ECORRUPT_SEGMENT);
  test_ring_close(&ring);

  /* Who closed holds nothing. */
  ring = test_ring_open(8, 1);
  CHECK_EQ(lf_shm_tx_send_memory(ring.producer, b), 1);
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, b), 1);
  CHECK_EQ(lf_rx_close(ring.consumer), LF_OK);
  ring.consumer = 0;
  CHECK_EQ(lf_shm_tx_unreleased(ring.producer, b), 0);
  test_ring_close(&ring);
  CHECK_EQ(lf_memory_close(b), LF_OK);
  CHECK_EQ(lf_memory_close(c), LF_OK);
}

static void closing(void) {
  lf_frame frame;
  test_ring ring = test_ring_open(8, 1);
  for (int i = 0; i < 3; i++) CHECK_EQ(lf_tx_send(ring.producer, &i, sizeof i), 1);
  CHECK_EQ(lf_tx_close(ring.producer), LF_OK);
  CHECK_EQ(lf_link_close(ring.producer_link), LF_OK);
  ring.producer = ring.producer_link = 0;
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(lf_rx_receive(ring.consumer, &frame), sizeof i);
    CHECK_EQ(memcmp(frame.payload, &i, sizeof i), 0);
  }
  CHECK_EQ(lf_rx_receive(ring.consumer, &frame), LF_ECHANNEL_CLOSED);
  CHECK_EQ(lf_rx_receive_wait(ring.consumer, 1e6, 0, &frame), LF_ECHANNEL_CLOSED);
  test_ring_close(&ring);

  ring = test_ring_open(8, 1);
  CHECK_EQ(lf_tx_send(ring.producer, "x", 1), 1);
  CHECK_EQ(lf_rx_close(ring.consumer), LF_OK);
  ring.consumer = 0;
  CHECK_EQ(lf_tx_send(ring.producer, "x", 1), LF_ECHANNEL_CLOSED);
  CHECK_EQ(lf_tx_arm(ring.producer, 1), LF_ECHANNEL_CLOSED);
  test_ring_close(&ring);
}

static void waits_in_the_call(void *given) {
  flow *f = given;
  lf_frame frame;
  for (uint32_t i = 0; i < f->count; i++) {
    /* No spinning: it sleeps each time, and has to be woken each time. */
    CHECK_EQ(lf_rx_receive_wait(f->ring.consumer, 60000, 0, &frame), 4);
    CHECK_EQ(memcmp(frame.payload, &i, 4), 0);
    CHECK_EQ(lf_rx_release(f->ring.consumer, 0), LF_OK);
  }
}

static void sleeping_receiver(void) {
  for (int fenced = 0; fenced <= 1; fenced++) {
    if (!fenced && !lf_membarrier_viable()) continue;
    flow f = {test_ring_open(8, fenced), MESSAGES / 20, 4, 0};
    test_thread receiver;
    test_start(&receiver, waits_in_the_call, &f);
    for (uint32_t i = 0; i < f.count; i++) {
      test_send(f.ring.producer, f.ring.producer_link, &i, 4);
      /* Until it was released: so the receiver finds nothing each time. */
      while (CHECK_OK(lf_tx_arm(f.ring.producer, 1)) == 0) test_sleep(f.ring.producer_link);
    }
    test_join(&receiver);
    test_ring_close(&f.ring);
  }
}

static void senseless_arguments(void) {
  test_ring ring = test_ring_open(2, 1);
  lf_frame frame;
  lf_loan loan;
  CHECK_EQ(lf_shm_tx_open(ring.producer_link, 3, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_shm_tx_open(ring.producer_link, 1, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_shm_tx_open(ring.producer_link, 1u << 31, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_shm_tx_open(ring.producer, 8, 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_send(ring.producer, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_send(ring.consumer, "x", 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_loan(ring.producer, 0.0 / 0.0, &loan), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_loan(ring.producer, -5, &loan), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_loan(ring.producer, 1e18, &loan), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_tx_loan(ring.producer, 100, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rx_receive(ring.consumer, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rx_receive_wait(ring.consumer, -1, 0, &frame), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rx_receive_wait(ring.consumer, 0.0 / 0.0, 0, &frame), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rx_receive_wait(ring.consumer, 0, 0, &frame), LF_TIMEOUT);
  CHECK_EQ(lf_rx_receive_wait(ring.consumer, 1, 1e9, &frame), LF_TIMEOUT);
  CHECK_EQ(lf_rx_receive_wait(ring.consumer, 1, 0, &frame), LF_TIMEOUT);
  CHECK_EQ(lf_rx_release(ring.consumer, 0), LF_ECLOSED);
  test_ring_close(&ring);
}

int main(void) {
  RUN(every_small_length);
  RUN(full_is_exact);
  RUN(loans);
  RUN(regions_retire);
  RUN(memory_is_passed_not_copied);
  RUN(releases_of_memory_are_counted);
  RUN(closing);
  RUN(senseless_arguments);
  RUN(small_and_large);
  RUN(small_and_large_fenced);
  RUN(frames_held_and_released_in_any_order);
  RUN(two_slots);
  RUN(two_slots_fenced);
  RUN(many_slots);
  RUN(sleeping_receiver);
  return 0;
}
