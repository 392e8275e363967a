/* The leases of this process: entries that it put, and keys that it gets or watches. */
#include <stdio.h>
#include <stdlib.h>

#include "base/handle.h"
#include "base/status.h"
#include "names/control_connection.h"

typedef struct {
  lf_listener listener; /* by the lease's id */
  lf_lease_map *map;
  uint64_t hash, directory;
  lf_peer *shard;    /* whether it lives; NULL when the lease waits for nothing any more */
  lf_word word;      /* PUT, GET or WATCH */
  int stopped;
  int answered;
  int32_t refusal; /* LF_OK, or why it is no lease: a status */
  int32_t count;
  char *lines; /* "RANK ID DIRECTORY VALUE\n" for each entry; NULL where there was no memory for them */
  uint16_t key_bytes;
  uint8_t value_bytes;
  char text[]; /* the key, and the value */
} lease;

static uint32_t id_of(const lease *l) { return (uint32_t)l->listener.node.key; }
static int shard_of(const lease *l) { return lf_lease_shard(l->map, l->hash); }

static int32_t post(const lease *l, lf_word word, uint32_t id) {
  const lf_word_lease head = {.id = id, .exclusive = word == LF_WORD_PUT && id != 0, .directory = l->directory,
                              .value_bytes = word == LF_WORD_PUT ? l->value_bytes : 0, .key_bytes = l->key_bytes};
  uint8_t bytes[sizeof head + LF_LEASE_KEY_MAX + LF_LEASE_VALUE_MAX];
  uint32_t text_bytes = (uint32_t)head.key_bytes + head.value_bytes;
  memcpy(bytes, &head, sizeof head);
  memcpy(bytes + sizeof head, l->text, text_bytes);
  uint32_t length = (uint32_t)sizeof head + text_bytes;
  if (word == LF_WORD_DELETE) return lf_lease_map_post_lazily(l->map, shard_of(l), word, bytes, length);
  return lf_lease_map_post(l->map, shard_of(l), word, bytes, length);
}

/* A lease that was refused, or that only asked once, is not known to the shard. Without memory for the message, the
 * shard keeps the entry until it asks. */
static void post_delete(const lease *l) {
  if (l->refusal == LF_OK && l->word != LF_WORD_GET) post(l, LF_WORD_DELETE, id_of(l));
}

/* 1 when it waited until now. */
static int stop_waiting(lease *l) {
  if (!l->shard) return 0;
  lf_peer_release(l->map->job, l->shard);
  l->shard = NULL;
  l->map->waiting--;
  return 1;
}

static void leave(lf_lease_map *map) {
  for (lease *l; (l = (lease *)lf_table_any(&map->leases));) {
    post_delete(l);
    lf_table_remove(&map->leases, &l->listener.node);
    stop_waiting(l);
  }
}

static const lf_lease_part part = {.leave = leave};

static void destroy(void *object) {
  lease *l = object;
  lf_lease_map *map = l->map;
  lf_lease_map_lock(map);
  int waited = 0;
  lf_listener_free(&l->listener);
  if (!map->over) {
    waited = stop_waiting(l);
    post_delete(l);
    lf_table_remove(&map->leases, &l->listener.node);
  }
  lf_lease_map_unlock(map);
  if (waited) lf_job_wait_end(map->job);
  free(l->lines);
  free(l);
}

/* Under the lock. */
static int32_t begin(lease *l) {
  lf_lease_map *map = l->map;
  map->parts[LF_PART_LEASES] = &part;
  int32_t status = lf_table_add(&map->leases, &l->listener.node, lf_lease_map_id(map, &map->leases));
  if (status < 0) return status;
  l->shard = lf_peer_retain(map->job, shard_of(l));
  map->waiting += l->shard != NULL;
  status = l->shard ? post(l, l->word, id_of(l)) : lf_status_code();
  if (status == LF_OK) return LF_OK;
  stop_waiting(l);
  lf_table_remove(&map->leases, &l->listener.node);
  return status;
}

/* Owns `l`. A handle, or the failure; 0 for a shared entry. */
static int32_t open_lease(lease *l, int shared) {
  l->hash = lf_lease_hash(l->text, l->key_bytes);
  l->map = lf_lease_map_enter();
  int32_t status = !l->map ? lf_status_code() : shared ? post(l, LF_WORD_PUT, 0) : begin(l);
  if (l->map) lf_lease_map_unlock(l->map);
  if (status < 0 || shared) {
    free(l);
    return status;
  }
  lf_job_wait_begin(l->map->job);
  status = lf_handle_make(LF_KIND_LEASE, l, destroy);
  if (status < 0) destroy(l);
  return status;
}

/* NULL with the failure recorded. */
static lease *new_lease(const char *key, uint32_t key_bytes, const char *value, uint32_t value_bytes) {
  lease *l = calloc(1, sizeof *l + key_bytes + value_bytes);
  if (!l) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a lease of %zu bytes", sizeof *l + key_bytes + value_bytes);
    return NULL;
  }
  l->key_bytes = (uint16_t)key_bytes;
  l->value_bytes = (uint8_t)value_bytes;
  memcpy(l->text, key, key_bytes);
  if (value_bytes) memcpy(l->text + key_bytes, value, value_bytes);
  return l;
}

