/* What is known of ranks, found by their number: memory for those that are in it, not for all of the job. */
#ifndef LF_RANK_MAP_H
#define LF_RANK_MAP_H

#include <stdint.h>

typedef struct {
  int rank; /* -1: free */
  void *object;
} lf_ranks_entry;

typedef struct {
  lf_ranks_entry *entries;
  uint32_t capacity, count;
} lf_ranks;

/* NULL when it is not there. */
void *lf_ranks_find(const lf_ranks *ranks, int rank);
/* For one that is not there. HOST_OUT_OF_MEMORY. */
int32_t lf_ranks_add(lf_ranks *ranks, int rank, void *object);
void lf_ranks_remove(lf_ranks *ranks, int rank);

#endif
