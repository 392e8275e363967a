/* Two ends of a channel in one process, as the tests need them: met under a name, with a ring between them. */
#ifndef LF_TEST_RINGS_H
#define LF_TEST_RINGS_H

#include "base/handle.h"
#include "base/monotonic.h"
#include "ipc/link.h"
#include "test.h"

/* Longer than any step of a test takes on a busy machine: who waits this long was forgotten. */
#define TEST_LIMIT_NS ((uint64_t)60 * 1000000000u)

static inline int32_t test_rendezvous(const char *directory, const char *name, int32_t role) {
  return lf_rendezvous_open(directory, (uint32_t)strlen(directory), name, (uint32_t)strlen(name), role, NULL, 0);
}

/* Polls until a peer is there; a link's handle. */
static inline int32_t test_connect_one(int32_t rendezvous) {
  for (uint64_t start = lf_now(); lf_now() - start < TEST_LIMIT_NS; test_yield()) {
    int32_t link = CHECK_OK(lf_rendezvous_poll(rendezvous));
    if (link) return link;
  }
  test_fail(__FILE__, __LINE__, "no peer came");
}

/* Both ends, in this thread. */
static inline void test_connect(const char *name, int32_t *producer, int32_t *consumer) {
  int32_t p = CHECK_OK(test_rendezvous(test_directory(), name, LF_ROLE_PRODUCER));
  int32_t c = CHECK_OK(test_rendezvous(test_directory(), name, LF_ROLE_CONSUMER));
  *producer = *consumer = 0;
  for (uint64_t start = lf_now(); !*producer || !*consumer; test_yield()) {
    CHECK(lf_now() - start < TEST_LIMIT_NS);
    if (!*consumer) *consumer = CHECK_OK(lf_rendezvous_poll(c));
    if (!*producer) *producer = CHECK_OK(lf_rendezvous_poll(p));
  }
  CHECK_EQ(lf_rendezvous_close(p), LF_OK);
  CHECK_EQ(lf_rendezvous_close(c), LF_OK);
}

typedef struct {
  int32_t producer, producer_link;
  int32_t consumer, consumer_link;
} test_ring;

static inline int32_t test_consumer(int32_t link, int fenced) {
  for (uint64_t start = lf_now(); lf_now() - start < TEST_LIMIT_NS; test_yield()) {
    int32_t consumer = CHECK_OK(lf_shm_rx_open(link, fenced));
    if (consumer != LF_EMPTY) return consumer;
  }
  test_fail(__FILE__, __LINE__, "the segment did not come");
}

static inline test_ring test_ring_open(uint32_t slots, int fenced) {
  test_ring ring;
  test_connect("ring", &ring.producer_link, &ring.consumer_link);
  ring.producer = CHECK_OK(lf_shm_tx_open(ring.producer_link, slots, fenced));
  ring.consumer = test_consumer(ring.consumer_link, fenced);
  return ring;
}

/* What a test closed itself it sets to 0. */
static inline void test_ring_close(test_ring *ring) {
  if (ring->producer) CHECK_EQ(lf_tx_close(ring->producer), LF_OK);
  if (ring->consumer) CHECK_EQ(lf_rx_close(ring->consumer), LF_OK);
  if (ring->producer_link) CHECK_EQ(lf_link_close(ring->producer_link), LF_OK);
  if (ring->consumer_link) CHECK_EQ(lf_link_close(ring->consumer_link), LF_OK);
}

/* Waits until the peer notifies or is gone. A missing notification is a failure, not a delay. */
static inline void test_sleep(int32_t link) {
  lf_link *found = lf_handle_get(LF_KIND_LINK, link);
  CHECK(found != NULL);
  CHECK_EQ(lf_link_sleep(found, TEST_LIMIT_NS), 1);
}

/* Retires what has to go when a call on the producer said LF_RETIRE. */
static inline void test_retire(int32_t producer) {
  uint32_t region;
  CHECK_EQ(lf_tx_retirable(producer, &region), 1);
  CHECK_EQ(lf_tx_retire(producer, region), LF_OK);
}

/* After LF_FULL: sleeps until there is room, unless something changed already. */
static inline void test_wait_for_capacity(int32_t producer, int32_t link) {
  if (CHECK_OK(lf_tx_arm(producer, 0)) == 0) test_sleep(link);
}

/* Sends, waiting for credits. */
static inline void test_send(int32_t producer, int32_t link, const void *data, uint32_t length) {
  for (;;) {
    int32_t result = CHECK_OK(lf_tx_send(producer, data, length));
    if (result == 1) return;
    if (result == LF_RETIRE) {
      test_retire(producer);
    } else {
      CHECK_EQ(result, LF_FULL);
      test_wait_for_capacity(producer, link);
    }
  }
}

/* Receives, sleeping while there is nothing: a length, or LF_REGION. */
static inline int32_t test_receive(int32_t consumer, int32_t link, lf_frame *frame) {
  for (;;) {
    int32_t result = CHECK_OK(lf_rx_receive(consumer, frame));
    if (result == LF_RETIRE) {
      CHECK_EQ(lf_rx_retire(consumer, frame->region), LF_OK);
    } else if (result != LF_EMPTY) {
      return result;
    } else if (CHECK_OK(lf_rx_arm(consumer)) == 0) {
      test_sleep(link);
    }
  }
}

/* Where a received payload is (NULL where nothing is mapped), and how long it is. `result` is what receive returned. */
static inline const void *test_payload(int32_t consumer, const lf_frame *frame, int32_t result, size_t *length) {
  if (result <= LF_INLINE_MAX) {
    *length = (size_t)result;
    return frame->payload;
  }
  CHECK_EQ(result, LF_REGION);
  lf_region_info region;
  CHECK_EQ(lf_rx_region(consumer, frame->region, &region), LF_OK);
  CHECK(frame->offset >= 0 && frame->length >= 0 && frame->offset + frame->length <= region.size);
  *length = (size_t)frame->length;
  return region.address ? (const char *)(uintptr_t)region.address + (size_t)frame->offset : NULL;
}

/* What to release: an inline frame has no token. */
static inline uint32_t test_token(const lf_frame *frame, int32_t result) {
  return result == LF_REGION ? frame->token : 0;
}

/* Fenced, and by membarrier where the kernel has it. */
#define TEST_EACH_MODE(fenced) for (int fenced = 1; fenced >= (lf_membarrier_viable() ? 0 : 1); fenced--)

#endif
