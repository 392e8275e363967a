/* Control connections on simulated ranks: order, ends, limits, and messages that should not be there. */
#include "simulated_job.h"

static uint8_t buffer[LF_LINK_MESSAGE_MAX];
static lf_link_message message;

static void connected(party *a, party *b) {
  *a = join(1, named(0), PRODUCER, "here");
  *b = join(2, named(0), CONSUMER, "there");
  arrive();
  check_connected(a, b);
}

static void leave_both(party *a, party *b) {
  leave(a);
  leave(b);
}

/* In both directions at once, of every size, in order. */
static void in_order(void) {
  party a, b;
  connected(&a, &b);
  static const uint32_t lengths[] = {0, 1, 7, 100, 4096, LF_LINK_MESSAGE_MAX - 1, LF_LINK_MESSAGE_MAX};
  const int count = sizeof lengths / sizeof *lengths;
  uint64_t key_of_bytes = 0;
  for (int i = 0; i < count; i++) {
    for (int back = 0; back < 2; back++) {
      test_fill(buffer, lengths[i], key_of_bytes++);
      const party *from = back ? &b : &a;
      CHECK_EQ(lf_connection_send(from->connection, (uint32_t)(16 + i), i ? buffer : NULL, lengths[i]), 1);
    }
  }
  CHECK_EQ(lf_connection_send(a.connection, UINT16_MAX, "x", 1), 1);
  arrive();
  key_of_bytes = 0;
  for (int i = 0; i < count; i++) {
    for (int back = 0; back < 2; back++) {
      CHECK_EQ(lf_connection_receive(back ? a.connection : b.connection, buffer, &message), 1);
      CHECK_EQ(message.kind, 16 + i);
      CHECK_EQ(message.length, lengths[i]);
      CHECK_EQ(test_differs(buffer, lengths[i], key_of_bytes++), lengths[i]);
    }
  }
  CHECK_EQ(lf_connection_receive(b.connection, buffer, &message), 1);
  CHECK_EQ(message.kind, UINT16_MAX);
  CHECK_EQ(lf_connection_receive(b.connection, buffer, &message), LF_EMPTY);
  leave_both(&a, &b);
}

/* Messages that were sent before the end are received before it; the side that knows the end sends nothing more. */
static void drained_first(void) {
  party a, b;
  connected(&a, &b);
  say(&a, 1);
  say(&a, 2);
  hang_up(&a);
  arrive();
  hear(&b, 1);
  hear(&b, 2);
  for (int i = 0; i < 2; i++) hear_the_end(&b);
  check_text("rank 1 closed");
  uint64_t words = world[2].words;
  CHECK_EQ(lf_connection_send(b.connection, 16, "x", 1), LF_EPEER_DIED);
  hang_up(&b);
  CHECK_EQ(world[2].words, words); /* the peer knows it */
  leave_both(&a, &b);
}

/* A connection outlives the leases that it came from, and has nothing to do with the next ones. */
static void without_its_lease(void) {
  party a, b;
  connected(&a, &b);
  party_delete(&a);
  party_delete(&b);
  party next = join(1, named(0), PRODUCER, "here"), peer = join(3, named(0), CONSUMER, "far");
  say(&a, 1);
  say(&b, 2);
  arrive();
  hear(&b, 1);
  hear(&a, 2);
  check_connected(&next, &peer);
  hang_up(&a);
  hang_up(&b);
  arrive();
  say(&next, 3);
  arrive();
  hear(&peer, 3);
  leave_both(&next, &peer);
}

static void both_close(void) {
  party a, b;
  connected(&a, &b);
  hang_up(&a);
  say(&b, 1);
  hang_up(&b);
  leave_both(&a, &b);
}

/* Messages that are sent at once arrive, also when the connection was closed before the peer accepted it. */
static void before_the_accept(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(2, named(0), CONSUMER, "there");
  arrive();
  CHECK(poll_for(&a) > 0);
  say(&a, 1);
  say(&a, 2);
  int closed = (int)test_below(&chance, 2);
  if (closed) hang_up(&a);
  if (test_below(&chance, 2)) arrive();
  while (poll_for(&b) == 0) arrive();
  arrive();
  hear(&b, 1);
  hear(&b, 2);
  if (closed) {
    hear_the_end(&b);
  } else {
    say(&b, 3);
    arrive();
    hear(&a, 3);
  }
  leave_both(&a, &b);
}

