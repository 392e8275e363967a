/*
 * A peer that writes what it likes. Both ends of a channel are real; between them sits the test, which has their ring
 * mapped as well and hands the producer's messages on. So it can do what a hostile process can: write into the ring, and
 * into the connection. Whatever it writes, each call has to give a frame that lies where it says, or a clean error.
 *
 * LAVA_FLOW_FUZZ rounds of each kind. A round that fails names the seed that begins with it.
 */
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>

#include "link_posix.h"
#include "process_posix.h"
#include "ring.h"
#include "rings.h"

/* ThreadSanitizer is to look for races of the shim with itself, not with a peer that breaks every rule. */
#if defined(__clang__)
#define UNSEEN __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define UNSEEN __attribute__((noinline))
#endif

#define HELD_MAX 32u
#define KNOWN_MAX 16u

typedef enum { AS_PRODUCER, AS_CONSUMER } side;

typedef struct {
  const void *at; /* NULL for an inline payload */
  size_t length;
  uint32_t token;
} held_frame;

typedef struct {
  int32_t producer, producer_link, consumer, consumer_link;
  int32_t producer_failed, consumer_failed; /* the status that has to stay */
  lf_link *from_producer, *to_consumer;     /* the test's ends */
  int socket;                               /* of to_consumer, for bytes that no link would write */
  int link_is_hostile;
  lf_segment segment;
  lf_ring *ring;
  uint32_t slots;
  held_frame held[HELD_MAX];
  uint32_t held_count;
  lf_loan loan;
  double loan_length; /* 0: none */
  int reserved;
  lf_region_message known[KNOWN_MAX]; /* regions announced of late */
  uint32_t known_count;
  lf_region_info kept[KNOWN_MAX];
  uint32_t kept_count;
} channel;

/* What came of it all: a kind of round in which one of these stays 0 tests nothing. */
static struct {
  uint64_t opened, refused, small, large, retired, consumer_failed, producer_failed;
} seen;

static lf_memory_info memories[2];
static uint8_t bytes[8192];

/* ---- rounds ---- */

static char round_name[160];

static void on_signal(int number) {
  static const char crashed[] = "FAIL by a signal: ";
  ssize_t ignored = write(1, crashed, sizeof crashed - 1);
  ignored = write(1, round_name, strlen(round_name));
  ignored = write(1, "\n", 1);
  (void)ignored;
  signal(number, SIG_DFL);
  raise(number);
}

static int mapped_segments(void) {
  int count = 0;
  FILE *file = fopen("/proc/self/maps", "re");
  char line[512];
  while (file && fgets(line, sizeof line, file)) count += strstr(line, "memfd:lava-flow") != NULL;
  if (file) fclose(file);
  return count;
}

static uint64_t first_seed, round_count;

static void run_rounds(const char *kind, void (*round)(test_random *r)) {
  int descriptors = test_open_descriptors(), segments = mapped_segments();
  memset(&seen, 0, sizeof seen);
  test_name = round_name;
  for (uint64_t i = 0; i < round_count; i++) {
    snprintf(round_name, sizeof round_name, "%s (again: LAVA_FLOW_SEED=%" PRIu64 " LAVA_FLOW_FUZZ=1)", kind,
             first_seed + i);
    alarm(120); /* no round takes a second: this one hangs */
    test_random r = {first_seed + i};
    round(&r);
  }
  alarm(0);
  CHECK_EQ(test_open_descriptors(), descriptors);
  CHECK_EQ(mapped_segments(), segments);
}

/* One round alone, run again, need not show everything. */
#define CHECK_SEEN(what) CHECK(round_count < 1000 || (what) > 0)

/* Random, or nearly right: what a check that is off by one lets pass. */
static uint64_t odd_value(test_random *r, uint64_t old) {
  uint64_t power = UINT64_C(1) << test_below(r, 64);
  switch (test_below(r, 8)) {
    case 0: return old + 1;
    case 1: return old - 1;
    case 2: return old ^ power;
    case 3: return power;
    case 4: return power - 1;
    case 5: return 0;
    case 6: return UINT64_MAX - test_below(r, 4);
    default: return test_next(r);
  }
}

/* The same for a word of two halves. */
static uint64_t odd_word(test_random *r, uint64_t old) {
  uint64_t high = old >> 32, low = (uint32_t)old;
  switch (test_below(r, 3)) {
    case 0: return odd_value(r, old);
    case 1: return high << 32 | (uint32_t)odd_value(r, low);
    default: return odd_value(r, high) << 32 | low;
  }
}

