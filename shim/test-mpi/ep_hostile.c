/* Ends whose peer sends what it should not: each gets CORRUPT_SEGMENT, in words that name the peer, and the process goes
 * on. Four ranks: the even ones are hostile, by messages and control messages of their own. */
#include "base/monotonic.h"
#include "ep_test.h"
#include "job/control.h"

static int other(void) { return rank ^ 1; }
static int hostile(void) { return rank % 2 == 0; }

/* ---- a hostile sender ---- */

/* A tag that no sender of this process will have. */
static uint32_t next_tag;
static uint32_t forged_tag(void) { return job->tags - 2 - next_tag++; }

static void send_words(uint32_t tag, const uint64_t *words, size_t bytes) { post(other(), LF_TAG_EAGER(tag), words, bytes); }

static void hello(uint32_t tag, uint32_t slots) {
  lf_ep_hello h = {LF_EP_MAGIC, LF_WIRE_VERSION, LF_FRAGMENT_BYTES};
  uint64_t message[3] = {LF_EP_HEADER(LF_EP_HELLO, slots)};
  memcpy(message + 1, &h, sizeof h);
  send_words(tag, message, sizeof message);
}

#define SLOTS 16u
#define LONG 8192

typedef struct {
  const char *what;
  size_t bytes;          /* of the message after the greeting */
  uint64_t words[4];     /* what it begins with; the rest is 0 */
  size_t rndv;           /* bytes of a rendezvous message after it; 0: none */
  uint32_t times;        /* how often it is sent; 0: once */
  int32_t code;          /* what the receiver gets */
} forgery;

