/*
 * The lease map between real ranks, two or more: roles and connections, shared keys, thousands of names in tens of MPI
 * messages, and a rank that sends any bytes. Orders of messages, deaths and limits are tested in ../test, where chance
 * decides and can be repeated.
 */
#include "base/monotonic.h"
#include "ipc/link.h"
#include "job/control.h"
#include "party.h"
#include "test.h"

static lf_job_info job;
static char directory[32];
static uint8_t buffer[LF_LINK_MESSAGE_MAX];
static lf_link_message message;

/* Rank 0 says it of all of them. */
#define RUN_RANKS(test)                         \
  do {                                          \
    test_name = #test;                          \
    test();                                     \
    wait_for_all();                                 \
    if (job.rank == 0) printf("ok %s\n", #test); \
    fflush(stdout);                             \
  } while (0)

static party join(const char *name, int32_t role) {
  return party_join(job.rank, name, (uint32_t)strlen(name), role, directory, job.processor);
}

static void connect_to_peer(party *p) {
  while (CHECK_OK(party_poll(p, lf_now())) == 0) test_yield();
}

static int32_t receive(const party *p) {
  int32_t got;
  while ((got = lf_connection_receive(p->connection, buffer, &message)) == LF_EMPTY) test_yield();
  return got;
}

static int32_t ask_for(const char *key, char *lines, uint32_t capacity) {
  int32_t get = CHECK_OK(lf_lease_get(key, (uint32_t)strlen(key), 0)), count;
  while ((count = lf_lease_poll(get, capacity, lines)) == LF_PENDING) test_yield();
  CHECK_OK(count);
  CHECK_EQ(lf_lease_delete(get), LF_OK);
  return count;
}

static void publish(const char *key) {
  char text[32];
  snprintf(text, sizeof text, "from %d", job.rank);
  CHECK_EQ(lf_lease_put(key, (uint32_t)strlen(key), text, (uint32_t)strlen(text), LF_PUT_SHARED, NULL, 0), LF_OK);
}

/* The key's shard has read all messages that this rank has sent to it: messages keep their order. */
static void wait_for_shard_of(const char *key) {
  char lines[8];
  ask_for(key, lines, sizeof lines);
}

/* Returns when all ranks have called it. A rank that waits sends nothing meanwhile. */
static void wait_for_all(void) {
  enum { MOST = 64 };
  static int barriers;
  party parties[MOST];
  int count = job.rank == 0 ? job.size - 1 : 1;
  CHECK(count <= MOST);
  for (int i = 0; i < count; i++) {
    char name[48];
    snprintf(name, sizeof name, "barrier %d of %d", barriers, job.rank == 0 ? i + 1 : job.rank);
    parties[i] = join(name, job.rank == 0 ? PRODUCER : CONSUMER);
  }
  barriers++;
  for (int i = 0; i < count; i++) connect_to_peer(&parties[i]);
  for (int i = 0; i < count; i++) {
    if (job.rank == 0) CHECK_EQ(lf_connection_send(parties[i].connection, 16, NULL, 0), 1);
    else CHECK_EQ(receive(&parties[i]), 1);
    if (job.rank != 0) CHECK_EQ(lf_connection_send(parties[i].connection, 16, NULL, 0), 1);
  }
  for (int i = 0; i < count; i++) {
    if (job.rank == 0) CHECK_EQ(receive(&parties[i]), 1);
    leave(&parties[i]);
  }
}

/* ---- connections ---- */

static const uint32_t lengths[] = {0, 1, 100, 5000, LF_LINK_MESSAGE_MAX, 3};
#define LENGTHS (int)(sizeof lengths / sizeof *lengths)

static void say_all(const party *p, uint64_t key) {
  for (int i = 0; i < LENGTHS; i++) {
    test_fill(buffer, lengths[i], key + (uint64_t)i);
    CHECK_EQ(lf_connection_send(p->connection, (uint32_t)(16 + i), buffer, lengths[i]), 1);
  }
}

static void hear_all(const party *p, uint64_t key) {
  for (int i = 0; i < LENGTHS; i++) {
    CHECK_EQ(receive(p), 1);
    CHECK_EQ(message.kind, 16 + i);
    CHECK_EQ(message.length, lengths[i]);
    CHECK_EQ(test_differs(buffer, lengths[i], key + (uint64_t)i), lengths[i]);
  }
}

/* Each rank with the one after it, and with the one before it, all at once. */
static void a_ring(void) {
  int next = (job.rank + 1) % job.size, before = (job.rank + job.size - 1) % job.size;
  char mine[32], theirs[32];
  snprintf(mine, sizeof mine, "ring %d", job.rank);
  snprintf(theirs, sizeof theirs, "ring %d", before);
  party producer = join(mine, PRODUCER), consumer = join(theirs, CONSUMER);
  connect_to_peer(&producer);
  connect_to_peer(&consumer);
  CHECK_EQ(producer.tried.rank, next);
  say_all(&producer, (uint64_t)job.rank * 100);
  say_all(&consumer, (uint64_t)job.rank * 100 + 50);
  hear_all(&producer, (uint64_t)next * 100 + 50);
  hear_all(&consumer, (uint64_t)before * 100);
  CHECK_EQ(party_stop(&producer), LF_OK);
  CHECK_EQ(party_stop(&consumer), LF_OK);
  hang_up(&producer);
  CHECK_EQ(receive(&consumer), LF_EPEER_DIED);
  leave(&producer);
  leave(&consumer);
}

static void one_role_one_rank(void) {
  party holder = {0};
  if (job.rank == 0) holder = join("role", PRODUCER);
  wait_for_shard_of("producer role");
  wait_for_all();
  if (job.rank == 0) CHECK_EQ(party_poll(&holder, lf_now()), 0);
  if (job.rank > 0) {
    party second = join("role", PRODUCER);
    int32_t said;
    while ((said = party_poll(&second, lf_now())) == 0) test_yield();
    CHECK_EQ(said, LF_ENAME_IN_USE);
    CHECK_EQ(second.holder.rank, 0);
    if (job.node_size == job.size) CHECK(strcmp(second.holder.value, job.processor) == 0);
    leave(&second);
  }
  wait_for_all();
  if (job.rank == 0) leave(&holder);
  wait_for_all();
  if (job.rank == job.size - 1) { /* the DELETE may be on its way: then the old holder is asked */
    party next = join("role", PRODUCER);
    party consumer = party_join(job.rank, "role", 4, CONSUMER, "elsewhere", job.processor);
    connect_to_peer(&next);
    connect_to_peer(&consumer);
    CHECK_EQ(next.tried.rank, job.rank);
    leave(&next);
    leave(&consumer);
  }
}

static void keys(void) {
  char mine[32], lines[8192];
  snprintf(mine, sizeof mine, "key %d", job.rank);
  publish(mine);
  publish("key of all");
  wait_for_shard_of(mine);
  wait_for_shard_of("key of all");
  wait_for_all();
  for (int rank = 0; rank < job.size; rank++) {
    char key[32], wanted[64];
    snprintf(key, sizeof key, "key %d", rank);
    snprintf(wanted, sizeof wanted, "%d 0 0 from %d\n", rank, rank);
    CHECK_EQ(ask_for(key, lines, sizeof lines), 1);
    CHECK(strcmp(lines, wanted) == 0);
  }
  CHECK_EQ(ask_for("key of all", lines, sizeof lines), job.size);
  CHECK_EQ(ask_for("key of none", lines, sizeof lines), 0);
}

/* ---- thousands ---- */

#define NAMES 5000

static uint64_t batches(void) {
  lf_job *j = lf_job_enter();
  CHECK(j != NULL);
  uint64_t sent = lf_control_count()->sent;
  lf_job_unlock(j);
  return sent;
}

/* Rank 0 opens all of them at once, and rank 1 the other ends: tens of messages, where each could cost several. */
static void thousands(void) {
  static party parties[NAMES];
  uint64_t before = batches(), opened = 0, begin = lf_now();
  if (job.rank < 2) {
    for (int i = 0; i < NAMES; i++) {
      char name[32];
      snprintf(name, sizeof name, "camera/%04d", i);
      parties[i] = join(name, job.rank == 0 ? PRODUCER : CONSUMER);
    }
    opened = lf_now();
    for (int i = 0; i < NAMES; i++) connect_to_peer(&parties[i]);
    uint64_t found = lf_now(), sent = batches() - before;
    printf("# rank %d: %d names opened in %.1f ms, all connected after %.1f ms, %" PRIu64 " messages of MPI sent\n",
           job.rank, NAMES, (double)(opened - begin) / 1e6, (double)(found - begin) / 1e6, sent);
    fflush(stdout);
    CHECK(sent < NAMES / 10); /* how few they are depends on how fast this machine is */
    for (int i = 0; i < NAMES; i++) CHECK_EQ(lf_connection_send(parties[i].connection, 16, &i, sizeof i), 1);
    for (int i = 0; i < NAMES; i++) {
      CHECK_EQ(receive(&parties[i]), 1);
      CHECK(memcmp(buffer, &i, sizeof i) == 0);
      CHECK_EQ(party_stop(&parties[i]), LF_OK);
    }
    for (int i = 0; i < NAMES; i++) leave(&parties[i]);
    printf("# rank %d: and %" PRIu64 " messages in all until they are closed\n", job.rank, batches() - before);
    fflush(stdout);
  }
}

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* From PUT to the connection, and to the first message: printed, not judged. */
static void how_long(void) {
  enum { TIMES = 201 };
  uint64_t to_connection[TIMES], to_message[TIMES];
  if (job.rank > 1) return;
  for (int i = 0; i < TIMES; i++) {
    char name[32];
    snprintf(name, sizeof name, "time %d", i);
    party mine = join(name, job.rank == 0 ? PRODUCER : CONSUMER);
    uint64_t begin = lf_now();
    connect_to_peer(&mine);
    to_connection[i] = lf_now() - begin;
    CHECK_EQ(lf_connection_send(mine.connection, 16, &i, sizeof i), 1);
    CHECK_EQ(receive(&mine), 1);
    to_message[i] = lf_now() - begin;
    leave(&mine);
  }
  qsort(to_connection, TIMES, sizeof *to_connection, by_size);
  qsort(to_message, TIMES, sizeof *to_message, by_size);
  printf("# rank %d: PUT to connection %.0f us (90 %%: %.0f us), to the first message %.0f us (90 %%: %.0f us)\n", job.rank,
         (double)to_connection[TIMES / 2] / 1e3, (double)to_connection[TIMES * 9 / 10] / 1e3,
         (double)to_message[TIMES / 2] / 1e3, (double)to_message[TIMES * 9 / 10] / 1e3);
}

/* ---- a rank that sends any bytes ---- */

static void nonsense(test_random *random) {
  lf_job *j = lf_job_enter();
  CHECK(j != NULL);
  for (int i = 0; i < 5000; i++) {
    uint8_t bytes[64];
    for (size_t at = 0; at < sizeof bytes; at += 4) {
      uint32_t value = test_below(random, 2) ? (uint32_t)test_next(random) : (uint32_t)test_below(random, 8);
      memcpy(bytes + at, &value, 4);
    }
    /* FINALIZE is not the lease map's. */
    lf_word word = (lf_word)(LF_WORD_PUT + test_below(random, LF_WORD_DISCONNECT - LF_WORD_PUT + 1));
    int to = (int)test_below(random, (uint64_t)job.size);
    uint32_t length = (uint32_t)test_below(random, sizeof bytes + 1);
    if (lf_control_post(j, to, word, bytes, length) < 0) lf_job_round(j, lf_now());
    if (i % 100 == 0) lf_job_round(j, lf_now());
  }
  lf_job_unlock(j);
}

static void storm(void) {
  test_random random = {test_number("LAVA_FLOW_SEED", 1) + (uint64_t)job.rank};
  if (job.rank == 0) printf("# LAVA_FLOW_SEED=%" PRIu64 "\n", test_number("LAVA_FLOW_SEED", 1));
  if (job.rank == job.size - 1) nonsense(&random);
}

int main(void) {
  test_name = "opening";
  int32_t status;
  while ((status = lf_job_open()) == LF_PENDING) test_yield();
  CHECK_EQ(status, 1);
  CHECK_EQ(lf_job_describe(&job), LF_OK);
  snprintf(directory, sizeof directory, "directory %d", job.rank);
  CHECK(job.size >= 2);
  RUN_RANKS(a_ring);
  RUN_RANKS(one_role_one_rank);
  RUN_RANKS(keys);
  RUN_RANKS(thousands);
  RUN_RANKS(how_long);
  RUN_RANKS(storm);
  RUN_RANKS(a_ring);
  CHECK_EQ(lf_job_close(0, 10000), 1);
  return 0;
}
