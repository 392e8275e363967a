/* Keys under which ranks want to be found, and questions who is. */
#include <stdio.h>
#include <stdlib.h>

#include "base/handle.h"
#include "base/status.h"
#include "names/directory.h"

/* An answer has the publishers with the lowest ranks, as far as they go into so many bytes, and their number. */
#define ANSWER_MAX 4096u

typedef struct {
  int32_t rank;
  uint8_t bytes;
  uint8_t text[LF_KEY_MAX];
} publisher;

/* At its home. */
typedef struct {
  lf_table_node node; /* by the key's hash */
  publisher **publishers; /* by rank */
  uint32_t count, room;
  uint8_t bytes;
  uint8_t text[];
} key;

typedef struct {
  lf_table_node node; /* by its id */
  lf_directory *directory;
  lf_peer *peer; /* the home, until it has answered; NULL too when the job is over */
  int home;
  int answered;
  int32_t count;
  char *lines; /* "RANK TEXT\n" and so on; NULL where there was no memory for them */
  uint8_t bytes;
  char text[]; /* the key */
} lookup;

/* PUBLISH; then key and text. */
typedef struct {
  uint8_t key_bytes, text_bytes;
} word_publish;

/* LOOKUP; then the key. */
typedef struct {
  uint32_t id;
} word_lookup;

/* FOUND; then for each publisher its rank, its text's length, its text. */
typedef struct {
  uint32_t id;
  uint32_t count;
} word_found;

#define PUBLISHER_HEAD 5u

/* ---- a key's home ---- */

static key *find_key(const lf_directory *d, uint64_t hash, const uint8_t *text, uint32_t bytes) {
  for (lf_table_node *node = lf_table_find(&d->keys, hash); node; node = lf_table_next(node)) {
    key *k = (key *)node;
    if (k->bytes == bytes && memcmp(k->text, text, bytes) == 0) return k;
  }
  return NULL;
}

static key *add_key(lf_directory *d, uint64_t hash, const uint8_t *text, uint32_t bytes) {
  key *k = calloc(1, sizeof *k + bytes);
  if (!k) return NULL;
  k->bytes = (uint8_t)bytes;
  memcpy(k->text, text, bytes);
  if (lf_table_add(&d->keys, &k->node, hash) == LF_OK) return k;
  free(k);
  return NULL;
}

static void remove_key(lf_directory *d, key *k) {
  for (uint32_t i = 0; i < k->count; i++) {
    lf_directory_dismiss(d, k->publishers[i]->rank);
    free(k->publishers[i]);
  }
  lf_table_remove(&d->keys, &k->node);
  free(k->publishers);
  free(k);
}

