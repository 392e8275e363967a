/* The lease map under load, on simulated ranks: thousands of names, and long random use. */
#include "simulated_job.h"

/* ---- thousands of names ---- */

#define NAMES 5000

static party producers[NAMES], consumers[NAMES];

static const char *numbered(int number) {
  static char text[32];
  snprintf(text, sizeof text, "camera/%04d", number);
  return text;
}

static void thousands(void) {
  begin_world(seed);
  for (int i = 0; i < NAMES; i++) producers[i] = join(1, numbered(i), PRODUCER, "here");
  for (int i = 0; i < NAMES; i++) consumers[i] = join(2, numbered(i), CONSUMER, "there");
  /* The bytes make the MPI messages: one batch a rank for each 32 KiB. */
  CHECK(world[1].bytes / LF_BATCH_BYTES + RANKS < 24);
  CHECK(world[2].bytes / LF_BATCH_BYTES + RANKS < 24);
  for (int rank = 0; rank < RANKS; rank++) {
    deliver_all(1, rank);
    deliver_all(2, rank);
    be(rank); /* an even share of two keys a name: four standard deviations of 10000 thrown into 6 boxes are 149 */
    CHECK(lease_map->keys.count > 2 * NAMES / RANKS - 149 && lease_map->keys.count < 2 * NAMES / RANKS + 149);
  }
  arrive();
  uint64_t bytes = world[1].bytes;
  for (int i = 0; i < NAMES; i++) CHECK(poll_for(&producers[i]) > 0);
  CHECK((world[1].bytes - bytes) / LF_BATCH_BYTES < 20);
  arrive();
  for (int i = 0; i < NAMES; i++) {
    CHECK(poll_for(&consumers[i]) > 0);
    say(&producers[i], (uint32_t)i);
    say(&consumers[i], (uint32_t)i);
  }
  arrive();
  for (int i = 0; i < NAMES; i++) {
    hear(&producers[i], (uint32_t)i);
    hear(&consumers[i], (uint32_t)i);
  }
  for (int i = 0; i < NAMES; i++) {
    CHECK_EQ(party_stop(&producers[i]), LF_OK);
    CHECK_EQ(party_stop(&consumers[i]), LF_OK);
  }
  for (int i = 0; i < NAMES; i++) {
    leave(&producers[i]);
    leave(&consumers[i]);
  }
  end_world();
}

/* ---- long random use ---- */

#define PARTIES 24
#define CHURN_NAMES 3

/* One party for a name, a role and a runtime directory, as the kernel's lock has it. */
static struct {
  party p;
  int name, role, directory;
  int refused;
  uint32_t said, heard; /* on this connection */
} parties[PARTIES];

static const char *const directories[] = {"a", "b", "c"};

static void close_connection(int i) {
  hang_up(&parties[i].p);
  parties[i].said = parties[i].heard = 0;
}

static void churn_open(int i) {
  int name_number = (int)test_below(&chance, CHURN_NAMES), role = (int)test_below(&chance, 2);
  int rank = (int)test_below(&chance, RANKS), directory = rank % 3;
  for (int k = 0; k < PARTIES; k++)
    if (parties[k].p.lease && parties[k].name == name_number && parties[k].role == role &&
        parties[k].directory == directory)
      return;
  parties[i].p = join(rank, numbered(name_number), role, directories[directory]);
  parties[i].name = name_number;
  parties[i].role = role;
  parties[i].directory = directory;
  parties[i].refused = 0;
}

static void churn_poll(int i) {
  int stopped = parties[i].p.stopped;
  int32_t got = poll_for(&parties[i].p);
  if (got == LF_ENAME_IN_USE) parties[i].refused = 1;
  else CHECK(got >= 0);
  if (got > 0) CHECK(!stopped && !parties[i].refused);
}

