/*
 * Several ranks in one process, for tests of the control channel: job.h and control.h without MPI. Messages between two
 * ranks keep their order, and everything else about their order is chance (seeded). The program acts for one rank at a
 * time.
 */
#ifndef LF_TEST_SIMULATED_JOB_H
#define LF_TEST_SIMULATED_JOB_H

#include "names/lease_map.c" /* to act for each rank in turn, and to see inside */
#include "names/lease_shard.c"

#include "names/control_connection.h"
#include "base/monotonic.h"
#include "ipc/link.h"
#include "test.h"

#define RANKS 6

typedef struct posted posted;
struct posted {
  posted *next;
  lf_word word;
  uint32_t length;
  uint8_t data[];
};

static struct {
  lf_job job;
  lf_lease_map *map;
  lf_peer *peers[RANKS];
  int killed;
  int left; /* the job */
  posted *first[RANKS], **last[RANKS]; /* from this rank to each */
  uint64_t words, bytes; /* the number that it posted */
} world[RANKS];

static int me;
static uint64_t in_flight; /* messages that are sent and not delivered */
static uint64_t clock_now = 1;
static test_random chance;
static int posts_fail; /* no memory for messages */

uint64_t lf_now(void) { return clock_now; }

static inline void be(int rank) {
  world[me].map = lease_map;
  me = rank;
  lease_map = world[me].map;
}

static inline void held(const lf_job *job) { CHECK_EQ(atomic_load(&job->lock), lf_thread_self()); }
static inline int rank_of(const lf_job *job) { return job->info.rank; }

/* ---- the functions of job.h and control.h that names/ uses ---- */

lf_job *lf_job_enter(void) {
  lf_job *job = &world[me].job;
  lf_job_lock(job);
  if (!job->over && !world[me].left) return job;
  lf_job_unlock(job);
  lf_fail(LF_EMPI_FAILED, "", 0, "this process has left the MPI job");
  return NULL;
}

void lf_job_lock_slowly(lf_job *job, int held_before) {
  (void)held_before;
  test_fail(__FILE__, __LINE__, "rank %d takes the lock that it has", rank_of(job));
}

void lf_job_add(lf_job *job, lf_job_end *end) {
  held(job);
  CHECK(!job->ends);
  job->ends = end;
}

void lf_job_wait_begin(lf_job *job) { atomic_fetch_add(&job->waiting, 1); }
void lf_job_wait_end(lf_job *job) { CHECK(atomic_fetch_sub(&job->waiting, 1) > 0); }

lf_peer *lf_peer_retain(lf_job *job, int rank) {
  held(job);
  CHECK(!job->over && rank >= 0 && rank < job->info.size);
  lf_peer **peer = &world[rank_of(job)].peers[rank];
  if (!*peer) *peer = calloc(1, sizeof **peer);
  CHECK(*peer != NULL);
  (*peer)->rank = rank;
  (*peer)->users++;
  return *peer;
}

/* The caller's own record of the rank: each simulated rank has its own. */
int lf_peer_is_silent(int rank) {
  const lf_peer *peer = world[me].peers[rank];
  return peer && peer->silent;
}

void lf_peer_release(lf_job *job, lf_peer *peer) {
  held(job);
  CHECK(peer->users-- > 0);
}

int32_t lf_control_post(lf_job *job, int rank, lf_word word, const void *data, uint32_t length) {
  held(job);
  CHECK(!job->over && rank >= 0 && rank < job->info.size && length <= LF_WORD_MAX);
  if (posts_fail) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "a message");
  int from = rank_of(job);
  posted *l = calloc(1, sizeof *l + length);
  CHECK(l != NULL);
  l->word = word;
  l->length = length;
  if (length) memcpy(l->data, data, length);
  if (!world[from].first[rank]) world[from].last[rank] = &world[from].first[rank];
  *world[from].last[rank] = l;
  world[from].last[rank] = &l->next;
  world[from].words++;
  world[from].bytes += length + 4;
  in_flight++;
  return LF_OK;
}

int32_t lf_control_post_within(lf_job *job, int rank, lf_word word, const void *data, uint32_t length,
                            uint64_t patience_ns) {
  CHECK(patience_ns <= PATIENCE_MAX_NS);
  return lf_control_post(job, rank, word, data, length);
}

/* ---- progress ---- */

/* As abi/job.c has it. */
static inline void dispatch_to(lf_job *job, int from, const posted *l) {
  switch (l->word) {
    case LF_WORD_CONNECTION:
    case LF_WORD_DISCONNECT:
      lf_connection_word(job, from, l->word, l->data, l->length);
      break;
    case LF_WORD_ENTRIES:
    case LF_WORD_ASK:
      lf_lease_word(job, from, l->word, l->data, l->length);
      break;
    default:
      lf_lease_shard_word(job, from, l->word, l->data, l->length);
  }
}

static inline void deliver(int from, int to) {
  posted *l = world[from].first[to];
  world[from].first[to] = l->next;
  in_flight--;
  if (!world[to].killed) {
    int back = me;
    be(to);
    lf_job *job = &world[to].job;
    lf_job_lock(job);
    if (!job->over) dispatch_to(job, from, l);
    lf_job_unlock(job);
    be(back);
  }
  free(l);
}

/* One message of any two ranks arrives. 0: there is none. */
static inline int deliver_any(void) {
  if (!in_flight) return 0;
  for (;;) {
    uint64_t pair = test_below(&chance, RANKS * RANKS);
    if (!world[pair / RANKS].first[pair % RANKS]) continue;
    deliver((int)(pair / RANKS), (int)(pair % RANKS));
    return 1;
  }
}

