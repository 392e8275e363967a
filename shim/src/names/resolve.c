/* Roles that this process seeks or holds in the job. */
#include <stdlib.h>

#include "base/handle.h"
#include "base/monotonic.h"
#include "base/status.h"
#include "ipc/link.h"
#include "names/mail_link.h"

/* Whoever is matched with the same peer again and again (each expects somebody else) tries no more often than this. */
#define AGAIN_NS ((uint64_t)50 * 1000000)

typedef enum { LOOKING, MATCHED, SETTLED, REFUSED } state;

typedef struct lf_seek lf_seek;
struct lf_seek {
  lf_table_node node; /* by its id */
  lf_directory *directory;
  lf_peer *home;       /* while it is not settled: whether the home lives */
  lf_mail_link *link;  /* of the last match, until it is closed */
  int claimed;         /* the link has a handle, which owns it */
  uint64_t last_match; /* the last one heard of */
  uint64_t matched_at; /* when, lf_now */
  uint64_t hash, place;
  state state;
  int32_t refusal; /* REFUSED: why; holder and host say by whom */
  int32_t holder;
  char host[LF_KEY_MAX + 1];
  uint8_t role;
  uint8_t name_bytes;
  char name[];
};

static uint32_t id_of(const lf_seek *s) { return (uint32_t)s->node.key; }
static int home_of(const lf_seek *s) { return lf_directory_home(s->directory, s->hash); }

static int32_t tell_seek(lf_seek *s) {
  uint8_t word[sizeof(lf_word_seek) + LF_KEY_MAX];
  lf_word_seek head = {.id = id_of(s), .role = s->role, .name_bytes = s->name_bytes, .place = s->place};
  memcpy(word, &head, sizeof head);
  memcpy(word + sizeof head, s->name, s->name_bytes);
  return lf_directory_post(s->directory, home_of(s), LF_WORD_SEEK, word, (uint32_t)sizeof head + s->name_bytes);
}

static int32_t tell(lf_seek *s, lf_word kind) {
  lf_word_role word = {.id = id_of(s), .name = s->hash};
  return lf_directory_post_slowly(s->directory, home_of(s), kind, &word, sizeof word);
}

static void drop_link(lf_seek *s) {
  if (!s->link) return;
  if (s->claimed) lf_mail_link_orphan(s->link);
  else lf_mail_link_close(s->link);
  s->link = NULL;
}

/* It waits for nothing any more. 1 when it did until now. */
static int stop_waiting(lf_seek *s) {
  if (!s->home) return 0;
  lf_peer_release(s->directory->job, s->home);
  s->home = NULL;
  s->directory->awaited--;
  return 1;
}

static void destroy(void *object) {
  lf_seek *s = object;
  lf_directory *d = s->directory;
  lf_directory_lock(d);
  int waited = 0;
  drop_link(s);
  if (!d->over) {
    waited = stop_waiting(s);
    /* Without memory for the word the home goes on to count it, until somebody else wants the role and it asks. */
    if (s->state != REFUSED) tell(s, LF_WORD_LEAVE);
    lf_table_remove(&d->seeks, &s->node);
  }
  lf_directory_leave(d);
  if (waited) lf_job_wait_end(d->job);
  free(s);
}

static void begin(lf_directory *d);