/* All messages of a connection come in order, until one of the two closes it. */
static void churn_talk(int i) {
  party *p = &parties[i].p;
  int32_t got = lf_connection_send(p->connection, 16, &parties[i].said, 4);
  CHECK(got == 1 || got == LF_EPEER_DIED);
  if (got == 1) parties[i].said++;
  uint32_t number;
  while ((got = party_receive(p, &number)) == 1) CHECK_EQ(number, parties[i].heard++);
  CHECK(got == LF_EMPTY || got == LF_EPEER_DIED);
  if (got == LF_EPEER_DIED) close_connection(i);
}

static void churn_step(void) {
  for (uint64_t i = test_below(&chance, 6); i > 0; i--) deliver_any();
  if (test_below(&chance, 8) == 0) clock_now += 30000000;
  rounds();
  int i = (int)test_below(&chance, PARTIES);
  party *p = &parties[i].p;
  if (!p->lease) {
    churn_open(i);
    return;
  }
  switch (test_below(&chance, 10)) {
    case 0:
      leave(p);
      parties[i].said = parties[i].heard = 0;
      break;
    case 1:
      if (test_below(&chance, 4) || parties[i].refused) break;
      party_stop(p);
      break;
    case 2:
      if (p->connection) close_connection(i);
      break;
    case 3:
    case 4:
    case 5:
      if (p->connection) churn_talk(i);
      break;
    default:
      churn_poll(i);
  }
}

/* No party comes or leaves: those that can connect do, and of two that want one role, one has it. */
static void churn_comes_to_rest(void) {
  arrive();
  for (int i = 0; i < PARTIES; i++) {
    if (!parties[i].p.lease) continue;
    churn_poll(i);
    if (parties[i].refused || parties[i].p.stopped) leave(&parties[i].p);
    else if (parties[i].p.connection) close_connection(i);
  }
  for (int turn = 0; turn < 6; turn++) {
    arrive();
    later();
    for (int i = 0; i < PARTIES; i++) {
      if (!parties[i].p.lease) continue;
      if (parties[i].p.connection) {
        uint32_t number;
        if (party_receive(&parties[i].p, &number) == LF_EPEER_DIED) close_connection(i);
      }
      if (!parties[i].p.connection) churn_poll(i);
      if (parties[i].refused) leave(&parties[i].p);
    }
  }
  for (int name_number = 0; name_number < CHURN_NAMES; name_number++) {
    int of_role[2] = {-1, -1};
    for (int i = 0; i < PARTIES; i++) {
      if (!parties[i].p.lease || parties[i].name != name_number) continue;
      CHECK_EQ(of_role[parties[i].role], -1);
      of_role[parties[i].role] = i;
    }
    if (of_role[0] < 0 || of_role[1] < 0) continue;
    party *a = &parties[of_role[0]].p, *b = &parties[of_role[1]].p;
    if (parties[of_role[0]].directory == parties[of_role[1]].directory) {
      CHECK(!a->connection && !b->connection);
      continue;
    }
    CHECK(a->connection && b->connection);
    say(a, 100 + (uint32_t)a->rank);
    say(b, 200 + (uint32_t)b->rank);
    arrive();
    hear(b, 100 + (uint32_t)a->rank);
    hear(a, 200 + (uint32_t)b->rank);
  }
}

static void churn(void) {
  uint64_t runs = test_number("LAVA_FLOW_RUNS", 40);
  for (uint64_t run = 0; run < runs; run++) {
    begin_world(seed + run);
    memset(parties, 0, sizeof parties);
    for (int phase = 0; phase < 10; phase++) {
      for (int i = 0; i < 500; i++) churn_step();
      churn_comes_to_rest();
      for (int i = 0; i < PARTIES; i++) parties[i].said = parties[i].heard = 0;
      for (int i = 0; i < PARTIES; i++)
        if (parties[i].p.connection) close_connection(i);
    }
    for (int i = 0; i < PARTIES; i++)
      if (parties[i].p.lease) leave(&parties[i].p);
    end_world();
  }
}

int main(void) {
  seed = test_seed();
  RUN(thousands);
  RUN(churn);
  return 0;
}
