/* The directory under load, on simulated ranks: thousands of names, and long random use. */
#include "simulated_directory.h"

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
  /* That is what makes messages: one letter a rank for each 32 KiB of words. */
  CHECK(world[1].bytes / LF_BATCH_BYTES + RANKS < 20);
  CHECK(world[2].bytes / LF_BATCH_BYTES + RANKS < 20);
  for (int rank = 0; rank < RANKS; rank++) {
    deliver_all(1, rank);
    deliver_all(2, rank);
    be(rank); /* an even share: four standard deviations of 5000 thrown into 6 boxes are 105 */
    CHECK(directory->names.count > NAMES / RANKS - 105 && directory->names.count < NAMES / RANKS + 105);
  }
  arrive();
  for (int i = 0; i < NAMES; i++) check_matched(&producers[i], &consumers[i]);
  for (int i = 0; i < NAMES; i++) {
    CHECK_EQ(lf_seek_settle(producers[i].seek), LF_OK);
    CHECK_EQ(lf_seek_settle(consumers[i].seek), LF_OK);
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

/* What may be open at a time, as the kernel's lock would have it: one party for a name, a role and a place. */
static struct {
  party p;
  int name, role, place;
  int refused, settled;
  uint32_t said, heard; /* on this link */
} parties[PARTIES];

static const char *const places[] = {"a", "b", "c"};

static void close_link(int i) {
  hang_up(&parties[i].p);
  parties[i].said = parties[i].heard = 0;
}

static void churn_open(int i) {
  int name_number = (int)test_below(&chance, CHURN_NAMES), role = (int)test_below(&chance, 2);
  int rank = (int)test_below(&chance, RANKS), place = rank % 3;
  for (int k = 0; k < PARTIES; k++)
    if (parties[k].p.seek && parties[k].name == name_number && parties[k].role == role && parties[k].place == place)
      return;
  parties[i].p = join(rank, numbered(name_number), role, places[place]);
  parties[i].name = name_number;
  parties[i].role = role;
  parties[i].place = place;
  parties[i].refused = parties[i].settled = 0;
}

static void churn_look(int i) {
  int32_t got = look(&parties[i].p);
  if (got == LF_ENAME_IN_USE) parties[i].refused = 1;
  else CHECK(got >= 0);
  if (got > 0) CHECK(!parties[i].settled && !parties[i].refused);
}

/* Everything said on a link is heard in order, until one of the two closes it. */
static void churn_talk(int i) {
  party *p = &parties[i].p;
  int32_t got = lf_mail_send(p->link, 16, &parties[i].said, 4);
  CHECK(got == 1 || got == LF_EPEER_DIED);
  if (got == 1) parties[i].said++;
  uint32_t number;
  while ((got = listen_to(p, &number)) == 1) CHECK_EQ(number, parties[i].heard++);
  CHECK(got == LF_EMPTY || got == LF_EPEER_DIED);
  if (got == LF_EPEER_DIED) close_link(i);
}

static void churn_step(void) {
  for (uint64_t i = test_below(&chance, 6); i > 0; i--) deliver_any();
  if (test_below(&chance, 8) == 0) clock_now += 30000000;
  rounds();
  int i = (int)test_below(&chance, PARTIES);
  party *p = &parties[i].p;
  if (!p->seek) {
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
      parties[i].settled = lf_seek_settle(p->seek) == LF_OK;
      break;
    case 2:
      if (p->link) close_link(i);
      break;
    case 3:
    case 4:
    case 5:
      if (p->link) churn_talk(i);
      break;
    default:
      churn_look(i);
  }
}

/* Nobody does anything new: what can meet, does; and of two who want one role, one has it. */
static void churn_comes_to_rest(void) {
  arrive();
  for (int i = 0; i < PARTIES; i++) {
    if (!parties[i].p.seek) continue;
    churn_look(i);
    if (parties[i].refused || parties[i].settled) leave(&parties[i].p);
    else if (parties[i].p.link) close_link(i);
  }
  for (int turn = 0; turn < 4; turn++) {
    arrive();
    later();
    for (int i = 0; i < PARTIES; i++) {
      if (!parties[i].p.seek) continue;
      if (parties[i].p.link) {
        uint32_t number;
        if (listen_to(&parties[i].p, &number) == LF_EPEER_DIED) close_link(i);
      }
      if (!parties[i].p.link) churn_look(i);
      if (parties[i].refused) leave(&parties[i].p);
    }
  }
  for (int name_number = 0; name_number < CHURN_NAMES; name_number++) {
    int of_role[2] = {-1, -1};
    for (int i = 0; i < PARTIES; i++) {
      if (!parties[i].p.seek || parties[i].name != name_number) continue;
      CHECK_EQ(of_role[parties[i].role], -1);
      of_role[parties[i].role] = i;
    }
    if (of_role[0] < 0 || of_role[1] < 0) continue;
    party *a = &parties[of_role[0]].p, *b = &parties[of_role[1]].p;
    if (parties[of_role[0]].place == parties[of_role[1]].place) {
      CHECK(!a->link && !b->link);
      continue;
    }
    CHECK(a->link && b->link);
    CHECK_EQ(lf_mail_rank(a->link), b->rank);
    CHECK_EQ(lf_mail_rank(b->link), a->rank);
    say(a, 4711);
    arrive();
    hear(b, 4711);
  }
}

static void churn(void) {
  uint64_t runs = test_number("LAVA_FLOW_RUNS", 40);
  for (uint64_t run = 0; run < runs; run++) {
    begin_world(seed + run);
    memset(parties, 0, sizeof parties);
    for (int part = 0; part < 10; part++) {
      for (int i = 0; i < 500; i++) churn_step();
      churn_comes_to_rest();
      for (int i = 0; i < PARTIES; i++) parties[i].said = parties[i].heard = 0;
      for (int i = 0; i < PARTIES; i++)
        if (parties[i].p.link) close_link(i);
    }
    for (int i = 0; i < PARTIES; i++)
      if (parties[i].p.seek) leave(&parties[i].p);
    end_world();
  }
}

int main(void) {
  seed = test_seed();
  RUN(thousands);
  RUN(churn);
  return 0;
}