/* Where the rank is, or belongs. */
static uint32_t place_of(const key *k, int rank) {
  uint32_t low = 0, high = k->count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (k->publishers[middle]->rank < rank) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* The one of this rank, made where there is none yet; NULL when it can't be. */
static publisher *publisher_of(lf_directory *d, key *k, int rank) {
  uint32_t at = place_of(k, rank);
  if (at < k->count && k->publishers[at]->rank == rank) return k->publishers[at];
  if (k->count == k->room) {
    uint32_t room = k->room ? k->room * 2 : 4;
    publisher **grown = realloc(k->publishers, room * sizeof *grown);
    if (!grown) return NULL;
    k->publishers = grown;
    k->room = room;
  }
  if (lf_directory_admit(d, rank) < 0) return NULL;
  publisher *p = calloc(1, sizeof *p);
  if (!p) {
    lf_directory_dismiss(d, rank);
    return NULL;
  }
  p->rank = rank;
  memmove(k->publishers + at + 1, k->publishers + at, (k->count - at) * sizeof *k->publishers);
  k->publishers[at] = p;
  k->count++;
  return p;
}

/* What can't be kept (no memory, or a rank that publishes without end) is dropped: nobody finds it then. */
static void publish(lf_directory *d, int from, const uint8_t *data, uint32_t length) {
  word_publish word;
  if (length < sizeof word) return;
  memcpy(&word, data, sizeof word);
  if (word.key_bytes == 0 || length != sizeof word + word.key_bytes + word.text_bytes) return;
  const uint8_t *text = data + sizeof word;
  uint64_t hash = lf_directory_hash(text, word.key_bytes);
  if (lf_directory_home(d, hash) != d->job->info.rank) return;
  key *k = find_key(d, hash, text, word.key_bytes);
  if (!k) k = add_key(d, hash, text, word.key_bytes);
  if (!k) return;
  publisher *p = publisher_of(d, k, from);
  if (p) {
    p->bytes = word.text_bytes;
    memcpy(p->text, text + word.key_bytes, word.text_bytes);
  } else if (k->count == 0) {
    remove_key(d, k);
  }
}

static void answer(lf_directory *d, int from, const uint8_t *data, uint32_t length) {
  word_lookup word;
  if (length <= sizeof word || length - sizeof word > LF_KEY_MAX) return;
  memcpy(&word, data, sizeof word);
  data += sizeof word;
  length -= (uint32_t)sizeof word;
  const key *k = find_key(d, lf_directory_hash(data, length), data, length);
  uint8_t found[ANSWER_MAX];
  word_found head = {.id = word.id, .count = k ? k->count : 0};
  memcpy(found, &head, sizeof head);
  uint32_t used = sizeof head;
  for (uint32_t i = 0; i < head.count; i++) {
    const publisher *p = k->publishers[i];
    if (used + PUBLISHER_HEAD + p->bytes > sizeof found) break;
    memcpy(found + used, &p->rank, sizeof p->rank);
    memcpy(found + used + sizeof p->rank, &p->bytes, 1);
    memcpy(found + used + PUBLISHER_HEAD, p->text, p->bytes);
    used += PUBLISHER_HEAD + p->bytes;
  }
  lf_control_post(d->job, from, LF_WORD_FOUND, found, used);
}

/* ---- who asks ---- */

/* 1 when no more is awaited. */
static int stop_waiting(lookup *l) {
  if (!l->peer) return 0;
  lf_peer_release(l->directory->job, l->peer);
  l->peer = NULL;
  l->directory->awaited--;
  return 1;
}

static void found(lf_directory *d, int from, const uint8_t *data, uint32_t length) {
  word_found word;
  if (length < sizeof word) return;
  memcpy(&word, data, sizeof word);
  lookup *l = (lookup *)lf_table_find(&d->lookups, word.id);
  if (!l || l->home != from || l->answered || word.count > (uint32_t)d->job->info.size) return;
  /* 5 bytes become up to 12, a rank of 10 digits and two separators; the texts stay as long as they are. */
  uint32_t room = 3 * length + 1, used = 0;
  char *lines = malloc(room);
  l->answered = 1;
  if (!lines) return;
  for (uint32_t at = sizeof word, entries = 0; length - at >= PUBLISHER_HEAD && entries < word.count; entries++) {
    int32_t rank;
    uint8_t bytes = data[at + 4];
    memcpy(&rank, data + at, sizeof rank);
    at += PUBLISHER_HEAD;
    if (bytes > length - at || rank < 0 || rank >= d->job->info.size) break;
    used += (uint32_t)snprintf(lines + used, room - used, "%d ", rank);
    for (uint32_t i = 0; i < bytes; i++) /* a line is a line */
      lines[used++] = data[at + i] < 0x20 || data[at + i] == 0x7f ? ' ' : (char)data[at + i];
    lines[used++] = '\n';
    at += bytes;
  }
  lines[used] = 0;
  l->lines = lines;
  l->count = (int32_t)word.count;
}

static void forget(lf_directory *d) {
  for (key *k; (k = (key *)lf_table_any(&d->keys));) remove_key(d, k);
}

static void over(lf_directory *d) {
  for (lookup *l; (l = (lookup *)lf_table_any(&d->lookups));) {
    lf_table_remove(&d->lookups, &l->node);
    stop_waiting(l);
  }
}

static const lf_directory_part part = {.over = over, .forget = forget};

void lf_lookup_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  lf_directory *d = lf_directory_of(job);
  if (!d) return;
  d->parts[LF_PART_LOOKUPS] = &part;
  if (word == LF_WORD_PUBLISH) publish(d, from, data, length);
  else if (word == LF_WORD_LOOKUP) answer(d, from, data, length);
  else found(d, from, data, length);
}

static int32_t check_key(const char *text, uint32_t bytes) {
  if (text && bytes > 0 && bytes <= LF_KEY_MAX) return LF_OK;
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a key of %u bytes; it has 1 to %u", bytes, LF_KEY_MAX);
}