/* ---- a channel with the test in its middle ---- */

static void connect_links(lf_link **one, int *one_socket, int32_t *other) {
  int sockets[2], bells[2];
  lf_link *link;
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, bells), 0);
  for (int i = 0; i < 2; i++) CHECK(lf_socket_prepare(sockets[i]) == 0 && lf_socket_prepare(bells[i]) == 0);
  CHECK_EQ(lf_link_adopt(sockets[0], bells[0], one), LF_OK);
  CHECK_EQ(lf_link_adopt(sockets[1], bells[1], &link), LF_OK);
  *one_socket = sockets[0];
  *other = CHECK_OK(lf_link_handle(link));
}

static void remember(channel *c, const lf_region_message *region) {
  c->known[c->known_count++ % KNOWN_MAX] = *region;
}

/* One of them; all zero where there is none. */
static lf_region_message some_region(const channel *c, test_random *r) {
  return c->known[test_below(r, c->known_count < KNOWN_MAX ? c->known_count + 1 : KNOWN_MAX)];
}

static void pass_on(channel *c) {
  lf_message *message;
  for (int i = 0; i < 100 && lf_link_take(c->from_producer, &message) == 1; i++) {
    lf_region_message region;
    if (message->kind == LF_KIND_REGION) {
      CHECK_EQ(message->length, sizeof region);
      memcpy(&region, message->data, sizeof region);
      remember(c, &region);
    }
    /* A consumer that failed does not read any more. */
    int32_t result = lf_link_put(c->to_consumer, message->kind, message->data, message->length, message->os);
    CHECK(result == 1 || (result == LF_FULL && c->consumer_failed));
  }
}

/* The producer, and its first message, which has the ring. */
static lf_message *open_producer(channel *c, test_random *r, int fenced) {
  int unused;
  lf_message *message;
  memset(c, 0, sizeof *c);
  connect_links(&c->from_producer, &unused, &c->producer_link);
  connect_links(&c->to_consumer, &c->socket, &c->consumer_link);
  c->slots = 2u << test_below(r, 4);
  c->producer = CHECK_OK(lf_producer_open(c->producer_link, c->slots, fenced));
  CHECK_EQ(lf_link_take(c->from_producer, &message), 1);
  CHECK_EQ(lf_segment_attach(message->os, lf_ring_bytes(c->slots), &c->segment), LF_OK);
  c->ring = c->segment.address;
  return message;
}

static void open_channel(channel *c, test_random *r) {
  int fenced = !lf_membarrier_viable() || test_below(r, 2);
  const lf_message *message = open_producer(c, r, fenced);
  CHECK_EQ(lf_link_put(c->to_consumer, message->kind, message->data, message->length, message->os), 1);
  c->consumer = CHECK_OK(lf_consumer_open(c->consumer_link, fenced));
  CHECK(c->consumer != LF_EMPTY);
}

/* ---- what the calls may say ---- */

static void read_all(const void *from, size_t length) {
  const volatile uint8_t *in = from;
  for (size_t i = 0; i < length; i++) (void)in[i];
}

static void consumer_status(channel *c, int32_t status) {
  if (c->consumer_failed) {
    CHECK_EQ(status, c->consumer_failed);
  } else if (status < 0 && status != LF_ECHANNEL_CLOSED && status != LF_EPEER_DIED) {
    /* Descriptors that can't be mapped as they should, and a head of another version, come over the link only. */
    CHECK(status == LF_ECORRUPT_SEGMENT ||
          (c->link_is_hostile && (status == LF_ESYSTEM || status == LF_EWIRE_VERSION_MISMATCH)));
    c->consumer_failed = status;
    seen.consumer_failed++;
  }
}

/* The producer's peer lives as long as the round, so it can't be called dead. */
static int32_t producer_status(channel *c, int32_t status) {
  if (c->producer_failed) {
    CHECK_EQ(status, c->producer_failed);
  } else if (status < 0 && status != LF_ECHANNEL_CLOSED) {
    CHECK_EQ(status, LF_ECORRUPT_SEGMENT);
    c->producer_failed = status;
    seen.producer_failed++;
  }
  return status;
}

