/* A hash table of nodes that the caller allocates: a node is the first member of a struct. Several nodes may have one
 * key. Its memory is proportional to its nodes; an empty table has none. */
#ifndef LF_TABLE_H
#define LF_TABLE_H

#include <stdint.h>

typedef struct lf_table_node lf_table_node;
struct lf_table_node {
  lf_table_node *next;
  uint64_t key;
};

/* All zero: an empty table. */
typedef struct {
  lf_table_node **chains;
  uint32_t bits; /* 1 << bits chains */
  uint32_t count;
} lf_table;

/* LF_OK; HOST_OUT_OF_MEMORY, and the node was not added. */
int32_t lf_table_add(lf_table *table, lf_table_node *node, uint64_t key);
/* The node must be in the table. */
void lf_table_remove(lf_table *table, lf_table_node *node);
lf_table_node *lf_table_find(const lf_table *table, uint64_t key);
/* The next node with the same key, or NULL. */
lf_table_node *lf_table_next(const lf_table_node *node);
/* Any node, or NULL when the table is empty: for callers that remove all of them. */
lf_table_node *lf_table_any(const lf_table *table);

#endif