static int32_t check_key(const char *key, uint32_t bytes) {
  if (key && bytes > 0 && bytes <= LF_LEASE_KEY_MAX) return LF_OK;
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a key of %u bytes; it has 1 to %u", bytes, LF_LEASE_KEY_MAX);
}

int32_t lf_lease_put(const char *key, uint32_t key_bytes, const char *value, uint32_t value_bytes, int32_t kind,
                     const uint8_t *directory, uint32_t directory_bytes) {
  int32_t status = check_key(key, key_bytes);
  if (status < 0) return status;
  if (value_bytes > LF_LEASE_VALUE_MAX || (value_bytes && !value))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a value of %u bytes; it has up to %u", value_bytes,
                   LF_LEASE_VALUE_MAX);
  if (kind < LF_PUT_SHARED || kind > LF_PUT_LISTENING)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "an entry of kind %d", kind);
  if (kind != LF_PUT_SHARED && (!directory || directory_bytes == 0))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a runtime-directory id of %u bytes", directory_bytes);
  lease *l = new_lease(key, key_bytes, value, value_bytes);
  if (!l) return lf_status_code();
  l->word = LF_WORD_PUT;
  l->listener.open = kind == LF_PUT_LISTENING;
  if (kind != LF_PUT_SHARED) l->directory = lf_lease_hash(directory, directory_bytes);
  return open_lease(l, kind == LF_PUT_SHARED);
}

int32_t lf_lease_get(const char *key, uint32_t key_bytes, int32_t watch) {
  int32_t status = check_key(key, key_bytes);
  if (status < 0) return status;
  lease *l = new_lease(key, key_bytes, NULL, 0);
  if (!l) return lf_status_code();
  l->word = watch ? LF_WORD_WATCH : LF_WORD_GET;
  return open_lease(l, 0);
}

/* ---- poll ---- */

static int32_t refused(const lease *l) {
  if (l->refusal == LF_ENAME_IN_USE)
    return lf_fail(LF_ENAME_IN_USE, "", 0, "another rank holds \"%.*s\"", l->key_bytes, l->text);
  const char *why = l->refusal == LF_EHOST_OUT_OF_MEMORY ? "has no memory for one more entry" : "has reached its limit";
  return lf_fail(l->refusal, "", 0, "rank %d, which keeps \"%.*s\" for the job, %s", shard_of(l), l->key_bytes, l->text,
                 why);
}

static int32_t gone(const lease *l) {
  return lf_fail(LF_EPEER_DIED, "", 0, "rank %d, which keeps \"%.*s\" for the job, is gone", shard_of(l), l->key_bytes,
                 l->text);
}

/* A shard that was out of reach knows nothing of the lease any more. */
static int32_t begin_again(lease *l) {
  lf_job *job = l->map->job;
  lf_peer *again = lf_peer_retain(job, shard_of(l));
  if (!again) return lf_status_code();
  lf_peer_release(job, l->shard);
  l->shard = again;
  l->answered = 0;
  return post(l, l->word, id_of(l));
}

/* As lf_lease_poll, under the lock. */
static int32_t poll(lease *l) {
  if (l->refusal < 0) return refused(l);
  if (l->word != LF_WORD_GET || !l->answered) {
    if (l->map->over) return lf_lease_map_over(l->map);
    if (l->shard && l->shard->silent) {
      if (lf_peer_is_silent(shard_of(l))) return gone(l);
      int32_t status = begin_again(l);
      if (status < 0) return status;
    }
    if (!l->answered) return LF_PENDING;
  }
  if (l->lines) return l->count;
  return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "the entries under \"%.*s\"", l->key_bytes, l->text);
}

/* Whole lines only. */
static void copy_lines(const char *lines, uint32_t capacity, char *out) {
  uint32_t used = 0;
  for (const char *at = lines; at && *at;) {
    uint32_t line = (uint32_t)(strchr(at, '\n') - at) + 1;
    if (used + line >= capacity) break;
    memcpy(out + used, at, line);
    used += line;
    at += line;
  }
  out[used] = 0;
}