static const forgery forgeries[] = {
    {"no word", 0, {0}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"half a word", 4, {0}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"kind 0", 8, {0}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"kind 255", 8, {UINT64_MAX}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a second greeting", 24, {LF_EP_HEADER(LF_EP_HELLO, SLOTS), LF_EP_MAGIC, 0}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a frame that says less than it has", 24, {LF_EP_HEADER(LF_EP_FRAME, 8)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a frame that says more than it has", 24, {LF_EP_HEADER(LF_EP_FRAME, 100)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a message that is too long", LONG, {LF_EP_HEADER(LF_EP_FRAME, LONG - 8)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"more frames than there are places", 16, {LF_EP_HEADER(LF_EP_FRAME, 8)}, 0, SLOTS + 1, LF_ECORRUPT_SEGMENT},
    {"no frames", 8, {LF_EP_HEADER(LF_EP_FRAMES, 0)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"frames beyond the end", 16, {LF_EP_HEADER(LF_EP_FRAMES, 2), 0x0905}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"frames that are too long", 136, {LF_EP_HEADER(LF_EP_FRAMES, 1), 127}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"frames that leave something", 24, {LF_EP_HEADER(LF_EP_FRAMES, 1), 3}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"as many frames as never fit", 40, {LF_EP_HEADER(LF_EP_FRAMES, SLOTS + 1)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a count of frames that overflows", 40, {LF_EP_HEADER(LF_EP_FRAMES, LF_EP_NUMBER_MAX)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a large frame of no bytes", 8, {LF_EP_HEADER(LF_EP_RNDV, 0)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a large frame that is small", 8, {LF_EP_HEADER(LF_EP_RNDV, 100)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a large frame of too many bytes", 8, {LF_EP_HEADER(LF_EP_RNDV, LF_FRAME_MAX + 1)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a large frame of all the bytes there are", 8, {LF_EP_HEADER(LF_EP_RNDV, LF_EP_NUMBER_MAX)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"a large frame with bytes behind it", 16, {LF_EP_HEADER(LF_EP_RNDV, 5000)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"rendezvous message that is too short", 8, {LF_EP_HEADER(LF_EP_RNDV, 5000)}, 4999, 0, LF_ECORRUPT_SEGMENT},
    {"rendezvous message that is too long", 8, {LF_EP_HEADER(LF_EP_RNDV, 5000)}, 5001, 0, LF_ECORRUPT_SEGMENT},
    {"fragments of no bytes", 8, {LF_EP_HEADER(LF_EP_FRAGMENTS, 0)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"fragments of too many bytes", 8, {LF_EP_HEADER(LF_EP_FRAGMENTS, LF_FRAME_MAX + 1)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"fragments that are too short", 8, {LF_EP_HEADER(LF_EP_FRAGMENTS, LF_FRAGMENT_BYTES + 5)}, 5, 0, LF_ECORRUPT_SEGMENT},
    {"a question with an answer", 16, {LF_EP_HEADER(LF_EP_ASK, 3)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"an end of frames that never came", 16, {LF_EP_HEADER(LF_EP_END, 1)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"an end that is cut", 8, {LF_EP_HEADER(LF_EP_END, 0)}, 0, 0, LF_ECORRUPT_SEGMENT},
    {"an end that says something else", 16, {LF_EP_HEADER(LF_EP_END, 0), 2}, 0, 0, LF_ECORRUPT_SEGMENT},
};

static void forge(const forgery *f) {
  static uint64_t message[LONG / 8];
  uint32_t tag = forged_tag();
  tell(other(), tag);
  hello(tag, SLOTS);
  memset(message, 0, sizeof message);
  memcpy(message, f->words, sizeof f->words);
  for (uint32_t i = 0; i < (f->times ? f->times : 1); i++) send_words(tag, message, f->bytes);
  if (f->rndv) post(other(), LF_TAG_RNDV(tag), message, f->rndv);
}

/* The first failure; frames before it are as good as any. */
static int32_t receive_until_failure(int32_t from) {
  lf_frame frame;
  int32_t result;
  while ((result = receive(from, &frame)) >= 0) CHECK_OK(frame_length(result, &frame) < LONG ? 0 : -1);
  return result;
}

static void expect_failure(int32_t from, int32_t code, const char *what) {
  lf_status status;
  for (int i = 0; i < 3; i++) {
    int32_t got = receive_until_failure(from);
    lf_status_last(&status);
    if (got != code || !strstr(status.text, WHO)) test_fail(__FILE__, __LINE__, "%s: %d %s", what, got, status.text);
  }
}

static void messages(void) {
  for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
    const forgery *f = &forgeries[i];
    if (hostile()) {
      forge(f);
      await_rank(other());
      continue;
    }
    uint32_t tag = (uint32_t)hear(other());
    double address;
    int32_t from = CHECK_OK(lf_mpi_rx_open(other(), 0, tag, SLOTS, 0, WHO, sizeof WHO - 1));
    UNTIL(lf_mpi_rx_ready(from, &address));
    /* What is received makes room for more, so these have to come first. */
    lf_end_stats stats = {0};
    for (uint64_t end = lf_now() + LIMIT_NS; f->times && stats.peer != 2; test_yield()) {
      CHECK(lf_now() < end);
      CHECK_EQ(lf_rx_stats(from, &stats), LF_OK);
    }
    expect_failure(from, f->code, f->what);
    CHECK_EQ(lf_rx_close(from), LF_OK);
    await_rank(other());
  }
}

/* The first message decides whether there is a channel at all. */
static void greetings(void) {
  static const struct {
    uint64_t words[4];
    size_t bytes;
  } wrong[] = {
      {{LF_EP_HEADER(LF_EP_HELLO, SLOTS), LF_EP_MAGIC, (uint64_t)LF_FRAGMENT_BYTES << 32 | (LF_WIRE_VERSION + 1)}, 24},
      {{LF_EP_HEADER(LF_EP_HELLO, SLOTS), LF_EP_MAGIC + 1, (uint64_t)LF_FRAGMENT_BYTES << 32 | LF_WIRE_VERSION}, 24},
      {{LF_EP_HEADER(LF_EP_HELLO, SLOTS * 2), LF_EP_MAGIC, (uint64_t)LF_FRAGMENT_BYTES << 32 | LF_WIRE_VERSION}, 24},
      {{LF_EP_HEADER(LF_EP_HELLO, SLOTS), LF_EP_MAGIC, (uint64_t)(LF_FRAGMENT_BYTES + 1) << 32 | LF_WIRE_VERSION}, 24},
      {{LF_EP_HEADER(LF_EP_HELLO, SLOTS)}, 8},
      {{LF_EP_HEADER(LF_EP_FRAME, 8), 5}, 16},
      {{LF_EP_HEADER(LF_EP_END, 0), 0}, 16},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (hostile()) {
      uint32_t tag = forged_tag();
      tell(other(), tag);
      send_words(tag, wrong[i].words, wrong[i].bytes);
      await_rank(other());
      continue;
    }
    double address;
    int32_t from = CHECK_OK(lf_mpi_rx_open(other(), 0, (uint32_t)hear(other()), SLOTS, 0, WHO, sizeof WHO - 1));
    CHECK_EQ(UNTIL(lf_mpi_rx_ready(from, &address)), LF_ECORRUPT_SEGMENT);
    CHECK_EQ(lf_rx_close(from), LF_OK);
    await_rank(other());
  }
}

/* Any bytes at all. */
static void noise(void) {
  test_random r = {test_number("LAVA_FLOW_SEED", 7) + (uint64_t)(rank / 2)};
  for (int i = 0; i < 200; i++) {
    uint64_t message[64] = {0};
    uint32_t kind = (uint32_t)test_below(&r, 9), slots = SLOTS;
    size_t bytes = test_below(&r, 2) ? 8 + 8 * test_below(&r, 4) : test_below(&r, sizeof message);
    if (hostile()) {
      uint32_t tag = forged_tag();
      tell(other(), tag);
      hello(tag, slots);
      for (int k = 0; k < 5; k++) {
        test_fill(message, sizeof message, test_next(&r));
        message[0] = LF_EP_HEADER(kind, test_below(&r, 2) ? bytes - 8 : test_below(&r, 20000));
        if (test_below(&r, 4) == 0) message[1] = 0;
        send_words(tag, message, bytes);
      }
      uint64_t nothing[2] = {0};
      send_words(tag, nothing, 8);
      await_rank(other());
      continue;
    }
    double address;
    int32_t from = CHECK_OK(lf_mpi_rx_open(other(), 0, (uint32_t)hear(other()), SLOTS, 0, WHO, sizeof WHO - 1));
    UNTIL(lf_mpi_rx_ready(from, &address));
    /* A large frame whose bytes never come is no reason to stop waiting for it. */
    lf_frame frame;
    int32_t result;
    while ((result = lf_rx_receive_wait(from, 5, 5, &frame)) >= 0 && result != LF_TIMEOUT) continue;
    CHECK(result == LF_TIMEOUT || result == LF_ECORRUPT_SEGMENT || result == LF_ECHANNEL_CLOSED || result == LF_EPEER_DIED);
    CHECK_EQ(lf_rx_close(from), LF_OK);
    await_rank(other());
  }
}

/* ---- a hostile receiver ---- */

static void post_credit(const lf_credit *credit, uint32_t length) {
  lf_job_lock(job);
  CHECK_EQ(lf_control_post_now(job, other(), LF_WORD_CREDIT, credit, length), LF_OK);
  lf_job_unlock(job);
}

#define ADDRESS 12345678.0
#define SENT 3

/* A sender that has sent three frames, of 4 KiB in all that count; the receiver is none. */
static int32_t open_sender(void) {
  uint32_t tag;
  int32_t to = CHECK_OK(lf_mpi_tx_open(other(), 0, SLOTS, WHO, sizeof WHO - 1, &tag));
  tell(other(), tag);
  CHECK_EQ(lf_mpi_tx_connect(to, ADDRESS), LF_OK);
  CHECK_EQ(lf_tx_send(to, "1", 1), 1);
  CHECK_EQ(lf_tx_send(to, "2", 1), 1);
  static uint8_t payload[1000];
  CHECK_EQ(lf_tx_send(to, payload, sizeof payload), 1);
  tell(other(), 1);
  return to;
}

static void credits(void) {
  static const struct {
    uint64_t taken, released, bytes;
    uint32_t state;
  } wrong[] = {
      {SENT + 1, 0, 0, 0},     {UINT64_MAX, 0, 0, 0}, {2, 3, 0, 0},          {3, 4, 0, 0}, {3, UINT64_MAX, 0, 0},
      {3, 3, 4097, 0},         {3, 3, UINT64_MAX, 0}, {3, 3, 4096, 3},       {3, 3, 4096, UINT32_MAX},
      {1, 1, 0, 0} /* then 0 */
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (hostile()) {
      lf_credit c = {(uint32_t)hear(other()), wrong[i].state, (uint64_t)ADDRESS, wrong[i].taken, wrong[i].released,
                     wrong[i].bytes};
      CHECK_EQ(hear(other()), 1);
      post_credit(&c, sizeof c);
      c.taken = c.released = 0;
      post_credit(&c, sizeof c);
      await_rank(other());
      continue;
    }
    lf_status status;
    int32_t to = open_sender(), result;
    do result = UNTIL(lf_tx_send(to, "x", 1));
    while (result == 1);
    CHECK_EQ(result, LF_ECORRUPT_SEGMENT);
    lf_status_last(&status);
    CHECK(strstr(status.text, WHO) != NULL);
    CHECK_EQ(lf_tx_arm(to, 0), LF_ECORRUPT_SEGMENT);
    CHECK_EQ(sender_stats(to).peer, 2);
    CHECK_EQ(lf_tx_close(to), LF_OK);
    await_rank(other());
  }
}

/* Words that are not for this sender, or are no credits, change nothing. */
static void words_of_others(void) {
  if (hostile()) {
    uint32_t tag = (uint32_t)hear(other());
    CHECK_EQ(hear(other()), 1);
    lf_credit c = {tag, LF_CREDIT_CLOSED, (uint64_t)ADDRESS, 3, 3, 4096};
    for (uint32_t length = 0; length < sizeof c; length++) post_credit(&c, length);
    c.address++;
    post_credit(&c, sizeof c);
    c.address = 0;
    post_credit(&c, sizeof c);
    c.address = (uint64_t)ADDRESS;
    for (uint32_t i = 0; i < 40; i++) {
      c.tag = i < 39 ? tag + 1 + i * i * i : UINT32_MAX;
      post_credit(&c, sizeof c);
    }
    await_rank(other()); /* a control message and this word are not ordered: a control message that was sent first may arrive later */
    c = (lf_credit){tag, LF_CREDIT_OPEN, (uint64_t)ADDRESS, 3, 2, 4096};
    post_credit(&c, sizeof c);
    CHECK_EQ(hear(other()), 1);
    return;
  }
  int32_t to = open_sender();
  await_rank(other());
  for (uint64_t end = lf_now() + LIMIT_NS; sender_stats(to).queued != 1; test_yield()) CHECK(lf_now() < end);
  CHECK_EQ(sender_stats(to).peer, 0);
  CHECK_EQ(lf_tx_send(to, "x", 1), 1);
  tell(other(), 1);
  CHECK_EQ(lf_tx_close(to), LF_OK);
}

/* After all this the process has channels as before. */
static void still_well(void) {
  ep_pair p = open_pair(rank & ~1, (rank & ~1) + 1, SLOTS, 0);
  static uint8_t data[100000];
  for (uint64_t n = 0; n < 50; n++) {
    size_t length = n * 2000;
    test_fill(data, length, n);
    if (p.to) CHECK_EQ(UNTIL(sent(p.to, lf_tx_send(p.to, data, (uint32_t)length))), 1);
    else expect_frame(p.from, n, length);
  }
  close_pair(p);
}

int main(void) {
  join_job();
  RUN(greetings);
  RUN(messages);
  RUN(noise);
  RUN(credits);
  RUN(words_of_others);
  RUN(still_well);
  CHECK_OK(lf_job_close(0, 2000)); /* the forged endpoints have no last message */
  return 0;
}
