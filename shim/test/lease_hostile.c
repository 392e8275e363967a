/* The lease map against a rank that asks for too much, or sends any bytes, on simulated ranks. */
#include "simulated_job.h"

/* ---- limits ---- */

static void post_from(int from, int to, lf_word word, const void *data, uint32_t length) {
  lf_job_lock(&world[from].job);
  CHECK_EQ(lf_control_post(&world[from].job, to, word, data, length), LF_OK);
  lf_job_unlock(&world[from].job);
}

/* Returns the length. */
static uint32_t make_word(uint8_t *bytes, lf_word_lease head, const char *text) {
  head.key_bytes = (uint16_t)strlen(text);
  memcpy(bytes, &head, sizeof head);
  memcpy(bytes + sizeof head, text, strlen(text) + head.value_bytes);
  return (uint32_t)(sizeof head + strlen(text) + head.value_bytes);
}

static void post_lease(int from, int to, lf_word word, lf_word_lease head, const char *text) {
  uint8_t bytes[400];
  uint32_t length = make_word(bytes, head, text);
  post_from(from, to, word, bytes, length);
}

static void post_put(int from, int to, uint32_t id, uint8_t exclusive, uint64_t directory, const char *text) {
  const lf_word_lease head = {.id = id, .exclusive = exclusive, .value_bytes = 1, .directory = directory};
  post_lease(from, to, LF_WORD_PUT, head, text);
}

static void post_watch(int from, int to, uint32_t id, const char *text) {
  post_lease(from, to, LF_WORD_WATCH, (lf_word_lease){.id = id}, text);
}

static void drop_all(int from, int to) {
  world[to].killed = 1;
  deliver_all(from, to);
  world[to].killed = 0;
}

/* The entries of one rank in a shard are limited, and they take nothing from a third rank. */
static void entries_are_limited(void) {
  begin_world(seed);
  char text[32];
  uint32_t made = 0;
  for (uint32_t i = 0; made < LF_ENTRIES_MAX + 100; i++) {
    snprintf(text, sizeof text, "n%u", i);
    if (shard_of(text) != 0) continue;
    made++;
    if (made % 3 == 0) post_watch(3, 0, i + 1000, text);
    else post_put(3, 0, i + 1000, made % 3 == 1, 1, text);
    deliver_all(3, 0);
    drop_all(0, 3);
  }
  be(0);
  CHECK_EQ(lease_map->keys.count, LF_ENTRIES_MAX);
  party more = join(3, named(0), PRODUCER, "here"), other = join(2, named(0), PRODUCER, "there");
  arrive();
  CHECK_EQ(poll_for(&more), LF_ESYSTEM);
  check_text("rank 0");
  CHECK_EQ(poll_for(&other), 0);
  leave(&more);
  leave(&other);
  arrive();
  be(0);
  CHECK_EQ(lease_map->owners.count, 1);
  end_job(0, "it is over");
  end_world();
}

/* A rank that is not the shard of a key keeps nothing of it. */
static void wrong_shard(void) {
  begin_world(seed);
  char text[32];
  snprintf(text, sizeof text, "producer %s", named(0));
  post_put(3, 1, 1, 1, 1, text);
  post_put(3, 1, 1, 0, 1, text);
  post_watch(3, 1, 1, text);
  arrive();
  be(1);
  CHECK_EQ(lease_map->keys.count, 0);
  end_world();
}

static void waiting_is_limited(void) {
  begin_world(seed);
  char text[32];
  snprintf(text, sizeof text, "producer %s", named(0));
  party holder = join(1, named(0), PRODUCER, "here");
  arrive();
  for (uint32_t i = 0; i < 300; i++) { /* a deleted entry waits no more */
    post_put(3, 0, 1, 1, i, text);
    post_lease(3, 0, LF_WORD_DELETE, (lf_word_lease){.id = 1}, text);
  }
  for (uint32_t i = 0; i < 300; i++) post_put(3, 0, 1000 + i, 1, i, text);
  deliver_all(3, 0);
  be(0);
  CHECK_EQ(((owner *)lf_table_find(&lease_map->owners, 3))->entries, WAITING_MAX);
  party other = join(2, named(0), PRODUCER, "there");
  deliver_all(2, 0);
  deliver_all(0, 2);
  check_taken(&other, 1);
  post_put(1, 0, 1, 1, lf_lease_hash("here", 4), text); /* the holder puts its entry again */
  arrive();
  be(0);
  CHECK(lf_table_find(&lease_map->owners, 3) == NULL);
  CHECK_EQ(poll_for(&holder), 0);
  leave(&holder);
  leave(&other);
  end_world();
}

/* A change is told to a limited number of watches. */
static void watches_are_limited(void) {
  begin_world(seed);
  char text[32];
  snprintf(text, sizeof text, "consumer %s", named(0));
  for (uint32_t i = 0; i < 300; i++) post_watch(3, 0, 1000 + i, text);
  for (uint32_t i = 0; i < 300; i++) post_watch(3, 0, 1000, text); /* the same one */
  deliver_all(3, 0);
  be(0);
  CHECK_EQ(((owner *)lf_table_find(&lease_map->owners, 3))->entries, WATCHES_MAX);
  drop_all(0, 3);
  party consumer = join(1, named(0), CONSUMER, "here"), producer = join(2, named(0), PRODUCER, "there");
  deliver_all(1, 0);
  deliver_all(2, 0);
  uint64_t told = 0;
  for (const posted *l = world[0].first[3]; l; l = l->next) told++;
  CHECK_EQ(told, WATCHES_MAX);
  arrive();
  CHECK_EQ(poll_for(&producer), LF_ESYSTEM);
  CHECK_EQ(poll_for(&consumer), 0);
  leave(&producer);
  leave(&consumer);
  arrive();
  end_job(0, "it is over");
  end_world();
}