static void keep(channel *c, uint32_t region) {
  lf_region_info info;
  int32_t result = lf_consumer_region(c->consumer, region, &info);
  if (result != LF_OK) CHECK_EQ(lf_consumer_keep(c->consumer, region), LF_EINVALID_ARGUMENT);
  if (result != LF_OK || c->kept_count == KNOWN_MAX) return;
  CHECK_EQ(lf_consumer_keep(c->consumer, region), LF_OK);
  for (uint32_t i = 0; i < c->kept_count; i++)
    if (c->kept[i].address == info.address) return;
  c->kept[c->kept_count++] = info;
}

static void release_one(channel *c, test_random *r) {
  if (c->held_count == 0) {
    CHECK_EQ(lf_consumer_release(c->consumer, (uint32_t)odd_value(r, 0)), LF_ECLOSED);
    return;
  }
  held_frame *frame = &c->held[test_below(r, c->held_count)];
  if (frame->at) read_all(frame->at, frame->length); /* whatever was dropped meanwhile, this is still mapped */
  CHECK_EQ(lf_consumer_release(c->consumer, frame->token), LF_OK);
  *frame = c->held[--c->held_count];
}

static void received(channel *c, test_random *r, const lf_frame *frame, int32_t result) {
  if (result < 0 || c->consumer_failed) {
    consumer_status(c, result);
  } else if (result == LF_RETIRE) {
    if (test_below(r, 4) == 0) keep(c, frame->region);
    CHECK_EQ(lf_consumer_retire(c->consumer, frame->region), LF_OK);
    CHECK_EQ(lf_consumer_retire(c->consumer, frame->region), LF_EINVALID_ARGUMENT);
    seen.retired++;
  } else if (result != LF_EMPTY && result != LF_TIMEOUT) {
    size_t length;
    const void *at = test_payload(c->consumer, frame, result, &length);
    read_all(at, length);
    if (result == LF_REGION) seen.large++;
    else seen.small++;
    c->held[c->held_count++] = (held_frame){result == LF_REGION ? at : NULL, length, test_token(frame, result)};
  }
}

/* ---- what both ends do meanwhile ---- */

static void consume(channel *c, test_random *r) {
  uint32_t region = some_region(c, r).region;
  lf_frame frame;
  lf_port_stats stats;
  int32_t result;
  if (c->held_count == HELD_MAX) release_one(c, r);
  switch (test_below(r, 16)) {
    case 0:
      result = lf_consumer_arm(c->consumer);
      CHECK(result <= 1);
      consumer_status(c, result);
      break;
    case 1:
      CHECK_EQ(lf_consumer_stats(c->consumer, &stats), LF_OK);
      CHECK(stats.queued >= 0 && stats.queued <= c->slots && stats.peer >= 0 && stats.peer <= 2);
      break;
    case 2:
      result = lf_consumer_retire(c->consumer, region);
      CHECK(result == LF_OK || result == LF_EINVALID_ARGUMENT);
      break;
    case 3: keep(c, region); break;
    case 4:
      result = lf_consumer_receive_wait(c->consumer, test_below(r, 2) ? 0.02 : 0, test_below(r, 2) ? 10 : 0, &frame);
      received(c, r, &frame, result);
      break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9: release_one(c, r); break;
    default:
      result = lf_consumer_receive(c->consumer, &frame);
      received(c, r, &frame, result);
  }
}

static int32_t sent(channel *c, int32_t result) {
  CHECK(result < 0 || result == 1 || result == LF_FULL);
  return producer_status(c, result);
}

static void use_loan(channel *c, test_random *r) {
  if (c->loan_length == 0) {
    double length = (double)(1 + test_below(r, 3000));
    if (sent(c, lf_producer_loan(c->producer, length, &c->loan)) == 1) c->loan_length = length;
    return;
  }
  lf_region_info info;
  CHECK_EQ(lf_producer_region(c->producer, c->loan.region, &info), LF_OK);
  CHECK(c->loan.offset >= 0 && c->loan.offset + c->loan_length <= info.size);
  memset((char *)(uintptr_t)info.address + (size_t)c->loan.offset, 1, (size_t)c->loan_length);
  if (test_below(r, 4) == 0) {
    CHECK_EQ(lf_producer_abort(c->producer, c->loan.block), LF_OK);
  } else if (sent(c, lf_producer_commit(c->producer, c->loan.block, c->loan_length)) < 0) {
    int32_t result = lf_producer_abort(c->producer, c->loan.block); /* it may have gone all the same */
    CHECK(result == LF_OK || result == LF_ECLOSED);
  }
  c->loan_length = 0;
}

