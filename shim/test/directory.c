/* The directory on simulated ranks: roles and matches, and what becomes of them when words cross and ranks die. */
#include "simulated_directory.h"

/* ---- the good path ---- */

static void meeting(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "there");
  CHECK_EQ(look(&a), 0);
  arrive();
  check_matched(&a, &b);
  CHECK_EQ(look(&a), 0);
  CHECK_EQ(lf_seek_settle(a.seek), LF_OK);
  CHECK_EQ(lf_seek_settle(b.seek), LF_OK);
  CHECK_EQ(lf_seek_settle(b.seek), LF_OK);
  for (int i = 1; i < 3; i++) CHECK_EQ(atomic_load(&world[i].job.waiting), 0);
  arrive();
  hang_up(&a);
  arrive();
  hear_the_end(&b);
  hang_up(&b);
  later();
  CHECK_EQ(look(&a), 0);
  CHECK_EQ(look(&b), 0);
  CHECK_EQ(under_way, 0); /* nobody looks again */
  leave(&a);
  leave(&b);
}

/* Two of one rank meet as well, where their places differ. */
static void one_rank(void) {
  party a = join(3, "x", PRODUCER, "here"), b = join(3, "x", CONSUMER, "there");
  arrive();
  check_matched(&a, &b);
  leave(&a);
  leave(&b);
}

static void one_place(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "here"), c = join(2, "y", CONSUMER, "there");
  arrive();
  CHECK_EQ(look(&a), 0);
  CHECK_EQ(look(&b), 0);
  CHECK_EQ(look(&c), 0);
  leave(&a);
  leave(&b);
  leave(&c);
}

