/* Open addressing with linear probing. Removal moves the entries behind the gap up, so no tombstones are needed. */
#include "base/rank_map.h"

#include <stdlib.h>

#include "base/status.h"

static uint32_t first_index(const lf_ranks *r, int rank) {
  return ((uint32_t)rank * 2654435769u >> 7) & (r->capacity - 1);
}

static uint32_t index_of(const lf_ranks *r, int rank) {
  uint32_t at = first_index(r, rank);
  while (r->entries[at].rank >= 0 && r->entries[at].rank != rank) at = (at + 1) & (r->capacity - 1);
  return at;
}

void *lf_ranks_find(const lf_ranks *r, int rank) {
  if (r->count == 0) return NULL;
  const lf_ranks_entry *entry = &r->entries[index_of(r, rank)];
  return entry->rank == rank ? entry->object : NULL;
}

static int32_t grow(lf_ranks *r) {
  lf_ranks wider = {.capacity = r->capacity ? r->capacity * 2 : 16, .count = r->count};
  wider.entries = malloc(wider.capacity * sizeof *wider.entries);
  if (!wider.entries)
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "a table of %u ranks", wider.capacity);
  for (uint32_t i = 0; i < wider.capacity; i++) wider.entries[i].rank = -1;
  for (uint32_t i = 0; i < r->capacity; i++)
    if (r->entries[i].rank >= 0) wider.entries[index_of(&wider, r->entries[i].rank)] = r->entries[i];
  free(r->entries);
  *r = wider;
  return LF_OK;
}

int32_t lf_ranks_add(lf_ranks *r, int rank, void *object) {
  if (r->count * 2 >= r->capacity) {
    int32_t status = grow(r);
    if (status < 0) return status;
  }
  r->entries[index_of(r, rank)] = (lf_ranks_entry){rank, object};
  r->count++;
  return LF_OK;
}

void lf_ranks_remove(lf_ranks *r, int rank) {
  if (r->count == 0) return;
  uint32_t mask = r->capacity - 1, gap = index_of(r, rank);
  if (r->entries[gap].rank != rank) return;
  r->count--;
  for (uint32_t at = (gap + 1) & mask; r->entries[at].rank >= 0; at = (at + 1) & mask) {
    /* The entry may move up unless its first index is behind the gap. */
    if (((at - first_index(r, r->entries[at].rank)) & mask) < ((at - gap) & mask)) continue;
    r->entries[gap] = r->entries[at];
    gap = at;
  }
  r->entries[gap].rank = -1;
}
