/* Published keys on simulated ranks, and who asks for them. */
#include "simulated_directory.h"

static char lines[8192];

static int32_t ask_for(int rank, const char *text) {
  be(rank);
  return CHECK_OK(lf_lookup_open(text, (uint32_t)strlen(text)));
}

static void tell_of(int rank, const char *text, const char *shown) {
  be(rank);
  CHECK_EQ(lf_job_publish(text, (uint32_t)strlen(text), shown, (uint32_t)strlen(shown)), LF_OK);
}

static void found(void) {
  tell_of(4, "host a", "fourth");
  tell_of(1, "host a", "first");
  tell_of(5, "host a", "");
  tell_of(2, "host b", "second");
  arrive();
  int32_t a = ask_for(3, "host a"), b = ask_for(3, "host b"), none = ask_for(3, "host c");
  CHECK_EQ(lf_lookup_poll(a, sizeof lines, lines), LF_PENDING);
  CHECK_EQ(*lines, 0);
  CHECK_EQ(atomic_load(&world[3].job.waiting), 3);
  arrive();
  for (int again = 0; again < 2; again++) {
    CHECK_EQ(lf_lookup_poll(a, sizeof lines, lines), 3);
    CHECK(strcmp(lines, "1 first\n4 fourth\n5 \n") == 0);
  }
  CHECK_EQ(lf_lookup_poll(b, sizeof lines, lines), 1);
  CHECK(strcmp(lines, "2 second\n") == 0);
  CHECK_EQ(lf_lookup_poll(none, sizeof lines, lines), 0);
  CHECK(strcmp(lines, "") == 0);
  CHECK_EQ(atomic_load(&world[3].job.waiting), 0);
  /* Whole lines, as far as they go. */
  for (uint32_t capacity = 1; capacity < 30; capacity++) {
    memset(lines, 'x', sizeof lines);
    CHECK_EQ(lf_lookup_poll(a, capacity, lines), 3);
    const char *wanted = capacity < 9 ? "" : capacity < 18 ? "1 first\n" : capacity < 21 ? "1 first\n4 fourth\n"
                                                                                         : "1 first\n4 fourth\n5 \n";
    CHECK(strcmp(lines, wanted) == 0);
    CHECK_EQ(lines[capacity], 'x');
  }
  CHECK_EQ(lf_lookup_close(a), LF_OK);
  CHECK_EQ(lf_lookup_close(b), LF_OK);
  CHECK_EQ(lf_lookup_close(none), LF_OK);
}

/* What another rank than the key's home answers is no answer. */
static void forged(void) {
  int32_t lookup = ask_for(1, named(0));
  uint32_t answer[2] = {1, 0};
  lf_job_lock(&world[2].job);
  CHECK_EQ(lf_control_post(&world[2].job, 1, LF_WORD_FOUND, answer, sizeof answer), LF_OK);
  lf_job_unlock(&world[2].job);
  deliver_all(2, 1);
  CHECK_EQ(lf_lookup_poll(lookup, sizeof lines, lines), LF_PENDING);
  arrive();
  CHECK_EQ(lf_lookup_poll(lookup, sizeof lines, lines), 0);
  CHECK_EQ(lf_lookup_close(lookup), LF_OK);
}

static void published_again(void) {
  tell_of(2, "key", "old");
  tell_of(2, "key", "new");
  arrive();
  int32_t lookup = ask_for(2, "key");
  arrive();
  CHECK_EQ(lf_lookup_poll(lookup, sizeof lines, lines), 1);
  CHECK(strcmp(lines, "2 new\n") == 0);
  CHECK_EQ(lf_lookup_close(lookup), LF_OK);
}

