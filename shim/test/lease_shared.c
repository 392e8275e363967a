/* Shared keys on simulated ranks: put, get and watch. */
#include "simulated_job.h"

static char lines[8192];

static int32_t publish(const char *key, uint32_t key_bytes, const char *value, uint32_t value_bytes) {
  return lf_lease_put(key, key_bytes, value, value_bytes, LF_PUT_SHARED, NULL, 0);
}

static const char *key_kept_by(int rank) {
  static char key[RANKS][32];
  snprintf(key[rank], sizeof key[rank], "producer %s", named(rank));
  return key[rank];
}

static int32_t ask_for(int rank, const char *text) {
  be(rank);
  return CHECK_OK(lf_lease_get(text, (uint32_t)strlen(text), 0));
}

static void tell_of(int rank, const char *text, const char *value) {
  be(rank);
  CHECK_EQ(publish(text, (uint32_t)strlen(text), value, (uint32_t)strlen(value)), LF_OK);
}

static void gets_them(void) {
  tell_of(4, "host a", "fourth");
  tell_of(1, "host a", "first");
  tell_of(5, "host a", "");
  tell_of(2, "host b", "second");
  arrive();
  int32_t a = ask_for(3, "host a"), b = ask_for(3, "host b"), none = ask_for(3, "host c");
  CHECK_EQ(lf_lease_poll(a, sizeof lines, lines), LF_PENDING);
  CHECK_EQ(*lines, 0);
  CHECK_EQ(atomic_load(&world[3].job.waiting), 3);
  arrive();
  for (int again = 0; again < 2; again++) {
    CHECK_EQ(lf_lease_poll(a, sizeof lines, lines), 3);
    CHECK(strcmp(lines, "1 0 0 first\n4 0 0 fourth\n5 0 0 \n") == 0);
  }
  CHECK_EQ(lf_lease_poll(b, sizeof lines, lines), 1);
  CHECK(strcmp(lines, "2 0 0 second\n") == 0);
  CHECK_EQ(lf_lease_poll(none, sizeof lines, lines), 0);
  CHECK(strcmp(lines, "") == 0);
  CHECK_EQ(atomic_load(&world[3].job.waiting), 0);
  /* Whole lines, as far as they go. */
  for (uint32_t capacity = 1; capacity < 42; capacity++) {
    memset(lines, 'x', sizeof lines);
    CHECK_EQ(lf_lease_poll(a, capacity, lines), 3);
    const char *wanted = capacity < 13   ? ""
                         : capacity < 26 ? "1 0 0 first\n"
                         : capacity < 33 ? "1 0 0 first\n4 0 0 fourth\n"
                                         : "1 0 0 first\n4 0 0 fourth\n5 0 0 \n";
    CHECK(strcmp(lines, wanted) == 0);
    CHECK_EQ(lines[capacity], 'x');
  }
  CHECK_EQ(lf_lease_delete(a), LF_OK);
  CHECK_EQ(lf_lease_delete(b), LF_OK);
  CHECK_EQ(lf_lease_delete(none), LF_OK);
}

/* Only the key's shard answers. */
static void forged(void) {
  int32_t get = ask_for(1, key_kept_by(0));
  uint32_t answer[2] = {1, 0};
  lf_job_lock(&world[2].job);
  CHECK_EQ(lf_control_post(&world[2].job, 1, LF_WORD_ENTRIES, answer, sizeof answer), LF_OK);
  lf_job_unlock(&world[2].job);
  deliver_all(2, 1);
  CHECK_EQ(lf_lease_poll(get, sizeof lines, lines), LF_PENDING);
  arrive();
  CHECK_EQ(lf_lease_poll(get, sizeof lines, lines), 0);
  CHECK_EQ(lf_lease_delete(get), LF_OK);
}

static void published_again(void) {
  tell_of(2, "key", "old");
  tell_of(2, "key", "new");
  arrive();
  int32_t get = ask_for(2, "key");
  arrive();
  CHECK_EQ(lf_lease_poll(get, sizeof lines, lines), 1);
  CHECK(strcmp(lines, "2 0 0 new\n") == 0);
  CHECK_EQ(lf_lease_delete(get), LF_OK);
}

/* Entries that do not fit in an answer are counted all the same; values make no lines of their own. */
static void bounded(void) {
  char longest[255];
  memset(longest, 'z', sizeof longest);
  for (int rank = 0; rank < RANKS; rank++) {
    be(rank);
    CHECK_EQ(publish("all", 3, longest, 255), LF_OK);
    CHECK_EQ(publish(longest, 255, "1\n2 forged\x7f\0x", 13), LF_OK);
  }
  arrive();
  be(0);
  int32_t get = ask_for(0, "all");
  arrive();
  CHECK_EQ(lf_lease_poll(get, sizeof lines, lines), RANKS);
  CHECK_EQ(strlen(lines), RANKS * 262);
  CHECK_EQ(lf_lease_delete(get), LF_OK);
  get = CHECK_OK(lf_lease_get(longest, 255, 0));
  arrive();
  CHECK_EQ(lf_lease_poll(get, sizeof lines, lines), RANKS);
  CHECK(strncmp(lines, "0 0 0 1 2 forged  x\n1 0 0 1 2 forged  x\n", 40) == 0);
  CHECK_EQ(lf_lease_delete(get), LF_OK);
}

