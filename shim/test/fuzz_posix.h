/*
 * A hostile peer. Both ends of a channel are real. The test sits between them: it maps their ring, too, and forwards
 * the producer's messages. So it can do all that a hostile process can: write into the ring and into the connection.
 * After each write, a call returns a frame within its memory, or a clean error.
 *
 * LAVA_FLOW_FUZZ rounds of each kind. A failing round names the seed that starts with it.
 */
#ifndef LF_TEST_FUZZ_H
#define LF_TEST_FUZZ_H

#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "host/pool.h"
#include "abi/link.h"
#include "ipc/link_posix.h"
#include "process_posix.h"
#include "rings.h"
#include "base/thread.h"
#include "shm/ring.h"

/* ThreadSanitizer is to look for races of the shim with itself, not with a peer that breaks every rule. */
#if defined(__clang__)
#define UNSEEN __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define UNSEEN __attribute__((noinline))
#endif

#define HELD_MAX 32u
#define KNOWN_MAX 16u

typedef struct {
  const void *at; /* NULL for an inline payload, and for memory that is not mapped */
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
  void *memory_held[KNOWN_MAX];
  uint32_t held_memory;
} channel;

/* What came of it all: a kind of round in which one of these stays 0 tests nothing. */
static struct {
  uint64_t opened, refused, small, large, retired, consumer_failed, producer_failed;
} seen;

static lf_memory_info memories[2];
static uint8_t any_bytes[8192];

/* ---- rounds ---- */

static char round_name[160];

static inline void on_signal(int number) {
  static const char crashed[] = "FAIL by a signal: ";
  ssize_t ignored = write(1, crashed, sizeof crashed - 1);
  ignored = write(1, round_name, strlen(round_name));
  ignored = write(1, "\n", 1);
  (void)ignored;
  signal(number, SIG_DFL);
  raise(number);
}

static inline int mapped_segments(void) {
  int count = 0;
  FILE *file = fopen("/proc/self/maps", "re");
  char line[512];
  while (file && fgets(line, sizeof line, file)) count += strstr(line, "memfd:lava-flow") != NULL;
  if (file) fclose(file);
  return count;
}

/* Seconds for the rounds of one kind where LAVA_FLOW_FUZZ does not say how many: a machine whose page faults are slow
 * runs fewer of them. A program has up to three kinds, and the check allows it 300 s. */
#define KIND_SECONDS 60

static uint64_t first_seed, round_count, rounds_done;
static time_t kind_seconds; /* 0: without a limit */

static inline void start_fuzzing(uint64_t rounds) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGALRM};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], on_signal);
  first_seed = test_number("LAVA_FLOW_SEED", 1);
  round_count = test_number("LAVA_FLOW_FUZZ", rounds);
  kind_seconds = getenv("LAVA_FLOW_FUZZ") ? 0 : KIND_SECONDS;
  test_fill(any_bytes, sizeof any_bytes, 1);
  for (int i = 0; i < 2; i++) CHECK_EQ(lf_memory_allocate(LF_MEMORY_SHARED, 5000 + i, -1, &memories[i]), LF_OK);
}

