/* Mail links on simulated ranks: order, ends, limits, and words that should not be there. */
#include "simulated_directory.h"

static uint8_t buffer[LF_LINK_MESSAGE_MAX];
static lf_link_message message;

static void matched(party *a, party *b) {
  *a = join(1, named(0), PRODUCER, "here");
  *b = join(2, named(0), CONSUMER, "there");
  arrive();
  check_matched(a, b);
}

static void part(party *a, party *b) {
  leave(a);
  leave(b);
}

/* Both ways at once, of every size, in order. */
static void in_order(void) {
  party a, b;
  matched(&a, &b);
  static const uint32_t lengths[] = {0, 1, 7, 100, 4096, LF_LINK_MESSAGE_MAX - 1, LF_LINK_MESSAGE_MAX};
  const int count = sizeof lengths / sizeof *lengths;
  uint64_t key = 0;
  for (int i = 0; i < count; i++) {
    for (int way = 0; way < 2; way++) {
      test_fill(buffer, lengths[i], key++);
      CHECK_EQ(lf_mail_send(way ? b.link : a.link, (uint32_t)(16 + i), i ? buffer : NULL, lengths[i]), 1);
    }
  }
  CHECK_EQ(lf_mail_send(a.link, UINT16_MAX, "x", 1), 1);
  arrive();
  key = 0;
  for (int i = 0; i < count; i++) {
    for (int way = 0; way < 2; way++) {
      CHECK_EQ(lf_mail_receive(way ? a.link : b.link, buffer, &message), 1);
      CHECK_EQ(message.kind, 16 + i);
      CHECK_EQ(message.length, lengths[i]);
      CHECK_EQ(test_differs(buffer, lengths[i], key++), lengths[i]);
    }
  }
  CHECK_EQ(lf_mail_receive(b.link, buffer, &message), 1);
  CHECK_EQ(message.kind, UINT16_MAX);
  CHECK_EQ(lf_mail_receive(b.link, buffer, &message), LF_EMPTY);
  part(&a, &b);
}

/* What was sent before the end is received before it; the one that knows of the end sends nothing more. */
static void drained_first(void) {
  party a, b;
  matched(&a, &b);
  say(&a, 1);
  say(&a, 2);
  hang_up(&a);
  arrive();
  hear(&b, 1);
  hear(&b, 2);
  for (int i = 0; i < 2; i++) hear_the_end(&b);
  check_text("rank 1 closed");
  uint64_t words = world[2].words;
  CHECK_EQ(lf_mail_send(b.link, 16, "x", 1), LF_EPEER_DIED);
  hang_up(&b);
  CHECK_EQ(world[2].words, words); /* nobody is told who knows */
  part(&a, &b);
}

/* A link outlives the seek that it came from, and has nothing to do with the next one. */
static void without_its_seek(void) {
  party a, b;
  matched(&a, &b);
  CHECK_EQ(lf_seek_close(a.seek), LF_OK);
  party next = join(1, named(0), PRODUCER, "here"), peer = join(3, named(0), CONSUMER, "far");
  leave(&peer);
  say(&a, 1);
  say(&b, 2);
  arrive();
  hear(&b, 1);
  hear(&a, 2);
  CHECK_EQ(lf_seek_close(b.seek), LF_OK);
  peer = join(3, named(0), CONSUMER, "far");
  arrive();
  check_matched(&next, &peer);
  hang_up(&a);
  hang_up(&b);
  later();
  arrive();
  CHECK_EQ(look(&next), 0);
  CHECK_EQ(under_way, 0);
  part(&next, &peer);
}

static void both_close(void) {
  party a, b;
  matched(&a, &b);
  hang_up(&a);
  say(&b, 1);
  hang_up(&b);
  part(&a, &b);
}

/* What is sent at once, before the peer has heard of the match, waits for it. */
static void before_the_peer_knows(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(2, named(0), CONSUMER, "there");
  deliver_all(1, 0);
  deliver_all(2, 0);
  deliver_all(0, 1);
  CHECK(look(&a) > 0);
  deliver_all(1, 2); /* too early */
  say(&a, 1);
  say(&a, 2);
  CHECK_EQ(under_way, 1); /* the other's match */
  if (test_below(&chance, 2)) {
    hang_up(&a);
    arrive();
    CHECK(look(&b) > 0);
    hear(&b, 1); /* what was sent is there, although the link was closed since */
    hear(&b, 2);
    hear_the_end(&b);
  } else {
    deliver_all(0, 2);
    CHECK(look(&b) > 0);
    say(&b, 3);
    arrive();
    hear(&b, 1);
    hear(&b, 2);
    hear(&a, 3);
  }
  part(&a, &b);
}

