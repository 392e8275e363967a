/* A map from a rank to an object. Its memory is proportional to the ranks in it, not to the job's size. */
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

/* NULL when the rank has no entry. */
void *lf_ranks_find(const lf_ranks *ranks, int rank);
/* The rank must have no entry. HOST_OUT_OF_MEMORY. */
int32_t lf_ranks_add(lf_ranks *ranks, int rank, void *object);
void lf_ranks_remove(lf_ranks *ranks, int rank);

#endif
