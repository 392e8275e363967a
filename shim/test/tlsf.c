/* Ranges of a space, against a map of it that says for each unit whose it is. */
#include "base/tlsf.h"

#include "test.h"

#define UNITS 4096u
#define RANGES 512

typedef struct {
  uint32_t range, start, units;
} taken;

static uint16_t owner[UNITS]; /* 0: free */
static taken all[RANGES];
static uint32_t count;

static uint32_t longest_gap(void) {
  uint32_t longest = 0, gap = 0;
  for (uint32_t i = 0; i < UNITS; i++) {
    gap = owner[i] ? 0 : gap + 1;
    if (gap > longest) longest = gap;
  }
  return longest;
}

/* The paper's bound: a gap that is a sixteenth larger than the request is found. */
static void check_refusal(uint32_t units) { CHECK(longest_gap() < units + units / 16 + 1); }

static void take(lf_tlsf *t, uint32_t units) {
  uint32_t range = lf_tlsf_allocate(t, units);
  if (!range) {
    check_refusal(units);
    return;
  }
  uint32_t start = lf_tlsf_start(t, range);
  CHECK(start <= UNITS && units <= UNITS - start);
  for (uint32_t i = start; i < start + units; i++) {
    CHECK_EQ(owner[i], 0);
    owner[i] = 1;
  }
  all[count++] = (taken){range, start, units};
}

static void give(lf_tlsf *t, uint32_t at) {
  taken it = all[at];
  CHECK_EQ(lf_tlsf_start(t, it.range), it.start);
  memset(owner + it.start, 0, it.units * sizeof *owner);
  lf_tlsf_free(t, it.range);
  all[at] = all[--count];
}

static uint32_t some_size(test_random *r) {
  switch (test_below(r, 4)) {
    case 0: return 1 + (uint32_t)test_below(r, 4);
    case 1: return 1 + (uint32_t)test_below(r, 40);
    case 2: return 1 + (uint32_t)test_below(r, 600);
    default: return 1u << test_below(r, 12);
  }
}

static void as_the_map_says(void) {
  for (uint64_t seed = 0; seed < 40; seed++) {
    test_random r = {seed};
    lf_tlsf *t = lf_tlsf_open(UNITS);
    CHECK(t != NULL);
    for (int step = 0; step < 20000; step++) {
      /* Now and then more is taken than given, and the other way round. */
      int growing = (step / 1000) % 2 == 0;
      if (count < RANGES && test_below(&r, 10) < (growing ? 7u : 3u)) take(t, some_size(&r));
      else if (count) give(t, (uint32_t)test_below(&r, count));
      CHECK_EQ(lf_tlsf_empty(t), count == 0);
    }
    while (count) give(t, (uint32_t)test_below(&r, count));
    CHECK(lf_tlsf_empty(t));
    /* All is one range again. */
    uint32_t range = lf_tlsf_allocate(t, UNITS);
    CHECK(range != 0);
    CHECK_EQ(lf_tlsf_start(t, range), 0);
    lf_tlsf_close(t);
  }
}

/* Every second unit is free: nothing of two units is, until a neighbour goes. */
static void in_fragments(void) {
  lf_tlsf *t = lf_tlsf_open(UNITS);
  static uint32_t ranges[UNITS];
  for (uint32_t i = 0; i < UNITS; i++) CHECK((ranges[i] = lf_tlsf_allocate(t, 1)) != 0);
  CHECK_EQ(lf_tlsf_allocate(t, 1), 0);
  for (uint32_t i = 0; i < UNITS; i += 2) lf_tlsf_free(t, ranges[i]);
  CHECK_EQ(lf_tlsf_allocate(t, 2), 0);
  lf_tlsf_free(t, ranges[1001]);
  uint32_t between = lf_tlsf_allocate(t, 3);
  CHECK(between != 0);
  CHECK_EQ(lf_tlsf_start(t, between), 1000);
  CHECK_EQ(lf_tlsf_allocate(t, 2), 0);
  lf_tlsf_free(t, between);
  for (uint32_t i = 1; i < UNITS; i += 2)
    if (i != 1001) lf_tlsf_free(t, ranges[i]);
  CHECK(lf_tlsf_empty(t));
  CHECK(lf_tlsf_allocate(t, UNITS) != 0);
  lf_tlsf_close(t);
}

static void ends_of_the_range(void) {
  CHECK(lf_tlsf_open(0) == NULL);
  CHECK(lf_tlsf_open(LF_TLSF_UNITS_MAX + 1) == NULL);
  lf_tlsf_close(NULL);
  static const uint32_t spaces[] = {1, 2, 15, 16, 17, 31, 32, 33, 1000003, LF_TLSF_UNITS_MAX - 1, LF_TLSF_UNITS_MAX};
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
    lf_tlsf *t = lf_tlsf_open(spaces[i]);
    CHECK_EQ(lf_tlsf_allocate(t, 0), 0);
    CHECK_EQ(lf_tlsf_allocate(t, spaces[i] + 1), 0);
    CHECK_EQ(lf_tlsf_allocate(t, UINT32_MAX), 0);
    uint32_t one = lf_tlsf_allocate(t, 1);
    CHECK(one != 0);
    CHECK_EQ(lf_tlsf_start(t, one), 0);
    CHECK_EQ(lf_tlsf_allocate(t, spaces[i]), 0);
    lf_tlsf_free(t, one);
    CHECK(lf_tlsf_empty(t));
    lf_tlsf_close(t);
  }
}

int main(void) {
  RUN(ends_of_the_range);
  RUN(in_fragments);
  RUN(as_the_map_says);
  return 0;
}
