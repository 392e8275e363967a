/* The job: its beginning, its ends and their rounds, its lock, and peers that live. Four ranks. */
#include "base/monotonic.h"
#include "job_test.h"

static void opens(void) {
  lf_job_info info;
  CHECK(lf_job_get() == NULL);
  CHECK_EQ(lf_status_code(), LF_EMPI_UNAVAILABLE);
  CHECK_EQ(lf_job_describe(&info), LF_EMPI_UNAVAILABLE);
  CHECK_EQ(lf_job_abort(1, "without a receiver", 18), 0); /* there is no job to end */
  CHECK_EQ(standing(), LF_LAUNCH_RANK);
  join_job();
  CHECK_EQ(lf_job_open(), 1);
  CHECK_EQ(standing(), LF_LAUNCH_RANK);
}

static uint8_t ids[RANKS_MAX][16];
static int ids_come;

static void read_id(int from, lf_word word, const uint8_t *data, uint32_t length) {
  CHECK_EQ(word, LF_WORD_PUT);
  CHECK_EQ(length, 16);
  memcpy(ids[from], data, length);
  ids_come++;
}

static int all_ids(void *given) {
  (void)given;
  return ids_come == size;
}

static void says_what_it_is(void) {
  lf_job_info info;
  CHECK_EQ(lf_job_describe(NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_job_describe(&info), LF_OK);
  int said = 0;
  CHECK_EQ(lf_mpi_launched(&said), 1);
  if (said) CHECK_EQ(info.size, said);
  CHECK(info.rank >= 0 && info.rank < info.size);
  CHECK_EQ(info.ours, 1);
  CHECK(info.node >= 0 && info.node <= info.rank);
  CHECK(info.node_size >= 1 && info.node_size <= info.size);
  CHECK(info.processor[0]);
  CHECK(job->tags >= 16383);
  read_word = read_id;
  barrier(size); /* from here on all read it */
  for (int r = 0; r < size; r++) post(r, LF_WORD_PUT, info.id, sizeof info.id);
  rounds_until(all_ids, NULL);
  for (int r = 0; r < size; r++) CHECK(memcmp(ids[r], info.id, sizeof info.id) == 0);
  const uint8_t none[16] = {0};
  CHECK(memcmp(none, info.id, sizeof none) != 0);
  read_word = NULL;
}

/* ---- ends ---- */

typedef struct {
  lf_job_end end;
  lf_job_end *adds;
  int rounds, leaves_after, over;
} counted_end;

static int count_round(lf_job_end *end, uint64_t now) {
  counted_end *e = (counted_end *)end;
  CHECK(now > 0);
  e->rounds++;
  if (e->adds) lf_job_add(job, e->adds);
  e->adds = NULL;
  if (e->rounds == e->leaves_after) lf_job_remove(job, end);
  CHECK_EQ(lf_job_round(job, now), 0); /* there is no round within a round */
  return 0;
}

static void count_over(lf_job_end *end, const char *reason) {
  CHECK(reason == NULL);
  ((counted_end *)end)->over++;
}

#define COUNTED {.round = count_round, .over = count_over}

static void polls_its_ends(void) {
  counted_end added = {.end = COUNTED, .leaves_after = 2};
  counted_end ends[3] = {{.end = COUNTED, .leaves_after = 1}, {.end = COUNTED, .adds = &added.end}, {.end = COUNTED}};
  lf_job_lock(job); /* so that no round is the thread's */
  for (int i = 0; i < 3; i++) lf_job_add(job, &ends[i].end);
  for (int i = 0; i < 4; i++) lf_job_round(job, lf_now());
  CHECK_EQ(ends[0].rounds, 1);
  CHECK_EQ(ends[1].rounds, 4);
  CHECK_EQ(ends[2].rounds, 4);
  CHECK_EQ(added.rounds, 2);
  lf_job_remove(job, &ends[2].end);
  lf_job_remove(job, &ends[1].end);
  lf_job_round(job, lf_now());
  lf_job_unlock(job);
  CHECK_EQ(ends[1].rounds, 4);
  CHECK_EQ(added.rounds, 2);
}

static int said_moved;

static int say_moved(lf_job_end *end, uint64_t now) {
  (void)end;
  (void)now;
  return ++said_moved < 5 ? LF_MOVED : LF_BUSY;
}

static void progresses(void) {
  lf_job_end end = {.round = say_moved, .over = count_over};
  lf_job_lock(job);
  lf_job_rounds(job);
  lf_job_add(job, &end);
  CHECK(lf_job_round(job, lf_now()) & LF_MOVED);
  lf_job_rounds(job);
  CHECK(said_moved >= 5);
  CHECK_EQ(lf_job_round(job, lf_now()) & LF_BUSY, LF_BUSY);
  lf_job_remove(job, &end);
  lf_job_unlock(job);
}

/* ---- the lock and the thread ---- */

static uint64_t guarded; /* by the lock alone */

static void take_often(void *given) {
  for (uint32_t i = 0; i < 20000; i++) {
    lf_job_lock(job);
    guarded++;
    lf_job_unlock(job);
  }
  (void)given;
}

static void excludes(void) {
  test_thread threads[3];
  for (int i = 0; i < 3; i++) test_start(&threads[i], take_often, NULL);
  for (int i = 0; i < 3; i++) test_join(&threads[i]);
  CHECK_EQ(guarded, 60000);
}

typedef struct {
  lf_job_end end;
  pthread_t user;
  uint32_t rounds; /* of the job's thread */
} thread_end;

static int count_thread(lf_job_end *end, uint64_t now) {
  thread_end *e = (thread_end *)end;
  (void)now;
  if (!pthread_equal(pthread_self(), e->user)) e->rounds++;
  return LF_MOVED;
}

/* One that takes the lock again and again, as a user who polls. */
static void lets_the_thread_in(void) {
  thread_end e = {.end = {.round = count_thread, .over = count_over}, .user = pthread_self()};
  lf_job_lock(job);
  lf_job_add(job, &e.end);
  lf_job_unlock(job);
  uint64_t end = lf_now() + LIMIT_NS;
  for (uint32_t seen = 0; seen < 100;) {
    lf_job_lock(job);
    seen = e.rounds;
    lf_job_unlock(job);
    CHECK(lf_now() < end);
  }
  lf_job_lock(job);
  lf_job_remove(job, &e.end);
  lf_job_unlock(job);
}

static int has_rounds(void *given) {
  return ((thread_end *)given)->rounds > 0;
}

/* Wakes it many times, at any moment of its nap. */
static void wakes_the_thread(void) {
  thread_end e = {.end = {.round = count_thread, .over = count_over}, .user = pthread_self()};
  for (int i = 0; i < 1000; i++) {
    lf_job_wait_begin(job);
    lf_job_wait_end(job);
  }
  CHECK_EQ(atomic_load(&job->waiting), 0);
  lf_job_wait_begin(job);
  lf_job_lock(job);
  lf_job_add(job, &e.end);
  lf_job_unlock(job);
  rounds_until(has_rounds, &e);
  lf_job_lock(job);
  lf_job_remove(job, &e.end);
  lf_job_unlock(job);
  lf_job_wait_end(job);
}

/* ---- peers ---- */

static uint64_t since;

static int was_heard(void *given) { return ((lf_peer *)given)->heard > since; }

static void peers_answer(void) {
  lf_job_lock(job);
  CHECK(lf_peer_retain(job, -1) == NULL);
  CHECK_EQ(lf_status_code(), LF_EINVALID_ARGUMENT);
  CHECK(lf_peer_retain(job, size) == NULL);
  lf_peer *peers[RANKS_MAX];
  for (int r = 0; r < size; r++) {
    peers[r] = lf_peer_retain(job, r);
    CHECK(peers[r] && peers[r]->rank == r);
    CHECK(lf_peer_retain(job, r) == peers[r]);
    CHECK_EQ(peers[r]->users, 2);
  }
  since = lf_now();
  lf_job_unlock(job);
  for (int r = 0; r < size; r++)
    if (r != rank) rounds_until(was_heard, peers[r]); /* whose program does nothing but the same */
  lf_job_lock(job);
  for (int r = 0; r < size; r++) {
    CHECK(!peers[r]->dead && !peers[r]->silent);
    lf_peer_release(job, peers[r]);
    lf_peer_release(job, peers[r]);
  }
  CHECK_EQ(lf_peer_any_dead(), -1);
  lf_job_unlock(job);
}

int main(void) {
  lf_peer_silence = LF_PEER_SILENCE_NS / 2; /* asked twice a second */
  RUN(opens);
  RUN(says_what_it_is);
  RUN(polls_its_ends);
  RUN(progresses);
  RUN(excludes);
  RUN(lets_the_thread_in);
  RUN(wakes_the_thread);
  RUN(peers_answer);
  CHECK_EQ(lf_job_close(0, 10000), 1);
  return 0;
}
