/*
 * The lease map of the job: entries that ranks put under keys. One rank keeps the entries of a key: its shard, which
 * the key's hash selects. Nothing is broadcast, and the entries of a shard grow with what is put, not with the size of
 * the job. There are four operations: put, get, watch and delete.
 *
 * A key is shared or exclusive. A shared key has one entry of each rank. An exclusive key is held by one entry; the
 * entries after it wait until its owner, asked by ASK, has put it again (then the waiting ones are answered with it and
 * go), has deleted it, or counts as dead. A later entry of the same runtime directory replaces the older one.
 *
 *   lease_map.c            the object, the hash, and the posting of messages
 *   lease_shard.c          the entries that this rank keeps for the job
 *   lease.c                the leases of this process: what it put, got and watches
 *   control_connection.c   connections to entries
 *
 * Everything here is under the job's lock.
 */
#ifndef LF_LEASE_MAP_H
#define LF_LEASE_MAP_H

#include "base/table.h"
#include "job/control.h"

/* The greatest number of entries and watches of one rank in one shard: more than a rank has handles for. */
#define LF_ENTRIES_MAX 65536u

typedef struct lf_entry lf_entry;
typedef struct lf_lease_map lf_lease_map;

/* The parts, in the order in which they end. Each is entered once it has something. */
enum { LF_PART_LEASES, LF_PART_CONNECTIONS, LF_PART_SHARD, LF_PARTS };

/* Calls under the lock. NULL: none. */
typedef struct {
  int (*progress)(lf_lease_map *map); /* LF_MOVED or 0 */
  void (*leave)(lf_lease_map *map);   /* this process leaves: the peers are told */
  void (*forget)(lf_lease_map *map);  /* MPI is finalised: what this rank keeps for others goes */
} lf_lease_part;

struct lf_lease_map {
  lf_job_end end;
  lf_job *job;
  /* this rank as a shard */
  lf_table keys;
  lf_table owners; /* the number of entries and watches, by rank */
  lf_entry *asked; /* entries whose owners have to put them again */
  /* this process's own, by their ids */
  lf_table leases; /* each begins with its lf_listener */
  lf_table connections;
  const lf_lease_part *parts[LF_PARTS];
  uint32_t last_id;
  uint32_t waiting; /* leases that wait for something */
  int over;         /* this process has left: leases and connections can only be closed */
  char reason[256];
};

/* Made at the first call. Under the lock; NULL with the failure recorded: no memory. */
lf_lease_map *lf_lease_map_of(lf_job *job);
/* The map with the job's lock taken; NULL with the failure recorded, and nothing taken. */
lf_lease_map *lf_lease_map_enter(void);
/* For a map that was made before: takes the lock, also after the end of the job. */
static inline void lf_lease_map_lock(lf_lease_map *map) { lf_job_lock(map->job); }
static inline void lf_lease_map_unlock(lf_lease_map *map) { lf_job_unlock(map->job); }
/* Records that the job is over: MPI_FAILED. */
int32_t lf_lease_map_over(const lf_lease_map *map);

/* Not 0. */
uint64_t lf_lease_hash(const void *bytes, uint32_t length);
int lf_lease_shard(const lf_lease_map *map, uint64_t hash);
/* An id that nothing in `table` has. Not 0. */
uint32_t lf_lease_map_id(lf_lease_map *map, const lf_table *table);

/* As lf_control_post, for messages of this process's own. The more leases wait, the longer a message waits for
 * others, so that thousands of keys cost tens of MPI messages; with few leases it does not wait. */
int32_t lf_lease_map_post(lf_lease_map *map, int rank, lf_word word, const void *data, uint32_t length);
/* For a message whose answer no caller waits for. */
int32_t lf_lease_map_post_lazily(lf_lease_map *map, int rank, lf_word word, const void *data, uint32_t length);

/* ---- the messages; every machine of build.zig is little-endian ---- */

/* PUT, GET, WATCH and DELETE, to the shard; then the key, and the value of a PUT. The same rank and id again says
 * that the owner is alive; the value may be another. ASK, from the shard to an entry's owner, is answered with PUT
 * or DELETE. */
typedef struct {
  uint32_t id;       /* the owner's lease; not used for a shared entry */
  uint8_t exclusive; /* PUT */
  uint8_t value_bytes;
  uint16_t key_bytes;
  uint64_t directory; /* PUT: hash of the owner's runtime-directory id */
} lf_word_lease;

/* ENTRIES, from the shard: answers GET and WATCH, and PUT of an exclusive entry once the key's holder is known. Then
 * the entries. */
typedef struct {
  uint32_t id;
  int32_t count; /* or why the shard could not keep the lease: a status */
} lf_word_entries;

/* Then the value. */
typedef struct {
  uint64_t directory;
  int32_t rank;
  uint32_t id;
  uint32_t value_bytes;
  uint32_t reserved;
} lf_word_entry;

/* The hash of the key; 0, which no key has, if the message has another form. */
uint64_t lf_lease_read(lf_word_lease *head, const uint8_t *data, uint32_t length);

/* ---- handlers of the control channel ---- */

/* PUT, GET, WATCH and DELETE. */
void lf_lease_shard_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);
/* ASK and ENTRIES. */
void lf_lease_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);

#endif