/* A watch is answered at once, and again after each change. */
static void watches(void) {
  be(3);
  int32_t watching = CHECK_OK(lf_lease_get("key", 3, 1));
  arrive();
  CHECK_EQ(lf_lease_poll(watching, sizeof lines, lines), 0);
  CHECK_EQ(*lines, 0);
  tell_of(2, "key", "old");
  arrive();
  CHECK_EQ(lf_lease_poll(watching, sizeof lines, lines), 1);
  CHECK(strcmp(lines, "2 0 0 old\n") == 0);
  tell_of(2, "key", "new");
  tell_of(1, "key", "other");
  arrive();
  CHECK_EQ(lf_lease_poll(watching, sizeof lines, lines), 2);
  CHECK(strcmp(lines, "1 0 0 other\n2 0 0 new\n") == 0);
  CHECK_EQ(atomic_load(&world[3].job.waiting), 1);
  CHECK_EQ(lf_lease_delete(watching), LF_OK);
  arrive();
  tell_of(4, "key", "last");
  deliver_all(4, shard_of("key"));
  CHECK_EQ(in_flight, 0);
}

/* A key is shared or exclusive, as its first entry. */
static void one_kind(void) {
  be(1);
  int32_t holder = CHECK_OK(lf_lease_put("key", 3, "v", 1, LF_PUT_EXCLUSIVE, (const uint8_t *)"d", 1));
  arrive();
  tell_of(2, "key", "shared");
  arrive();
  int32_t get = ask_for(3, "key");
  arrive();
  CHECK_EQ(lf_lease_poll(get, sizeof lines, lines), 1);
  CHECK(strncmp(lines, "1 1 ", 4) == 0 && strcmp(lines + strlen(lines) - 3, " v\n") == 0);
  CHECK_EQ(lf_lease_delete(get), LF_OK);
  CHECK_EQ(lf_lease_delete(holder), LF_OK);
  arrive();
  tell_of(2, "key", "shared");
  arrive();
  be(1);
  holder = CHECK_OK(lf_lease_put("key", 3, "v", 1, LF_PUT_EXCLUSIVE, (const uint8_t *)"d", 1));
  arrive();
  CHECK_EQ(lf_lease_poll(holder, sizeof lines, lines), LF_ESYSTEM);
  CHECK_EQ(lf_lease_delete(holder), LF_OK);
}

static void bad_arguments(void) {
  char longest[LF_LEASE_KEY_MAX + 1];
  memset(longest, 'z', sizeof longest);
  CHECK_EQ(publish("", 0, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(publish(NULL, 1, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(publish(longest, LF_LEASE_KEY_MAX + 1, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(publish("x", 1, longest, 256), LF_EINVALID_ARGUMENT);
  CHECK_EQ(publish("x", 1, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_get("", 0, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_get(NULL, 1, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_get(longest, LF_LEASE_KEY_MAX + 1, 0), LF_EINVALID_ARGUMENT);
  int32_t get = ask_for(0, "x");
  CHECK_EQ(lf_lease_poll(get, 0, lines), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_poll(get, 10, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_delete(get), LF_OK);
  CHECK_EQ(lf_lease_delete(get), LF_ECLOSED);
  CHECK_EQ(lf_lease_poll(get, 10, lines), LF_ECLOSED);
  posts_fail = 1;
  CHECK_EQ(lf_lease_get("x", 1, 0), LF_EHOST_OUT_OF_MEMORY);
  CHECK_EQ(publish("x", 1, "x", 1), LF_EHOST_OUT_OF_MEMORY);
  posts_fail = 0;
}

static void dead_shard(void) {
  int32_t get = ask_for(1, key_kept_by(0));
  kill_rank(0);
  arrive();
  CHECK_EQ(lf_lease_poll(get, sizeof lines, lines), LF_PENDING);
  fall_silent();
  CHECK_EQ(lf_lease_poll(get, sizeof lines, lines), LF_EPEER_DIED);
  check_text("rank 0, which keeps \"producer name");
  CHECK_EQ(lf_lease_delete(get), LF_OK);
}

static void job_over(void) {
  tell_of(1, key_kept_by(1), "x");
  int32_t answered = ask_for(1, key_kept_by(1));
  arrive();
  int32_t open = ask_for(1, key_kept_by(2));
  CHECK_EQ(lf_lease_poll(answered, sizeof lines, lines), 1);
  end_job(1, "it is over");
  CHECK_EQ(lf_lease_poll(answered, sizeof lines, lines), 1);
  CHECK_EQ(lf_lease_poll(open, sizeof lines, lines), LF_EMPI_FAILED);
  check_text("it is over");
  CHECK_EQ(lf_lease_delete(answered), LF_OK);
  CHECK_EQ(lf_lease_delete(open), LF_OK);
  CHECK_EQ(lf_lease_get("x", 1, 0), LF_EMPI_FAILED);
  CHECK_EQ(publish("x", 1, "", 0), LF_EMPI_FAILED);
}

/* Shared entries stay until the job ends. */
#define RUN_PUBLISHING(test)                                             \
  do {                                                                   \
    test_name = #test;                                                   \
    for (uint64_t order = 0; order < 100; order++) {                     \
      begin_world(seed + order);                                         \
      test();                                                            \
      arrive();                                                          \
      for (int rank = 0; rank < RANKS; rank++) end_job(rank, "the end"); \
      end_world();                                                       \
    }                                                                    \
    printf("ok %s\n", #test);                                            \
    fflush(stdout);                                                      \
  } while (0)

int main(void) {
  seed = test_seed();
  RUN_PUBLISHING(gets_them);
  RUN_PUBLISHING(forged);
  RUN_PUBLISHING(published_again);
  RUN_PUBLISHING(bounded);
  RUN_PUBLISHING(watches);
  RUN_PUBLISHING(one_kind);
  RUN_PUBLISHING(bad_arguments);
  RUN_PUBLISHING(dead_shard);
  RUN_PUBLISHING(job_over);
  return 0;
}
