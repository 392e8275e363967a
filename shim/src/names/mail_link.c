#include "names/mail_link.h"

#include <stdlib.h>

#include "base/handle.h"
#include "base/monotonic.h"
#include "base/status.h"
#include "ipc/link.h"

#define MAGIC 0xf1u
/* A closed link's messages wait for a peer that neither knows it nor refuses it, but no longer than this. */
#define CLOSING_NS LF_PEER_SILENCE_NS
/* What may wait, to be received or for a peer that does not know the link yet: far more than a handshake says. */
#define WAITING_BYTES_MAX (1u << 20)

/* Below LF_KIND_FIRST_FREE: the links' own, all with the sender's seek. */
enum { OPEN = 1, OPENED = 2, REFUSED = 3 };

/* Before each message. */
typedef struct {
  uint8_t magic, version;
  uint16_t kind;
  uint32_t seek; /* the receiver's, */
  uint64_t match; /* and which of its matches */
} head;
/* So the longest word that a rank can send also fits where lf_mail_receive puts it. */
_Static_assert(sizeof(head) + LF_LINK_MESSAGE_MAX == LF_WORD_MAX, "a link's message is one word, and no word is longer");

typedef struct message message;
struct message {
  message *next;
  uint32_t kind, length;
  uint8_t data[];
};

typedef struct {
  message *first, **end;
  uint32_t bytes;
} queue;

struct lf_mail_link {
  lf_table_node node; /* by its match */
  lf_directory *directory;
  struct lf_seek *seek; /* whose link it is; NULL when that is closed */
  void (*unlinked)(struct lf_seek *seek);
  lf_peer *peer; /* NULL when this process is over */
  int rank;
  uint32_t seek_id, other_id;
  uint64_t match;
  int known; /* to the peer: what is sent needs not wait */
  int32_t end; /* why nothing comes any more; LF_OK while it may */
  queue in, out;
  /* It was closed before the peer knew it, and has messages for it: it stays for them, in a list of the directory's. */
  int closing;
  uint64_t closed_at;
  lf_mail_link *next_closing;
};

/* ---- queues ---- */

/* LF_OK, LF_FULL, HOST_OUT_OF_MEMORY. */
static int32_t push(queue *q, uint32_t kind, const void *data, uint32_t length) {
  uint32_t bytes = (uint32_t)sizeof(message) + length;
  if (q->bytes + bytes > WAITING_BYTES_MAX) return LF_FULL;
  message *m = malloc(bytes);
  if (!m) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "a message of %u bytes", length);
  *m = (message){.kind = kind, .length = length};
  if (length) memcpy(m->data, data, length);
  if (!q->first) q->end = &q->first;
  *q->end = m;
  q->end = &m->next;
  q->bytes += bytes;
  return LF_OK;
}

/* NULL when it is empty; the caller frees it. */
static message *pop(queue *q) {
  message *m = q->first;
  if (!m) return NULL;
  q->first = m->next;
  q->bytes -= (uint32_t)sizeof *m + m->length;
  return m;
}

static void empty(queue *q) {
  for (message *m; (m = pop(q));) free(m);
}

/* ---- words ---- */

static int32_t post(lf_directory *d, int rank, lf_word word, uint32_t seek, uint64_t match, uint32_t kind,
                    const void *data, uint32_t length) {
  uint8_t bytes[LF_WORD_MAX];
  head h = {.magic = MAGIC, .version = LF_WIRE_VERSION, .kind = (uint16_t)kind, .seek = seek, .match = match};
  memcpy(bytes, &h, sizeof h);
  if (length) memcpy(bytes + sizeof h, data, length);
  length += (uint32_t)sizeof h;
  if (word == LF_WORD_UNLINK) return lf_directory_post_slowly(d, rank, word, bytes, length);
  return lf_directory_post(d, rank, word, bytes, length);
}

static int32_t say(const lf_mail_link *link, uint32_t kind, const void *data, uint32_t length) {
  return post(link->directory, link->rank, LF_WORD_LINK, link->other_id, link->match, kind, data, length);
}

void lf_mail_link_refuse(lf_directory *d, uint32_t seek_id, int rank, uint32_t other_id, uint64_t match) {
  post(d, rank, LF_WORD_LINK, other_id, match, REFUSED, &seek_id, sizeof seek_id);
}

static lf_mail_link *find(const lf_directory *d, const head *h) {
  lf_table_node *node = lf_table_find(&d->links, h->match);
  while (node && ((lf_mail_link *)node)->seek_id != h->seek) node = lf_table_next(node);
  return (lf_mail_link *)node;
}