static void use_reserved(channel *c, test_random *r) {
  if (!c->reserved) {
    c->reserved = sent(c, lf_producer_reserve(c->producer)) == 1;
    return;
  }
  if (test_below(r, 4) == 0) CHECK_EQ(lf_producer_abort_inline(c->producer), LF_OK);
  else sent(c, lf_producer_commit_inline(c->producer, bytes, (uint32_t)test_below(r, LF_INLINE_MAX + 1)));
  c->reserved = 0;
}

static void produce(channel *c, test_random *r) {
  int32_t memory = memories[test_below(r, 2)].handle, result;
  lf_port_stats stats;
  uint32_t region;
  switch (test_below(r, 16)) {
    case 0:
      result = lf_producer_arm(c->producer, (int32_t)test_below(r, 2));
      CHECK(result < 0 || c->producer_failed || (result >= 0 && result < LF_VALUE));
      producer_status(c, result);
      break;
    case 1:
      CHECK_EQ(lf_producer_stats(c->producer, &stats), LF_OK);
      CHECK(stats.queued >= 0 && stats.peer >= 0 && stats.peer <= 1);
      break;
    case 2:
      if (lf_producer_retirable(c->producer, &region) == 1) CHECK_EQ(lf_producer_retire(c->producer, region), LF_OK);
      break;
    case 3: CHECK_EQ(lf_producer_forget_memory(c->producer, memory), LF_OK); break;
    case 4:
    case 5: sent(c, lf_producer_send_memory(c->producer, memory)); break;
    case 6:
    case 7: use_loan(c, r); break;
    case 8:
    case 9: use_reserved(c, r); break;
    case 10:
    case 11:
    case 12: sent(c, lf_producer_send(c->producer, bytes, LF_INLINE_MAX + 1 + (uint32_t)test_below(r, 4000))); break;
    default: sent(c, lf_producer_send(c->producer, bytes, (uint32_t)test_below(r, LF_INLINE_MAX + 1)));
  }
}

static void step(channel *c, test_random *r) {
  if (test_below(r, 2)) produce(c, r);
  else consume(c, r);
  pass_on(c);
}

/* Both ends find out that the other is gone, in a bounded number of calls; then everything goes. */
static void close_channel(channel *c, test_random *r) {
  lf_link_release(c->from_producer);
  lf_link_release(c->to_consumer);
  CHECK(lf_producer_arm(c->producer, 0) < 0);
  if (c->consumer) {
    int32_t result = LF_EMPTY;
    lf_frame frame;
    /* It looks for a death every 1,024th time; before that come the messages of a full ring, and regions that go. */
    for (uint32_t i = 0; i < 4096 && result >= 0; i++) {
      if (c->held_count == HELD_MAX) release_one(c, r);
      result = lf_consumer_receive(c->consumer, &frame);
      received(c, r, &frame, result);
    }
    CHECK(result < 0);
    while (c->held_count) release_one(c, r);
    CHECK_EQ(lf_consumer_close(c->consumer), LF_OK);
  }
  CHECK_EQ(lf_producer_close(c->producer), LF_OK);
  CHECK_EQ(lf_link_close(c->producer_link), LF_OK);
  CHECK_EQ(lf_link_close(c->consumer_link), LF_OK);
  lf_segment_close(&c->segment);
  for (uint32_t i = 0; i < c->kept_count; i++) {
    if (c->kept[i].memory) CHECK_EQ(lf_memory_close(c->kept[i].memory), LF_OK);
    else CHECK_EQ(munmap((void *)(uintptr_t)c->kept[i].address, (size_t)c->kept[i].size), 0);
  }
}

/* ---- hostile words ---- */

UNSEEN static void poke(uint64_t *at, uint64_t value) { __atomic_store_n(at, value, __ATOMIC_RELAXED); }
UNSEEN static uint64_t peek(uint64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }

/* Any word that this side writes and the other one reads. */
static uint64_t *any_word(const channel *c, test_random *r, side as) {
  if (as == AS_PRODUCER) {
    uint64_t at = test_below(r, c->slots * 4 + 1);
    char *slot = (char *)&lf_ring_slots(c->ring)[at / 4];
    return at == c->slots * 4 ? (void *)&c->ring->producer : (void *)(slot + at % 4 * 8); /* the word, the descriptor */
  }
  switch (test_below(r, 4)) {
    case 0: return (void *)&c->ring->taken;
    case 1: return (void *)&c->ring->released;
    case 2: return (void *)&c->ring->consumer;
    default: return (void *)&c->ring->returns[test_below(r, 32)];
  }
}