int32_t lf_seek_open(const char *name, uint32_t name_bytes, int32_t role, const uint8_t *place, uint32_t place_bytes) {
  if (!name || name_bytes == 0 || name_bytes > LF_KEY_MAX)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a name of %u bytes; it has 1 to %u", name_bytes, LF_KEY_MAX);
  if (role != LF_ROLE_PRODUCER && role != LF_ROLE_CONSUMER)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "role %d", role);
  if (!place || place_bytes == 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a place of %u bytes", place_bytes);
  lf_seek *s = calloc(1, sizeof *s + name_bytes);
  if (!s) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a seek of %zu bytes", sizeof *s + name_bytes);
  s->role = (uint8_t)role;
  s->name_bytes = (uint8_t)name_bytes;
  memcpy(s->name, name, name_bytes);
  s->hash = lf_directory_hash(name, name_bytes);
  s->place = lf_directory_hash(place, place_bytes);

  lf_directory *d = lf_directory_enter();
  int32_t status = d ? LF_OK : lf_status_code();
  if (d) {
    s->directory = d;
    begin(d);
    status = lf_table_add(&d->seeks, &s->node, lf_directory_id(d, &d->seeks));
    if (status == LF_OK) {
      s->home = lf_peer_retain(d->job, home_of(s));
      d->awaited += s->home != NULL;
      status = s->home ? tell_seek(s) : lf_status_code();
      if (status < 0) {
        stop_waiting(s);
        lf_table_remove(&d->seeks, &s->node);
      }
    }
    lf_directory_leave(d);
  }
  if (status < 0) {
    free(s);
    return status;
  }
  lf_job_wait_begin(d->job);
  status = lf_handle_make(LF_KIND_SEEK, s, destroy);
  if (status < 0) destroy(s);
  return status;
}

static int32_t refused(const lf_seek *s) {
  const char *role = s->role == LF_ROLE_PRODUCER ? "producer" : "consumer";
  if (s->refusal == LF_ENAME_IN_USE)
    return lf_fail(LF_ENAME_IN_USE, "", 0, "rank %d%s%s is already the %s of \"%.*s\"", s->holder,
                   *s->host ? " on " : "", s->host, role, s->name_bytes, s->name);
  return lf_fail(s->refusal, "", 0, "rank %d, which keeps the name \"%.*s\" for the job, has no room for its %s",
                 home_of(s), s->name_bytes, s->name, role);
}

/* Under the lock. 1: there is a link to be given out. */
static int32_t look(lf_seek *s) {
  if (s->directory->over) return lf_directory_over(s->directory);
  if (s->state == REFUSED) return refused(s);
  if (s->state == SETTLED) return 0;
  if (s->link) return !s->claimed;
  if (s->home->silent && !lf_peer_is_silent(home_of(s))) { /* it was out of reach, and knows nothing of this any more */
    lf_job *job = s->directory->job;
    lf_peer *again = lf_peer_retain(job, home_of(s));
    if (!again) return lf_status_code();
    lf_peer_release(job, s->home);
    s->home = again;
    int32_t status = tell_seek(s);
    if (status < 0) return status;
    s->state = LOOKING;
  }
  if (s->home->silent)
    return lf_fail(LF_EPEER_DIED, "", 0, "rank %d, which keeps the name \"%.*s\" for the job, is gone", home_of(s),
                   s->name_bytes, s->name);
  if (s->state == MATCHED && lf_now() - s->matched_at >= AGAIN_NS) {
    int32_t status = tell_seek(s);
    if (status < 0) return status;
    s->state = LOOKING;
  }
  return 0;
}

int32_t lf_seek_poll(int32_t handle) {
  lf_seek *s = lf_handle_get(LF_KIND_SEEK, handle);
  if (!s) return lf_handle_stale(LF_KIND_SEEK, handle);
  lf_directory_lock(s->directory);
  int32_t status = look(s);
  if (status == 1) s->claimed = 1;
  lf_mail_link *link = s->link;
  lf_directory_leave(s->directory);
  return status == 1 ? lf_mail_link_handle(link) : status;
}

int32_t lf_seek_settle(int32_t handle) {
  lf_seek *s = lf_handle_get(LF_KIND_SEEK, handle);
  if (!s) return lf_handle_stale(LF_KIND_SEEK, handle);
  lf_directory *d = s->directory;
  int32_t status = LF_OK;
  int waited = 0;
  lf_directory_lock(d);
  if (d->over) {
    status = lf_directory_over(d);
  } else if (s->state == REFUSED) {
    status = refused(s);
  } else if (s->state != SETTLED) {
    status = tell(s, LF_WORD_SETTLE);
    if (status == LF_OK) {
      s->state = SETTLED;
      if (!s->claimed) drop_link(s); /* it met somebody elsewhere, who came first */
      waited = stop_waiting(s);
    }
  }
  lf_directory_leave(d);
  if (waited) lf_job_wait_end(d->job);
  return status;
}

