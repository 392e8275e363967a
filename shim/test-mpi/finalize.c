/* One rank leaves the job long before the others: its messages under way arrive, its channels are over, and it stays a
 * shard of the lease map until all leave. Four ranks. */
#include "base/monotonic.h"
#include "job_test.h"

#define LARGE_BYTES (8u << 20)
#define TAG 3u
#define LONG_NS ((uint64_t)3600 * 1000000000) /* longer than any test */

static uint8_t large[LARGE_BYTES];
static int leaver; /* the last rank */
static uint32_t answers;

static int is_dead(void *given) { return ((lf_peer *)given)->dead; }

/* ---- the rank that leaves ---- */

typedef struct {
  lf_job_end end;
  lf_mpi_request request;
  int done, over;
} large_end;

/* Under way until the other side has posted its receive. */
static int send_round(lf_job_end *end, uint64_t now) {
  large_end *e = (large_end *)end;
  lf_mpi_status status;
  (void)now;
  if (e->done) return 0;
  CHECK_EQ(job->mpi->Test(&e->request, &e->done, &status), 0);
  return e->done ? LF_MOVED : LF_BUSY;
}

static void send_over(lf_job_end *end, const char *reason) {
  large_end *e = (large_end *)end;
  CHECK(reason == NULL);
  CHECK(e->done);
  CHECK(job->ends == NULL);
  e->over++;
  CHECK_EQ(lf_control_post(job, 0, LF_WORD_DISCONNECT, NULL, 0), LF_OK); /* is still sent */
}

static large_end sending = {.end = {.round = send_round, .over = send_over}};

static void begin_to_send(void) {
  test_fill(large, sizeof large, 77);
  lf_job_lock(job);
  sending.request = job->mpi->request_null;
  CHECK_EQ(job->mpi->Isend(large, LARGE_BYTES, job->mpi->byte, 1, LF_TAG_RNDV(TAG), job->comm, &sending.request), 0);
  lf_job_add(job, &sending.end);
  for (int r = 1; r < leaver; r++) CHECK(lf_peer_retain(job, r) != NULL);
  lf_job_unlock(job);
}

/* ---- the others ---- */

static int unlinked, found;

static void read_answers(int from, lf_word word, const uint8_t *data, uint32_t length) {
  (void)data;
  CHECK_EQ(length, 0);
  if (rank == leaver && word == LF_WORD_GET) {
    answers++;
    CHECK_EQ(lf_control_post(job, from, LF_WORD_ENTRIES, NULL, 0), LF_OK);
  }
  if (word == LF_WORD_DISCONNECT) unlinked++;
  if (word == LF_WORD_ENTRIES) found++;
}

static int is_unlinked(void *given) {
  (void)given;
  return unlinked == 1;
}

static int is_found(void *given) { return found >= *(int *)given; }

static int received;

static int has_received(void *given) {
  lf_mpi_status status;
  if (!received) CHECK_EQ(job->mpi->Test(given, &received, &status), 0);
  return received;
}

static void receive_large(void) {
  lf_mpi_request request = job->mpi->request_null;
  lf_job_lock(job);
  CHECK_EQ(job->mpi->Irecv(large, LARGE_BYTES, job->mpi->byte, leaver, LF_TAG_RNDV(TAG), job->comm, &request), 0);
  lf_job_unlock(job);
  rounds_until(has_received, &request);
  CHECK_EQ(test_differs(large, sizeof large, 77), sizeof large);
}

/* The first rank is not told that the rank leaves, and learns it when it posts to that rank. */
static void learns_late(void) {
  rounds_until(is_unlinked, NULL);
  lf_job_lock(job);
  lf_peer *peer = lf_peer_retain(job, leaver);
  CHECK(peer && !peer->dead);
  CHECK_EQ(lf_control_post(job, leaver, LF_WORD_CONNECTION, NULL, 0), LF_OK);
  lf_job_unlock(job);
  rounds_until(is_dead, peer);
}

static void stays(lf_peer *peer) {
  if (rank == 1) receive_large();
  if (rank == 0) learns_late();
  else rounds_until(is_dead, peer);
  CHECK(!peer || !peer->silent);
  barrier(leaver);
  for (int i = 1; i <= 100; i++) {
    post(leaver, LF_WORD_GET, NULL, 0);
    rounds_until(is_found, &i);
  }
  CHECK_EQ(lf_peer_any_dead(), -1);
  barrier(leaver);
}

static void leaves_early(void) {
  lf_peer *peer = NULL;
  leaver = size - 1;
  read_word = read_answers;
  if (rank != leaver && rank != 0) {
    lf_job_lock(job);
    peer = lf_peer_retain(job, leaver);
    lf_job_unlock(job);
    CHECK(peer != NULL);
  }
  barrier(size);
  if (rank != leaver) stays(peer);
  else begin_to_send();
  /* A batch that waits for more, for a rank that gets nothing else, is sent and does not delay the end. */
  lf_job_lock(job);
  CHECK_EQ(lf_control_post_within(job, (rank + 3) % size, LF_WORD_DELETE, NULL, 0, LONG_NS), LF_OK);
  lf_job_unlock(job);
  CHECK_EQ(lf_job_close(0, 60000), 1);
  CHECK_EQ(lf_control_count()->waiting, 0);
  if (rank != leaver) return;
  CHECK_EQ(sending.over, 1);
  CHECK_EQ(answers, 100u * (uint32_t)leaver);
}

static void is_over(void) {
  lf_job_info info;
  CHECK(lf_job_get() == NULL);
  CHECK_EQ(lf_status_code(), LF_EMPI_FAILED);
  CHECK(lf_job_enter() == NULL);
  CHECK_EQ(lf_job_open(), LF_EMPI_FAILED);
  CHECK_EQ(lf_job_describe(&info), LF_EMPI_FAILED);
  CHECK_EQ(lf_control_post(job, 0, LF_WORD_PUT, NULL, 0), LF_EMPI_FAILED);
  CHECK_EQ(lf_job_round(job, lf_now()), 0);
  CHECK_EQ(lf_job_abort(1, NULL, 0), 0);
  CHECK_EQ(lf_job_close(0, 1000), 1); /* the same result again */
  CHECK_EQ(lf_job_close(3, -1), LF_EINVALID_ARGUMENT);
}

int main(void) {
  join_job();
  RUN(leaves_early);
  RUN(is_over);
  return 0;
}