/* A message that the producer never sent, in the slot that is read next: right but for a field or two. */
static void forge_message(channel *c, test_random *r) {
  uint64_t position = peek((void *)&c->ring->taken);
  lf_slot *slot = &lf_ring_slots(c->ring)[position & (c->slots - 1)];
  uint64_t length = test_below(r, LF_INLINE_MAX + 1);
  lf_region_message region = some_region(c, r);
  if (region.size && test_below(r, 4)) {
    uint64_t size = 1 + test_below(r, region.size);
    lf_descriptor d = {region.region, region.pooled ? 4095 - (uint32_t)test_below(r, 32) : LF_NO_BLOCK,
                       test_below(r, region.size - size + 1), size};
    switch (test_below(r, 8)) {
      case 0: d.region = (uint32_t)odd_value(r, d.region); break;
      case 1: d.block = (uint32_t)odd_value(r, d.block); break;
      case 2: d.block = LF_BLOCKS_MAX; break;
      case 3: d.offset = odd_value(r, region.size); break;
      case 4: d.length = odd_value(r, region.size); break;
      case 5: d.offset = region.size - d.length + 1; break;
      default: break;
    }
    memcpy(slot->payload, &d, sizeof d);
    length = LF_LENGTH_REGION;
  }
  if (test_below(r, 8) == 0) length = (uint32_t)odd_value(r, length);
  poke((void *)&slot->word, length << 32 | lf_sequence(position));
}

/* A block that the consumer never had, or has still, comes back. */
static void forge_return(channel *c, test_random *r) {
  uint32_t next = 0;
  while (next < LF_BLOCKS_MAX - 1 && (uint32_t)peek((void *)&c->ring->returns[next]) == lf_sequence(next)) next++;
  uint64_t block = test_below(r, 4) ? test_below(r, 64) : (uint32_t)odd_value(r, LF_BLOCKS_MAX);
  poke((void *)&c->ring->returns[next], block << 32 | lf_sequence(next));
}

static void noise(channel *c, test_random *r) {
  uint64_t position = peek((void *)&c->ring->taken);
  for (uint64_t i = 0; i < c->slots; i++) {
    lf_slot *slot = &lf_ring_slots(c->ring)[(position + i) & (c->slots - 1)];
    test_fill(slot, sizeof *slot, test_next(r));
    if (test_below(r, 2)) poke((void *)&slot->word, odd_value(r, LF_LENGTH_REGION) << 32 | lf_sequence(position + i));
  }
}

static void write_word(channel *c, test_random *r, side as) {
  uint64_t *word = any_word(c, r, as);
  uint64_t kind = test_below(r, 8);
  if (kind < 2) poke(word, odd_word(r, peek(word)));
  else if (as == AS_CONSUMER) forge_return(c, r);
  else if (kind == 2) noise(c, r);
  else forge_message(c, r);
}

static void hostile_ring(test_random *r, side as) {
  channel c;
  open_channel(&c, r);
  /* The first half is left alone now and then, so that there is much to spoil. */
  uint64_t quiet = test_below(r, 60), pace = 1 + test_below(r, 12);
  for (uint64_t i = 0; i < 80; i++) {
    step(&c, r);
    if (i >= quiet && test_below(r, pace) == 0) write_word(&c, r, as);
  }
  close_channel(&c, r);
}

static void producer_words(test_random *r) { hostile_ring(r, AS_PRODUCER); }
static void consumer_words(test_random *r) { hostile_ring(r, AS_CONSUMER); }

static void hostile_producer(void) {
  run_rounds("hostile_producer", producer_words);
  CHECK_SEEN(seen.small && seen.large && seen.retired && seen.consumer_failed);
}

static void hostile_consumer(void) {
  run_rounds("hostile_consumer", consumer_words);
  CHECK_SEEN(seen.small && seen.large && seen.retired && seen.producer_failed);
}

/* ---- a thread that writes words while the other side reads them ---- */

typedef struct {
  const channel *c;
  test_random random;
  side as;
  _Atomic int stop;
} vandal;

/* One word back and forth, as fast as it goes: what is read twice is read differently. */
static void toggle(vandal *v) {
  uint64_t *word = any_word(v->c, &v->random, v->as), old = peek(word), other = odd_word(&v->random, old);
  while (!atomic_load_explicit(&v->stop, memory_order_relaxed)) {
    poke(word, other);
    poke(word, old);
  }
}

