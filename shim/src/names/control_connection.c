#include "names/control_connection.h"

#include <stdlib.h>

#include "base/handle.h"
#include "base/status.h"
#include "ipc/link.h"

#define MAGIC 0xf1u
/* Bytes that may wait to be received: far more than a handshake sends. */
#define WAITING_BYTES_MAX (1u << 20)

/* Below LF_KIND_FIRST_FREE: the connection's own. */
enum { OPEN = 1, REFUSED = 2 };

/* Before each message. */
typedef struct {
  uint8_t magic, version;
  uint16_t kind;
  uint32_t id; /* as the opening side gave it */
  uint32_t from_opener;
  uint32_t lease; /* OPEN: the entry that it is opened to */
} head;
/* So the longest message that a rank can send also fits where lf_connection_receive puts it. */
_Static_assert(sizeof(head) + LF_LINK_MESSAGE_MAX == LF_WORD_MAX, "a connection's message is one word");

typedef struct message message;
struct message {
  message *next;
  uint32_t kind, length;
  uint8_t data[];
};

struct lf_connection {
  lf_table_node node; /* by its id */
  lf_lease_map *map;
  lf_listener *listener; /* that it was opened to; NULL on the opening side, and when the lease is closed */
  lf_peer *peer;         /* NULL when this process is over */
  int rank;
  uint32_t opener; /* 1: this side opened it */
  int32_t end;     /* why nothing comes any more; LF_OK while it may */
  int refused;
  message *first, **last; /* that came */
  uint32_t bytes;
};

/* LF_OK, LF_FULL, HOST_OUT_OF_MEMORY. */
static int32_t push(lf_connection *c, uint32_t kind, const void *data, uint32_t length) {
  uint32_t bytes = (uint32_t)sizeof(message) + length;
  if (c->bytes + bytes > WAITING_BYTES_MAX) return LF_FULL;
  message *m = malloc(bytes);
  if (!m) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "a message of %u bytes", length);
  *m = (message){.kind = kind, .length = length};
  if (length) memcpy(m->data, data, length);
  if (!c->first) c->last = &c->first;
  *c->last = m;
  c->last = &m->next;
  c->bytes += bytes;
  return LF_OK;
}

/* NULL when there is none; the caller frees it. */
static message *pop(lf_connection *c) {
  message *m = c->first;
  if (!m) return NULL;
  c->first = m->next;
  c->bytes -= (uint32_t)sizeof *m + m->length;
  return m;
}

static int32_t post(lf_lease_map *map, int rank, lf_word word, head h, const void *data, uint32_t length) {
  uint8_t bytes[LF_WORD_MAX];
  h.magic = MAGIC;
  h.version = LF_WIRE_VERSION;
  memcpy(bytes, &h, sizeof h);
  if (length) memcpy(bytes + sizeof h, data, length);
  length += (uint32_t)sizeof h;
  if (word == LF_WORD_DISCONNECT) return lf_lease_map_post_lazily(map, rank, word, bytes, length);
  return lf_lease_map_post(map, rank, word, bytes, length);
}

static head head_of(const lf_connection *c, uint32_t kind) {
  return (head){.kind = (uint16_t)kind, .id = (uint32_t)c->node.key, .from_opener = c->opener};
}

/* The peer is told, unless it ended the connection itself, and is watched no more. */
static void disconnect(lf_connection *c) {
  if (c->end != LF_EPEER_DIED) post(c->map, c->rank, LF_WORD_DISCONNECT, head_of(c, 0), NULL, 0);
  lf_peer_release(c->map->job, c->peer);
  c->peer = NULL;
  lf_table_remove(&c->map->connections, &c->node);
}

static void leave(lf_lease_map *map) {
  for (lf_connection *c; (c = (lf_connection *)lf_table_any(&map->connections));) disconnect(c);
}

static const lf_lease_part part = {.leave = leave};

/* NULL with the failure recorded: no memory. */
static lf_connection *add(lf_lease_map *map, int rank, uint32_t id, uint32_t opener) {
  lf_connection *c = calloc(1, sizeof *c);
  if (!c) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a control connection");
    return NULL;
  }
  map->parts[LF_PART_CONNECTIONS] = &part;
  c->map = map;
  c->rank = rank;
  c->opener = opener;
  c->peer = lf_peer_retain(map->job, rank);
  if (c->peer && lf_table_add(&map->connections, &c->node, id) == LF_OK) return c;
  if (c->peer) lf_peer_release(map->job, c->peer);
  free(c);
  return NULL;
}

static void close_connection(lf_connection *c) {
  if (c->listener) {
    c->listener->connection = NULL;
    c->listener->accepted = 0;
  }
  if (c->peer) disconnect(c);
  for (message *m; (m = pop(c));) free(m);
  free(c);
}

void lf_listener_close(lf_listener *listener) {
  listener->open = 0;
  if (listener->connection && !listener->accepted) close_connection(listener->connection);
}

void lf_listener_free(lf_listener *listener) {
  lf_listener_close(listener);
  if (listener->connection) listener->connection->listener = NULL;
}

/* ---- messages ---- */

static void opened(lf_lease_map *map, int from, const head *h) {
  lf_listener *listener = (lf_listener *)lf_table_find(&map->leases, h->lease);
  lf_connection *c = listener && listener->open && !listener->connection ? add(map, from, h->id, 0) : NULL;
  if (c) {
    c->listener = listener;
    listener->connection = c;
  } else {
    post(map, from, LF_WORD_CONNECTION, (head){.kind = REFUSED, .id = h->id}, NULL, 0);
  }
}

