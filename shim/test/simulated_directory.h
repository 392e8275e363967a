/*
 * Several ranks in one process, for tests of what goes by mail: job.h and control.h without MPI. Words between two ranks
 * keep their order, and everything else about their order is chance (seeded). The program is at one rank at a time.
 */
#ifndef LF_TEST_SIMULATED_JOB_H
#define LF_TEST_SIMULATED_JOB_H

#include "names/directory.c" /* to be each rank in turn, and to see inside */
#include "names/shard.c"

#include "names/mail_link.h"
#include "base/monotonic.h"
#include "ipc/link.h"
#include "test.h"

#define RANKS 6

typedef struct letter letter;
struct letter {
  letter *next;
  lf_word word;
  uint32_t length;
  uint8_t data[];
};

static struct {
  lf_job job;
  lf_directory *directory;
  lf_peer *peers[RANKS];
  int gone; /* its program was killed */
  int left; /* it has left the job */
  letter *first[RANKS], **last[RANKS]; /* from this rank to each */
  uint64_t words, bytes; /* that it posted */
} world[RANKS];

static int me;
static uint64_t under_way; /* letters */
static uint64_t clock_now = 1;
static test_random chance;
static int posts_fail; /* no memory for mail */

uint64_t lf_now(void) { return clock_now; }

static inline void be(int rank) {
  world[me].directory = directory;
  me = rank;
  directory = world[me].directory;
}

static inline void held(const lf_job *job) { CHECK_EQ(atomic_load(&job->lock), lf_thread_self()); }
static inline int rank_of(const lf_job *job) { return job->info.rank; }

/* ---- what the directory uses of job.h and control.h ---- */

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
  if (posts_fail) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "a letter");
  int from = rank_of(job);
  letter *l = calloc(1, sizeof *l + length);
  CHECK(l != NULL);
  l->word = word;
  l->length = length;
  if (length) memcpy(l->data, data, length);
  if (!world[from].first[rank]) world[from].last[rank] = &world[from].first[rank];
  *world[from].last[rank] = l;
  world[from].last[rank] = &l->next;
  world[from].words++;
  world[from].bytes += length + 4;
  under_way++;
  return LF_OK;
}

int32_t lf_control_post_within(lf_job *job, int rank, lf_word word, const void *data, uint32_t length,
                            uint64_t patience_ns) {
  CHECK(patience_ns <= PATIENCE_MAX_NS);
  return lf_control_post(job, rank, word, data, length);
}

/* ---- moving on ---- */

/* As abi/job.c has it. */
static inline void hand_to(lf_job *job, int from, const letter *l) {
  switch (l->word) {
    case LF_WORD_LINK:
    case LF_WORD_UNLINK:
      lf_mail_link_word(job, from, l->word, l->data, l->length);
      break;
    case LF_WORD_MATCH:
    case LF_WORD_TAKEN:
    case LF_WORD_HOLD:
      lf_seek_word(job, from, l->word, l->data, l->length);
      break;
    case LF_WORD_PUBLISH:
    case LF_WORD_LOOKUP:
    case LF_WORD_FOUND:
      lf_lookup_word(job, from, l->word, l->data, l->length);
      break;
    default:
      lf_shard_word(job, from, l->word, l->data, l->length);
  }
}

static inline void deliver(int from, int to) {
  letter *l = world[from].first[to];
  world[from].first[to] = l->next;
  under_way--;
  if (!world[to].gone) {
    int back = me;
    be(to);
    lf_job *job = &world[to].job;
    lf_job_lock(job);
    if (!job->over) hand_to(job, from, l);
    lf_job_unlock(job);
    be(back);
  }
  free(l);
}

/* One word of any two ranks arrives. 0: there is none. */
static inline int deliver_any(void) {
  if (!under_way) return 0;
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
    if (world[rank].gone || job->over || !job->ends) continue;
    lf_job_lock(job);
    job->ends->round(job->ends, clock_now);
    lf_job_unlock(job);
  }
}

/* Until nothing is under way any more. */
static inline void arrive(void) {
  do {
    while (deliver_any()) continue;
    rounds();
  } while (under_way);
}

/* Long enough for whoever was matched in vain to look again. */
static inline void later(void) { clock_now += 1000000000; }

/* The rank's program is killed; others learn of it with fall_silent. */
static inline void kill_rank(int rank) { world[rank].gone = 1; }

