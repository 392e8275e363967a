/* A shard: the entries and the watches that this rank keeps for the job. */
#include <stdlib.h>

#include "base/status.h"
#include "names/lease_map.h"

/* The greatest number of entries that wait for one key; the next one is answered at once. */
#define WAITING_MAX 256u
/* The greatest number of watches of one key, because each change is told to all of them. */
#define WATCHES_MAX 256u
/* Bytes of an answer: it has the first entries of a key that fit, and their number. */
#define ANSWER_MAX 8192u

/* The number of entries and watches of a rank. */
typedef struct {
  lf_table_node node;
  uint32_t entries;
} owner;

typedef struct watch watch;
struct watch {
  watch *next;
  int rank;
  uint32_t id;
};

typedef struct {
  lf_table_node node; /* by the key's hash */
  lf_entry *entries;  /* of a shared key, by rank; of an exclusive one, the first holds it */
  watch *watches;
  uint32_t count, watch_count;
  uint8_t exclusive;
  uint16_t bytes;
  uint8_t text[];
} key;

struct lf_entry {
  lf_entry *next; /* of the same key */
  key *key;
  uint64_t directory;
  int rank;
  uint32_t id;
  lf_peer *peer; /* its owner's, while that is asked */
  lf_entry *next_asked, *previous_asked;
  uint8_t value_bytes;
  uint8_t value[LF_LEASE_VALUE_MAX];
};

/* ---- the limit of a rank ---- */

static int32_t admit(lf_lease_map *map, int rank) {
  owner *o = (owner *)lf_table_find(&map->owners, (uint64_t)rank);
  if (!o) {
    o = calloc(1, sizeof *o);
    if (!o) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "an entry of the job's lease map");
    int32_t status = lf_table_add(&map->owners, &o->node, (uint64_t)rank);
    if (status < 0) {
      free(o);
      return status;
    }
  }
  if (o->entries == LF_ENTRIES_MAX)
    return lf_fail(LF_ESYSTEM, "", 0, "rank %d has %u entries in this shard, which is the limit", rank, LF_ENTRIES_MAX);
  o->entries++;
  return LF_OK;
}

static void dismiss(lf_lease_map *map, int rank) {
  owner *o = (owner *)lf_table_find(&map->owners, (uint64_t)rank);
  if (--o->entries > 0) return;
  lf_table_remove(&map->owners, &o->node);
  free(o);
}

/* ---- answers ---- */

static void answer(const lf_lease_map *map, const key *k, int rank, uint32_t id) {
  uint8_t word[ANSWER_MAX];
  const uint32_t visible = k->exclusive && k->count > 1 ? 1 : k->count;
  const lf_word_entries head = {.id = id, .count = (int32_t)visible};
  memcpy(word, &head, sizeof head);
  uint32_t used = sizeof head;
  const lf_entry *e = k->entries;
  for (uint32_t i = 0; i < visible; i++, e = e->next) {
    const lf_word_entry of = {
        .directory = e->directory, .rank = e->rank, .id = e->id, .value_bytes = e->value_bytes};
    if (used + sizeof of + e->value_bytes > sizeof word) break;
    memcpy(word + used, &of, sizeof of);
    memcpy(word + used + sizeof of, e->value, e->value_bytes);
    used += (uint32_t)sizeof of + e->value_bytes;
  }
  lf_control_post(map->job, rank, LF_WORD_ENTRIES, word, used);
}

static void refuse(const lf_lease_map *map, int rank, uint32_t id, int32_t status) {
  const lf_word_entries head = {.id = id, .count = status};
  lf_control_post(map->job, rank, LF_WORD_ENTRIES, &head, sizeof head);
}

static void tell_watches(const lf_lease_map *map, const key *k) {
  for (const watch *w = k->watches; w; w = w->next) answer(map, k, w->rank, w->id);
}

/* ---- keys ---- */

/* NULL with the failure recorded: no memory. */
static key *find_or_add_key(lf_lease_map *map, uint64_t hash, const uint8_t *text, uint32_t bytes) {
  for (lf_table_node *node = lf_table_find(&map->keys, hash); node; node = lf_table_next(node)) {
    key *k = (key *)node;
    if (k->bytes == bytes && memcmp(k->text, text, bytes) == 0) return k;
  }
  key *k = calloc(1, sizeof *k + bytes);
  if (!k) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a key of the job's lease map");
    return NULL;
  }
  k->bytes = (uint16_t)bytes;
  memcpy(k->text, text, bytes);
  if (lf_table_add(&map->keys, &k->node, hash) == LF_OK) return k;
  free(k);
  return NULL;
}