static inline void run_rounds(const char *kind, void (*round)(test_random *r)) {
  int descriptors = test_open_descriptors(), segments = mapped_segments();
  memset(&seen, 0, sizeof seen);
  test_name = round_name;
  const time_t began = time(NULL);
  for (rounds_done = 0; rounds_done < round_count; rounds_done++) {
    const uint64_t i = rounds_done;
    if (kind_seconds && time(NULL) - began >= kind_seconds) {
      printf("# %s: %" PRIu64 " of %" PRIu64 " rounds in %d s\n", kind, i, round_count, KIND_SECONDS);
      break;
    }
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

/* Few rounds, as one that is run again, need not show everything. */
#define CHECK_SEEN(what) CHECK(rounds_done < 1000 || (what) > 0)

/* Random or nearly valid, to pass a check that is off by one. */
static inline uint64_t odd_value(test_random *r, uint64_t old) {
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
static inline uint64_t odd_word(test_random *r, uint64_t old) {
  uint64_t high = old >> 32, low = (uint32_t)old;
  switch (test_below(r, 3)) {
    case 0: return odd_value(r, old);
    case 1: return high << 32 | (uint32_t)odd_value(r, low);
    default: return odd_value(r, high) << 32 | low;
  }
}

/* ---- a channel with the test in its middle ---- */

static inline void connect_links(lf_link **one, int *one_socket, int32_t *other) {
  int sockets[2], event_fds[2];
  lf_link *link;
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, event_fds), 0);
  for (int i = 0; i < 2; i++) CHECK(lf_socket_prepare(sockets[i]) == 0 && lf_socket_prepare(event_fds[i]) == 0);
  CHECK_EQ(lf_link_adopt(sockets[0], event_fds[0], one), LF_OK);
  CHECK_EQ(lf_link_adopt(sockets[1], event_fds[1], &link), LF_OK);
  *one_socket = sockets[0];
  *other = CHECK_OK(lf_link_handle(link));
}

static inline void remember(channel *c, const lf_region_message *region) {
  c->known[c->known_count++ % KNOWN_MAX] = *region;
}

/* One of them; all zero where there is none. */
static inline lf_region_message some_region(const channel *c, test_random *r) {
  return c->known[test_below(r, c->known_count < KNOWN_MAX ? c->known_count + 1 : KNOWN_MAX)];
}

static inline void pass_on(channel *c) {
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
static inline lf_message *open_producer(channel *c, test_random *r, int fenced) {
  int unused;
  lf_message *message;
  memset(c, 0, sizeof *c);
  connect_links(&c->from_producer, &unused, &c->producer_link);
  connect_links(&c->to_consumer, &c->socket, &c->consumer_link);
  c->slots = 2u << test_below(r, 4);
  c->producer = CHECK_OK(lf_shm_tx_open(c->producer_link, c->slots, fenced));
  CHECK_EQ(lf_link_take(c->from_producer, &message), 1);
  CHECK_EQ(lf_segment_attach(message->os, lf_ring_bytes(c->slots), &c->segment), LF_OK);
  c->ring = c->segment.address;
  return message;
}

static inline void open_channel(channel *c, test_random *r) {
  int fenced = !lf_membarrier_viable() || test_below(r, 2);
  const lf_message *message = open_producer(c, r, fenced);
  CHECK_EQ(lf_link_put(c->to_consumer, message->kind, message->data, message->length, message->os), 1);
  c->consumer = CHECK_OK(lf_shm_rx_open(c->consumer_link, fenced));
  CHECK(c->consumer != LF_EMPTY);
}

/* ---- allowed results ---- */

static inline void read_bytes(const void *from, size_t length) {
  const volatile uint8_t *in = from;
  for (size_t i = 0; i < length; i++) (void)in[i];
}

static inline void consumer_status(channel *c, int32_t status) {
  if (c->consumer_failed) {
    CHECK_EQ(status, c->consumer_failed);
  } else if (status < 0 && status != LF_ECHANNEL_CLOSED && status != LF_EPEER_DIED) {
    /* Descriptors that can't be mapped as they should, and a head of another version, come over the link only. */
    CHECK(status == LF_ECORRUPT_SEGMENT ||
          (c->link_is_hostile &&
           (status == LF_ESYSTEM || status == LF_EWIRE_VERSION_MISMATCH || status == LF_EEXTERNAL_HANDLE_MISMATCH ||
            status == LF_EGPU_OUT_OF_MEMORY || status == LF_EEXTERNAL_MEMORY_UNSUPPORTED)));
    c->consumer_failed = status;
    seen.consumer_failed++;
  }
}

/* The producer's peer lives as long as the round, so it can't be called dead. */
static inline int32_t producer_status(channel *c, int32_t status) {
  if (c->producer_failed) {
    CHECK_EQ(status, c->producer_failed);
  } else if (status < 0 && status != LF_ECHANNEL_CLOSED) {
    CHECK_EQ(status, LF_ECORRUPT_SEGMENT);
    c->producer_failed = status;
    seen.producer_failed++;
  }
  return status;
}

/* As an ArrayBuffer does that could not be detached. */
static inline void hold(channel *c, uint32_t region) {
  lf_region_info info;
  if (lf_rx_region(c->consumer, region, &info) != LF_OK || !info.address || c->held_memory == KNOWN_MAX) return;
  c->memory_held[c->held_memory] = (void *)(uintptr_t)info.address;
  CHECK_EQ(lf_backing_retain(c->memory_held[c->held_memory++], NULL), LF_OK);
}

static inline void release_one(channel *c, test_random *r) {
  if (c->held_count == 0) {
    CHECK_EQ(lf_rx_release(c->consumer, (uint32_t)odd_value(r, 0)), LF_ECLOSED);
    return;
  }
  held_frame *frame = &c->held[test_below(r, c->held_count)];
  if (frame->at) read_bytes(frame->at, frame->length); /* whatever was dropped meanwhile, this is still mapped */
  int32_t result = lf_rx_release(c->consumer, frame->token);
  CHECK(result == LF_OK || result == LF_PENDING);
  *frame = c->held[--c->held_count];
}

static inline void received(channel *c, test_random *r, const lf_frame *frame, int32_t result) {
  if (result < 0 || c->consumer_failed) {
    consumer_status(c, result);
  } else if (result == LF_RETIRE) {
    if (test_below(r, 4) == 0) hold(c, frame->region);
    CHECK_EQ(lf_rx_retire(c->consumer, frame->region), LF_OK);
    CHECK_EQ(lf_rx_retire(c->consumer, frame->region), LF_EINVALID_ARGUMENT);
    seen.retired++;
  } else if (result != LF_EMPTY && result != LF_TIMEOUT) {
    size_t length;
    const void *at = test_payload(c->consumer, frame, result, &length);
    if (at) read_bytes(at, length);
    if (result == LF_REGION) seen.large++;
    else seen.small++;
    c->held[c->held_count++] = (held_frame){result == LF_REGION ? at : NULL, length, test_token(frame, result)};
  }
}

/* ---- what both ends do meanwhile ---- */

static inline void consume(channel *c, test_random *r) {
  uint32_t region = some_region(c, r).region;
  lf_frame frame;
  lf_end_stats stats;
  int32_t result;
  if (c->held_count == HELD_MAX) release_one(c, r);
  switch (test_below(r, 16)) {
    case 0:
      result = lf_rx_arm(c->consumer);
      CHECK(result <= 1);
      consumer_status(c, result);
      break;
    case 1:
      CHECK_EQ(lf_rx_stats(c->consumer, &stats), LF_OK);
      CHECK(stats.queued >= 0 && stats.queued <= c->slots && stats.peer >= 0 && stats.peer <= 2);
      break;
    case 2:
      result = lf_rx_retire(c->consumer, region);
      CHECK(result == LF_OK || result == LF_EINVALID_ARGUMENT);
      break;
    case 3: hold(c, region); break;
    case 4:
      result = lf_rx_receive_wait(c->consumer, test_below(r, 2) ? 0.02 : 0, test_below(r, 2) ? 10 : 0, &frame);
      received(c, r, &frame, result);
      break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9: release_one(c, r); break;
    default:
      result = lf_rx_receive(c->consumer, &frame);
      received(c, r, &frame, result);
  }
}

static inline int32_t sent(channel *c, int32_t result) {
  CHECK(result < 0 || result == 1 || result == LF_FULL);
  return producer_status(c, result);
}

static inline void use_loan(channel *c, test_random *r) {
  if (c->loan_length == 0) {
    double length = (double)(1 + test_below(r, 3000));
    if (sent(c, lf_tx_loan(c->producer, length, &c->loan)) == 1) c->loan_length = length;
    return;
  }
  lf_region_info info;
  CHECK_EQ(lf_tx_region(c->producer, c->loan.region, &info), LF_OK);
  CHECK(c->loan.offset >= 0 && c->loan.offset + c->loan_length <= info.size);
  memset((char *)(uintptr_t)info.address + (size_t)c->loan.offset, 1, (size_t)c->loan_length);
  int32_t (*commit)(int32_t, uint32_t, double) = test_below(r, 2) ? lf_shm_tx_commit_staged : lf_tx_commit;
  if (test_below(r, 4) == 0) {
    CHECK_EQ(lf_tx_abort(c->producer, c->loan.block), LF_OK);
  } else if (sent(c, commit(c->producer, c->loan.block, c->loan_length)) < 0) {
    int32_t result = lf_tx_abort(c->producer, c->loan.block); /* it may have gone all the same */
    CHECK(result == LF_OK || result == LF_ECLOSED);
  }
  c->loan_length = 0;
}

static inline void use_reserved(channel *c, test_random *r) {
  if (!c->reserved) {
    c->reserved = sent(c, lf_tx_reserve(c->producer)) == 1;
    return;
  }
  if (test_below(r, 4) == 0) CHECK_EQ(lf_tx_abort_inline(c->producer), LF_OK);
  else sent(c, lf_tx_commit_inline(c->producer, any_bytes, (uint32_t)test_below(r, LF_INLINE_MAX + 1)));
  c->reserved = 0;
}

static inline void produce(channel *c, test_random *r) {
  int32_t memory = memories[test_below(r, 2)].handle, result;
  lf_end_stats stats;
  uint32_t region;
  switch (test_below(r, 16)) {
    case 0:
      result = lf_tx_arm(c->producer, (int32_t)test_below(r, 2));
      CHECK(result < 0 || c->producer_failed || (result >= 0 && result < LF_VALUE));
      producer_status(c, result);
      break;
    case 1:
      CHECK_EQ(lf_tx_stats(c->producer, &stats), LF_OK);
      CHECK(stats.queued >= 0 && stats.peer >= 0 && stats.peer <= 1);
      break;
    case 2:
      if (lf_tx_retirable(c->producer, &region) == 1) CHECK_EQ(lf_tx_retire(c->producer, region), LF_OK);
      break;
    case 3:
      if (test_below(r, 2)) {
        CHECK_EQ(lf_shm_tx_forget_memory(c->producer, memory), LF_OK);
        break;
      }
      result = lf_shm_tx_unreleased(c->producer, memory);
      CHECK(result <= 160); /* no more than there are steps */
      if (!c->producer_failed) producer_status(c, result);
      else CHECK_EQ(result, 0); /* nothing counts any more */
      break;
    case 4:
    case 5: sent(c, lf_shm_tx_send_memory(c->producer, memory)); break;
    case 6:
    case 7: use_loan(c, r); break;
    case 8:
    case 9: use_reserved(c, r); break;
    case 10:
    case 11:
    case 12: sent(c, lf_tx_send(c->producer, any_bytes, LF_INLINE_MAX + 1 + (uint32_t)test_below(r, 4000))); break;
    default: sent(c, lf_tx_send(c->producer, any_bytes, (uint32_t)test_below(r, LF_INLINE_MAX + 1)));
  }
}

static inline void step(channel *c, test_random *r) {
  if (test_below(r, 2)) produce(c, r);
  else consume(c, r);
  pass_on(c);
}

/* Both ends find out that the other is gone, in a bounded number of calls; then everything goes. */
static inline void close_channel(channel *c, test_random *r) {
  lf_link_release(c->from_producer);
  lf_link_release(c->to_consumer);
  int32_t armed = LF_OK;
  for (uint32_t i = 0; i < 4096 && armed >= 0; i++) armed = lf_tx_arm(c->producer, 0);
  CHECK(armed < 0);
  if (c->consumer) {
    int32_t result = LF_EMPTY;
    lf_frame frame;
    /* The death is polled for every 1,024th time. Before that come the messages of a full ring, and dropped regions. */
    for (uint32_t i = 0; i < 4096 && result >= 0; i++) {
      if (c->held_count == HELD_MAX) release_one(c, r);
      result = lf_rx_receive(c->consumer, &frame);
      received(c, r, &frame, result);
    }
    CHECK(result < 0);
    while (c->held_count) release_one(c, r);
    CHECK_EQ(lf_rx_close(c->consumer), LF_OK);
  }
  CHECK_EQ(lf_tx_close(c->producer), LF_OK);
  CHECK_EQ(lf_link_close(c->producer_link), LF_OK);
  CHECK_EQ(lf_link_close(c->consumer_link), LF_OK);
  lf_segment_close(&c->segment);
  /* Held frames can be read up to here, whatever was dropped, retired and closed. */
  for (uint32_t i = 0; i < c->held_memory; i++) {
    (void)*(volatile uint8_t *)c->memory_held[i];
    CHECK_EQ(lf_backing_release(c->memory_held[i]), LF_OK);
  }
}

/* ---- hostile words ---- */

UNSEEN static void poke(uint64_t *at, uint64_t value) { __atomic_store_n(at, value, __ATOMIC_RELAXED); }
UNSEEN static uint64_t peek(uint64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }

/* A message that the producer never sent, in the slot that is read next: right but for a field or two. */
static inline void forge_message(channel *c, test_random *r) {
  uint64_t position = peek((void *)&c->ring->taken);
  lf_slot *slot = &lf_ring_slots(c->ring)[position & (c->slots - 1)];
  uint64_t length = test_below(r, LF_INLINE_MAX + 1);
  lf_region_message region = some_region(c, r);
  if (region.size && test_below(r, 4)) {
    uint64_t size = 1 + test_below(r, region.size);
    int pooled = region.kind == LF_REGION_POOLED;
    lf_descriptor d = {.region = region.region,
                       .block = pooled ? 4095 - (uint32_t)test_below(r, 32) : LF_NO_BLOCK,
                       .offset = test_below(r, region.size - size + 1),
                       .length = size,
                       .staged = pooled && test_below(r, 2)};
    switch (test_below(r, 12)) {
      case 0: d.region = (uint32_t)odd_value(r, d.region); break;
      case 1: d.block = (uint32_t)odd_value(r, d.block); break;
      case 2: d.block = LF_BLOCKS_MAX; break;
      case 3: d.offset = odd_value(r, region.size); break;
      case 4: d.length = odd_value(r, region.size); break;
      case 5: d.offset = region.size - d.length + 1; break;
      case 6: d.wait = odd_value(r, 0); break;
      case 7: d.staged = (uint32_t)odd_value(r, d.staged); break;
      case 8: d.reserved = (uint32_t)odd_value(r, 0); break;
      default: break;
    }
    memcpy(slot->payload, &d, sizeof d);
    length = LF_LENGTH_REGION;
  }
  if (test_below(r, 8) == 0) length = (uint32_t)odd_value(r, length);
  poke((void *)&slot->word, length << 32 | lf_sequence(position));
}

#endif