/* An entry has one connection at a time. A consumer that stops, or leaves, closes one that it did not accept. */
static void one_at_a_time(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(2, named(0), CONSUMER, "there");
  arrive();
  CHECK(poll_for(&a) > 0);
  party second = {.rank = 3};
  be(3);
  second.connection = CHECK_OK(lf_connection_open(2, a.tried.id));
  deliver_all(1, 2);
  arrive();
  hear_the_end(&second);
  check_text("rank 2 has another peer");
  hang_up(&second);
  int stops = (int)test_below(&chance, 2);
  if (stops) CHECK_EQ(party_stop(&b), LF_OK);
  else leave(&b);
  arrive();
  hear_the_end(&a);
  hang_up(&a);
  later();
  if (stops) {
    CHECK(poll_for(&a) > 0);
    arrive();
    hear_the_end(&a);
    check_text("rank 2 has another peer");
    leave(&b);
  }
  leave(&a);
}

/* The listener of an entry accepts the next connection once the one before is closed. */
static void one_after_another(void) {
  party a, b;
  connected(&a, &b);
  for (int i = 0; i < 3; i++) {
    hang_up(&a);
    later();
    CHECK(poll_for(&a) > 0);
    arrive();
    hear_the_end(&a); /* the consumer still has the one before */
    hang_up(&a);
    hear_the_end(&b);
    hang_up(&b);
    later();
    check_connected(&a, &b);
  }
  leave_both(&a, &b);
}

/* Both roles of a rank to both of another, with equal numbers. */
static void both_ways(void) {
  party a = join(1, "x", PRODUCER, "here"), b = join(2, "x", CONSUMER, "there");
  party c = join(2, "y", PRODUCER, "there"), d = join(1, "y", CONSUMER, "here");
  arrive();
  check_connected(&a, &b);
  check_connected(&c, &d);
  for (uint32_t i = 0; i < 5; i++) {
    say(&a, i);
    say(&d, 10 + i);
    say(&b, 20 + i);
    say(&c, 30 + i);
  }
  arrive();
  for (uint32_t i = 0; i < 5; i++) {
    hear(&b, i);
    hear(&c, 10 + i);
    hear(&a, 20 + i);
    hear(&d, 30 + i);
  }
  hang_up(&a);
  arrive();
  hear_the_end(&b);
  say(&c, 9);
  arrive();
  hear(&d, 9);
  leave_both(&a, &b);
  leave_both(&c, &d);
}

/* ---- limits ---- */

static void flood(void) {
  party a, b;
  connected(&a, &b);
  memset(buffer, 0, sizeof buffer);
  for (int i = 0; i < 200; i++)
    CHECK_EQ(lf_connection_send(a.connection, 16, buffer, i % 2 ? LF_LINK_MESSAGE_MAX : 1), 1);
  arrive();
  int received = 0;
  int32_t status;
  while ((status = lf_connection_receive(b.connection, buffer, &message)) == 1) received++;
  CHECK_EQ(status, LF_ECORRUPT_SEGMENT);
  check_text("rank 1");
  CHECK(received > 100 && received < 150);
  CHECK_EQ(lf_connection_send(b.connection, 16, buffer, 1), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(lf_connection_send(a.connection, 16, buffer, 1), 1);
  arrive();
  CHECK_EQ(lf_connection_receive(b.connection, buffer, &message), LF_ECORRUPT_SEGMENT);
  hang_up(&b);
  arrive();
  hear_the_end(&a);
  leave_both(&a, &b);
}

static void bad_arguments(void) {
  party a, b;
  connected(&a, &b);
  CHECK_EQ(lf_connection_send(a.connection, 15, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_connection_send(a.connection, 65536, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_connection_send(a.connection, 16, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_connection_send(a.connection, 16, buffer, LF_LINK_MESSAGE_MAX + 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_connection_receive(a.connection, NULL, &message), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_connection_receive(a.connection, buffer, NULL), LF_EINVALID_ARGUMENT);
  int32_t closed = a.connection;
  hang_up(&a);
  CHECK_EQ(lf_connection_send(closed, 16, "x", 1), LF_ECLOSED);
  CHECK_EQ(lf_connection_receive(closed, buffer, &message), LF_ECLOSED);
  CHECK_EQ(lf_connection_close(closed), LF_ECLOSED);
  posts_fail = 1;
  CHECK_EQ(lf_connection_open(2, 1), LF_EHOST_OUT_OF_MEMORY);
  posts_fail = 0;
  leave_both(&a, &b);
}

/* ---- messages that no rank of this version would send ---- */

enum { OPENS = 1, REFUSES = 2 };

typedef struct {
  uint8_t magic, version;
  uint16_t kind;
  uint32_t id, from_opener, lease;
} forged_head;

static void forge(int from, int to, lf_word word, forged_head h) {
  lf_job_lock(&world[from].job);
  CHECK_EQ(lf_control_post(&world[from].job, to, word, &h, sizeof h), LF_OK);
  lf_job_unlock(&world[from].job);
}

static uint32_t id_of_connection(int rank) {
  be(rank);
  return (uint32_t)lf_table_any(&lease_map->connections)->key;
}

static void another_version(void) {
  party a, b;
  connected(&a, &b);
  say(&a, 5);
  arrive();
  forge(1, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION + 1, 16, id_of_connection(1), 1, 0});
  arrive();
  hear(&b, 5);
  for (int i = 0; i < 2; i++)
    CHECK_EQ(lf_connection_receive(b.connection, buffer, &message), LF_EWIRE_VERSION_MISMATCH);
  check_text("rank 1");
  hang_up(&b);
  arrive();
  hear_the_end(&a);
  leave_both(&a, &b);
}

/* A rank that is not the connection's peer, or that means another connection, changes nothing. */
static void strangers(void) {
  party a, b;
  connected(&a, &b);
  uint32_t id = id_of_connection(1);
  for (uint16_t kind = 0; kind < 20; kind++) {
    for (uint32_t lease = 0; lease < 4; lease++) {
      forge(3, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, kind, id, lease % 2, lease});
      forge(3, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION + 1, kind, id, lease % 2, lease});
      forge(3, 2, LF_WORD_DISCONNECT, (forged_head){0xf1, LF_WIRE_VERSION, kind, id, lease % 2, lease});
    }
    forge(1, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, kind, id + 1, 1, 1});
    forge(1, 2, LF_WORD_DISCONNECT, (forged_head){0xf1, LF_WIRE_VERSION, kind, id + 1, 1, 1});
    forge(1, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, kind, id, 0, 1});
    forge(1, 2, LF_WORD_DISCONNECT, (forged_head){0xf1, LF_WIRE_VERSION, kind, id, 0, 1});
    forge(1, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, kind, id, 2, 1});
    forge(1, 2, LF_WORD_CONNECTION, (forged_head){0xf2, LF_WIRE_VERSION, kind, id, 1, 1});
    forge(1, 2, LF_WORD_DISCONNECT, (forged_head){0xf0, LF_WIRE_VERSION, kind, id, 1, 1});
  }
  forge(1, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, REFUSES, id, 1, 0}); /* only the opener is refused */
  arrive();
  CHECK_EQ(lf_connection_receive(b.connection, buffer, &message), LF_EMPTY);
  say(&a, 8);
  arrive();
  hear(&b, 8);
  leave_both(&a, &b);
}