/* A round of each rank. */
static inline void rounds(void) {
  for (int rank = 0; rank < RANKS; rank++) {
    lf_job *job = &world[rank].job;
    if (world[rank].killed || job->over || !job->ends) continue;
    lf_job_lock(job);
    job->ends->round(job->ends, clock_now);
    lf_job_unlock(job);
  }
}

/* Until no message is in flight. */
static inline void arrive(void) {
  do {
    while (deliver_any()) continue;
    rounds();
  } while (in_flight);
}

/* Longer than the time between two connections to one entry. */
static inline void later(void) { clock_now += 1000000000; }

/* The rank's program is killed; others learn of it with fall_silent. */
static inline void kill_rank(int rank) { world[rank].killed = 1; }

static inline void fall_silent(void) {
  for (int rank = 0; rank < RANKS; rank++)
    for (int peer = 0; peer < RANKS; peer++)
      if (world[peer].killed && world[rank].peers[peer] && world[rank].peers[peer]->users)
        world[rank].peers[peer]->dead = world[rank].peers[peer]->silent = 1;
  rounds();
}

/* The rank leaves the job (`reason` NULL), or its MPI is finalised. */
static inline void end_job(int rank, const char *reason) {
  lf_job *job = &world[rank].job;
  lf_job_lock(job);
  lf_job_end *end = job->ends;
  job->ends = NULL;
  if (end) end->over(end, reason);
  world[rank].left = 1;
  job->over = reason != NULL;
  lf_job_unlock(job);
}

/* ---- begin and end of a test ---- */

static inline void begin_world(uint64_t order) {
  chance.state = order;
  for (int rank = 0; rank < RANKS; rank++) {
    lf_job_info *info = &world[rank].job.info;
    info->rank = rank;
    info->size = RANKS;
    snprintf(info->processor, sizeof info->processor, "host%d", rank);
  }
  be(0);
}

/* Everything was given back: entries, watches, peers, and waits. */
static inline void end_world(void) {
  arrive();
  be(0);
  for (int rank = 0; rank < RANKS; rank++) {
    const lf_lease_map *map = rank == me ? lease_map : world[rank].map;
    if (map && !world[rank].killed) {
      const lf_table *tables[] = {&map->keys, &map->owners, &map->leases, &map->connections};
      for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        CHECK_EQ(tables[i]->count, 0);
        CHECK(tables[i]->chains == NULL);
      }
      CHECK(map->asked == NULL);
      CHECK_EQ(map->waiting, 0);
    }
    for (int peer = 0; peer < RANKS; peer++) {
      CHECK(world[rank].killed || !world[rank].peers[peer] || world[rank].peers[peer]->users == 0);
      free(world[rank].peers[peer]);
    }
    CHECK(world[rank].killed || world[rank].left || atomic_load(&world[rank].job.waiting) == 0);
    free(world[rank].map);
  }
  memset(world, 0, sizeof world);
  lease_map = NULL;
}

/* ---- what tests do in it ---- */

static inline int shard_of(const char *text) {
  uint64_t hash = lf_lease_hash(text, (uint32_t)strlen(text));
  return (int)((hash ^ hash >> 32) % RANKS);
}

static inline int is_kept_by(const char *name, int rank) {
  char producer[64], consumer[64];
  snprintf(producer, sizeof producer, "producer %s", name);
  snprintf(consumer, sizeof consumer, "consumer %s", name);
  return shard_of(producer) == rank && shard_of(consumer) == rank;
}

/* A name whose two roles have that rank as their shard. */
static inline const char *named(int rank) {
  static char text[RANKS][16];
  for (int i = 0; !*text[rank] || !is_kept_by(text[rank], rank); i++) snprintf(text[rank], 16, "name %d", i);
  return text[rank];
}

#include "party.h"

static inline party join(int rank, const char *name, int32_t role, const char *directory) {
  be(rank);
  return party_join(rank, name, (uint32_t)strlen(name), role, directory, world[rank].job.info.processor);
}

static inline int32_t poll_for(party *p) {
  int before = me;
  be(p->rank);
  int32_t got = party_poll(p, clock_now);
  be(before);
  return got;
}

/* Both get a connection, to each other, and messages arrive in order. */
static inline void check_connected(party *a, party *b) {
  party *p = a->watch ? a : b, *c = a->watch ? b : a;
  CHECK(poll_for(p) > 0);
  arrive();
  CHECK(poll_for(c) > 0);
  say(a, 100 + (uint32_t)a->rank);
  say(b, 200 + (uint32_t)b->rank);
  say(a, 3);
  arrive();
  hear(b, 100 + (uint32_t)a->rank);
  hear(b, 3);
  hear(a, 200 + (uint32_t)b->rank);
}

static inline void deliver_all(int from, int to) {
  while (world[from].first[to]) deliver(from, to);
}

/* The last failure's text has these words. */
static inline void check_text(const char *words) {
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  if (!strstr(last.text, words)) test_fail(__FILE__, __LINE__, "no \"%s\" in \"%s\"", words, last.text);
}

/* Another rank holds the party's role. */
static inline void check_taken(party *p, int by) {
  char host[32];
  snprintf(host, sizeof host, "host%d", by);
  CHECK_EQ(poll_for(p), LF_ENAME_IN_USE);
  CHECK_EQ(p->holder.rank, by);
  CHECK(strcmp(p->holder.value, host) == 0);
}

/* Runs a test once for each of many orders in which messages may arrive. */
static uint64_t seed;
#define RUN_ORDERS(test)                             \
  do {                                               \
    test_name = #test;                               \
    for (uint64_t order = 0; order < 100; order++) { \
      begin_world(seed + order);                     \
      test();                                        \
      end_world();                                   \
    }                                                \
    printf("ok %s\n", #test);                        \
    fflush(stdout);                                  \
  } while (0)

#endif