static void scatter(vandal *v) {
  while (!atomic_load_explicit(&v->stop, memory_order_relaxed)) {
    uint64_t *word = any_word(v->c, &v->random, v->as), old = peek(word);
    poke(word, odd_word(&v->random, old));
    for (uint64_t i = test_below(&v->random, 50); i > 0; i--) lf_relax();
    poke(word, old);
    for (uint64_t i = test_below(&v->random, 2000); i > 0; i--) lf_relax();
  }
}

static void vandalise(void *given) {
  vandal *v = given;
  if (test_below(&v->random, 2)) toggle(v);
  else scatter(v);
}

static void concurrent_words(test_random *r) {
  channel c;
  open_channel(&c, r);
  vandal v = {.c = &c, .random = {test_next(r)}, .as = test_below(r, 2) ? AS_PRODUCER : AS_CONSUMER};
  test_thread thread;
  test_start(&thread, vandalise, &v);
  for (int i = 0; i < 200 && !c.consumer_failed && !c.producer_failed; i++) step(&c, r);
  for (int i = 0; i < 20; i++) step(&c, r);
  atomic_store(&v.stop, 1);
  test_join(&thread);
  close_channel(&c, r);
}

static void hostile_thread(void) {
  run_rounds("hostile_thread", concurrent_words);
  CHECK_SEEN(seen.small && seen.large && seen.retired && seen.consumer_failed && seen.producer_failed);
}

/* ---- hostile messages ---- */

/* As link_posix.c has it: a message that was not spoilt has to be understood. */
typedef struct {
  uint32_t magic;
  uint16_t version, kind;
  uint32_t length, handles;
} wire_head;

typedef struct {
  wire_head head;
  union {
    uint64_t size;
    lf_region_message region;
    lf_drop_message drop;
    uint8_t bytes[48];
  } body;
} wire_message;

static wire_message message_of(uint32_t kind, uint32_t length, int with_handle) {
  wire_message m;
  memset(&m, 0, sizeof m);
  m.head = (wire_head){0x574c464cu, LF_WIRE_VERSION, (uint16_t)kind, length, with_handle != 0};
  return m;
}

static wire_message region_message(lf_region_message region) {
  wire_message m = message_of(LF_KIND_REGION, sizeof region, 1);
  m.body.region = region;
  return m;
}

static void write_raw(const channel *c, const void *from, size_t size, int fd) {
  struct iovec part = {(void *)(uintptr_t)from, size};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  CHECK_EQ(sendmsg(c->socket, &message, 0), size);
}

#define GOOD_BYTES 8192u

/* Descriptors that a peer may pass. Only the first is what it should be: a sealed segment of GOOD_BYTES. */
static int descriptors[16];
static uint32_t descriptor_count;

#if defined(__linux__)
static int new_memfd(size_t size, unsigned flags, int seals) {
  int fd = memfd_create("lava-flow", MFD_CLOEXEC | flags);
  CHECK(fd >= 0);
  CHECK_EQ(ftruncate(fd, (off_t)size), 0);
  if (seals) CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
  return fd;
}
#endif

static void open_descriptors(void) {
  lf_segment good;
  int ends[2], sockets[2], count = 0;
  CHECK_EQ(lf_segment_create(GOOD_BYTES, &good), LF_OK);
  CHECK_EQ(pipe(ends), 0);
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  descriptors[count++] = (int)good.os;
  munmap(good.address, good.size);
  descriptors[count++] = ends[0];
  descriptors[count++] = ends[1];
  descriptors[count++] = sockets[0];
  descriptors[count++] = sockets[1];
  descriptors[count++] = open("/", O_RDONLY);
  descriptors[count++] = open("/dev/null", O_RDWR);
#if defined(__linux__)
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptors[0]);
  descriptors[count++] = open(path, O_RDONLY); /* sealed, but can't be mapped for writing */
  descriptors[count++] = new_memfd(GOOD_BYTES, MFD_ALLOW_SEALING, 0);
  descriptors[count++] = new_memfd(GOOD_BYTES, MFD_ALLOW_SEALING, F_SEAL_GROW);
  descriptors[count++] = new_memfd(GOOD_BYTES, 0, 0);
  descriptors[count++] = new_memfd(GOOD_BYTES, MFD_ALLOW_SEALING, F_SEAL_SHRINK | F_SEAL_WRITE);
  descriptors[count++] = new_memfd(0, MFD_ALLOW_SEALING, F_SEAL_SHRINK);
#endif
  for (int i = 0; i < count; i++) CHECK(descriptors[i] >= 0);
  descriptor_count = (uint32_t)count;
}

