/* A producer or a consumer of a name in the lease map: it does what src/channel/connect/job-listener.ts does. */
#ifndef LF_TEST_PARTY_H
#define LF_TEST_PARTY_H

#include <stdio.h>
#include <string.h>

#include "ipc/link.h"
#include "lavaflow.h"
#include "test.h"

#define PRODUCER LF_ROLE_PRODUCER
#define CONSUMER LF_ROLE_CONSUMER

/* Between two connections to one entry. */
#define RETRY_NS 50000000u

typedef struct {
  int rank;
  uint32_t id;
  char directory[20];
  char value[256];
} party_entry;

typedef struct {
  int rank;
  int32_t lease;
  int32_t watch; /* a producer's, of the consumer's key; else 0 */
  int32_t connection; /* 0: none */
  int stopped;
  party_entry holder; /* of the role, as the last poll said */
  party_entry tried;  /* the consumer that this producer connected to last, */
  uint64_t tried_at;  /* and when */
} party;

/* The first line of lf_lease_poll; 0: there is none. */
static inline int party_read(const char *lines, party_entry *entry) {
  *entry = (party_entry){.rank = -1};
  int read = sscanf(lines, "%d %u %19s %255[^\n]", &entry->rank, &entry->id, entry->directory, entry->value);
  CHECK(read <= 0 || read >= 3);
  return read > 0;
}

static inline uint32_t party_key(char *key, int32_t role, const char *name, uint32_t name_bytes) {
  uint32_t bytes = (uint32_t)sprintf(key, "%s ", role == PRODUCER ? "producer" : "consumer");
  memcpy(key + bytes, name, name_bytes);
  return bytes + name_bytes;
}

static inline party party_join(int rank, const char *name, uint32_t name_bytes, int32_t role, const char *directory,
                               const char *host) {
  char key[LF_LEASE_KEY_MAX];
  party p = {.rank = rank};
  uint32_t bytes = party_key(key, role, name, name_bytes);
  int32_t kind = role == PRODUCER ? LF_PUT_EXCLUSIVE : LF_PUT_LISTENING;
  p.lease = CHECK_OK(lf_lease_put(key, bytes, host, (uint32_t)strlen(host), kind, (const uint8_t *)directory,
                                  (uint32_t)strlen(directory)));
  if (role == CONSUMER) return p;
  bytes = party_key(key, CONSUMER, name, name_bytes);
  p.watch = CHECK_OK(lf_lease_get(key, bytes, 1));
  return p;
}

/* The status, 0, or a connection, which is the party's from then on. */
static inline int32_t party_poll(party *p, uint64_t now) {
  static char lines[8192];
  party_entry consumer;
  int32_t got = lf_lease_poll(p->lease, sizeof lines, lines);
  party_read(lines, &p->holder);
  if (got < 0) return got;
  int holds = got == 1;
  CHECK(holds || got == LF_PENDING);
  if (p->stopped || p->connection) return 0;
  if (!p->watch) {
    got = lf_connection_accept(p->lease);
  } else {
    got = lf_lease_poll(p->watch, sizeof lines, lines);
    if (got < 0) return got;
    if (!holds || got == LF_PENDING || !party_read(lines, &consumer)) return 0;
    if (strcmp(consumer.directory, p->holder.directory) == 0) return 0;
    int again = consumer.rank == p->tried.rank && consumer.id == p->tried.id;
    if (again && now < p->tried_at + RETRY_NS) return 0;
    p->tried = consumer;
    p->tried_at = now;
    got = lf_connection_open(consumer.rank, consumer.id);
  }
  if (got > 0) p->connection = got;
  return got;
}

/* Connects to no other peer, and keeps the role. */
static inline int32_t party_stop(party *p) {
  int32_t status = lf_lease_stop(p->lease);
  if (status == LF_OK && p->watch && !p->stopped) CHECK_EQ(lf_lease_delete(p->watch), LF_OK);
  if (status == LF_OK) p->stopped = 1;
  return status;
}

static inline void hang_up(party *p) {
  CHECK_EQ(lf_connection_close(p->connection), LF_OK);
  p->connection = 0;
}

/* Gives the role back; the connection stays. */
static inline void party_delete(party *p) {
  if (p->watch && !p->stopped) CHECK_EQ(lf_lease_delete(p->watch), LF_OK);
  CHECK_EQ(lf_lease_delete(p->lease), LF_OK);
  p->lease = 0;
}

static inline void leave(party *p) {
  if (p->connection) hang_up(p);
  party_delete(p);
}

static inline void say(const party *p, uint32_t number) {
  CHECK_EQ(lf_connection_send(p->connection, 16, &number, sizeof number), 1);
}

/* The status of lf_connection_receive, and the number that came. */
static inline int32_t party_receive(const party *p, uint32_t *number) {
  static uint8_t data[LF_LINK_MESSAGE_MAX];
  lf_link_message message;
  int32_t got = lf_connection_receive(p->connection, data, &message);
  if (got != 1) return got;
  CHECK_EQ(message.kind, 16);
  CHECK_EQ(message.length, sizeof *number);
  memcpy(number, data, sizeof *number);
  return 1;
}

static inline void hear(const party *p, uint32_t wanted) {
  uint32_t number;
  CHECK_EQ(party_receive(p, &number), 1);
  CHECK_EQ(number, wanted);
}

static inline void hear_the_end(const party *p) {
  uint32_t number;
  CHECK_EQ(party_receive(p, &number), LF_EPEER_DIED);
}

#endif
