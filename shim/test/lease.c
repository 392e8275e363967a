/* Exclusive entries on simulated ranks: roles and connections, when messages cross and ranks die. */
#include "simulated_job.h"

/* ---- the good path ---- */

static void connects(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "there");
  CHECK_EQ(poll_for(&a), 0);
  arrive();
  check_connected(&a, &b);
  CHECK_EQ(poll_for(&a), 0);
  CHECK_EQ(party_stop(&a), LF_OK);
  CHECK_EQ(party_stop(&b), LF_OK);
  CHECK_EQ(party_stop(&b), LF_OK);
  for (int i = 1; i < 3; i++) CHECK_EQ(atomic_load(&world[i].job.waiting), 0);
  arrive();
  hang_up(&a);
  arrive();
  hear_the_end(&b);
  hang_up(&b);
  later();
  CHECK_EQ(poll_for(&a), 0);
  CHECK_EQ(poll_for(&b), 0);
  CHECK_EQ(in_flight, 0); /* neither connects again */
  leave(&a);
  leave(&b);
}

/* Two of one rank connect as well, if their runtime directories differ. */
static void one_rank(void) {
  party a = join(3, "x", PRODUCER, "here"), b = join(3, "x", CONSUMER, "there");
  arrive();
  check_connected(&a, &b);
  leave(&a);
  leave(&b);
}

static void one_runtime_directory(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "here"), c = join(2, "y", CONSUMER, "there");
  for (int i = 0; i < 3; i++) {
    arrive();
    CHECK_EQ(poll_for(&a), 0);
    CHECK_EQ(poll_for(&b), 0);
    CHECK_EQ(poll_for(&c), 0);
    later();
  }
  leave(&a);
  leave(&b);
  leave(&c);
}