/* Messages of a closed link wait for the peer, but not for ever. */
static void closed_for_good(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(2, named(0), CONSUMER, "there");
  deliver_all(1, 0);
  deliver_all(2, 0);
  deliver_all(0, 1);
  CHECK(look(&a) > 0);
  say(&a, 1);
  be(1);
  int how = (int)test_below(&chance, 4);
  if (how == 0) { /* the peer has left: it refuses */
    leave(&b);
    hang_up(&a);
    arrive();
  } else if (how == 1) { /* the peer is dead */
    kill_rank(2);
    hang_up(&a);
    arrive();
    CHECK_EQ(directory->links.count, 1);
    fall_silent();
  } else if (how == 2) { /* it never says anything */
    hang_up(&a);
    rounds();
    CHECK_EQ(directory->links.count, 1);
    clock_now += LF_PEER_SILENCE_NS + 1;
    rounds();
  } else { /* this process leaves */
    hang_up(&a);
    end_job(1, NULL);
  }
  be(1);
  CHECK_EQ(directory->links.count, 0);
  CHECK(directory->closing == NULL);
  leave(&a);
  arrive();
  if (how != 0) CHECK_EQ(lf_seek_close(b.seek), LF_OK);
}

/* ---- limits ---- */

static void flood(void) {
  party a, b;
  matched(&a, &b);
  memset(buffer, 0, sizeof buffer);
  for (int i = 0; i < 200; i++) CHECK_EQ(lf_mail_send(a.link, 16, buffer, i % 2 ? LF_LINK_MESSAGE_MAX : 1), 1);
  arrive();
  int received = 0;
  int32_t status;
  while ((status = lf_mail_receive(b.link, buffer, &message)) == 1) received++;
  CHECK_EQ(status, LF_ECORRUPT_SEGMENT);
  check_text("rank 1");
  CHECK(received > 100 && received < 150);
  CHECK_EQ(lf_mail_send(b.link, 16, buffer, 1), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(lf_mail_send(a.link, 16, buffer, 1), 1);
  arrive();
  CHECK_EQ(lf_mail_receive(b.link, buffer, &message), LF_ECORRUPT_SEGMENT);
  hang_up(&b);
  arrive();
  hear_the_end(&a);
  part(&a, &b);
}

static void nobody_opens(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(2, named(0), CONSUMER, "there");
  deliver_all(1, 0);
  deliver_all(2, 0);
  deliver_all(0, 1);
  CHECK(look(&a) > 0);
  int sent = 0;
  int32_t status;
  while ((status = lf_mail_send(a.link, 16, buffer, LF_LINK_MESSAGE_MAX)) == 1) sent++;
  CHECK_EQ(status, LF_FULL);
  CHECK(sent > 50 && sent < 65);
  arrive();
  CHECK(look(&b) > 0);
  for (int i = 0; i < sent; i++) CHECK_EQ(lf_mail_receive(b.link, buffer, &message), 1);
  CHECK_EQ(lf_mail_receive(b.link, buffer, &message), LF_EMPTY);
  part(&a, &b);
}

static void bad_arguments(void) {
  party a, b;
  matched(&a, &b);
  CHECK_EQ(lf_mail_send(a.link, 15, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mail_send(a.link, 65536, "x", 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mail_send(a.link, 16, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mail_send(a.link, 16, buffer, LF_LINK_MESSAGE_MAX + 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mail_receive(a.link, NULL, &message), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_mail_receive(a.link, buffer, NULL), LF_EINVALID_ARGUMENT);
  int32_t closed = a.link;
  hang_up(&a);
  CHECK_EQ(lf_mail_send(closed, 16, "x", 1), LF_ECLOSED);
  CHECK_EQ(lf_mail_receive(closed, buffer, &message), LF_ECLOSED);
  CHECK_EQ(lf_mail_rank(closed), LF_ECLOSED);
  CHECK_EQ(lf_mail_close(closed), LF_ECLOSED);
  part(&a, &b);
}

/* ---- words that nobody of this version would say ---- */

static void forge(int from, int to, lf_word word, uint8_t magic, uint8_t version, uint16_t kind, uint32_t seek,
                  uint64_t match, uint32_t more) {
  uint8_t bytes[20];
  memcpy(bytes, &(uint8_t[2]){magic, version}, 2);
  memcpy(bytes + 2, &kind, 2);
  memcpy(bytes + 4, &seek, 4);
  memcpy(bytes + 8, &match, 8);
  memcpy(bytes + 16, &more, 4);
  lf_job_lock(&world[from].job);
  CHECK_EQ(lf_control_post(&world[from].job, to, word, bytes, sizeof bytes), LF_OK);
  lf_job_unlock(&world[from].job);
}

static void another_version(void) {
  party a, b;
  matched(&a, &b);
  say(&a, 5);
  arrive();
  forge(1, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION + 1, 16, 1, 1, 0);
  arrive();
  hear(&b, 5);
  for (int i = 0; i < 2; i++) CHECK_EQ(lf_mail_receive(b.link, buffer, &message), LF_EWIRE_VERSION_MISMATCH);
  check_text("rank 1");
  hang_up(&b);
  arrive();
  hear_the_end(&a);
  part(&a, &b);
}

/* The link is seek 1's, match 1. Whoever is not its peer, or means another, changes nothing. */
static void strangers(void) {
  party a, b;
  matched(&a, &b);
  for (uint16_t kind = 0; kind < 20; kind++) {
    forge(3, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, kind, 1, 1, 1);
    forge(3, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION + 1, kind, 1, 1, 1);
    forge(3, 2, LF_WORD_UNLINK, 0xf1, LF_WIRE_VERSION, kind, 1, 1, 1);
    forge(1, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, kind, 1, 2, 99);
    forge(1, 2, LF_WORD_UNLINK, 0xf1, LF_WIRE_VERSION, kind, 1, 2, 1);
    forge(1, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, kind, 2, 1, 99);
    forge(1, 2, LF_WORD_LINK, 0xf2, LF_WIRE_VERSION, kind, 1, 1, 1);
    forge(1, 2, LF_WORD_UNLINK, 0xf0, LF_WIRE_VERSION, kind, 1, 1, 1);
  }
  arrive();
  CHECK_EQ(lf_mail_receive(b.link, buffer, &message), LF_EMPTY);
  say(&a, 8);
  arrive();
  hear(&b, 8);
  part(&a, &b);
}

/* A question about a link that is no more is answered, and nothing else is: no two ranks can keep each other busy. */
static void answers(void) {
  party a, b;
  matched(&a, &b);
  enum { OPEN = 1, OPENED = 2 };
  uint64_t words = world[2].words;
  forge(3, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, OPENED, 77, 1, 1);
  forge(3, 2, LF_WORD_UNLINK, 0xf1, LF_WIRE_VERSION, 0, 77, 1, 1);
  forge(3, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, 16, 77, 1, 1);
  forge(1, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, OPENED, 1, 1, 1);
  arrive();
  CHECK_EQ(world[2].words, words);
  forge(3, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, OPEN, 77, 1, 1); /* no such seek */
  arrive();
  CHECK_EQ(world[2].words, words + 1);
  forge(1, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, OPEN, 1, 1, 1); /* again */
  arrive();
  CHECK_EQ(world[2].words, words + 2);
  part(&a, &b);
}

/* A third rank may say that there was a match, but by that it can't make a peer refuse one that there is. */
static void a_false_match(void) {
  party a = join(1, named(0), PRODUCER, "here"), b = join(2, named(0), CONSUMER, "there");
  deliver_all(1, 0);
  deliver_all(2, 0);
  lf_word_match match = {.id = 77, .rank = 2, .other_id = 1, .match = 1};
  int early = (int)test_below(&chance, 2);
  deliver_all(0, 2);
  if (!early) arrive();
  lf_job_lock(&world[3].job);
  CHECK_EQ(lf_control_post(&world[3].job, 1, LF_WORD_MATCH, &match, sizeof match), LF_OK);
  lf_job_unlock(&world[3].job);
  deliver_all(3, 1);
  CHECK_EQ(world[1].first[2]->length, 20); /* it says that there is no seek 77 */
  deliver_all(1, 2);
  arrive();
  if (!early) forge(1, 2, LF_WORD_LINK, 0xf1, LF_WIRE_VERSION, 3, 1, 1, 1);
  arrive();
  check_matched(&a, &b);
  part(&a, &b);
}

static void silence(void) {
  party a, b;
  matched(&a, &b);
  say(&a, 1);
  arrive();
  kill_rank(1);
  say(&b, 2);
  CHECK_EQ(lf_mail_receive(b.link, buffer, &message), 1);
  CHECK_EQ(lf_mail_receive(b.link, buffer, &message), LF_EMPTY);
  fall_silent();
  for (int i = 0; i < 2; i++) hear_the_end(&b);
  check_text("rank 1");
  CHECK_EQ(lf_mail_send(b.link, 16, "x", 1), LF_EPEER_DIED);
  leave(&b);
  leave(&a);
  party c = join(3, named(0), PRODUCER, "far");
  arrive();
  fall_silent(); /* what the dead rank holds is its own no more */
  arrive();
  CHECK_EQ(look(&c), 0);
  leave(&c);
}

int main(void) {
  seed = test_seed();
  RUN_ORDERS(in_order);
  RUN_ORDERS(drained_first);
  RUN_ORDERS(without_its_seek);
  RUN_ORDERS(both_close);
  RUN_ORDERS(before_the_peer_knows);
  RUN_ORDERS(closed_for_good);
  RUN_ORDERS(flood);
  RUN_ORDERS(nobody_opens);
  RUN_ORDERS(bad_arguments);
  RUN_ORDERS(another_version);
  RUN_ORDERS(strangers);
  RUN_ORDERS(answers);
  RUN_ORDERS(a_false_match);
  RUN_ORDERS(silence);
  return 0;
}