static void end(lf_mail_link *link, int32_t status) {
  if (link->end == LF_OK) link->end = status;
  empty(&link->out);
}

/* The peer is told, unless it closed the link before; and is not watched any more. */
static void unlink_peer(lf_mail_link *link) {
  lf_directory *d = link->directory;
  if (link->end != LF_EPEER_DIED) post(d, link->rank, LF_WORD_UNLINK, link->other_id, link->match, 0, NULL, 0);
  lf_peer_release(d->job, link->peer);
  link->peer = NULL;
  lf_table_remove(&d->links, &link->node);
}

static void dispose(lf_mail_link *link) {
  if (link->closing) {
    lf_mail_link **at = &link->directory->closing;
    while (*at != link) at = &(*at)->next_closing;
    *at = link->next_closing;
  }
  if (link->peer) unlink_peer(link);
  empty(&link->in);
  empty(&link->out);
  free(link);
}

static void becomes_known(lf_mail_link *link) {
  link->known = 1;
  for (message *m; (m = pop(&link->out));) {
    int32_t status = say(link, m->kind, m->data, m->length);
    free(m);
    if (status < 0) end(link, status);
  }
}

/* OPEN, OPENED, REFUSED. A refusal that a third rank provoked is none: the peer knows the link, or it is about another
 * seek. */
static void own_word(lf_directory *d, lf_mail_link *link, int from, const head *h, const uint8_t *data,
                     uint32_t length) {
  uint32_t sender;
  if (length != sizeof sender) return;
  memcpy(&sender, data, sizeof sender);
  if (!link) {
    if (h->kind == OPEN && !(d->expects && d->expects(d, h->seek, h->match)))
      lf_mail_link_refuse(d, h->seek, from, sender, h->match);
  } else if (sender == link->other_id) {
    if (h->kind == OPEN) say(link, OPENED, &link->seek_id, sizeof link->seek_id);
    if (h->kind == OPEN || h->kind == OPENED) becomes_known(link);
    else if (h->kind == REFUSED && !link->known) end(link, LF_EPEER_DIED);
  }
}

void lf_mail_link_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  lf_directory *d = lf_directory_of(job);
  head h;
  if (!d || length < sizeof h) return;
  memcpy(&h, data, sizeof h);
  data += sizeof h;
  length -= (uint32_t)sizeof h;
  if (h.magic != MAGIC) return;
  lf_mail_link *link = find(d, &h);
  if (link && link->rank != from) return;
  if (h.version != LF_WIRE_VERSION) {
    if (link) end(link, LF_EWIRE_VERSION_MISMATCH);
  } else if (word == LF_WORD_LINK && h.kind < LF_KIND_FIRST_FREE) {
    own_word(d, link, from, &h, data, length);
  } else if (link && word == LF_WORD_UNLINK) {
    end(link, LF_EPEER_DIED);
  } else if (link && link->end == LF_OK) {
    int32_t status = link->closing ? LF_OK : push(&link->in, h.kind, data, length);
    if (status != LF_OK) end(link, status == LF_FULL ? LF_ECORRUPT_SEGMENT : status);
  }
  if (link && link->closing && (link->known || link->end != LF_OK)) dispose(link);
}

/* ---- links ---- */

lf_mail_link *lf_mail_link_open(lf_directory *d, struct lf_seek *seek, void (*unlinked)(struct lf_seek *seek),
                                uint32_t seek_id, const lf_word_match *match) {
  lf_mail_link *link = calloc(1, sizeof *link);
  if (!link) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a mail link");
    return NULL;
  }
  link->directory = d;
  link->seek = seek;
  link->unlinked = unlinked;
  link->rank = match->rank;
  link->seek_id = seek_id;
  link->other_id = match->other_id;
  link->match = match->match;
  link->peer = lf_peer_retain(d->job, link->rank);
  if (link->peer && lf_table_add(&d->links, &link->node, link->match) == LF_OK) {
    if (say(link, OPEN, &link->seek_id, sizeof link->seek_id) == LF_OK) return link;
    lf_table_remove(&d->links, &link->node);
  }
  if (link->peer) lf_peer_release(d->job, link->peer);
  free(link);
  return NULL;
}

void lf_mail_link_orphan(lf_mail_link *link) { link->seek = NULL; }