int32_t lf_job_publish(const char *text, uint32_t bytes, const char *shown, uint32_t shown_bytes) {
  int32_t status = check_key(text, bytes);
  if (status < 0) return status;
  if (shown_bytes > LF_KEY_MAX || (shown_bytes && !shown))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a text of %u bytes; it has up to %u", shown_bytes, LF_KEY_MAX);
  uint8_t word[sizeof(word_publish) + 2 * LF_KEY_MAX];
  word_publish head = {.key_bytes = (uint8_t)bytes, .text_bytes = (uint8_t)shown_bytes};
  memcpy(word, &head, sizeof head);
  memcpy(word + sizeof head, text, bytes);
  if (shown_bytes) memcpy(word + sizeof head + bytes, shown, shown_bytes);
  lf_directory *d = lf_directory_enter();
  if (!d) return lf_status_code();
  int home = lf_directory_home(d, lf_directory_hash(text, bytes));
  status = lf_directory_post(d, home, LF_WORD_PUBLISH, word, (uint32_t)sizeof head + bytes + shown_bytes);
  lf_directory_leave(d);
  return status;
}

static void destroy(void *object) {
  lookup *l = object;
  lf_directory *d = l->directory;
  lf_directory_lock(d);
  int waited = 0;
  if (!d->over) {
    waited = stop_waiting(l);
    lf_table_remove(&d->lookups, &l->node);
  }
  lf_directory_leave(d);
  if (waited) lf_job_wait_end(d->job);
  free(l->lines);
  free(l);
}

int32_t lf_lookup_open(const char *text, uint32_t bytes) {
  int32_t status = check_key(text, bytes);
  if (status < 0) return status;
  lookup *l = calloc(1, sizeof *l + bytes);
  if (!l) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a lookup of %zu bytes", sizeof *l + bytes);
  l->bytes = (uint8_t)bytes;
  memcpy(l->text, text, bytes);
  lf_directory *d = lf_directory_enter();
  status = d ? LF_OK : lf_status_code();
  if (d) {
    l->directory = d;
    d->parts[LF_PART_LOOKUPS] = &part;
    l->home = lf_directory_home(d, lf_directory_hash(text, bytes));
    status = lf_table_add(&d->lookups, &l->node, lf_directory_id(d, &d->lookups));
    if (status == LF_OK) {
      uint8_t word[sizeof(word_lookup) + LF_KEY_MAX];
      word_lookup head = {.id = (uint32_t)l->node.key};
      memcpy(word, &head, sizeof head);
      memcpy(word + sizeof head, text, bytes);
      l->peer = lf_peer_retain(d->job, l->home);
      d->awaited += l->peer != NULL;
      status = l->peer ? lf_directory_post(d, l->home, LF_WORD_LOOKUP, word, (uint32_t)sizeof head + bytes)
                       : lf_status_code();
      if (status < 0) {
        stop_waiting(l);
        lf_table_remove(&d->lookups, &l->node);
      }
    }
    lf_directory_leave(d);
  }
  if (status < 0) {
    free(l);
    return status;
  }
  lf_job_wait_begin(d->job);
  status = lf_handle_make(LF_KIND_LOOKUP, l, destroy);
  if (status < 0) destroy(l);
  return status;
}

int32_t lf_lookup_poll(int32_t handle, uint32_t capacity, char *out) {
  lookup *l = lf_handle_get(LF_KIND_LOOKUP, handle);
  if (!l) return lf_handle_stale(LF_KIND_LOOKUP, handle);
  if (!out || capacity == 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for what is found");
  *out = 0;
  lf_directory *d = l->directory;
  lf_directory_lock(d);
  int waited = 0;
  int32_t status = LF_PENDING;
  if (l->answered) {
    waited = stop_waiting(l);
    status = l->count;
    if (!l->lines)
      status = lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "what was found under \"%.*s\"", l->bytes, l->text);
  } else if (d->over) {
    status = lf_directory_over(d);
  } else if (l->peer->silent) {
    status = lf_fail(LF_EPEER_DIED, "", 0, "rank %d, which keeps \"%.*s\" for the job, is gone", l->home, l->bytes,
                     l->text);
  }
  lf_directory_leave(d);
  if (waited) lf_job_wait_end(d->job);
  if (status == LF_PENDING || status < 0) return status;
  /* Whole lines only. */
  uint32_t used = 0;
  for (const char *at = l->lines; *at;) {
    uint32_t line = (uint32_t)(strchr(at, '\n') - at) + 1;
    if (used + line >= capacity) break;
    memcpy(out + used, at, line);
    used += line;
    at += line;
  }
  out[used] = 0;
  return status;
}

int32_t lf_lookup_close(int32_t handle) {
  lookup *l = lf_handle_take(LF_KIND_LOOKUP, handle);
  if (!l) return lf_handle_stale(LF_KIND_LOOKUP, handle);
  destroy(l);
  return LF_OK;
}
