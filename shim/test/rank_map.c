/* The table of ranks against an array that knows them all. */
#include "base/rank_map.h"

#include "test.h"

#define RANKS 5000

static int objects[RANKS];

static void adds_and_removes(void) {
  static char present[RANKS];
  test_random r = {test_seed()};
  lf_ranks ranks = {0};
  uint32_t count = 0;
  CHECK(lf_ranks_find(&ranks, 0) == NULL);
  lf_ranks_remove(&ranks, 0); /* from a table that has never had one */
  for (int i = 0; i < 200000; i++) {
    /* Close together, as a rank's neighbours are, or a power of two apart; now more of them, now fewer. */
    int rank = (int)(test_below(&r, 4) ? test_below(&r, 64) * 64 : test_below(&r, RANKS)) % RANKS;
    if (!present[rank] && test_below(&r, 100) < (i / 20000 % 2 ? 30u : 80u)) {
      CHECK_EQ(lf_ranks_add(&ranks, rank, &objects[rank]), LF_OK);
      present[rank] = 1;
      count++;
    } else if (present[rank] && test_below(&r, 2)) {
      lf_ranks_remove(&ranks, rank);
      present[rank] = 0;
      count--;
    } else if (!present[rank]) {
      lf_ranks_remove(&ranks, rank); /* is not there */
    }
    CHECK_EQ(ranks.count, count);
    CHECK(lf_ranks_find(&ranks, rank) == (present[rank] ? (void *)&objects[rank] : NULL));
    if (i % 1000 == 0)
      for (int other = 0; other < RANKS; other++)
        CHECK(lf_ranks_find(&ranks, other) == (present[other] ? (void *)&objects[other] : NULL));
  }
  for (int rank = 0; rank < RANKS; rank++) lf_ranks_remove(&ranks, rank);
  CHECK_EQ(ranks.count, 0);
  CHECK(lf_ranks_find(&ranks, 1) == NULL);
  free(ranks.entries);
}

static void memory_is_proportional_to_its_ranks(void) {
  lf_ranks ranks = {0};
  for (int i = 0; i < 10; i++) CHECK_EQ(lf_ranks_add(&ranks, i * 100000000, &objects[i]), LF_OK);
  CHECK(ranks.capacity <= 64);
  free(ranks.entries);
}

int main(void) {
  RUN(adds_and_removes);
  RUN(memory_is_proportional_to_its_ranks);
  return 0;
}
