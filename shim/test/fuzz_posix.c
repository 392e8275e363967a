/* Words that a hostile peer writes into the ring, between the calls and during them. */
#include "fuzz_posix.h"
#include "host/pool.h"

typedef enum { AS_PRODUCER, AS_CONSUMER } side;

/* ---- words written between the calls ---- */

/* Any word that this side writes and the other one reads. */
static uint64_t *any_word(const channel *c, test_random *r, side as) {
  if (as == AS_PRODUCER) {
    uint64_t at = test_below(r, c->slots * 4 + 1);
    char *slot = (char *)&lf_ring_slots(c->ring)[at / 4];
    return at == c->slots * 4 ? (void *)&c->ring->producer : (void *)(slot + at % 4 * 8); /* the word, the descriptor */
  }
  switch (test_below(r, 5)) {
    case 4: return (void *)&c->ring->memory_released[test_below(r, 2) * 2];
    case 0: return (void *)&c->ring->taken;
    case 1: return (void *)&c->ring->released;
    case 2: return (void *)&c->ring->consumer;
    default: return (void *)&c->ring->returns[test_below(r, 32)];
  }
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

static int32_t arm_after(int until_released, uint64_t taken, uint64_t released) {
  test_random r = {1};
  channel c;
  open_channel(&c, &r);
  for (int i = 0; i < 2; i++) CHECK_EQ(lf_tx_send(c.producer, any_bytes, 1), 1);
  poke((void *)&c.ring->taken, 1);
  poke((void *)&c.ring->released, 1);
  for (int until = 0; until < 2; until++) CHECK_OK(lf_tx_arm(c.producer, until));
  poke((void *)&c.ring->taken, taken);
  poke((void *)&c.ring->released, released);
  int32_t result = producer_status(&c, lf_tx_arm(c.producer, until_released));
  CHECK(result >= 0 || lf_tx_send(c.producer, any_bytes, 1) == result);
  close_channel(&c, &r);
  return result;
}

/* Two messages were sent; the consumer said that it has taken and released one. */
static void impossible_positions(void) {
  static const uint64_t wrong[] = {0, 3, UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 32) + 1};
  CHECK_EQ(arm_after(0, 1, 1), 0);
  CHECK_EQ(arm_after(0, 2, 1), 1);
  CHECK_EQ(arm_after(1, 1, 2), 1);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK_EQ(arm_after(0, wrong[i], 1), LF_ECORRUPT_SEGMENT);
    CHECK_EQ(arm_after(1, 1, wrong[i]), LF_ECORRUPT_SEGMENT);
  }
}

/* ---- a thread that writes words while the other side reads them ---- */

typedef struct {
  const channel *c;
  test_random random;
  side as;
  _Atomic int started, stop;
} vandal;

/* One word back and forth, as fast as it goes: what is read twice is read differently. */
static void toggle(vandal *v) {
  uint64_t *word = any_word(v->c, &v->random, v->as), old = peek(word), other = odd_word(&v->random, old);
  for (int i = 0; i < 1000; i++) {
    poke(word, other);
    poke(word, old);
  }
}

static void scatter(vandal *v) {
  for (int i = 0; i < 10; i++) {
    uint64_t *word = any_word(v->c, &v->random, v->as), old = peek(word);
    poke(word, odd_word(&v->random, old));
    for (uint64_t n = test_below(&v->random, 50); n > 0; n--) lf_relax();
    poke(word, old);
    for (uint64_t n = test_below(&v->random, 1000); n > 0; n--) lf_relax();
  }
}

static void vandalise(void *given) {
  vandal *v = given;
  void (*work)(vandal *v) = test_below(&v->random, 2) ? toggle : scatter;
  do {
    work(v);
    atomic_store(&v->started, 1);
    test_yield(); /* to the other side, where both have one processor */
  } while (!atomic_load(&v->stop));
}

static void concurrent_words(test_random *r) {
  channel c;
  open_channel(&c, r);
  vandal v = {.c = &c, .random = {test_next(r)}, .as = test_below(r, 2) ? AS_PRODUCER : AS_CONSUMER};
  test_thread thread;
  test_start(&thread, vandalise, &v);
  while (!atomic_load(&v.started)) test_yield();
  for (int i = 0; i < 200 && !c.consumer_failed && !c.producer_failed; i++) step(&c, r);
  for (int i = 0; i < 20; i++) step(&c, r);
  atomic_store(&v.stop, 1);
  test_join(&thread);
  close_channel(&c, r);
}

static void hostile_thread(void) {
  run_rounds("hostile_thread", concurrent_words);
  CHECK_SEEN(seen.small && seen.large && seen.retired);
}

int main(void) {
  start_fuzzing(2000);
  RUN(impossible_positions);
  RUN(hostile_producer);
  RUN(hostile_consumer);
  RUN(hostile_thread);
  return 0;
}
