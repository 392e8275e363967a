/* The directory against a rank that asks for too much, or says anything at all, on simulated ranks. */
#include "simulated_directory.h"

/* ---- limits ---- */

static void post_from(int from, int to, lf_word word, const void *data, uint32_t length) {
  lf_job_lock(&world[from].job);
  CHECK_EQ(lf_control_post(&world[from].job, to, word, data, length), LF_OK);
  lf_job_unlock(&world[from].job);
}

static void post_seek(int from, int to, uint32_t id, uint8_t role, uint64_t place, const char *text) {
  uint8_t bytes[sizeof(lf_word_seek) + LF_KEY_MAX];
  lf_word_seek seek_word = {.id = id, .role = role, .name_bytes = (uint8_t)strlen(text), .place = place};
  memcpy(bytes, &seek_word, sizeof seek_word);
  memcpy(bytes + sizeof seek_word, text, strlen(text));
  post_from(from, to, LF_WORD_SEEK, bytes, (uint32_t)(sizeof seek_word + strlen(text)));
}

/* One rank can't take more than its share of another's memory, and takes nothing from a third. */
static void entries_are_limited(void) {
  begin_world(seed);
  char text[32];
  uint32_t made = 0;
  for (uint32_t i = 0; made < LF_ENTRIES_MAX + 100; i++) {
    snprintf(text, sizeof text, "n%u", i);
    if (home_of_name(text) != 0) continue;
    made++;
    if (made % 2) {
      post_seek(3, 0, i + 1000, PRODUCER, 1, text);
    } else {
      uint8_t bytes[40] = {(uint8_t)strlen(text), 1};
      memcpy(bytes + 2, text, strlen(text));
      post_from(3, 0, LF_WORD_PUBLISH, bytes, (uint32_t)strlen(text) + 3);
    }
    deliver_all(3, 0);
  }
  be(0);
  CHECK_EQ(directory->names.count + directory->keys.count, LF_ENTRIES_MAX);
  party more = join(3, named(0), PRODUCER, "here"), other = join(2, named(0), PRODUCER, "there");
  arrive();
  CHECK_EQ(look(&more), LF_ESYSTEM);
  check_text("rank 0");
  CHECK_EQ(look(&other), 0);
  leave(&more);
  leave(&other);
  arrive();
  be(0);
  CHECK_EQ(directory->ranks.count, 1);
  end_job(0, "it is over");
  end_world();
}

/* Who is not the home of a name keeps nothing of it. */
static void wrong_home(void) {
  begin_world(seed);
  post_seek(3, 1, 1, PRODUCER, 1, named(0));
  uint8_t bytes[40] = {(uint8_t)strlen(named(0)), 1};
  memcpy(bytes + 2, named(0), strlen(named(0)));
  post_from(3, 1, LF_WORD_PUBLISH, bytes, (uint32_t)strlen(named(0)) + 3);
  arrive();
  be(1);
  CHECK_EQ(directory->names.count + directory->keys.count, 0);
  end_world();
}

static void waiting_is_limited(void) {
  begin_world(seed);
  party holder = join(1, named(0), PRODUCER, "here");
  arrive();
  for (uint32_t i = 0; i < 300; i++) { /* who left waits no more */
    post_seek(3, 0, 1, PRODUCER, i, named(0));
    lf_word_role role_word = {.id = 1, .name = lf_directory_hash(named(0), (uint32_t)strlen(named(0)))};
    post_from(3, 0, LF_WORD_LEAVE, &role_word, sizeof role_word);
  }
  for (uint32_t i = 0; i < 300; i++) post_seek(3, 0, 1000 + i, PRODUCER, i, named(0));
  deliver_all(3, 0);
  be(0);
  CHECK_EQ(((sender *)lf_table_find(&directory->ranks, 3))->entries, WAITING_MAX);
  party other = join(2, named(0), PRODUCER, "there");
  deliver_all(2, 0);
  deliver_all(0, 2);
  CHECK_EQ(look(&other), LF_ENAME_IN_USE);
  post_seek(1, 0, 1, PRODUCER, lf_directory_hash("here", 4), named(0)); /* the holder looks again: that is no other */
  arrive();
  be(0);
  CHECK(lf_table_find(&directory->ranks, 3) == NULL);
  CHECK_EQ(look(&holder), 0);
  leave(&holder);
  leave(&other);
  end_world();
}

/* ---- a rank that says anything ---- */

#define HOSTILE 5

/* Small numbers are likely to be somebody's. */
static uint64_t likely(void) {
  switch (test_below(&chance, 4)) {
    case 0:
      return test_next(&chance);
    case 1:
      return lf_directory_hash(named((int)test_below(&chance, RANKS)), (uint32_t)strlen(named(0)));
    default:
      return test_below(&chance, 12);
  }
}

