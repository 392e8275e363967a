/* The lease map of this process: its one object, the hash of keys, and the posting of messages. */
#include "names/lease_map.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

/* How long a message waits for others: this many nanoseconds for each lease that waits, */
#define PATIENCE_EACH_NS 10000u
/* from this many leases on, because few leases make few messages, */
#define PATIENCE_FROM 16u
/* and at most this many nanoseconds, which an open does not notice. */
#define PATIENCE_MAX_NS 5000000u

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
uint64_t lf_lease_hash(const void *bytes, uint32_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint8_t *at = bytes; length > 0; at++, length--) hash = (hash ^ *at) * 0x100000001b3u;
  return hash ? hash : 1;
}

uint64_t lf_lease_read(lf_word_lease *head, const uint8_t *data, uint32_t length) {
  if (length < sizeof *head) return 0;
  memcpy(head, data, sizeof *head);
  if (head->exclusive > 1 || head->key_bytes == 0 || head->key_bytes > LF_LEASE_KEY_MAX) return 0;
  if (length != sizeof *head + head->key_bytes + head->value_bytes) return 0;
  return lf_lease_hash(data + sizeof *head, head->key_bytes);
}

int lf_lease_shard(const lf_lease_map *map, uint64_t hash) {
  return (int)((hash ^ hash >> 32) % (uint64_t)map->job->info.size);
}

uint32_t lf_lease_map_id(lf_lease_map *map, const lf_table *table) {
  do map->last_id++;
  while (map->last_id == 0 || lf_table_find(table, map->last_id));
  return map->last_id;
}

int32_t lf_lease_map_over(const lf_lease_map *map) { return lf_fail(LF_EMPI_FAILED, "", 0, "%s", map->reason); }

int32_t lf_lease_map_post_lazily(lf_lease_map *map, int rank, lf_word word, const void *data, uint32_t length) {
  return lf_control_post_within(map->job, rank, word, data, length, PATIENCE_MAX_NS);
}

int32_t lf_lease_map_post(lf_lease_map *map, int rank, lf_word word, const void *data, uint32_t length) {
  uint64_t patience = map->waiting < PATIENCE_FROM ? 0 : (uint64_t)map->waiting * PATIENCE_EACH_NS;
  if (patience > PATIENCE_MAX_NS) patience = PATIENCE_MAX_NS;
  return lf_control_post_within(map->job, rank, word, data, length, patience);
}

/* ---- the job's side ---- */

static int round_of(lf_job_end *end, uint64_t now) {
  lf_lease_map *map = (lf_lease_map *)end;
  int moved = 0;
  (void)now;
  for (int i = 0; i < LF_PARTS; i++)
    if (map->parts[i] && map->parts[i]->progress) moved |= map->parts[i]->progress(map);
  return moved;
}

/* A process that leaves the job deletes its own entries, and stays the shard of the others'. */
static void over(lf_job_end *end, const char *reason) {
  lf_lease_map *map = (lf_lease_map *)end;
  map->over = 1;
  snprintf(map->reason, sizeof map->reason, "%s", reason ? reason : "this process has left the MPI job");
  for (int i = 0; i < LF_PARTS; i++)
    if (map->parts[i] && map->parts[i]->leave) map->parts[i]->leave(map);
  for (int i = 0; reason && i < LF_PARTS; i++)
    if (map->parts[i] && map->parts[i]->forget) map->parts[i]->forget(map);
}

/* The map of this process's job. It is never freed: handles that are closed after the end of the job read it. */
static lf_lease_map *lease_map;

lf_lease_map *lf_lease_map_of(lf_job *job) {
  if (lease_map) return lease_map;
  lf_lease_map *map = calloc(1, sizeof *map);
  if (!map) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "the job's lease map, %zu bytes", sizeof *map);
    return NULL;
  }
  map->job = job;
  map->end.round = round_of;
  map->end.over = over;
  lf_job_add(job, &map->end);
  return lease_map = map;
}

lf_lease_map *lf_lease_map_enter(void) {
  lf_job *job = lf_job_enter();
  if (!job) return NULL;
  lf_lease_map *map = lf_lease_map_of(job);
  if (map && !map->over) return map;
  if (map) lf_lease_map_over(map);
  lf_job_unlock(job);
  return NULL;
}