int32_t lf_lease_poll(int32_t handle, uint32_t capacity, char *out) {
  lease *l = lf_handle_get(LF_KIND_LEASE, handle);
  if (!l) return lf_handle_stale(LF_KIND_LEASE, handle);
  if (!out || capacity == 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the entries was given");
  lf_lease_map *map = l->map;
  lf_lease_map_lock(map);
  int32_t status = poll(l);
  int has_lines = (status >= 0 && status != LF_PENDING) || status == LF_ENAME_IN_USE;
  copy_lines(has_lines ? l->lines : NULL, capacity, out);
  int waited = l->word == LF_WORD_GET && l->answered ? stop_waiting(l) : 0;
  lf_lease_map_unlock(map);
  if (waited) lf_job_wait_end(map->job);
  return status;
}

int32_t lf_connection_accept(int32_t handle) {
  lease *l = lf_handle_get(LF_KIND_LEASE, handle);
  if (!l) return lf_handle_stale(LF_KIND_LEASE, handle);
  lf_lease_map_lock(l->map);
  lf_listener *listener = &l->listener;
  int32_t status = l->map->over ? lf_lease_map_over(l->map) : LF_OK;
  lf_connection *c = status == LF_OK && !listener->accepted ? listener->connection : NULL;
  if (c) listener->accepted = 1;
  lf_lease_map_unlock(l->map);
  return c ? lf_connection_handle(c) : status;
}

int32_t lf_lease_stop(int32_t handle) {
  lease *l = lf_handle_get(LF_KIND_LEASE, handle);
  if (!l) return lf_handle_stale(LF_KIND_LEASE, handle);
  lf_lease_map *map = l->map;
  lf_lease_map_lock(map);
  int32_t status = l->refusal < 0 ? refused(l) : map->over ? lf_lease_map_over(map) : LF_OK;
  int waited = 0;
  if (status == LF_OK) {
    l->stopped = 1;
    lf_listener_close(&l->listener);
    waited = stop_waiting(l);
  }
  lf_lease_map_unlock(map);
  if (waited) lf_job_wait_end(map->job);
  return status;
}

int32_t lf_lease_delete(int32_t handle) {
  lease *l = lf_handle_take(LF_KIND_LEASE, handle);
  if (!l) return lf_handle_stale(LF_KIND_LEASE, handle);
  destroy(l);
  return LF_OK;
}

/* ---- messages ---- */

static lease *find(const lf_lease_map *map, uint32_t id) { return (lease *)lf_table_find(&map->leases, id); }

/* The entries as lines; *holds says whether the first is the lease's own. NULL: no memory. */
static char *lines_of(const lease *l, uint32_t count, const uint8_t *data, uint32_t length, int *holds) {
  const lf_job_info *info = &l->map->job->info;
  /* The 24 bytes before a value become up to 40: two numbers of 10 digits, one of 16, three spaces and an end of
   * line. */
  uint32_t capacity = 2 * length + 1, used = 0;
  char *lines = malloc(capacity);
  *holds = 0;
  if (!lines) return NULL;
  lf_word_entry e;
  for (uint32_t at = 0, i = 0; i < count && length - at >= sizeof e; i++) {
    memcpy(&e, data + at, sizeof e);
    at += (uint32_t)sizeof e;
    if (e.value_bytes > length - at || e.rank < 0 || e.rank >= info->size) break;
    if (i == 0) *holds = e.rank == info->rank && e.id == id_of(l);
    used += (uint32_t)snprintf(lines + used, capacity - used, "%d %u %llx ", e.rank, e.id,
                               (unsigned long long)e.directory);
    for (uint32_t k = 0; k < e.value_bytes; k++) /* a line is a line, and may end up in an error message */
      lines[used++] = data[at + k] < 0x20 || data[at + k] == 0x7f ? ' ' : (char)data[at + k];
    lines[used++] = '\n';
    at += e.value_bytes;
  }
  lines[used] = 0;
  return lines;
}

static void entries(lf_lease_map *map, int from, const uint8_t *data, uint32_t length) {
  lf_word_entries head;
  if (length < sizeof head) return;
  memcpy(&head, data, sizeof head);
  lease *l = find(map, head.id);
  if (!l || from != shard_of(l) || l->stopped || l->refusal < 0) return;
  if (l->answered && l->word == LF_WORD_GET) return;
  if (head.count < 0) {
    l->refusal = head.count == LF_EHOST_OUT_OF_MEMORY ? LF_EHOST_OUT_OF_MEMORY : LF_ESYSTEM;
    return;
  }
  if (head.count > map->job->info.size) return;
  int holds;
  char *lines = lines_of(l, (uint32_t)head.count, data + sizeof head, length - (uint32_t)sizeof head, &holds);
  if (l->word == LF_WORD_PUT && lines && !*lines) { /* no answer to a put */
    free(lines);
    return;
  }
  free(l->lines);
  l->lines = lines;
  l->answered = 1;
  l->count = head.count;
  if (l->word == LF_WORD_PUT && lines && !holds) l->refusal = LF_ENAME_IN_USE;
}

static void asked(lf_lease_map *map, int from, const uint8_t *data, uint32_t length) {
  lf_word_lease head;
  uint64_t hash = lf_lease_read(&head, data, length);
  if (!hash || from != lf_lease_shard(map, hash)) return;
  const lease *l = find(map, head.id);
  if (l && l->word == LF_WORD_PUT && l->hash == hash && l->refusal == LF_OK) post(l, LF_WORD_PUT, head.id);
  else lf_control_post(map->job, from, LF_WORD_DELETE, data, length);
}

void lf_lease_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  lf_lease_map *map = lf_lease_map_of(job);
  if (!map) return;
  if (word == LF_WORD_ENTRIES) entries(map, from, data, length);
  else asked(map, from, data, length);
}