int32_t lf_seek_close(int32_t handle) {
  lf_seek *s = lf_handle_take(LF_KIND_SEEK, handle);
  if (!s) return lf_handle_stale(LF_KIND_SEEK, handle);
  destroy(s);
  return LF_OK;
}

/* ---- words ---- */

static void unlinked(lf_seek *s) {
  s->link = NULL;
  s->claimed = 0;
}

static lf_seek *find(const lf_directory *d, uint32_t id) { return (lf_seek *)lf_table_find(&d->seeks, id); }

static int expects(const lf_directory *d, uint32_t id, uint64_t match) {
  const lf_seek *s = find(d, id);
  return s && s->state == LOOKING && match > s->last_match;
}

static void match(lf_directory *d, int from, const uint8_t *data, uint32_t length) {
  lf_word_match word;
  if (length != sizeof word) return;
  memcpy(&word, data, sizeof word);
  if (word.rank < 0 || word.rank >= d->job->info.size) return;
  lf_seek *s = find(d, word.id);
  if (s && (from != home_of(s) || word.match <= s->last_match)) return;
  if (s) s->last_match = word.match;
  /* Gone, settled, or (by a home that does not keep to the rules) matched already: the other one has to look again. */
  if (!s || s->state != LOOKING) {
    lf_mail_link_refuse(d, word.id, word.rank, word.other_id, word.match);
    return;
  }
  s->state = MATCHED;
  s->matched_at = lf_now();
  s->link = lf_mail_link_open(d, s, unlinked, id_of(s), &word);
  /* Without memory for it, this one looks again too. */
  if (!s->link) lf_mail_link_refuse(d, word.id, word.rank, word.other_id, word.match);
}

static void taken(lf_directory *d, int from, const uint8_t *data, uint32_t length) {
  lf_word_taken word;
  if (length < sizeof word || length - sizeof word > LF_KEY_MAX) return;
  memcpy(&word, data, sizeof word);
  lf_seek *s = find(d, word.id);
  if (!s || from != home_of(s) || s->state == SETTLED || s->state == REFUSED) return;
  s->state = REFUSED;
  s->holder = word.rank;
  s->refusal = word.status == LF_ENAME_IN_USE || word.status == LF_EHOST_OUT_OF_MEMORY ? word.status : LF_ESYSTEM;
  uint32_t host = length - (uint32_t)sizeof word;
  for (uint32_t i = 0; i < host; i++) { /* it ends up in an error message */
    uint8_t byte = data[sizeof word + i];
    s->host[i] = byte < 0x20 || byte == 0x7f ? ' ' : (char)byte;
  }
  s->host[host] = 0;
}

static void hold(lf_directory *d, int from, const uint8_t *data, uint32_t length) {
  lf_word_role word;
  if (length != sizeof word) return;
  memcpy(&word, data, sizeof word);
  const lf_seek *s = find(d, word.id);
  word.held = s && s->hash == word.name && s->state != REFUSED;
  uint8_t answer[sizeof word + sizeof d->job->info.processor];
  uint32_t host = (uint32_t)strnlen(d->job->info.processor, sizeof d->job->info.processor);
  memcpy(answer, &word, sizeof word);
  memcpy(answer + sizeof word, d->job->info.processor, host);
  lf_control_post(d->job, from, LF_WORD_HELD, answer, (uint32_t)sizeof word + host);
}

static void over(lf_directory *d) {
  for (lf_seek *s; (s = (lf_seek *)lf_table_any(&d->seeks));) {
    if (s->state != REFUSED) tell(s, LF_WORD_LEAVE);
    lf_table_remove(&d->seeks, &s->node);
    stop_waiting(s);
  }
}

static const lf_directory_part part = {.over = over};

static void begin(lf_directory *d) {
  d->parts[LF_PART_SEEKS] = &part;
  lf_mail_link_begin(d, expects);
}

void lf_seek_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  lf_directory *d = lf_directory_of(job);
  if (!d) return;
  if (word == LF_WORD_MATCH) match(d, from, data, length);
  else if (word == LF_WORD_TAKEN) taken(d, from, data, length);
  else hold(d, from, data, length);
}