static inline void fall_silent(void) {
  for (int rank = 0; rank < RANKS; rank++)
    for (int peer = 0; peer < RANKS; peer++)
      if (world[peer].gone && world[rank].peers[peer] && world[rank].peers[peer]->users)
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

/* ---- beginning and end of a test ---- */

static inline void begin_world(uint64_t seed) {
  chance.state = seed;
  for (int rank = 0; rank < RANKS; rank++) {
    lf_job_info *info = &world[rank].job.info;
    info->rank = rank;
    info->size = RANKS;
    snprintf(info->processor, sizeof info->processor, "host%d", rank);
  }
  be(0);
}

/* Everything was given back: no entry, no peer, nobody who waits. */
static inline void end_world(void) {
  arrive();
  be(0);
  for (int rank = 0; rank < RANKS; rank++) {
    const lf_directory *d = rank == me ? directory : world[rank].directory;
    if (d && !world[rank].gone) {
      const lf_table *tables[] = {&d->names, &d->keys, &d->ranks, &d->seeks, &d->lookups, &d->links};
      for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        CHECK_EQ(tables[i]->count, 0);
        CHECK(tables[i]->chains == NULL);
      }
      CHECK(d->asked == NULL && d->closing == NULL);
      CHECK_EQ(d->awaited, 0);
    }
    for (int peer = 0; peer < RANKS; peer++) {
      CHECK(world[rank].gone || !world[rank].peers[peer] || world[rank].peers[peer]->users == 0);
      free(world[rank].peers[peer]);
    }
    CHECK(world[rank].gone || world[rank].left || atomic_load(&world[rank].job.waiting) == 0);
    free(world[rank].directory);
  }
  memset(world, 0, sizeof world);
  directory = NULL;
}

/* ---- what tests do in it ---- */

#define PRODUCER LF_ROLE_PRODUCER
#define CONSUMER LF_ROLE_CONSUMER

static inline int home_of_name(const char *text) {
  uint64_t hash = lf_directory_hash(text, (uint32_t)strlen(text));
  return (int)((hash ^ hash >> 32) % RANKS);
}

/* A name whose home is that rank. */
static inline const char *named(int rank) {
  static char text[RANKS][16];
  for (int i = 0; !*text[rank] || home_of_name(text[rank]) != rank; i++) snprintf(text[rank], 16, "name %d", i);
  return text[rank];
}

/* One that seeks, and the link it has. */
typedef struct {
  int rank;
  int32_t seek;
  int32_t link; /* 0: none */
} party;

static inline party join(int rank, const char *text, int32_t role, const char *place) {
  be(rank);
  party p = {.rank = rank};
  p.seek = CHECK_OK(lf_seek_open(text, (uint32_t)strlen(text), role, (const uint8_t *)place, (uint32_t)strlen(place)));
  return p;
}

/* What lf_seek_poll says; a link is the party's from then on. */
static inline int32_t look(party *p) {
  int32_t got = lf_seek_poll(p->seek);
  if (got > 0) {
    CHECK_EQ(p->link, 0);
    p->link = got;
  }
  return got;
}

static inline void hang_up(party *p) {
  CHECK_EQ(lf_mail_close(p->link), LF_OK);
  p->link = 0;
}

static inline void leave(party *p) {
  if (p->link) hang_up(p);
  CHECK_EQ(lf_seek_close(p->seek), LF_OK);
  p->seek = 0;
}

static inline void say(const party *p, uint32_t number) {
  CHECK_EQ(lf_mail_send(p->link, 16, &number, sizeof number), 1);
}

/* What lf_mail_receive says; the number that came. */
static inline int32_t listen_to(const party *p, uint32_t *number) {
  static uint8_t data[LF_LINK_MESSAGE_MAX];
  lf_link_message message;
  int32_t got = lf_mail_receive(p->link, data, &message);
  if (got != 1) return got;
  CHECK_EQ(message.kind, 16);
  CHECK_EQ(message.length, sizeof *number);
  memcpy(number, data, sizeof *number);
  return 1;
}

static inline void hear(const party *p, uint32_t wanted) {
  uint32_t number;
  CHECK_EQ(listen_to(p, &number), 1);
  CHECK_EQ(number, wanted);
}

static inline void hear_the_end(const party *p) {
  uint32_t number;
  CHECK_EQ(listen_to(p, &number), LF_EPEER_DIED);
}

/* Both get a link, to each other, and what they say arrives. */
static inline void check_matched(party *a, party *b) {
  CHECK(look(a) > 0);
  CHECK(look(b) > 0);
  CHECK_EQ(lf_mail_rank(a->link), b->rank);
  CHECK_EQ(lf_mail_rank(b->link), a->rank);
  say(a, 1);
  say(b, 2);
  say(a, 3);
  arrive();
  hear(b, 1);
  hear(b, 3);
  hear(a, 2);
}

static inline void deliver_all(int from, int to) {
  while (world[from].first[to]) deliver(from, to);
}

/* The last failure's text has these words. */
static inline void check_text(const char *words) {
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  if (!strstr(last.text, words)) test_fail(__FILE__, __LINE__, "no \"%s\" in the text", words);
}

/* Runs a test once for each of many orders in which words may arrive. */
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
