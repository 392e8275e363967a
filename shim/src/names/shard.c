/*
 * The home of names. A role of a name is held by one seeker; those who want it too wait behind it until the holder,
 * asked by HOLD, has said that it is still there (then they are told TAKEN and go), has left, or counts as dead. A
 * producer and a consumer that look, at different places, are matched: both are told MATCH, and neither is matched
 * again until it says SEEK once more. A role has one holder, so there is never a choice of partners.
 */
#include <stdlib.h>

#include "base/status.h"
#include "names/directory.h"

/* So many wait for word of one holder; who comes after them is told at once. */
#define WAITING_MAX 256

typedef enum { LOOKING, MATCHED, SETTLED } state;

typedef struct {
  lf_table_node node; /* by the name's hash */
  lf_seeker *roles[2]; /* the first holds it */
  uint32_t waiting[2]; /* how many are behind it */
  uint8_t bytes;
  uint8_t text[];
} name;

struct lf_seeker {
  lf_seeker *next; /* of the same role */
  name *name;
  uint64_t place;
  int rank;
  uint32_t id;
  uint8_t role;
  uint8_t state;
  lf_peer *watched; /* while it is asked whether it is still there: whether it lives */
  lf_seeker *next_asked, *previous_asked;
};

static void stop_asking(lf_directory *d, lf_seeker *s) {
  if (!s->watched) return;
  lf_peer_release(d->job, s->watched);
  s->watched = NULL;
  if (s->previous_asked) s->previous_asked->next_asked = s->next_asked;
  else d->asked = s->next_asked;
  if (s->next_asked) s->next_asked->previous_asked = s->previous_asked;
}

static int32_t ask(lf_directory *d, lf_seeker *s) {
  s->watched = lf_peer_retain(d->job, s->rank);
  if (!s->watched) return lf_status_code();
  s->previous_asked = NULL;
  s->next_asked = d->asked;
  if (d->asked) d->asked->previous_asked = s;
  d->asked = s;
  lf_word_role hold = {.id = s->id, .name = s->name->node.key};
  return lf_control_post(d->job, s->rank, LF_WORD_HOLD, &hold, sizeof hold);
}

static void tell_taken(lf_directory *d, int rank, uint32_t id, int holder, int32_t status, const uint8_t *host,
                       uint32_t host_bytes) {
  uint8_t word[sizeof(lf_word_taken) + LF_KEY_MAX];
  lf_word_taken taken = {.id = id, .rank = holder, .status = status};
  if (host_bytes > LF_KEY_MAX) host_bytes = LF_KEY_MAX;
  memcpy(word, &taken, sizeof taken);
  if (host_bytes) memcpy(word + sizeof taken, host, host_bytes);
  lf_control_post(d->job, rank, LF_WORD_TAKEN, word, (uint32_t)sizeof taken + host_bytes);
}

static void forget(lf_directory *d, lf_seeker *s) {
  stop_asking(d, s);
  lf_directory_dismiss(d, s->rank);
  free(s);
}

static void drop_waiting(lf_directory *d, name *n, int role, int32_t status, const uint8_t *host, uint32_t host_bytes) {
  lf_seeker *holder = n->roles[role];
  while (holder->next) {
    lf_seeker *s = holder->next;
    holder->next = s->next;
    n->waiting[role]--;
    tell_taken(d, s->rank, s->id, holder->rank, status, host, host_bytes);
    forget(d, s);
  }
}

static void tell_match(lf_directory *d, const lf_seeker *to, const lf_seeker *other) {
  lf_word_match match = {.id = to->id, .rank = other->rank, .other_id = other->id, .match = d->matches};
  lf_control_post(d->job, to->rank, LF_WORD_MATCH, &match, sizeof match);
}

/* After anything changed: those who wait need word of whoever holds the role now, and two may have found each other. */
static void look_after(lf_directory *d, name *n) {
  for (int role = 0; role < 2; role++) {
    lf_seeker *holder = n->roles[role];
    if (!holder || !holder->next || holder->watched) continue;
    int32_t status = ask(d, holder);
    if (status < 0) {
      stop_asking(d, holder);
      drop_waiting(d, n, role, status, NULL, 0);
    }
  }
  lf_seeker *producer = n->roles[LF_ROLE_PRODUCER], *consumer = n->roles[LF_ROLE_CONSUMER];
  if (producer && consumer) {
    if (producer->state != LOOKING || consumer->state != LOOKING || producer->place == consumer->place) return;
    producer->state = consumer->state = MATCHED;
    d->matches++;
    tell_match(d, producer, consumer);
    tell_match(d, consumer, producer);
  } else if (!producer && !consumer) {
    lf_table_remove(&d->names, &n->node);
    free(n);
  }
}

/* Whoever waits for its role gets it. */
static void take_out(lf_directory *d, lf_seeker *s) {
  name *n = s->name;
  lf_seeker **at = &n->roles[s->role];
  if (*at != s || s->next) n->waiting[s->role]--;
  while (*at != s) at = &(*at)->next;
  *at = s->next;
  forget(d, s);
  look_after(d, n);
}

