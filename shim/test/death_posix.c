/* One of two processes is killed at any moment; LAVA_FLOW_KILLS says how often (default 300). */
#include <stdatomic.h>

#include "base/monotonic.h"
#include "process_posix.h"
#include "rings.h"

typedef struct {
  int32_t role; /* of the process that is killed */
  int32_t slots;
  uint64_t seed;
  _Atomic uint64_t *committed; /* messages that its sends said were sent: shared, so it outlives it */
} victim;

static uint32_t length_of(uint64_t seed, uint64_t i) {
  test_random random = {seed ^ i};
  return (uint32_t)(8 + test_below(&random, test_below(&random, 4) ? 100 : 100000));
}

/* Message i: its number, then bytes that follow from it. */
static void fill(uint8_t *payload, uint32_t length, uint64_t seed, uint64_t i) {
  memcpy(payload, &i, 8);
  test_fill(payload + 8, length - 8, seed + i);
}

static void check(const uint8_t *payload, size_t length, uint64_t seed, uint64_t i) {
  uint64_t number;
  CHECK_EQ(length, length_of(seed, i));
  memcpy(&number, payload, 8);
  CHECK_EQ(number, i);
  CHECK_EQ(test_differs(payload + 8, length - 8, seed + i), length - 8);
}

static int32_t open_and_connect(int32_t role) {
  int32_t mine = CHECK_OK(test_rendezvous(test_directory(), "death", role)), link = test_connect_one(mine);
  CHECK_EQ(lf_rendezvous_close(mine), LF_OK);
  return link;
}

/* Never ends by itself. */
static void streams(void *given) {
  const victim *v = given;
  static uint8_t payload[200000];
  int32_t link = open_and_connect(v->role);
  if (v->role == LF_ROLE_PRODUCER) {
    int32_t producer = CHECK_OK(lf_shm_tx_open(link, (uint32_t)v->slots, !lf_membarrier_viable()));
    for (uint64_t i = 0;; i++) {
      uint32_t length = length_of(v->seed, i);
      fill(payload, length, v->seed, i);
      test_send(producer, link, payload, length);
      atomic_store(v->committed, i + 1);
    }
  }
  int32_t consumer = test_consumer(link, !lf_membarrier_viable());
  for (;;) {
    lf_frame frame;
    int32_t result = test_receive(consumer, link, &frame);
    CHECK_EQ(lf_rx_release(consumer, test_token(&frame, result)), LF_OK);
  }
}

/* Everything that was committed arrives whole and in order; then, and not before, the death is told. One message more
 * may come than the producer lived to count. */
static void outlive_producer(pid_t pid, const victim *v, uint64_t kill_at) {
  int32_t link = open_and_connect(LF_ROLE_CONSUMER), consumer = test_consumer(link, !lf_membarrier_viable());
  for (uint64_t i = 0;; i++) {
    if (i == kill_at) CHECK_EQ(kill(pid, SIGKILL), 0);
    lf_frame frame;
    int32_t result = lf_rx_receive_wait(consumer, 60000, 10, &frame);
    if (result == LF_RETIRE) {
      CHECK_EQ(lf_rx_retire(consumer, frame.region), LF_OK);
      i--;
      continue;
    }
    if (result < 0) {
      CHECK_EQ(result, LF_EPEER_DIED);
      uint64_t committed = atomic_load(v->committed);
      CHECK(i >= kill_at && (i == committed || i == committed + 1));
      break;
    }
    size_t length;
    const void *payload = test_payload(consumer, &frame, result, &length);
    check(payload, length, v->seed, i);
    CHECK_EQ(lf_rx_release(consumer, test_token(&frame, result)), LF_OK);
  }
  CHECK_EQ(lf_rx_close(consumer), LF_OK);
  CHECK_EQ(lf_link_close(link), LF_OK);
}

