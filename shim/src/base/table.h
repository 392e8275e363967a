/* A hash table of what its user allocates: a node is the first member of a struct. Several may have one key. It takes
 * memory for as many as there are, and none when it is empty. */
#ifndef LF_TABLE_H
#define LF_TABLE_H

#include <stdint.h>

typedef struct lf_table_node lf_table_node;
struct lf_table_node {
  lf_table_node *next;
  uint64_t key;
};

/* All zero: empty. */
typedef struct {
  lf_table_node **chains;
  uint32_t bits; /* 1 << bits chains */
  uint32_t count;
} lf_table;

/* HOST_OUT_OF_MEMORY, and the node is not in. */
int32_t lf_table_add(lf_table *table, lf_table_node *node, uint64_t key);
/* The node must be in. */
void lf_table_remove(lf_table *table, lf_table_node *node);
lf_table_node *lf_table_find(const lf_table *table, uint64_t key);
/* Another one with the key of this one. */
lf_table_node *lf_table_next(const lf_table_node *node);
/* Any one, NULL when there is none: for whoever takes all of them out. */
lf_table_node *lf_table_any(const lf_table *table);

#endif