static void free_if_empty(lf_lease_map *map, key *k) {
  if (k->entries || k->watches) return;
  lf_table_remove(&map->keys, &k->node);
  free(k);
}

/* ---- the question to a holder ---- */

static void stop_asking(lf_lease_map *map, lf_entry *e) {
  if (!e->peer) return;
  lf_peer_release(map->job, e->peer);
  e->peer = NULL;
  if (e->previous_asked) e->previous_asked->next_asked = e->next_asked;
  else map->asked = e->next_asked;
  if (e->next_asked) e->next_asked->previous_asked = e->previous_asked;
}

static int32_t ask(lf_lease_map *map, lf_entry *e) {
  e->peer = lf_peer_retain(map->job, e->rank);
  if (!e->peer) return lf_status_code();
  e->previous_asked = NULL;
  e->next_asked = map->asked;
  if (map->asked) map->asked->previous_asked = e;
  map->asked = e;
  uint8_t word[sizeof(lf_word_lease) + LF_LEASE_KEY_MAX];
  const lf_word_lease head = {.id = e->id, .key_bytes = e->key->bytes};
  memcpy(word, &head, sizeof head);
  memcpy(word + sizeof head, e->key->text, head.key_bytes);
  return lf_control_post(map->job, e->rank, LF_WORD_ASK, word, (uint32_t)sizeof head + head.key_bytes);
}

static void free_entry(lf_lease_map *map, lf_entry *e) {
  stop_asking(map, e);
  dismiss(map, e->rank);
  e->key->count--;
  free(e);
}

/* Answers the entries that wait, and drops them. */
static void drop_waiting(lf_lease_map *map, key *k, int32_t status) {
  lf_entry *holder = k->entries;
  for (lf_entry *e; (e = holder->next);) {
    holder->next = e->next;
    if (status < 0) refuse(map, e->rank, e->id, status);
    else answer(map, k, e->rank, e->id);
    free_entry(map, e);
  }
}

/* After entries came or went: what waits needs an answer of the holder. */
static void ask_if_waiting(lf_lease_map *map, key *k) {
  lf_entry *holder = k->entries;
  if (!k->exclusive || !holder || !holder->next || holder->peer) return;
  int32_t status = ask(map, holder);
  if (status == LF_OK) return;
  stop_asking(map, holder);
  drop_waiting(map, k, status);
}

static void take_out(lf_lease_map *map, lf_entry *e) {
  key *k = e->key;
  lf_entry **at = &k->entries;
  int held = *at == e;
  while (*at != e) at = &(*at)->next;
  *at = e->next;
  free_entry(map, e);
  if (held || !k->exclusive) tell_watches(map, k);
  if (held && k->exclusive && k->entries) answer(map, k, k->entries->rank, k->entries->id);
  ask_if_waiting(map, k);
}

/* ---- put ---- */

/* The sender's entry as it was, the entry that it replaces, or a new one. NULL with *status: LF_ENAME_IN_USE when too
 * many wait, SYSTEM when the rank has too many, HOST_OUT_OF_MEMORY. */
static lf_entry *entry_for(lf_lease_map *map, key *k, int from, const lf_word_lease *put, int32_t *status) {
  lf_entry *replaced = NULL;
  for (lf_entry *e = k->entries; e; e = e->next) {
    if (e->rank == from && e->id == put->id) return e;
    if (k->exclusive && e->directory == put->directory && !replaced) replaced = e;
  }
  *status = !replaced && k->exclusive && k->count > WAITING_MAX ? LF_ENAME_IN_USE : admit(map, from);
  if (*status < 0) return NULL;
  lf_entry *e = replaced;
  if (e) {
    /* In one runtime directory, a lock of the kernel says which process has the role: the older one has left, or
     * died. */
    stop_asking(map, e);
    dismiss(map, e->rank);
  } else {
    e = calloc(1, sizeof *e);
    if (!e) {
      dismiss(map, from);
      *status = lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "an entry of the job's lease map");
      return NULL;
    }
    lf_entry **at = &k->entries;
    while (*at && (k->exclusive || (*at)->rank < from)) at = &(*at)->next;
    e->next = *at;
    *at = e;
    e->key = k;
    k->count++;
  }
  e->rank = from;
  e->id = put->id;
  return e;
}