static uint32_t random_word(lf_word word, uint8_t *bytes) {
  uint32_t length = (uint32_t)test_below(&chance, test_below(&chance, 2) ? 64 : 600);
  for (uint32_t at = 0; at < 600; at += 4) {
    uint64_t value = likely();
    memcpy(bytes + at, &value, 4);
  }
  int rank = (int)test_below(&chance, RANKS);
  lf_word_seek seek_word = {.id = (uint32_t)likely(), .role = (uint8_t)test_below(&chance, 3),
                            .name_bytes = (uint8_t)strlen(named(rank)), .place = test_next(&chance)};
  lf_word_role role_word = {.id = (uint32_t)likely(), .held = (uint32_t)test_below(&chance, 2), .name = likely()};
  lf_word_match match_word = {.id = (uint32_t)likely(), .rank = (int32_t)likely() - 2, .other_id = (uint32_t)likely(),
                              .match = likely()};
  lf_word_taken taken_word = {.id = (uint32_t)likely(), .rank = rank, .status = -(int32_t)test_below(&chance, 40)};
  if (test_below(&chance, 4) == 0) return length;
  switch (word) {
    case LF_WORD_SEEK:
      memcpy(bytes, &seek_word, sizeof seek_word);
      memcpy(bytes + sizeof seek_word, named(rank), seek_word.name_bytes);
      return (uint32_t)sizeof seek_word + seek_word.name_bytes;
    case LF_WORD_SETTLE:
    case LF_WORD_LEAVE:
    case LF_WORD_HOLD:
    case LF_WORD_HELD:
      memcpy(bytes, &role_word, sizeof role_word);
      return (uint32_t)sizeof role_word + (word == LF_WORD_HELD ? length % 300 : 0);
    case LF_WORD_MATCH:
      memcpy(bytes, &match_word, sizeof match_word);
      return sizeof match_word;
    case LF_WORD_TAKEN:
      memcpy(bytes, &taken_word, sizeof taken_word);
      return (uint32_t)sizeof taken_word + length % 300;
    case LF_WORD_LINK:
    case LF_WORD_UNLINK:
      bytes[0] = 0xf1;
      bytes[1] = LF_WIRE_VERSION;
      memcpy(bytes + 8, &match_word.match, 8);
      return 16 + (length % 8 ? 4 : length);
    default:
      return length;
  }
}

/* Where a name's home does not take part in it, nothing that another rank says does harm. */
static void storm(void) {
  uint64_t runs = test_number("LAVA_FLOW_RUNS", 40);
  uint8_t bytes[1300];
  for (uint64_t run = 0; run < runs; run++) {
    begin_world(seed + run);
    static const char *const other[] = {"other 1", "other 2", "other 3", "other 4"};
    party a[4], b[4], looking[4];
    for (int i = 0; i < 4; i++) {
      a[i] = join(i, named(i), PRODUCER, "here");
      b[i] = join((i + 1) % 4, named(i), CONSUMER, "there");
    }
    arrive();
    for (int i = 0; i < 4; i++) check_matched(&a[i], &b[i]);
    for (int i = 0; i < 4; i++) looking[i] = join(i, other[i], PRODUCER, "here");
    for (int i = 0; i < 3000; i++) {
      lf_word word = (lf_word)(LF_WORD_PUBLISH + test_below(&chance, LF_WORD_UNLINK - LF_WORD_PUBLISH + 1));
      uint32_t length = random_word(word, bytes);
      post_from(HOSTILE, (int)test_below(&chance, RANKS), word, bytes, length);
      if (test_below(&chance, 4) == 0) {
        int k = (int)test_below(&chance, 4);
        say(&a[k], (uint32_t)i);
        arrive();
        hear(&b[k], (uint32_t)i);
      }
    }
    arrive();
    for (int i = 0; i < 4; i++) {
      uint32_t number;
      CHECK_EQ(listen_to(&a[i], &number), LF_EMPTY);
      CHECK_EQ(listen_to(&b[i], &number), LF_EMPTY);
      hang_up(&a[i]);
      arrive();
      hear_the_end(&b[i]);
      hang_up(&b[i]);
    }
    later();
    for (int i = 0; i < 4; i++) {
      CHECK_EQ(look(&a[i]), 0);
      CHECK_EQ(look(&b[i]), 0);
    }
    arrive();
    for (int i = 0; i < 4; i++) {
      check_matched(&a[i], &b[i]);
      leave(&a[i]);
      leave(&b[i]);
      if (home_of_name(other[i]) != HOSTILE) CHECK_EQ(look(&looking[i]), 0);
      leave(&looking[i]);
    }
    arrive();
    for (int rank = 0; rank < RANKS; rank++) { /* what is left is the hostile rank's own */
      be(rank);
      if (rank != HOSTILE) CHECK(directory->ranks.count == (lf_table_find(&directory->ranks, HOSTILE) != NULL));
    }
    kill_rank(HOSTILE);
    for (int rank = 0; rank < RANKS; rank++) end_job(rank, "it is over");
    end_world();
  }
}

int main(void) {
  seed = test_seed();
  RUN(entries_are_limited);
  RUN(wrong_home);
  RUN(waiting_is_limited);
  RUN(storm);
  return 0;
}