static void close_descriptors(void) {
  for (uint32_t i = 0; i < descriptor_count; i++) close(descriptors[i]);
}

static int wrong_descriptor(test_random *r) { return descriptors[1 + test_below(r, descriptor_count - 1)]; }

/* Reads the link, as every call does that may sleep. */
static int32_t read_messages(channel *c) {
  int32_t result = lf_consumer_arm(c->consumer);
  consumer_status(c, result);
  return result;
}

/* In up to three pieces, between which the consumer looks. */
static void write_message(channel *c, test_random *r, const void *from, size_t size, int fd) {
  for (size_t at = 0; at < size; fd = -1) {
    size_t some = test_below(r, 2) ? size - at : 1 + test_below(r, size - at);
    write_raw(c, (const char *)from + at, some, fd);
    at += some;
    if (test_below(r, 2)) read_messages(c);
  }
}

/* Right in all but one thing; or in all, and then it has to be taken. Returns whether the message is complete. */
static int hostile_message(channel *c, test_random *r) {
  static uint32_t next_region = 0x70000000;
  lf_region_message add = {++next_region, (uint32_t)test_below(r, 2), 1 + test_below(r, GOOD_BYTES)};
  lf_region_message known = some_region(c, r);
  wire_message m = region_message(add);
  int fd = descriptors[0], spoilt = 1;
  size_t extra = 0;
  switch (test_below(r, 16)) {
    case 0: fd = -1; break;
    case 1: fd = -1, m.head.handles = 0; break;
    case 2: fd = wrong_descriptor(r); break;
    case 3: m.body.region.size = odd_value(r, GOOD_BYTES); break;
    case 4: m.body.region.size = GOOD_BYTES + 1 + test_below(r, 4096); break;
    case 5: m.body.region.region = known.region; break;
    case 6: m.head.length = (uint32_t)test_below(r, sizeof m.body + 1); break;
    case 7: m.head.length = (uint32_t)odd_value(r, LF_LINK_MESSAGE_MAX), extra = test_below(r, sizeof bytes); break;
    case 8: m.head.kind = (uint16_t)odd_value(r, LF_KIND_REGION); break;
    case 9: m.head.handles = (uint32_t)odd_value(r, 1); break;
    case 10: m.head.version = (uint16_t)odd_value(r, LF_WIRE_VERSION); break;
    case 11:
    case 12: /* a live region goes: at once, at some time, never */
      m = message_of(LF_KIND_DROP, sizeof m.body.drop, test_below(r, 8) == 0);
      m.body.drop = (lf_drop_message){known.region, 0, test_below(r, 2) ? test_below(r, 64) : odd_value(r, 0)};
      if (!m.head.handles) fd = -1;
      break;
    case 13: test_fill(&m, sizeof m, test_next(r)); break;
    default: spoilt = 0;
  }
  uint32_t body = m.head.length <= sizeof m.body ? m.head.length : (uint32_t)sizeof m.body;
  write_message(c, r, &m, sizeof m.head + body, fd);
  if (extra) write_message(c, r, bytes, extra, -1);
  if (spoilt) return m.head.length == body + extra;
  lf_region_info info;
  read_messages(c);
  remember(c, &add);
  if (c->consumer_failed) return 0;
  CHECK_EQ(lf_consumer_region(c->consumer, add.region, &info), LF_OK);
  CHECK(info.size == (double)add.size && (info.memory != 0) == !add.pooled);
  seen.opened++;
  return 1;
}

static void link_messages(test_random *r) {
  channel c;
  open_channel(&c, r);
  c.link_is_hostile = 1;
  int whole = 1;
  for (int i = 0; i < 60; i++) {
    step(&c, r);
    if (test_below(r, 4) == 0) forge_message(&c, r);
    if (whole && !c.consumer_failed && test_below(r, 4) == 0) whole = hostile_message(&c, r);
  }
  close_channel(&c, r);
}

static void hostile_link(void) {
  open_descriptors();
  run_rounds("hostile_link", link_messages);
  CHECK_SEEN(seen.opened && seen.large && seen.retired && seen.consumer_failed);
  close_descriptors();
}

