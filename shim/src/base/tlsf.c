#include "base/tlsf.h"

#include <stdlib.h>

/* Each power of two is divided into 2^SECOND_BITS classes. Sizes below 2^SECOND_BITS have a class each. */
#define SECOND_BITS 4
#define SECOND (1u << SECOND_BITS)
#define FIRST (31 - SECOND_BITS + 1)

/* A range of units, free or in use. Ranges are stored in one array and refer to each other by index; 0 is none. */
typedef struct {
  uint32_t start, units;
  uint32_t before, after; /* the adjacent ranges */
  uint32_t next, previous; /* in the list of its class; `next` also links the unused entries of the array */
  uint32_t is_free;
} range;

struct lf_tlsf {
  range *ranges;
  uint32_t capacity;
  uint32_t unused; /* the first unused entry of the array */
  uint32_t in_use;
  uint32_t firsts;         /* bit i: some class of power i has a free range */
  uint32_t seconds[FIRST]; /* bit j of word i: class j of power i has a free range */
  uint32_t lists[FIRST][SECOND];
};

typedef struct {
  uint32_t first, second;
} class;

static uint32_t top_bit(uint32_t value) { return 31u - (uint32_t)__builtin_clz(value); }

/* The class that ranges of `units` belong to. */
static class class_of(uint32_t units) {
  if (units < SECOND) return (class){0, units};
  uint32_t top = top_bit(units);
  return (class){top - SECOND_BITS + 1, (units >> (top - SECOND_BITS)) - SECOND};
}

/* The first class whose ranges all have at least `units`. */
static class class_for(uint32_t units) {
  if (units >= SECOND) units += (1u << (top_bit(units) - SECOND_BITS)) - 1;
  return class_of(units);
}

static void link_in(lf_tlsf *t, uint32_t at) {
  range *r = &t->ranges[at];
  class c = class_of(r->units);
  uint32_t *list = &t->lists[c.first][c.second];
  r->is_free = 1;
  r->previous = 0;
  r->next = *list;
  if (*list) t->ranges[*list].previous = at;
  *list = at;
  t->firsts |= 1u << c.first;
  t->seconds[c.first] |= 1u << c.second;
}

static void unlink_from(lf_tlsf *t, uint32_t at) {
  range *r = &t->ranges[at];
  class c = class_of(r->units);
  r->is_free = 0;
  if (r->next) t->ranges[r->next].previous = r->previous;
  if (r->previous) {
    t->ranges[r->previous].next = r->next;
    return;
  }
  t->lists[c.first][c.second] = r->next;
  if (r->next) return;
  t->seconds[c.first] &= ~(1u << c.second);
  if (!t->seconds[c.first]) t->firsts &= ~(1u << c.first);
}

/* The first free range of class `c` or of a larger class; 0 when there is none. */
static uint32_t find(const lf_tlsf *t, class c) {
  if (c.first >= FIRST) return 0;
  uint32_t seconds = t->seconds[c.first] & (~0u << c.second);
  if (!seconds) {
    uint32_t firsts = t->firsts & (uint32_t)(~(uint64_t)0 << (c.first + 1));
    if (!firsts) return 0;
    c.first = (uint32_t)__builtin_ctz(firsts);
    seconds = t->seconds[c.first];
  }
  return t->lists[c.first][__builtin_ctz(seconds)];
}

/* Ensures that the array has an unused entry: 1, or 0 when memory is out. */
static int reserve_entry(lf_tlsf *t) {
  if (t->unused) return 1;
  uint32_t capacity = t->capacity ? t->capacity * 2 : 64;
  range *more = realloc(t->ranges, capacity * sizeof *more);
  if (!more) return 0;
  t->ranges = more;
  for (uint32_t i = t->capacity ? t->capacity : 1; i < capacity; i++) {
    more[i].next = t->unused;
    t->unused = i;
  }
  t->capacity = capacity;
  return 1;
}

static uint32_t take_entry(lf_tlsf *t) {
  uint32_t at = t->unused;
  t->unused = t->ranges[at].next;
  return at;
}

lf_tlsf *lf_tlsf_open(uint32_t units) {
  if (units == 0 || units > LF_TLSF_UNITS_MAX) return NULL;
  lf_tlsf *t = calloc(1, sizeof *t);
  if (!t || !reserve_entry(t)) {
    lf_tlsf_close(t);
    return NULL;
  }
  uint32_t all = take_entry(t);
  t->ranges[all] = (range){.units = units};
  link_in(t, all);
  return t;
}

void lf_tlsf_close(lf_tlsf *t) {
  if (t) free(t->ranges);
  free(t);
}

uint32_t lf_tlsf_allocate(lf_tlsf *t, uint32_t units) {
  if (units == 0 || units > LF_TLSF_UNITS_MAX) return 0;
  uint32_t at = find(t, class_for(units));
  if (!at || !reserve_entry(t)) return 0;
  unlink_from(t, at);
  t->in_use++;
  uint32_t left = t->ranges[at].units - units;
  if (!left) return at;
  uint32_t rest = take_entry(t);
  range *r = &t->ranges[at];
  t->ranges[rest] = (range){.start = r->start + units, .units = left, .before = at, .after = r->after};
  if (r->after) t->ranges[r->after].before = rest;
  r->after = rest;
  r->units = units;
  link_in(t, rest);
  return at;
}

uint32_t lf_tlsf_start(const lf_tlsf *t, uint32_t at) { return t->ranges[at].start; }

/* Merges the range `second` into `first`, which precedes it directly. */
static void join(lf_tlsf *t, uint32_t first, uint32_t second) {
  range *r = &t->ranges[first], *gone = &t->ranges[second];
  r->units += gone->units;
  r->after = gone->after;
  if (r->after) t->ranges[r->after].before = first;
  gone->next = t->unused;
  t->unused = second;
}

void lf_tlsf_free(lf_tlsf *t, uint32_t at) {
  uint32_t before = t->ranges[at].before, after = t->ranges[at].after;
  t->in_use--;
  if (after && t->ranges[after].is_free) {
    unlink_from(t, after);
    join(t, at, after);
  }
  if (before && t->ranges[before].is_free) {
    unlink_from(t, before);
    join(t, before, at);
    at = before;
  }
  link_in(t, at);
}

int lf_tlsf_empty(const lf_tlsf *t) { return t->in_use == 0; }