static void outlive_consumer(pid_t pid, const victim *v, uint64_t kill_at) {
  static uint8_t payload[200000];
  int32_t link = open_and_connect(LF_ROLE_PRODUCER);
  int32_t producer = CHECK_OK(lf_shm_tx_open(link, (uint32_t)v->slots, !lf_membarrier_viable()));
  for (uint64_t i = 0;;) {
    if (i == kill_at) CHECK_EQ(kill(pid, SIGKILL), 0);
    uint32_t length = length_of(v->seed, i);
    fill(payload, length, v->seed, i);
    int32_t result = lf_tx_send(producer, payload, length);
    if (result == LF_RETIRE) test_retire(producer);
    if (result == LF_FULL && (result = lf_tx_arm(producer, 0)) == 0) test_sleep(link);
    if (result < 0) {
      CHECK_EQ(result, LF_EPEER_DIED);
      CHECK(i >= kill_at);
      break;
    }
    if (result == 1) i++;
  }
  CHECK_EQ(lf_tx_close(producer), LF_OK);
  CHECK_EQ(lf_link_close(link), LF_OK);
}

static void killed(int32_t role) {
  test_random random = {test_seed()};
  uint64_t rounds = test_number("LAVA_FLOW_KILLS", 300) / 2;
  int before = test_open_descriptors();
  _Atomic uint64_t *committed = test_shared(sizeof *committed);
  for (uint64_t round = 0; round < rounds; round++) {
    victim v = {role, 1 << (1 + test_below(&random, 8)), test_next(&random), committed};
    atomic_store(committed, 0);
    uint64_t kill_at = test_below(&random, test_below(&random, 4) ? 50 : 3000);
    pid_t pid = test_spawn(streams, &v);
    if (role == LF_ROLE_PRODUCER) outlive_producer(pid, &v, kill_at);
    else outlive_consumer(pid, &v, kill_at);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_EQ(test_open_descriptors(), before);
  }
  munmap(committed, sizeof *committed);
}

/* A stopped process is not a dead one: it holds its peer up, and goes on where it was. */
static void stopped_consumer(void) {
  victim v = {LF_ROLE_CONSUMER, 16, 1, NULL};
  pid_t pid = test_spawn(streams, &v);
  int32_t link = open_and_connect(LF_ROLE_PRODUCER);
  int32_t producer = CHECK_OK(lf_shm_tx_open(link, (uint32_t)v.slots, !lf_membarrier_viable()));
  for (uint64_t i = 0; i < 100; i++) test_send(producer, link, &i, sizeof i);
  int status;
  CHECK_EQ(kill(pid, SIGSTOP), 0);
  CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
  CHECK(WIFSTOPPED(status));
  int32_t result = 1;
  for (int sent = 0; result == 1; sent++) {
    CHECK(sent <= v.slots);
    result = lf_tx_send(producer, "x", 1);
  }
  /* The peer's liveness is polled once a millisecond: before that, the death may not be known. */
  for (uint64_t start = lf_now(); lf_now() - start < 5000000;) CHECK_EQ(lf_tx_send(producer, "x", 1), LF_FULL);
  lf_end_stats stats;
  CHECK_EQ(lf_tx_stats(producer, &stats), LF_OK);
  CHECK_EQ(stats.peer, 0);
  CHECK_EQ(kill(pid, SIGCONT), 0);
  for (uint64_t i = 0; i < 100; i++) test_send(producer, link, &i, sizeof i);
  while (CHECK_OK(lf_tx_arm(producer, 1)) == 0) test_sleep(link);
  test_kill(pid);
  CHECK_EQ(lf_tx_close(producer), LF_OK);
  CHECK_EQ(lf_link_close(link), LF_OK);
}

static void killed_producer(void) { killed(LF_ROLE_PRODUCER); }
static void killed_consumer(void) { killed(LF_ROLE_CONSUMER); }

int main(void) {
  RUN(killed_producer);
  RUN(killed_consumer);
  RUN(stopped_consumer);
  return 0;
}