/* An OPEN is answered at most once, and no other message is: no two ranks can keep each other busy. */
static void answers(void) {
  party a, b;
  connected(&a, &b);
  uint64_t words = world[2].words;
  forge(3, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, REFUSES, 77, 0, 1});
  forge(3, 2, LF_WORD_DISCONNECT, (forged_head){0xf1, LF_WIRE_VERSION, 0, 77, 1, 1});
  forge(3, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, 16, 77, 1, 1});
  forge(1, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, OPENS, id_of_connection(1), 1, 1}); /* again */
  arrive();
  CHECK_EQ(world[2].words, words);
  forge(3, 2, LF_WORD_CONNECTION, (forged_head){0xf1, LF_WIRE_VERSION, OPENS, 77, 1, 99}); /* no such lease */
  arrive();
  CHECK_EQ(world[2].words, words + 1);
  leave_both(&a, &b);
}

static void silence(void) {
  party a, b;
  connected(&a, &b);
  say(&a, 1);
  arrive();
  kill_rank(1);
  say(&b, 2);
  CHECK_EQ(lf_connection_receive(b.connection, buffer, &message), 1);
  CHECK_EQ(lf_connection_receive(b.connection, buffer, &message), LF_EMPTY);
  fall_silent();
  for (int i = 0; i < 2; i++) hear_the_end(&b);
  check_text("rank 1");
  CHECK_EQ(lf_connection_send(b.connection, 16, "x", 1), LF_EPEER_DIED);
  leave(&b);
  leave(&a);
  party c = join(3, named(0), PRODUCER, "far");
  arrive();
  fall_silent(); /* the dead rank holds its entry no more */
  arrive();
  CHECK_EQ(poll_for(&c), 0);
  leave(&c);
  arrive();
  end_job(0, "the watch of rank 1 stays until then");
}

int main(void) {
  seed = test_seed();
  RUN_ORDERS(in_order);
  RUN_ORDERS(drained_first);
  RUN_ORDERS(without_its_lease);
  RUN_ORDERS(both_close);
  RUN_ORDERS(before_the_accept);
  RUN_ORDERS(one_at_a_time);
  RUN_ORDERS(one_after_another);
  RUN_ORDERS(both_ways);
  RUN_ORDERS(flood);
  RUN_ORDERS(bad_arguments);
  RUN_ORDERS(another_version);
  RUN_ORDERS(strangers);
  RUN_ORDERS(answers);
  RUN_ORDERS(silence);
  return 0;
}