void lf_mail_link_close(lf_mail_link *link) {
  lf_directory *d = link->directory;
  if (link->seek) link->unlinked(link->seek);
  if (!link->peer || !link->out.first) {
    dispose(link);
    return;
  }
  link->seek = NULL;
  link->closing = 1;
  link->closed_at = lf_now();
  link->next_closing = d->closing;
  d->closing = link;
}

static int round_of(lf_directory *d, uint64_t now) {
  for (lf_mail_link *link = d->closing, *next; link; link = next) {
    next = link->next_closing;
    if (link->peer->dead || now - link->closed_at > CLOSING_NS) dispose(link);
  }
  return 0;
}

static void over(lf_directory *d) {
  while (d->closing) dispose(d->closing);
  for (lf_mail_link *link; (link = (lf_mail_link *)lf_table_any(&d->links));) unlink_peer(link);
}

void lf_mail_link_begin(lf_directory *d, int (*expects)(const lf_directory *d, uint32_t seek_id, uint64_t match)) {
  static const lf_directory_part part = {.round = round_of, .over = over};
  d->parts[LF_PART_LINKS] = &part;
  d->expects = expects;
}

static void destroy(void *object) {
  lf_directory *d = ((lf_mail_link *)object)->directory;
  lf_directory_lock(d);
  lf_mail_link_close(object);
  lf_directory_leave(d);
}

int32_t lf_mail_link_handle(lf_mail_link *link) {
  int32_t handle = lf_handle_make(LF_KIND_MAIL_LINK, link, destroy);
  if (handle < 0) destroy(link);
  return handle;
}

/* Why nothing comes or goes any more; LF_OK while something may. */
static int32_t state_of(const lf_mail_link *link) {
  int rank = link->rank;
  if (link->end == LF_EPEER_DIED)
    return lf_fail(LF_EPEER_DIED, "", 0, "rank %d closed its end of the mail link, or ended", rank);
  if (link->end == LF_EWIRE_VERSION_MISMATCH)
    return lf_fail(link->end, "", 0, "rank %d does not speak wire version %d", rank, LF_WIRE_VERSION);
  if (link->end == LF_ECORRUPT_SEGMENT)
    return lf_fail(link->end, "", 0, "rank %d sent %u bytes more than were received", rank, WAITING_BYTES_MAX);
  if (link->end != LF_OK) return lf_fail(link->end, "", 0, "no memory for the mail link to rank %d", rank);
  if (link->directory->over) return lf_directory_over(link->directory);
  if (link->peer->dead)
    return lf_fail(LF_EPEER_DIED, "", 0, "rank %d has ended, or gives no sign of life any more", rank);
  return LF_OK;
}

int32_t lf_mail_send(int32_t mail, uint32_t kind, const void *data, uint32_t length) {
  lf_mail_link *link = lf_handle_get(LF_KIND_MAIL_LINK, mail);
  if (!link) return lf_handle_stale(LF_KIND_MAIL_LINK, mail);
  if (kind < LF_KIND_FIRST_FREE || kind > UINT16_MAX || length > LF_LINK_MESSAGE_MAX || (length && !data))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a message of kind %u with %u bytes for a mail link", kind, length);
  lf_directory_lock(link->directory);
  int32_t status = state_of(link);
  if (status == LF_OK) status = link->known ? say(link, kind, data, length) : push(&link->out, kind, data, length);
  lf_directory_leave(link->directory);
  return status == LF_OK ? 1 : status;
}

int32_t lf_mail_receive(int32_t mail, void *data, lf_link_message *out) {
  lf_mail_link *link = lf_handle_get(LF_KIND_MAIL_LINK, mail);
  if (!link) return lf_handle_stale(LF_KIND_MAIL_LINK, mail);
  if (!data || !out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the message");
  lf_directory_lock(link->directory);
  message *m = pop(&link->in);
  int32_t status = m ? LF_OK : state_of(link);
  lf_directory_leave(link->directory);
  if (!m) return status == LF_OK ? LF_EMPTY : status;
  memcpy(data, m->data, m->length);
  *out = (lf_link_message){.kind = m->kind, .length = m->length};
  free(m);
  return 1;
}

int32_t lf_mail_rank(int32_t mail) {
  const lf_mail_link *link = lf_handle_get(LF_KIND_MAIL_LINK, mail);
  return link ? link->rank : lf_handle_stale(LF_KIND_MAIL_LINK, mail);
}

int32_t lf_mail_close(int32_t mail) {
  lf_mail_link *link = lf_handle_take(LF_KIND_MAIL_LINK, mail);
  if (!link) return lf_handle_stale(LF_KIND_MAIL_LINK, mail);
  destroy(link);
  return LF_OK;
}