/* ---- a rank that sends any bytes ---- */

#define HOSTILE 5

/* Small numbers are likely to be in use. */
static uint64_t likely(void) { return test_below(&chance, 4) ? test_below(&chance, 12) : test_next(&chance); }

static uint32_t random_word(lf_word word, uint8_t *bytes) {
  uint32_t length = (uint32_t)test_below(&chance, test_below(&chance, 2) ? 64 : 600);
  for (uint32_t at = 0; at < 600; at += 4) {
    uint64_t value = likely();
    memcpy(bytes + at, &value, 4);
  }
  if (test_below(&chance, 4) == 0) return length;
  char text[32];
  int rank = (int)test_below(&chance, RANKS);
  snprintf(text, sizeof text, "%s %s", test_below(&chance, 2) ? "producer" : "consumer", named(rank));
  const lf_word_lease lease = {.id = (uint32_t)likely(), .exclusive = (uint8_t)test_below(&chance, 3),
                               .value_bytes = (uint8_t)test_below(&chance, 2), .directory = test_next(&chance)};
  const lf_word_entries entries = {.id = (uint32_t)likely(), .count = (int32_t)test_below(&chance, 48) - 40};
  const lf_word_entry entry = {.directory = likely(), .rank = (int32_t)likely() - 2, .id = (uint32_t)likely(),
                               .value_bytes = (uint32_t)test_below(&chance, 40)};
  switch (word) {
    case LF_WORD_PUT:
    case LF_WORD_GET:
    case LF_WORD_WATCH:
    case LF_WORD_DELETE:
    case LF_WORD_ASK:
      return make_word(bytes, lease, text);
    case LF_WORD_ENTRIES:
      memcpy(bytes, &entries, sizeof entries);
      memcpy(bytes + sizeof entries, &entry, sizeof entry);
      return (uint32_t)(sizeof entries + sizeof entry + length % 60);
    default:
      bytes[0] = 0xf1;
      bytes[1] = LF_WIRE_VERSION;
      bytes[2] = (uint8_t)test_below(&chance, 20);
      bytes[3] = 0;
      memcpy(bytes + 8, &(uint32_t){(uint32_t)test_below(&chance, 3)}, 4);
      return 16 + (length % 8 ? 4 : length);
  }
}

/* No word of another rank harms a name, if that rank is not the name's shard. */
static void storm(void) {
  uint64_t runs = test_number("LAVA_FLOW_RUNS", 40);
  uint8_t bytes[1300];
  for (uint64_t run = 0; run < runs; run++) {
    begin_world(seed + run);
    static const char *const other[] = {"other 1", "other 2", "other 3", "other 4"};
    party a[4], b[4], waiting[4];
    for (int i = 0; i < 4; i++) {
      a[i] = join(i, named(i), PRODUCER, "here");
      b[i] = join((i + 1) % 4, named(i), CONSUMER, "there");
    }
    arrive();
    for (int i = 0; i < 4; i++) check_connected(&a[i], &b[i]);
    for (int i = 0; i < 4; i++) waiting[i] = join(i, other[i], PRODUCER, "here");
    for (int i = 0; i < 3000; i++) {
      lf_word word = (lf_word)(LF_WORD_PUT + test_below(&chance, LF_WORD_DISCONNECT - LF_WORD_PUT + 1));
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
      CHECK_EQ(party_receive(&a[i], &number), LF_EMPTY);
      CHECK_EQ(party_receive(&b[i], &number), LF_EMPTY);
      hang_up(&a[i]);
      arrive();
      hear_the_end(&b[i]);
      hang_up(&b[i]);
    }
    later();
    for (int i = 0; i < 4; i++) {
      check_connected(&a[i], &b[i]);
      leave(&a[i]);
      leave(&b[i]);
      char key_text[32];
      snprintf(key_text, sizeof key_text, "producer %s", other[i]);
      int safe = shard_of(key_text) != HOSTILE;
      snprintf(key_text, sizeof key_text, "consumer %s", other[i]);
      if (safe && shard_of(key_text) != HOSTILE) CHECK_EQ(poll_for(&waiting[i]), 0);
      leave(&waiting[i]);
    }
    arrive();
    for (int rank = 0; rank < RANKS; rank++) { /* the hostile rank's own entries are left */
      be(rank);
      if (rank != HOSTILE) CHECK(lease_map->owners.count == (lf_table_find(&lease_map->owners, HOSTILE) != NULL));
    }
    kill_rank(HOSTILE);
    for (int rank = 0; rank < RANKS; rank++) end_job(rank, "it is over");
    end_world();
  }
}

int main(void) {
  seed = test_seed();
  RUN(entries_are_limited);
  RUN(wrong_shard);
  RUN(waiting_is_limited);
  RUN(watches_are_limited);
  RUN(storm);
  return 0;
}
