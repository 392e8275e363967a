#include "base/table.h"

#include <stdlib.h>

#include "base/status.h"

#define FEWEST_BITS 3u /* 8 chains: the table of a process with few objects */
#define MOST_BITS 24u  /* 16 M chains, 128 MiB; beyond this only the chains grow */

/* Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, 6.4): it spreads consecutive numbers. */
static uint32_t chain_of(uint32_t bits, uint64_t key) {
  return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> (64 - bits));
}

/* 1; or 0 when memory is out, with the table unchanged. */
static int resize(lf_table *table, uint32_t bits) {
  lf_table_node **chains = calloc((size_t)1 << bits, sizeof *chains);
  if (!chains) return 0;
  for (uint32_t i = 0; table->chains && i < 1u << table->bits; i++) {
    for (lf_table_node *node = table->chains[i], *next; node; node = next) {
      next = node->next;
      lf_table_node **chain = &chains[chain_of(bits, node->key)];
      node->next = *chain;
      *chain = node;
    }
  }
  free(table->chains);
  table->chains = chains;
  table->bits = bits;
  return 1;
}

int32_t lf_table_add(lf_table *table, lf_table_node *node, uint64_t key) {
  if (!table->chains && !resize(table, FEWEST_BITS))
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a table of %u entries", 1u << FEWEST_BITS);
  /* A failed resize only makes the table slower. */
  if (table->count >> table->bits && table->bits < MOST_BITS) resize(table, table->bits + 1);
  lf_table_node **chain = &table->chains[chain_of(table->bits, key)];
  node->key = key;
  node->next = *chain;
  *chain = node;
  table->count++;
  return LF_OK;
}

void lf_table_remove(lf_table *table, lf_table_node *node) {
  lf_table_node **at = &table->chains[chain_of(table->bits, node->key)];
  while (*at != node) at = &(*at)->next;
  *at = node->next;
  table->count--;
  if (table->count == 0) {
    free(table->chains);
    *table = (lf_table){0};
  } else if (table->bits > FEWEST_BITS && table->count < (1u << table->bits) / 8) {
    resize(table, table->bits - 1);
  }
}

lf_table_node *lf_table_find(const lf_table *table, uint64_t key) {
  if (!table->chains) return NULL;
  lf_table_node *node = table->chains[chain_of(table->bits, key)];
  while (node && node->key != key) node = node->next;
  return node;
}

lf_table_node *lf_table_next(const lf_table_node *node) {
  uint64_t key = node->key;
  lf_table_node *next = node->next;
  while (next && next->key != key) next = next->next;
  return next;
}

lf_table_node *lf_table_any(const lf_table *table) {
  for (uint32_t i = 0; table->chains && i < 1u << table->bits; i++)
    if (table->chains[i]) return table->chains[i];
  return NULL;
}