/* LF_OK, or why there is no entry. */
static int32_t put(lf_lease_map *map, key *k, int from, const lf_word_lease *put, const uint8_t *value) {
  int32_t status = LF_OK;
  if (k->count == 0) k->exclusive = put->exclusive;
  if (k->exclusive != put->exclusive) return LF_ESYSTEM;
  lf_entry *e = entry_for(map, k, from, put, &status);
  if (!e) return status;
  e->directory = put->directory;
  e->value_bytes = put->value_bytes;
  memcpy(e->value, value, put->value_bytes);
  if (k->exclusive && e == k->entries) { /* its owner is alive */
    stop_asking(map, e);
    drop_waiting(map, k, LF_OK);
    answer(map, k, from, e->id);
  }
  if (!k->exclusive || e == k->entries) tell_watches(map, k);
  ask_if_waiting(map, k);
  return LF_OK;
}

/* ---- watch, delete ---- */

/* LF_OK, or why there is no watch. */
static int32_t watch_key(lf_lease_map *map, key *k, int from, uint32_t id) {
  for (const watch *w = k->watches; w; w = w->next)
    if (w->rank == from && w->id == id) return LF_OK;
  if (k->watch_count == WATCHES_MAX) return LF_ESYSTEM;
  int32_t status = admit(map, from);
  if (status < 0) return status;
  watch *w = calloc(1, sizeof *w);
  if (!w) {
    dismiss(map, from);
    return LF_EHOST_OUT_OF_MEMORY;
  }
  *w = (watch){.next = k->watches, .rank = from, .id = id};
  k->watches = w;
  k->watch_count++;
  return LF_OK;
}

static void free_watch(lf_lease_map *map, key *k, watch **at) {
  watch *w = *at;
  *at = w->next;
  k->watch_count--;
  dismiss(map, w->rank);
  free(w);
}

/* An entry or a watch of the rank, if it has one with this id. */
static void delete_lease(lf_lease_map *map, key *k, int from, uint32_t id) {
  watch **at = &k->watches;
  while (*at && ((*at)->rank != from || (*at)->id != id)) at = &(*at)->next;
  if (*at) free_watch(map, k, at);
  lf_entry *e = k->entries;
  while (e && (e->rank != from || e->id != id)) e = e->next;
  if (e) take_out(map, e);
}

/* ---- the job's side ---- */

static int progress(lf_lease_map *map) {
  int moved = 0;
  for (lf_entry *e = map->asked; e;) {
    if (!e->peer->dead) {
      e = e->next_asked;
      continue;
    }
    key *k = e->key;
    take_out(map, e); /* the next entry's owner may be asked now: from the start */
    free_if_empty(map, k);
    moved = LF_MOVED;
    e = map->asked;
  }
  return moved;
}

static void forget(lf_lease_map *map) {
  for (key *k; (k = (key *)lf_table_any(&map->keys));) {
    while (k->watches) free_watch(map, k, &k->watches);
    for (lf_entry *e; (e = k->entries);) {
      k->entries = e->next;
      free_entry(map, e);
    }
    free_if_empty(map, k);
  }
}

static const lf_lease_part part = {.progress = progress, .forget = forget};

/* ---- the handler ---- */

void lf_lease_shard_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  lf_lease_map *map = lf_lease_map_of(job);
  lf_word_lease head;
  uint64_t hash = map ? lf_lease_read(&head, data, length) : 0;
  if (!hash || lf_lease_shard(map, hash) != job->info.rank) return;
  map->parts[LF_PART_SHARD] = &part;
  int shared = word == LF_WORD_PUT && !head.exclusive;
  if (shared) head.id = 0; /* one entry of each rank */
  const uint8_t *text = data + sizeof head, *value = text + head.key_bytes;
  key *k = find_or_add_key(map, hash, text, head.key_bytes);
  int32_t status = k ? LF_OK : LF_EHOST_OUT_OF_MEMORY;
  if (k && word == LF_WORD_PUT) status = put(map, k, from, &head, value);
  else if (k && word == LF_WORD_WATCH) status = watch_key(map, k, from, head.id);
  else if (k && word == LF_WORD_DELETE) delete_lease(map, k, from, head.id);
  int asks = word == LF_WORD_GET || word == LF_WORD_WATCH;
  if (status == LF_ENAME_IN_USE || (asks && status == LF_OK)) answer(map, k, from, head.id);
  else if (status < 0 && !shared && word != LF_WORD_DELETE) refuse(map, from, head.id, status);
  if (k) free_if_empty(map, k);
}