void lf_connection_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  lf_lease_map *map = lf_lease_map_of(job);
  head h;
  if (!map || length < sizeof h) return;
  memcpy(&h, data, sizeof h);
  data += sizeof h;
  length -= (uint32_t)sizeof h;
  if (h.magic != MAGIC || h.from_opener > 1) return;
  lf_table_node *node = lf_table_find(&map->connections, h.id);
  lf_connection *c = (lf_connection *)node;
  for (; c && (c->rank != from || c->opener == h.from_opener); c = (lf_connection *)node) node = lf_table_next(node);
  if (!c) {
    int opens = word == LF_WORD_CONNECTION && h.kind == OPEN && h.from_opener && h.version == LF_WIRE_VERSION;
    if (opens) opened(map, from, &h);
  } else if (c->end != LF_OK) {
    return;
  } else if (h.version != LF_WIRE_VERSION) {
    c->end = LF_EWIRE_VERSION_MISMATCH;
  } else if (word == LF_WORD_DISCONNECT || (h.kind == REFUSED && c->opener)) {
    c->end = LF_EPEER_DIED;
    c->refused = word == LF_WORD_CONNECTION;
  } else if (h.kind >= LF_KIND_FIRST_FREE) {
    int32_t status = push(c, h.kind, data, length);
    if (status != LF_OK) c->end = status == LF_FULL ? LF_ECORRUPT_SEGMENT : status;
  }
}

/* ---- handles ---- */

static void destroy(void *object) {
  lf_lease_map *map = ((lf_connection *)object)->map;
  lf_lease_map_lock(map);
  close_connection(object);
  lf_lease_map_unlock(map);
}

int32_t lf_connection_handle(lf_connection *c) {
  int32_t handle = lf_handle_make(LF_KIND_CONNECTION, c, destroy);
  if (handle < 0) destroy(c);
  return handle;
}

int32_t lf_connection_open(int32_t rank, uint32_t id) {
  lf_lease_map *map = lf_lease_map_enter();
  if (!map) return lf_status_code();
  lf_connection *c = add(map, rank, lf_lease_map_id(map, &map->connections), 1);
  int32_t status = c ? LF_OK : lf_status_code();
  if (c) {
    head h = head_of(c, OPEN);
    h.lease = id;
    status = post(map, rank, LF_WORD_CONNECTION, h, NULL, 0);
    if (status < 0) close_connection(c);
  }
  lf_lease_map_unlock(map);
  return status < 0 ? status : lf_connection_handle(c);
}

/* Why nothing comes or goes any more; LF_OK while something may. */
static int32_t state_of(const lf_connection *c) {
  int rank = c->rank;
  if (c->refused) return lf_fail(c->end, "", 0, "rank %d has another peer under this name, or has closed it", rank);
  if (c->end == LF_EPEER_DIED)
    return lf_fail(c->end, "", 0, "rank %d closed its end of the control connection, or ended", rank);
  if (c->end == LF_EWIRE_VERSION_MISMATCH)
    return lf_fail(c->end, "", 0, "rank %d does not speak wire version %d", rank, LF_WIRE_VERSION);
  if (c->end == LF_ECORRUPT_SEGMENT)
    return lf_fail(c->end, "", 0, "rank %d sent %u bytes more than were received", rank, WAITING_BYTES_MAX);
  if (c->end != LF_OK) return lf_fail(c->end, "", 0, "no memory for the control connection to rank %d", rank);
  if (c->map->over) return lf_lease_map_over(c->map);
  if (c->peer->dead)
    return lf_fail(LF_EPEER_DIED, "", 0, "rank %d has ended, or gives no sign of life any more", rank);
  return LF_OK;
}

int32_t lf_connection_send(int32_t connection, uint32_t kind, const void *data, uint32_t length) {
  lf_connection *c = lf_handle_get(LF_KIND_CONNECTION, connection);
  if (!c) return lf_handle_stale(LF_KIND_CONNECTION, connection);
  if (kind < LF_KIND_FIRST_FREE || kind > UINT16_MAX || length > LF_LINK_MESSAGE_MAX || (length && !data))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a message of kind %u with %u bytes for a control connection", kind,
                   length);
  lf_lease_map_lock(c->map);
  int32_t status = state_of(c);
  if (status == LF_OK) status = post(c->map, c->rank, LF_WORD_CONNECTION, head_of(c, kind), data, length);
  lf_lease_map_unlock(c->map);
  return status == LF_OK ? 1 : status;
}

int32_t lf_connection_receive(int32_t connection, void *data, lf_link_message *out) {
  lf_connection *c = lf_handle_get(LF_KIND_CONNECTION, connection);
  if (!c) return lf_handle_stale(LF_KIND_CONNECTION, connection);
  if (!data || !out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the message was given");
  lf_lease_map_lock(c->map);
  message *m = pop(c);
  int32_t status = m ? LF_OK : state_of(c);
  lf_lease_map_unlock(c->map);
  if (!m) return status == LF_OK ? LF_EMPTY : status;
  memcpy(data, m->data, m->length);
  *out = (lf_link_message){.kind = m->kind, .length = m->length};
  free(m);
  return 1;
}

int32_t lf_connection_close(int32_t connection) {
  lf_connection *c = lf_handle_take(LF_KIND_CONNECTION, connection);
  if (!c) return lf_handle_stale(LF_KIND_CONNECTION, connection);
  destroy(c);
  return LF_OK;
}