static void names_of_any_bytes(void) {
  char longest[LF_LEASE_KEY_MAX + 1], lines[64];
  memset(longest, 'n', sizeof longest);
  be(1);
  party a = party_join(1, "a\0b\xff", 4, PRODUCER, "p", ""), b = party_join(1, longest, 255, PRODUCER, "p", "");
  be(2);
  party c = party_join(2, "a\0c\xff", 4, CONSUMER, "q", ""), d = party_join(2, longest, 255, CONSUMER, "q", "");
  arrive();
  CHECK_EQ(poll_for(&a), 0);
  CHECK_EQ(poll_for(&c), 0);
  check_connected(&b, &d);
  leave(&a);
  leave(&b);
  leave(&c);
  leave(&d);
  const uint8_t *p = (const uint8_t *)"p";
  CHECK_EQ(lf_lease_put(longest, LF_LEASE_KEY_MAX + 1, "", 0, LF_PUT_EXCLUSIVE, p, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_put(longest, 0, "", 0, LF_PUT_EXCLUSIVE, p, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_put(NULL, 1, "", 0, LF_PUT_EXCLUSIVE, p, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_put("x", 1, longest, 256, LF_PUT_EXCLUSIVE, p, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_put("x", 1, NULL, 1, LF_PUT_EXCLUSIVE, p, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_put("x", 1, "", 0, 3, p, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_put("x", 1, "", 0, -1, p, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_put("x", 1, "", 0, LF_PUT_EXCLUSIVE, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_put("x", 1, "", 0, LF_PUT_LISTENING, p, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_lease_poll(0x12345, sizeof lines, lines), LF_ECLOSED);
  CHECK_EQ(lf_lease_stop(0x12345), LF_ECLOSED);
  CHECK_EQ(lf_lease_delete(0x12345), LF_ECLOSED);
  CHECK_EQ(lf_connection_accept(0x12345), LF_ECLOSED);
}

/* ---- one role, several ranks that want it ---- */

static void name_in_use(void) {
  party holder = join(1, "x", PRODUCER, "here");
  arrive();
  party second = join(2, "x", PRODUCER, "there"), third = join(3, "x", PRODUCER, "elsewhere");
  arrive();
  for (int again = 0; again < 2; again++) {
    check_taken(&second, 1);
    check_text("\"producer x\"");
    check_taken(&third, 1);
  }
  CHECK_EQ(party_stop(&second), LF_ENAME_IN_USE);
  CHECK_EQ(poll_for(&holder), 0);
  leave(&second);
  leave(&third);
  arrive();
  party consumer = join(2, "x", CONSUMER, "there");
  arrive();
  check_connected(&holder, &consumer);
  CHECK_EQ(party_stop(&holder), LF_OK);
  second = join(4, "x", PRODUCER, "there");
  arrive();
  check_taken(&second, 1); /* a role is also held after the stop */
  leave(&second);
  leave(&holder);
  leave(&consumer);
}

/* A producer that does not hold the role yet does not connect. */
static void waits_for_the_role(void) {
  const char *x = named(0);
  party holder = join(1, x, PRODUCER, "here"), consumer = join(5, x, CONSUMER, "far");
  arrive();
  party next = join(2, x, PRODUCER, "there");
  deliver_all(2, 0);
  deliver_all(0, 2);
  CHECK_EQ(poll_for(&next), 0);
  CHECK_EQ(world[2].first[5] == NULL, 1);
  check_connected(&holder, &consumer);
  leave(&next);
  leave(&holder);
  leave(&consumer);
}

/* The first entry that waits while the holder leaves gets the role; the one behind it is told the new holder. */
static void next_in_order(void) {
  const char *x = named(0);
  party holder = join(1, x, PRODUCER, "here"), consumer = join(5, x, CONSUMER, "far");
  arrive();
  CHECK(poll_for(&holder) > 0);
  arrive();
  CHECK(poll_for(&consumer) > 0);
  party next = join(2, x, PRODUCER, "there"), after = join(3, x, PRODUCER, "elsewhere");
  deliver_all(2, 0);
  deliver_all(3, 0);
  leave(&holder);
  deliver_all(1, 0); /* before the question whether it still holds the role */
  arrive();
  check_taken(&after, 2);
  hear_the_end(&consumer);
  hang_up(&consumer);
  check_connected(&next, &consumer);
  leave(&next);
  leave(&after);
  leave(&consumer);
}

/* A holder whose DELETE was lost, because there was no memory for it, says so when it is asked. */
static void lost_delete(void) {
  party holder = join(1, "x", PRODUCER, "here"), old = join(3, "x", CONSUMER, "far");
  arrive();
  posts_fail = 1;
  leave(&holder);
  leave(&old);
  CHECK_EQ(lf_lease_put("y", 1, "", 0, LF_PUT_EXCLUSIVE, (const uint8_t *)"p", 1), LF_EHOST_OUT_OF_MEMORY);
  CHECK_EQ(lf_lease_get("y", 1, 1), LF_EHOST_OUT_OF_MEMORY);
  posts_fail = 0;
  party next = join(2, "x", PRODUCER, "there");
  arrive();
  CHECK(poll_for(&next) > 0); /* the entry of a consumer that is no more */
  arrive();
  hear_the_end(&next);
  check_text("rank 3");
  hang_up(&next);
  party consumer = join(4, "x", CONSUMER, "near");
  arrive();
  check_connected(&next, &consumer);
  leave(&next);
  leave(&consumer);
  for (int rank = 0; rank < RANKS; rank++) end_job(rank, "the watch of rank 1 stays until then");
}

static void dead_holder(void) {
  const char *x = named(0);
  party holder = join(1, x, PRODUCER, "here"), consumer = join(4, x, CONSUMER, "far");
  arrive();
  CHECK(poll_for(&holder) > 0);
  arrive();
  CHECK(poll_for(&consumer) > 0);
  kill_rank(1);
  party second = join(2, x, PRODUCER, "there");
  arrive();
  party third = join(3, x, PRODUCER, "elsewhere");
  arrive();
  CHECK_EQ(poll_for(&second), 0);
  fall_silent();
  arrive();
  hear_the_end(&consumer);
  check_text("rank 1");
  hang_up(&consumer);
  check_taken(&third, 2);
  check_connected(&second, &consumer);
  leave(&second);
  leave(&third);
  leave(&consumer);
  leave(&holder);
  end_job(0, "the watch of rank 1 stays until then");
}

/* In one runtime directory the kernel has decided: the newer entry holds the role at once. */
static void same_runtime_directory(void) {
  const char *x = named(0);
  party old = join(1, x, CONSUMER, "here"), producer = join(3, x, PRODUCER, "there");
  arrive();
  int stopped = (int)test_below(&chance, 2);
  if (stopped) CHECK_EQ(party_stop(&old), LF_OK);
  party waiting = join(4, x, CONSUMER, "elsewhere"), young = join(2, x, CONSUMER, "here");
  deliver_all(4, 0);
  deliver_all(2, 0);
  leave(&old);
  int early = (int)test_below(&chance, 2);
  if (early && poll_for(&producer) > 0) { /* the old entry: its owner refuses */
    arrive();
    hear_the_end(&producer);
    hang_up(&producer);
  }
  arrive();
  check_taken(&waiting, 2);
  check_connected(&producer, &young);
  leave(&waiting);
  leave(&young);
  leave(&producer);
}

/* ---- connections that come to nothing ---- */

/* Two that expect other peers are connected again, but not at once. */
static void tried_in_vain(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "there");
  arrive();
  for (int i = 0; i < 3; i++) {
    check_connected(&a, &b);
    party *first = i % 2 ? &a : &b, *second = i % 2 ? &b : &a;
    hang_up(first);
    CHECK_EQ(poll_for(first), 0);
    arrive();
    hear_the_end(second);
    hang_up(second);
    CHECK_EQ(poll_for(&a), 0);
    CHECK_EQ(poll_for(&b), 0);
    arrive();
    CHECK_EQ(poll_for(&b), 0);
    later();
  }
  check_connected(&a, &b);
  leave(&a);
  leave(&b);
}

/* An entry that is new is connected to at once. */
static void another_entry(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "there");
  arrive();
  check_connected(&a, &b);
  leave(&b);
  arrive();
  hear_the_end(&a);
  hang_up(&a);
  b = join(2, "x", CONSUMER, "there");
  arrive();
  check_connected(&a, &b);
  leave(&a);
  leave(&b);
}

/* The consumer connected elsewhere, or left, while the connection was opening. */
static void crossing(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "there");
  for (uint64_t i = test_below(&chance, 8); i > 0; i--) {
    deliver_any();
    if (!a.connection) poll_for(&a);
  }
  int left = (int)test_below(&chance, 2);
  if (left) leave(&b);
  else CHECK_EQ(party_stop(&b), LF_OK);
  arrive();
  if (a.connection || poll_for(&a) > 0) {
    arrive();
    hear_the_end(&a);
    hang_up(&a);
  }
  arrive();
  if (left) {
    CHECK_EQ(poll_for(&a), 0);
    b = join(3, "x", CONSUMER, "elsewhere");
    arrive();
    check_connected(&a, &b);
  }
  leave(&a);
  leave(&b);
}

static void dead_shard(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(1, named(0), CONSUMER, "here");
  arrive();
  CHECK_EQ(party_stop(&b), LF_OK);
  kill_rank(0);
  CHECK_EQ(poll_for(&a), 0);
  fall_silent();
  CHECK_EQ(poll_for(&a), LF_EPEER_DIED);
  check_text("rank 0, which keeps \"producer name");
  CHECK_EQ(poll_for(&b), 0); /* it needs its shard no more */
  leave(&a);
  leave(&b);
}

/* A shard that was out of reach gets the entries and the watches again. */
static void shard_comes_back(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(2, named(0), CONSUMER, "there");
  deliver_all(1, 0);
  while (world[2].first[0]) { /* messages in flight are lost */
    posted *lost = world[2].first[0];
    world[2].first[0] = lost->next;
    in_flight--;
    free(lost);
  }
  arrive();
  lf_peer *before[3];
  for (int rank = 1; rank < 3; rank++) {
    before[rank] = world[rank].peers[0];
    before[rank]->dead = before[rank]->silent = 1;
  }
  CHECK_EQ(poll_for(&a), LF_EPEER_DIED);
  be(2);
  CHECK_EQ(poll_for(&b), LF_EPEER_DIED);
  for (int rank = 1; rank < 3; rank++) world[rank].peers[0] = NULL; /* as liveness.c: another peer since */
  be(1);
  CHECK_EQ(poll_for(&a), 0);
  be(2);
  CHECK_EQ(poll_for(&b), 0);
  arrive();
  be(1);
  CHECK_EQ(poll_for(&a) > 0, 1);
  hang_up(&a);
  arrive();
  be(2);
  CHECK(poll_for(&b) > 0);
  hang_up(&b);
  leave(&b);
  be(1);
  leave(&a);
  for (int rank = 1; rank < 3; rank++) {
    CHECK_EQ(before[rank]->users, 0);
    free(before[rank]);
  }
}

/* ---- handles ---- */

static void in_a_thread(void *argument) {
  party *made = argument;
  made[0] = join(1, "x", PRODUCER, "here");
  made[1] = join(1, "y", PRODUCER, "here");
  party other = join(1, "y", CONSUMER, "there");
  arrive();
  CHECK(poll_for(&made[1]) > 0);
  arrive();
  CHECK(poll_for(&other) > 0);
}

/* The leases and connections of a thread end with it, the roles are free again and the peers are told. */
static void thread_ends_with_it(void) {
  party made[2];
  char lines[8];
  uint32_t number;
  test_thread thread;
  test_start(&thread, in_a_thread, made);
  test_join(&thread);
  arrive();
  CHECK_EQ(lf_lease_poll(made[0].lease, sizeof lines, lines), LF_ECLOSED);
  CHECK_EQ(party_receive(&made[1], &number), LF_ECLOSED);
  party next = join(2, "x", PRODUCER, "there"), peer = join(3, "x", CONSUMER, "far");
  arrive();
  check_connected(&next, &peer);
  leave(&next);
  leave(&peer);
}

/* A rank that leaves the job deletes its entries and tells its peers, and stays a shard. */
static void leaving(void) {
  party a = join(1, named(1), PRODUCER, "here"), b = join(2, named(1), CONSUMER, "there");
  party c = join(1, named(2), PRODUCER, "here");
  arrive();
  check_connected(&a, &b);
  say(&b, 7);
  arrive();
  CHECK_EQ(lf_lease_stop(a.lease), LF_OK);
  end_job(1, NULL);
  hear(&a, 7);
  uint32_t number;
  CHECK_EQ(party_receive(&a, &number), LF_EMPI_FAILED);
  CHECK_EQ(lf_connection_send(a.connection, 16, &number, 4), LF_EMPI_FAILED);
  CHECK_EQ(poll_for(&a), LF_EMPI_FAILED);
  CHECK_EQ(poll_for(&c), LF_EMPI_FAILED);
  check_text("this process has left the MPI job");
  CHECK_EQ(party_stop(&c), LF_EMPI_FAILED);
  be(1);
  CHECK_EQ(lf_lease_put("z", 1, "", 0, LF_PUT_EXCLUSIVE, (const uint8_t *)"p", 1), LF_EMPI_FAILED);
  CHECK_EQ(lf_connection_open(2, 1), LF_EMPI_FAILED);
  arrive();
  party d = join(3, named(2), PRODUCER, "there"), e = join(4, named(2), CONSUMER, "far");
  arrive();
  check_connected(&d, &e);
  hear_the_end(&b);
  hang_up(&b);
  party f = join(3, named(1), PRODUCER, "far");
  arrive();
  check_connected(&f, &b);
  uint64_t words = world[1].words;
  leave(&a);
  leave(&c);
  CHECK_EQ(world[1].words, words);
  leave(&b);
  leave(&d);
  leave(&e);
  leave(&f);
}

/* After an MPI_Finalize of the program nothing is sent any more, and nothing is kept. */
static void job_over(void) {
  party a = join(1, named(1), CONSUMER, "here"), b = join(2, named(1), PRODUCER, "there");
  party c = join(3, named(1), PRODUCER, "far"), d = join(1, named(2), PRODUCER, "here");
  for (uint64_t i = test_below(&chance, 24); i > 0; i--) {
    deliver_any();
    if (!b.connection) poll_for(&b);
  }
  poll_for(&a);
  end_job(1, "MPI was finalised by the program");
  uint64_t words = world[1].words;
  CHECK_EQ(poll_for(&d), LF_EMPI_FAILED);
  check_text("MPI was finalised by the program");
  arrive();
  leave(&a);
  leave(&d);
  CHECK_EQ(world[1].words, words);
  kill_rank(1);
  fall_silent();
  poll_for(&b);
  leave(&b);
  leave(&c);
  for (int rank = 0; rank < RANKS; rank++) end_job(rank, "all of it");
}

int main(void) {
  seed = test_seed();
  RUN_ORDERS(connects);
  RUN_ORDERS(one_rank);
  RUN_ORDERS(one_runtime_directory);
  RUN_ORDERS(names_of_any_bytes);
  RUN_ORDERS(name_in_use);
  RUN_ORDERS(waits_for_the_role);
  RUN_ORDERS(next_in_order);
  RUN_ORDERS(lost_delete);
  RUN_ORDERS(dead_holder);
  RUN_ORDERS(same_runtime_directory);
  RUN_ORDERS(tried_in_vain);
  RUN_ORDERS(another_entry);
  RUN_ORDERS(crossing);
  RUN_ORDERS(dead_shard);
  RUN_ORDERS(shard_comes_back);
  RUN_ORDERS(thread_ends_with_it);
  RUN_ORDERS(leaving);
  RUN_ORDERS(job_over);
  return 0;
}