/* A message comes in any two pieces, with its descriptor, and is whole or not there. */
static void split_anywhere(test_random *r) {
  channel c;
  open_channel(&c, r);
  wire_message m = region_message((lf_region_message){0, 0, GOOD_BYTES});
  size_t size = sizeof m.head + sizeof m.body.region;
  for (size_t at = 1; at < size; at++) {
    lf_region_info info;
    m.body.region.region = (uint32_t)at;
    m.body.region.pooled = at & 1;
    write_raw(&c, &m, at, descriptors[0]);
    CHECK_OK(read_messages(&c));
    CHECK_EQ(lf_consumer_region(c.consumer, (uint32_t)at, &info), LF_EINVALID_ARGUMENT);
    write_raw(&c, (char *)&m + at, size - at, -1);
    CHECK_OK(read_messages(&c));
    CHECK_EQ(lf_consumer_region(c.consumer, (uint32_t)at, &info), LF_OK);
  }
  write_raw(&c, &m, test_below(r, size) + 1, descriptors[0]); /* and then the peer is gone */
  close_channel(&c, r);
}

static void split_messages(void) {
  uint64_t all = round_count;
  round_count = all < 20 ? all : 20;
  open_descriptors();
  run_rounds("split_messages", split_anywhere);
  close_descriptors();
  round_count = all;
}

/* ---- hostile heads ---- */

static void works(channel *c) {
  lf_frame frame;
  CHECK_EQ(lf_producer_send(c->producer, bytes, 100), 1);
  CHECK_EQ(lf_producer_send(c->producer, bytes, 1000), 1);
  pass_on(c);
  for (int i = 0; i < 2; i++) {
    size_t length;
    int32_t result = lf_consumer_receive(c->consumer, &frame);
    const void *at = test_payload(c->consumer, &frame, result, &length);
    CHECK(length == (i ? 1000 : 100) && memcmp(at, bytes, length) == 0);
    CHECK_EQ(lf_consumer_release(c->consumer, test_token(&frame, result)), LF_OK);
  }
}

/* Either the head in the segment is spoilt or the message that brings it. The consumer opens when nothing was changed. */
static void segment_head(test_random *r) {
  channel c;
  lf_message *message = open_producer(&c, r, 1);
  wire_message m = message_of(LF_KIND_SEGMENT, sizeof m.body.size, 1);
  m.body.size = c.segment.size;
  wire_message wanted = m;
  lf_ring_head *head = &c.ring->head, right = *head;
  int fd = (int)message->os;
  switch (test_below(r, 12)) {
    case 0: m.head.magic = (uint32_t)odd_value(r, m.head.magic); break;
    case 1: m.head.version = (uint16_t)odd_value(r, m.head.version); break;
    case 2: m.head.kind = (uint16_t)odd_value(r, m.head.kind); break;
    case 3: m.head.length = (uint32_t)test_below(r, 16); break;
    case 4: m.body.size = odd_value(r, m.body.size); break;
    case 5: fd = test_below(r, 2) ? wrong_descriptor(r) : descriptors[0]; break;
    case 6: test_fill(head, sizeof *head, test_next(r)); break;
    default: {
      uint32_t *word = (uint32_t *)head + test_below(r, sizeof *head / sizeof *word);
      *word = (uint32_t)odd_value(r, *word);
    }
  }
  int changed = fd != message->os || memcmp(&m, &wanted, sizeof m) != 0 || memcmp(head, &right, sizeof right) != 0;
  write_raw(&c, &m, sizeof m.head + (m.head.length <= 48 ? m.head.length : 48), fd);
  int32_t result = lf_consumer_open(c.consumer_link, 1);
  if (!changed) {
    c.consumer = CHECK_OK(result);
    works(&c);
    seen.opened++;
  } else {
    CHECK(result == LF_ECORRUPT_SEGMENT || result == LF_EWIRE_VERSION_MISMATCH || result == LF_ESYSTEM);
    seen.refused++;
  }
  close_channel(&c, r);
}

static void hostile_head(void) {
  open_descriptors();
  run_rounds("hostile_head", segment_head);
  CHECK_SEEN(seen.opened && seen.refused);
  close_descriptors();
}

int main(void) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGALRM};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], on_signal);
  signal(SIGPIPE, SIG_IGN);
  first_seed = test_number("LAVA_FLOW_SEED", 1);
  round_count = test_number("LAVA_FLOW_FUZZ", 2000);
  test_fill(bytes, sizeof bytes, 1);
  for (int i = 0; i < 2; i++)
    CHECK_EQ(lf_memory_allocate(LF_MEMORY_SHARED, 5000 + i, -1, &memories[i]), LF_OK);
  RUN(hostile_head);
  RUN(hostile_producer);
  RUN(hostile_consumer);
  RUN(hostile_thread);
  RUN(split_messages);
  RUN(hostile_link);
  return 0;
}
