/*
 * The directory between real ranks, two or more: seeking and finding, one role for one rank, keys, thousands of names
 * in tens of messages, and a rank that says anything. Orders of words, deaths and limits are tested in ../test, where
 * chance decides and can be repeated.
 */
#include "base/monotonic.h"
#include "ipc/link.h"
#include "names/directory.h"
#include "test.h"

static lf_job_info job;
static char place[32];
static uint8_t buffer[LF_LINK_MESSAGE_MAX];
static lf_link_message message;

/* Rank 0 says it of all of them. */
#define RUN_RANKS(test)                         \
  do {                                          \
    test_name = #test;                          \
    test();                                     \
    meet_all();                                 \
    if (job.rank == 0) printf("ok %s\n", #test); \
    fflush(stdout);                             \
  } while (0)

static int32_t seek(const char *name, int32_t role) {
  return CHECK_OK(lf_seek_open(name, (uint32_t)strlen(name), role, (const uint8_t *)place, (uint32_t)strlen(place)));
}

static int32_t find(int32_t seek_handle) {
  int32_t link;
  while ((link = CHECK_OK(lf_seek_poll(seek_handle))) == 0) test_yield();
  return link;
}

static int32_t receive(int32_t link) {
  int32_t got;
  while ((got = lf_mail_receive(link, buffer, &message)) == LF_EMPTY) test_yield();
  return got;
}

static int32_t ask_for(const char *key) {
  static char lines[8192];
  int32_t lookup = CHECK_OK(lf_lookup_open(key, (uint32_t)strlen(key))), count;
  while ((count = lf_lookup_poll(lookup, sizeof lines, lines)) == LF_PENDING) test_yield();
  CHECK_OK(count);
  CHECK_EQ(lf_lookup_close(lookup), LF_OK);
  return count;
}

static void publish(const char *key) {
  char text[32];
  snprintf(text, sizeof text, "from %d", job.rank);
  CHECK_EQ(lf_job_publish(key, (uint32_t)strlen(key), text, (uint32_t)strlen(text)), LF_OK);
}

/* The home of this name has read all that this rank has said to it: mail keeps its order. */
static void wait_for_home_of(const char *name) { ask_for(name); }

/* Returns when all ranks have called it. Who waits says nothing meanwhile. */
static void meet_all(void) {
  enum { MOST = 64 };
  static int meetings;
  int32_t seeks[MOST], links[MOST];
  int count = job.rank == 0 ? job.size - 1 : 1;
  CHECK(count <= MOST);
  for (int i = 0; i < count; i++) {
    char name[48];
    snprintf(name, sizeof name, "meeting %d of %d", meetings, job.rank == 0 ? i + 1 : job.rank);
    seeks[i] = seek(name, job.rank == 0 ? LF_ROLE_PRODUCER : LF_ROLE_CONSUMER);
  }
  meetings++;
  for (int i = 0; i < count; i++) links[i] = find(seeks[i]);
  for (int i = 0; i < count; i++) {
    if (job.rank == 0) CHECK_EQ(lf_mail_send(links[i], 16, NULL, 0), 1);
    else CHECK_EQ(receive(links[i]), 1);
    if (job.rank != 0) CHECK_EQ(lf_mail_send(links[i], 16, NULL, 0), 1);
  }
  for (int i = 0; i < count; i++) {
    /* A rank that leaves the job drops messages for links that their peer does not know yet. */
    if (job.rank == 0) CHECK_EQ(receive(links[i]), 1);
    CHECK_EQ(lf_mail_close(links[i]), LF_OK);
    CHECK_EQ(lf_seek_close(seeks[i]), LF_OK);
  }
}

/* ---- links ---- */

static const uint32_t lengths[] = {0, 1, 100, 5000, LF_LINK_MESSAGE_MAX, 3};
#define LENGTHS (int)(sizeof lengths / sizeof *lengths)

static void say_all(int32_t link, uint64_t key) {
  for (int i = 0; i < LENGTHS; i++) {
    test_fill(buffer, lengths[i], key + (uint64_t)i);
    CHECK_EQ(lf_mail_send(link, (uint32_t)(16 + i), buffer, lengths[i]), 1);
  }
}

static void hear_all(int32_t link, uint64_t key) {
  for (int i = 0; i < LENGTHS; i++) {
    CHECK_EQ(receive(link), 1);
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
  int32_t producer = seek(mine, LF_ROLE_PRODUCER), consumer = seek(theirs, LF_ROLE_CONSUMER);
  int32_t out = find(producer), in = find(consumer);
  CHECK_EQ(lf_mail_rank(out), next);
  CHECK_EQ(lf_mail_rank(in), before);
  say_all(out, (uint64_t)job.rank * 100);
  say_all(in, (uint64_t)job.rank * 100 + 50);
  hear_all(out, (uint64_t)next * 100 + 50);
  hear_all(in, (uint64_t)before * 100);
  CHECK_EQ(lf_seek_settle(producer), LF_OK);
  CHECK_EQ(lf_seek_settle(consumer), LF_OK);
  CHECK_EQ(lf_mail_close(out), LF_OK);
  CHECK_EQ(receive(in), LF_EPEER_DIED);
  CHECK_EQ(lf_mail_close(in), LF_OK);
  CHECK_EQ(lf_seek_close(producer), LF_OK);
  CHECK_EQ(lf_seek_close(consumer), LF_OK);
}

static void one_role_one_rank(void) {
  int32_t holder = job.rank == 0 ? seek("role", LF_ROLE_PRODUCER) : 0;
  wait_for_home_of("role");
  meet_all();
  if (job.rank == 0) CHECK_EQ(lf_seek_poll(holder), 0);
  if (job.rank > 0) {
    int32_t second = seek("role", LF_ROLE_PRODUCER), said;
    while ((said = lf_seek_poll(second)) == 0) test_yield();
    CHECK_EQ(said, LF_ENAME_IN_USE);
    lf_status last;
    CHECK_EQ(lf_status_last(&last), LF_OK);
    char wanted[512];
    snprintf(wanted, sizeof wanted, "rank 0 on %s is already the producer of \"role\"", job.processor);
    if (job.node_size == job.size) CHECK(strcmp(last.text, wanted) == 0);
    CHECK(strncmp(last.text, wanted, 10) == 0);
    CHECK_EQ(lf_seek_close(second), LF_OK);
  }
  meet_all();
  if (job.rank == 0) CHECK_EQ(lf_seek_close(holder), LF_OK);
  meet_all();
  if (job.rank == job.size - 1) { /* the word that it is free may be on its way: then its old holder is asked */
    int32_t next = seek("role", LF_ROLE_PRODUCER);
    int32_t consumer = CHECK_OK(lf_seek_open("role", 4, LF_ROLE_CONSUMER, (const uint8_t *)"elsewhere", 9));
    int32_t a = find(next), b = find(consumer);
    CHECK_EQ(lf_mail_rank(a), job.rank);
    CHECK_EQ(lf_mail_close(a), LF_OK);
    CHECK_EQ(lf_mail_close(b), LF_OK);
    CHECK_EQ(lf_seek_close(next), LF_OK);
    CHECK_EQ(lf_seek_close(consumer), LF_OK);
  }
}

static void keys(void) {
  char mine[32];
  snprintf(mine, sizeof mine, "key %d", job.rank);
  publish(mine);
  publish("key of all");
  wait_for_home_of(mine);
  wait_for_home_of("key of all");
  meet_all();
  for (int rank = 0; rank < job.size; rank++) {
    char key[32], wanted[64], lines[64];
    snprintf(key, sizeof key, "key %d", rank);
    snprintf(wanted, sizeof wanted, "%d from %d\n", rank, rank);
    int32_t lookup = CHECK_OK(lf_lookup_open(key, (uint32_t)strlen(key))), count;
    while ((count = lf_lookup_poll(lookup, sizeof lines, lines)) == LF_PENDING) test_yield();
    CHECK_EQ(count, 1);
    CHECK(strcmp(lines, wanted) == 0);
    CHECK_EQ(lf_lookup_close(lookup), LF_OK);
  }
  CHECK_EQ(ask_for("key of all"), job.size);
  CHECK_EQ(ask_for("key of none"), 0);
}

/* ---- thousands ---- */

#define NAMES 5000

static uint64_t letters(void) {
  lf_job *j = lf_job_enter();
  CHECK(j != NULL);
  uint64_t sent = lf_control_count()->sent;
  lf_job_unlock(j);
  return sent;
}

/* Rank 0 opens all of them at once, and rank 1 the other ends: tens of messages, where each could cost several. */
static void thousands(void) {
  static int32_t seeks[NAMES], links[NAMES];
  uint64_t before = letters(), opened = 0, begin = lf_now();
  if (job.rank < 2) {
    for (int i = 0; i < NAMES; i++) {
      char name[32];
      snprintf(name, sizeof name, "camera/%04d", i);
      seeks[i] = seek(name, job.rank == 0 ? LF_ROLE_PRODUCER : LF_ROLE_CONSUMER);
    }
    opened = lf_now();
    for (int i = 0; i < NAMES; i++) links[i] = find(seeks[i]);
    uint64_t found = lf_now(), sent = letters() - before;
    printf("# rank %d: %d names opened in %.1f ms, all matched after %.1f ms, %" PRIu64 " messages of MPI sent\n",
           job.rank, NAMES, (double)(opened - begin) / 1e6, (double)(found - begin) / 1e6, sent);
    fflush(stdout);
    CHECK(sent < NAMES / 10); /* how few they are depends on how fast this machine is */
    for (int i = 0; i < NAMES; i++) CHECK_EQ(lf_mail_send(links[i], 16, &i, sizeof i), 1);
    for (int i = 0; i < NAMES; i++) {
      CHECK_EQ(receive(links[i]), 1);
      CHECK(memcmp(buffer, &i, sizeof i) == 0);
      CHECK_EQ(lf_seek_settle(seeks[i]), LF_OK);
    }
    for (int i = 0; i < NAMES; i++) {
      CHECK_EQ(lf_mail_close(links[i]), LF_OK);
      CHECK_EQ(lf_seek_close(seeks[i]), LF_OK);
    }
    printf("# rank %d: and %" PRIu64 " messages in all until they are closed\n", job.rank, letters() - before);
    fflush(stdout);
  }
}

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* From SEEK to MATCH, and to the first message over the link: printed, not judged. */
static void how_long(void) {
  enum { TIMES = 201 };
  uint64_t to_match[TIMES], to_message[TIMES];
  if (job.rank > 1) return;
  for (int i = 0; i < TIMES; i++) {
    char name[32];
    snprintf(name, sizeof name, "time %d", i);
    int32_t mine = seek(name, job.rank);
    uint64_t begin = lf_now();
    int32_t link = find(mine);
    to_match[i] = lf_now() - begin;
    CHECK_EQ(lf_mail_send(link, 16, &i, sizeof i), 1);
    CHECK_EQ(receive(link), 1);
    to_message[i] = lf_now() - begin;
    CHECK_EQ(lf_mail_close(link), LF_OK);
    CHECK_EQ(lf_seek_close(mine), LF_OK);
  }
  qsort(to_match, TIMES, sizeof *to_match, by_size);
  qsort(to_message, TIMES, sizeof *to_message, by_size);
  printf("# rank %d: SEEK to MATCH %.0f us (90 %%: %.0f us), to the first message %.0f us (90 %%: %.0f us)\n", job.rank,
         (double)to_match[TIMES / 2] / 1e3, (double)to_match[TIMES * 9 / 10] / 1e3, (double)to_message[TIMES / 2] / 1e3,
         (double)to_message[TIMES * 9 / 10] / 1e3);
}

/* ---- a rank that says anything ---- */

static void nonsense(test_random *random) {
  lf_job *j = lf_job_enter();
  CHECK(j != NULL);
  for (int i = 0; i < 5000; i++) {
    uint8_t bytes[64];
    for (size_t at = 0; at < sizeof bytes; at += 4) {
      uint32_t value = test_below(random, 2) ? (uint32_t)test_next(random) : (uint32_t)test_below(random, 8);
      memcpy(bytes + at, &value, 4);
    }
    /* The time of parting is not the directory's. */
    lf_word word = (lf_word)(LF_WORD_PUBLISH + test_below(random, LF_WORD_UNLINK - LF_WORD_PUBLISH + 1));
    int to = (int)test_below(random, (uint64_t)job.size);
    if (lf_control_post(j, to, word, bytes, (uint32_t)test_below(random, sizeof bytes + 1)) < 0) lf_job_round(j, lf_now());
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
  snprintf(place, sizeof place, "place %d", job.rank);
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