static lf_seeker *find(const lf_directory *d, uint64_t hash, int rank, uint32_t id) {
  for (lf_table_node *node = lf_table_find(&d->names, hash); node; node = lf_table_next(node))
    for (int role = 0; role < 2; role++)
      for (lf_seeker *s = ((name *)node)->roles[role]; s; s = s->next)
        if (s->rank == rank && s->id == id) return s;
  return NULL;
}

static name *find_name(const lf_directory *d, uint64_t hash, const uint8_t *text, uint32_t bytes) {
  lf_table_node *node = lf_table_find(&d->names, hash);
  for (; node; node = lf_table_next(node)) {
    name *n = (name *)node;
    if (n->bytes == bytes && memcmp(n->text, text, bytes) == 0) return n;
  }
  return NULL;
}

static name *add_name(lf_directory *d, uint64_t hash, const uint8_t *text, uint32_t bytes) {
  name *n = calloc(1, sizeof *n + bytes);
  if (!n) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a name in the job's directory");
    return NULL;
  }
  n->bytes = (uint8_t)bytes;
  memcpy(n->text, text, bytes);
  if (lf_table_add(&d->names, &n->node, hash) == LF_OK) return n;
  free(n);
  return NULL;
}

/* The seeker's own entry, one that it takes over, or a new one at the end. NAME_IN_USE when too many wait there. */
static int32_t enlist(lf_directory *d, name *n, int from, const lf_word_seek *word) {
  lf_seeker *s = n->roles[word->role], **end = &n->roles[word->role];
  for (; s; end = &s->next, s = s->next)
    if (s->rank == from && s->id == word->id) break;
  if (s) {
    s->state = LOOKING;
    return LF_OK;
  }
  for (s = n->roles[word->role]; s && s->place != word->place;) s = s->next;
  if (!s && n->waiting[word->role] == WAITING_MAX) return LF_ENAME_IN_USE;
  int32_t status = lf_directory_admit(d, from);
  if (status < 0) return status;
  if (s) {
    /* At one place, a lock of the kernel says who has the role: the older one has left, or died. */
    stop_asking(d, s);
    lf_directory_dismiss(d, s->rank);
  } else {
    s = calloc(1, sizeof *s);
    if (!s) {
      lf_directory_dismiss(d, from);
      return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "an entry of the job's directory");
    }
    if (n->roles[word->role]) n->waiting[word->role]++;
    *end = s;
  }
  s->name = n;
  s->place = word->place;
  s->rank = from;
  s->id = word->id;
  s->role = word->role;
  s->state = LOOKING;
  return LF_OK;
}

static void seek(lf_directory *d, int from, const uint8_t *data, uint32_t length) {
  lf_word_seek word;
  if (length < sizeof word) return;
  memcpy(&word, data, sizeof word);
  const uint8_t *text = data + sizeof word;
  if (word.role > 1 || word.name_bytes == 0 || length != sizeof word + word.name_bytes) return;
  uint64_t hash = lf_directory_hash(text, word.name_bytes);
  if (lf_directory_home(d, hash) != d->job->info.rank) return;
  name *n = find_name(d, hash, text, word.name_bytes);
  if (!n) n = add_name(d, hash, text, word.name_bytes);
  int32_t status = n ? enlist(d, n, from, &word) : lf_status_code();
  const lf_seeker *holder = n ? n->roles[word.role] : NULL;
  if (status < 0) tell_taken(d, from, word.id, holder ? holder->rank : d->job->info.rank, status, NULL, 0);
  if (n) look_after(d, n);
}

/* SETTLE, LEAVE, HELD: about an entry of the sender's own, or about nothing. */
static void about_own(lf_directory *d, int from, lf_word kind, const uint8_t *data, uint32_t length) {
  lf_word_role word;
  if (length < sizeof word) return;
  memcpy(&word, data, sizeof word);
  lf_seeker *s = find(d, word.name, from, word.id);
  if (!s) return;
  if (kind == LF_WORD_SETTLE) {
    s->state = SETTLED;
  } else if (kind == LF_WORD_LEAVE || !word.held) {
    take_out(d, s);
  } else if (s->watched) {
    stop_asking(d, s);
    drop_waiting(d, s->name, s->role, LF_ENAME_IN_USE, data + sizeof word, length - (uint32_t)sizeof word);
  }
}

/* ---- the job's side ---- */

static int look_at_asked(lf_directory *d, uint64_t now) {
  (void)now;
  int moved = 0;
  for (lf_seeker *s = d->asked; s;) {
    if (!s->watched->dead) {
      s = s->next_asked;
      continue;
    }
    take_out(d, s); /* and its successor may be asked now: from the start */
    moved = LF_MOVED;
    s = d->asked;
  }
  return moved;
}

static void forget_names(lf_directory *d) {
  for (name *n; (n = (name *)lf_table_any(&d->names));) {
    for (int role = 0; role < 2; role++) {
      for (lf_seeker *s = n->roles[role], *next; s; s = next) {
        next = s->next;
        forget(d, s);
      }
    }
    lf_table_remove(&d->names, &n->node);
    free(n);
  }
}

static const lf_directory_part shard = {.round = look_at_asked, .forget = forget_names};

void lf_shard_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  lf_directory *d = lf_directory_of(job);
  if (!d) return;
  d->parts[LF_PART_NAMES] = &shard;
  if (word == LF_WORD_SEEK) seek(d, from, data, length);
  else about_own(d, from, word, data, length);
}