/* What does not go into an answer is counted all the same; texts make no lines of their own. */
static void bounded(void) {
  char longest[255];
  memset(longest, 'z', sizeof longest);
  for (int rank = 0; rank < RANKS; rank++) {
    be(rank);
    CHECK_EQ(lf_job_publish("all", 3, longest, 255), LF_OK);
    CHECK_EQ(lf_job_publish(longest, 255, "1\n2 forged\x7f\0x", 13), LF_OK);
  }
  arrive();
  be(0);
  int32_t lookup = ask_for(0, "all");
  arrive();
  CHECK_EQ(lf_lookup_poll(lookup, sizeof lines, lines), RANKS);
  CHECK_EQ(strlen(lines), RANKS * 258);
  CHECK_EQ(lf_lookup_close(lookup), LF_OK);
  lookup = CHECK_OK(lf_lookup_open(longest, 255));
  arrive();
  CHECK_EQ(lf_lookup_poll(lookup, sizeof lines, lines), RANKS);
  CHECK(strncmp(lines, "0 1 2 forged  x\n1 1 2 forged  x\n", 32) == 0);
  CHECK_EQ(lf_lookup_close(lookup), LF_OK);
}

static void bad_arguments(void) {
  char longest[256];
  memset(longest, 'z', sizeof longest);
  CHECK_EQ(lf_job_publish("", 0, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_job_publish(NULL, 1, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_job_publish(longest, 256, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_job_publish("x", 1, longest, 256), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_job_publish("x", 1, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lookup_open("", 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lookup_open(NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lookup_open(longest, 256), LF_EINVALID_ARGUMENT);
  int32_t lookup = ask_for(0, "x");
  CHECK_EQ(lf_lookup_poll(lookup, 0, lines), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lookup_poll(lookup, 10, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lookup_close(lookup), LF_OK);
  CHECK_EQ(lf_lookup_close(lookup), LF_ECLOSED);
  CHECK_EQ(lf_lookup_poll(lookup, 10, lines), LF_ECLOSED);
  posts_fail = 1;
  CHECK_EQ(lf_lookup_open("x", 1), LF_EHOST_OUT_OF_MEMORY);
  CHECK_EQ(lf_job_publish("x", 1, "x", 1), LF_EHOST_OUT_OF_MEMORY);
  posts_fail = 0;
}

static void dead_home(void) {
  int32_t lookup = ask_for(1, named(0));
  kill_rank(0);
  arrive();
  CHECK_EQ(lf_lookup_poll(lookup, sizeof lines, lines), LF_PENDING);
  fall_silent();
  CHECK_EQ(lf_lookup_poll(lookup, sizeof lines, lines), LF_EPEER_DIED);
  check_text("rank 0, which keeps \"name");
  CHECK_EQ(lf_lookup_close(lookup), LF_OK);
}

static void job_over(void) {
  tell_of(1, named(1), "x");
  int32_t answered = ask_for(1, named(1));
  arrive();
  int32_t open = ask_for(1, named(2));
  CHECK_EQ(lf_lookup_poll(answered, sizeof lines, lines), 1);
  end_job(1, "it is over");
  CHECK_EQ(lf_lookup_poll(answered, sizeof lines, lines), 1);
  CHECK_EQ(lf_lookup_poll(open, sizeof lines, lines), LF_EMPI_FAILED);
  check_text("it is over");
  CHECK_EQ(lf_lookup_close(answered), LF_OK);
  CHECK_EQ(lf_lookup_close(open), LF_OK);
  CHECK_EQ(lf_lookup_open("x", 1), LF_EMPI_FAILED);
  CHECK_EQ(lf_job_publish("x", 1, "", 0), LF_EMPI_FAILED);
}

/* Keys stay for as long as the job: the end of it is the end of the test's world. */
#define RUN_PUBLISHING(test)                                             \
  do {                                                                   \
    test_name = #test;                                                   \
    for (uint64_t order = 0; order < 100; order++) {                     \
      begin_world(seed + order);                                         \
      test();                                                            \
      arrive();                                                          \
      for (int rank = 0; rank < RANKS; rank++) end_job(rank, "the end");      \
      end_world();                                                       \
    }                                                                    \
    printf("ok %s\n", #test);                                            \
    fflush(stdout);                                                      \
  } while (0)

int main(void) {
  seed = test_seed();
  RUN_PUBLISHING(found);
  RUN_PUBLISHING(forged);
  RUN_PUBLISHING(published_again);
  RUN_PUBLISHING(bounded);
  RUN_PUBLISHING(bad_arguments);
  RUN_PUBLISHING(dead_home);
  RUN_PUBLISHING(job_over);
  return 0;
}
