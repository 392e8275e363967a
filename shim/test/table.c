/* The hash table: against a plain array, with keys that collide and keys that are the same. */
#include "base/table.h"

#include "test.h"

#define NODES 3000

typedef struct {
  lf_table_node node;
  uint64_t key; /* 0: not in the table */
} entry;

static entry entries[NODES];

static void check(const lf_table *table, uint64_t key) {
  uint32_t wanted = 0, got = 0;
  for (int i = 0; i < NODES; i++) wanted += entries[i].key == key;
  for (lf_table_node *node = lf_table_find(table, key); node; node = lf_table_next(node)) {
    CHECK_EQ(((entry *)node)->key, key);
    CHECK(got++ < NODES);
  }
  CHECK_EQ(got, wanted);
}

static void like_an_array(void) {
  test_random random = {test_seed()};
  lf_table table = {0};
  CHECK(lf_table_find(&table, 1) == NULL);
  CHECK(lf_table_any(&table) == NULL);
  uint32_t in = 0, most = 0;
  for (int step = 0; step < 60000; step++) {
    /* More and more, then fewer and fewer. */
    int adding = test_below(&random, 100) < (step < 30000 ? 70u : 25u);
    entry *e = &entries[test_below(&random, NODES)];
    if (adding && !e->key) {
      e->key = 1 + test_below(&random, 2000) * (test_below(&random, 2) ? 1 : (uint64_t)1 << 40);
      CHECK_EQ(lf_table_add(&table, &e->node, e->key), LF_OK);
      in++;
    } else if (!adding && e->key) {
      e->key = 0;
      lf_table_remove(&table, &e->node);
      in--;
    }
    if (in > most) most = in;
    CHECK_EQ(table.count, in);
    if (step % 16 == 0) check(&table, 1 + test_below(&random, 2000));
    if (table.chains) CHECK(1u << table.bits <= 16 * in || table.bits == 3); /* memory is proportional to the nodes */
  }
  CHECK(most > 1000);
  for (lf_table_node *node; (node = lf_table_any(&table)); in--) lf_table_remove(&table, node);
  CHECK_EQ(in, 0);
  CHECK(table.chains == NULL);
}

int main(void) {
  RUN(like_an_array);
  return 0;
}