static void names_of_any_bytes(void) {
  static const uint8_t zero[] = {'a', 0, 'b', 0xff}, other[] = {'a', 0, 'c', 0xff}, p[] = {0, 1}, q[] = {0, 2};
  char longest[256];
  memset(longest, 'n', sizeof longest);
  party s[4] = {{.rank = 1}, {.rank = 1}, {.rank = 2}, {.rank = 2}};
  be(1);
  s[0].seek = CHECK_OK(lf_seek_open((const char *)zero, 4, PRODUCER, p, 2));
  s[1].seek = CHECK_OK(lf_seek_open(longest, 255, PRODUCER, p, 2));
  be(2);
  s[2].seek = CHECK_OK(lf_seek_open((const char *)other, 4, CONSUMER, q, 2));
  s[3].seek = CHECK_OK(lf_seek_open(longest, 255, CONSUMER, q, 2));
  arrive();
  CHECK_EQ(look(&s[0]), 0);
  CHECK_EQ(look(&s[2]), 0);
  check_matched(&s[1], &s[3]);
  for (int i = 0; i < 4; i++) leave(&s[i]);
  CHECK_EQ(lf_seek_open(longest, 256, PRODUCER, p, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_seek_open(longest, 0, PRODUCER, p, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_seek_open(NULL, 1, PRODUCER, p, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_seek_open("x", 1, 2, p, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_seek_open("x", 1, PRODUCER, NULL, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_seek_open("x", 1, PRODUCER, p, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_seek_poll(0x12345), LF_ECLOSED);
  CHECK_EQ(lf_seek_settle(0x12345), LF_ECLOSED);
  CHECK_EQ(lf_seek_close(0x12345), LF_ECLOSED);
}

/* ---- one role, several who want it ---- */

static void name_in_use(void) {
  party holder = join(1, "x", PRODUCER, "here");
  arrive();
  party second = join(2, "x", PRODUCER, "there"), third = join(3, "x", PRODUCER, "elsewhere");
  arrive();
  for (int again = 0; again < 2; again++) {
    CHECK_EQ(look(&second), LF_ENAME_IN_USE);
    check_text("rank 1 on host1 is already the producer of \"x\"");
    CHECK_EQ(look(&third), LF_ENAME_IN_USE);
  }
  CHECK_EQ(lf_seek_settle(second.seek), LF_ENAME_IN_USE);
  CHECK_EQ(look(&holder), 0);
  leave(&second);
  leave(&third);
  arrive();
  party consumer = join(2, "x", CONSUMER, "there");
  arrive();
  check_matched(&holder, &consumer);
  CHECK_EQ(lf_seek_settle(holder.seek), LF_OK);
  second = join(4, "x", PRODUCER, "there");
  arrive();
  CHECK_EQ(look(&second), LF_ENAME_IN_USE); /* a role that has settled is held all the same */
  leave(&second);
  leave(&holder);
  leave(&consumer);
}

/* Whoever waits while the holder leaves gets the role; who waits behind that one hears of the new holder. */
static void handing_over(void) {
  const char *x = named(0);
  party holder = join(1, x, PRODUCER, "here"), consumer = join(5, x, CONSUMER, "far");
  arrive();
  CHECK(look(&consumer) > 0);
  party next = join(2, x, PRODUCER, "there"), after = join(3, x, PRODUCER, "elsewhere");
  deliver_all(2, 0);
  deliver_all(3, 0);
  leave(&holder);
  deliver_all(1, 0); /* before the question whether it is still there */
  arrive();
  CHECK_EQ(look(&after), LF_ENAME_IN_USE);
  check_text("rank 2 on host2");
  CHECK_EQ(look(&next), 0);
  hear_the_end(&consumer);
  hang_up(&consumer);
  later();
  CHECK_EQ(look(&consumer), 0);
  arrive();
  check_matched(&consumer, &next);
  leave(&next);
  leave(&after);
  leave(&consumer);
}

/* A holder whose LEAVE was lost, because there was no memory for it, says so when it is asked. */
static void lost_word(void) {
  party holder = join(1, "x", PRODUCER, "here");
  arrive();
  posts_fail = 1;
  leave(&holder);
  CHECK_EQ(lf_seek_open("y", 1, PRODUCER, (const uint8_t *)"p", 1), LF_EHOST_OUT_OF_MEMORY);
  posts_fail = 0;
  party next = join(2, "x", PRODUCER, "there"), consumer = join(3, "x", CONSUMER, "far");
  arrive();
  if (look(&consumer) > 0 && lf_mail_rank(consumer.link) == 1) {
    hear_the_end(&consumer);
    hang_up(&consumer);
    later();
    CHECK_EQ(look(&consumer), 0);
    arrive();
  } else if (consumer.link) {
    hang_up(&consumer);
    arrive();
    CHECK(look(&next) > 0);
    hang_up(&next);
    later();
    look(&consumer);
    look(&next);
    arrive();
  }
  check_matched(&consumer, &next);
  leave(&next);
  leave(&consumer);
}

static void dead_holder(void) {
  const char *x = named(0);
  party holder = join(1, x, PRODUCER, "here"), consumer = join(4, x, CONSUMER, "far");
  arrive();
  kill_rank(1);
  party second = join(2, x, PRODUCER, "there");
  arrive();
  party third = join(3, x, PRODUCER, "elsewhere");
  arrive();
  CHECK_EQ(look(&second), 0);
  CHECK(look(&consumer) > 0);
  fall_silent();
  arrive();
  hear_the_end(&consumer);
  check_text("rank 1");
  hang_up(&consumer);
  CHECK_EQ(look(&third), LF_ENAME_IN_USE);
  check_text("rank 2");
  later();
  CHECK_EQ(look(&consumer), 0);
  arrive();
  check_matched(&consumer, &second);
  leave(&second);
  leave(&third);
  leave(&consumer);
  CHECK_EQ(lf_seek_close(holder.seek), LF_OK);
}

/* At one place the kernel has decided: the newer one has it at once, and the older one's words change nothing. */
static void same_place(void) {
  const char *x = named(0);
  party old = join(1, x, PRODUCER, "here"), consumer = join(3, x, CONSUMER, "there");
  arrive();
  int settled = (int)test_below(&chance, 2);
  if (settled) CHECK_EQ(lf_seek_settle(old.seek), LF_OK);
  party waiting = join(4, x, PRODUCER, "elsewhere"), young = join(2, x, PRODUCER, "here");
  deliver_all(4, 0);
  deliver_all(2, 0);
  leave(&old);
  arrive();
  CHECK_EQ(look(&waiting), LF_ENAME_IN_USE);
  check_text("rank 2 on host2");
  if (look(&consumer) > 0) {
    hear_the_end(&consumer); /* the old one */
    hang_up(&consumer);
    later();
    CHECK_EQ(look(&consumer), 0);
    arrive();
  }
  check_matched(&consumer, &young);
  leave(&waiting);
  leave(&young);
  leave(&consumer);
}

/* ---- matches that come to nothing ---- */

/* Two who expect somebody else are matched again, but not as fast as they can. */
static void tried_in_vain(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "there");
  arrive();
  for (int i = 0; i < 3; i++) {
    check_matched(&a, &b);
    hang_up(&a);
    CHECK_EQ(look(&a), 0);
    arrive();
    hear_the_end(&b);
    hang_up(&b);
    CHECK_EQ(look(&b), 0);
    CHECK_EQ(under_way, 0); /* not yet */
    later();
    CHECK_EQ(look(&b), 0);
    arrive();
    CHECK_EQ(look(&b), 0); /* nobody who looks */
    CHECK_EQ(look(&a), 0);
    arrive();
  }
  check_matched(&a, &b);
  leave(&a);
  leave(&b);
}

/* One of the two met somebody elsewhere, or left, while the match was on its way. */
static void crossing(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "there");
  while (test_below(&chance, 8)) deliver_any();
  int left = (int)test_below(&chance, 2);
  if (left) leave(&a);
  else CHECK_EQ(lf_seek_settle(a.seek), LF_OK);
  arrive();
  if (look(&b) > 0) {
    hear_the_end(&b);
    hang_up(&b);
    later();
  }
  CHECK_EQ(look(&b), 0);
  arrive();
  CHECK_EQ(look(&b), 0);
  if (!left) CHECK_EQ(look(&a), 0);
  if (left) {
    a = join(3, "x", PRODUCER, "elsewhere");
    arrive();
    check_matched(&a, &b);
  }
  leave(&a);
  leave(&b);
}

static void dead_home(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(1, named(0), CONSUMER, "here");
  arrive();
  CHECK_EQ(lf_seek_settle(b.seek), LF_OK);
  kill_rank(0);
  CHECK_EQ(look(&a), 0);
  fall_silent();
  CHECK_EQ(look(&a), LF_EPEER_DIED);
  check_text("rank 0, which keeps the name \"name");
  CHECK_EQ(look(&b), 0); /* it does not need its home any more */
  leave(&a);
  leave(&b);
}

/* ---- handles ---- */

static void in_a_thread(void *argument) {
  party *made = argument;
  made[0] = join(1, "x", PRODUCER, "here");
  made[1] = join(1, "y", PRODUCER, "here");
  party other = join(1, "y", CONSUMER, "there");
  arrive();
  CHECK(look(&made[1]) > 0);
  CHECK(look(&other) > 0);
}

/* What a thread leaves behind is closed, the roles are free again and the peers are told. */
static void thread_ends_with_it(void) {
  party made[2];
  test_thread thread;
  test_start(&thread, in_a_thread, made);
  test_join(&thread);
  arrive();
  CHECK_EQ(lf_seek_poll(made[0].seek), LF_ECLOSED);
  CHECK_EQ(lf_mail_rank(made[1].link), LF_ECLOSED);
  party next = join(2, "x", PRODUCER, "there"), peer = join(3, "x", CONSUMER, "far");
  arrive();
  check_matched(&next, &peer);
  leave(&next);
  leave(&peer);
}

/* A rank that leaves the job gives its roles back and tells its peers, and goes on to keep others' names. */
static void leaving(void) {
  party a = join(1, named(1), PRODUCER, "here"), b = join(2, named(1), CONSUMER, "there");
  party c = join(1, named(2), PRODUCER, "here");
  arrive();
  check_matched(&a, &b);
  say(&b, 7);
  arrive();
  CHECK_EQ(lf_seek_settle(a.seek), LF_OK);
  end_job(1, NULL);
  hear(&a, 7);
  uint32_t number;
  CHECK_EQ(listen_to(&a, &number), LF_EMPI_FAILED);
  CHECK_EQ(lf_mail_send(a.link, 16, &number, 4), LF_EMPI_FAILED);
  CHECK_EQ(look(&a), LF_EMPI_FAILED);
  CHECK_EQ(look(&c), LF_EMPI_FAILED);
  check_text("this process has left the MPI job");
  CHECK_EQ(lf_seek_settle(c.seek), LF_EMPI_FAILED);
  be(1);
  CHECK_EQ(lf_seek_open("z", 1, PRODUCER, (const uint8_t *)"p", 1), LF_EMPI_FAILED);
  arrive();
  party d = join(3, named(2), PRODUCER, "there"), e = join(4, named(2), CONSUMER, "far");
  arrive();
  check_matched(&d, &e);
  hear_the_end(&b);
  hang_up(&b);
  later();
  CHECK_EQ(look(&b), 0);
  party f = join(3, named(1), PRODUCER, "far");
  arrive();
  check_matched(&b, &f);
  uint64_t words = world[1].words;
  leave(&a);
  leave(&c);
  CHECK_EQ(world[1].words, words);
  leave(&b);
  leave(&d);
  leave(&e);
  leave(&f);
}

/* After somebody else's MPI_Finalize nothing is said any more, and nothing is kept. */
static void job_over(void) {
  party a = join(1, named(1), PRODUCER, "here"), b = join(2, named(1), CONSUMER, "there");
  party c = join(3, named(1), CONSUMER, "far"), d = join(1, named(2), PRODUCER, "here");
  while (test_below(&chance, 16)) deliver_any();
  look(&a);
  end_job(1, "MPI was finalised by the program");
  uint64_t words = world[1].words;
  CHECK_EQ(look(&d), LF_EMPI_FAILED);
  check_text("MPI was finalised by the program");
  arrive();
  leave(&a);
  leave(&d);
  CHECK_EQ(world[1].words, words);
  kill_rank(1);
  fall_silent();
  look(&b);
  leave(&b);
  leave(&c);
  for (int rank = 0; rank < RANKS; rank++) end_job(rank, "all of it");
}

int main(void) {
  seed = test_seed();
  RUN_ORDERS(meeting);
  RUN_ORDERS(one_rank);
  RUN_ORDERS(one_place);
  RUN_ORDERS(names_of_any_bytes);
  RUN_ORDERS(name_in_use);
  RUN_ORDERS(handing_over);
  RUN_ORDERS(lost_word);
  RUN_ORDERS(dead_holder);
  RUN_ORDERS(same_place);
  RUN_ORDERS(tried_in_vain);
  RUN_ORDERS(crossing);
  RUN_ORDERS(dead_home);
  RUN_ORDERS(thread_ends_with_it);
  RUN_ORDERS(leaving);
  RUN_ORDERS(job_over);
  return 0;
}
