/*
 * The receiving side of the control channel: a row of receives for any source. MPI matches them in the order in which
 * they were posted. A receive that was matched may never be filled, because its sender died in the middle: the receives
 * behind it wait no longer than PASS_NS for it.
 */
#include <stdlib.h>

#include "base/status.h"
#include "job/control.h"

/* One posted receive. */
typedef struct inbox inbox;
struct inbox {
  inbox *next;
  lf_mpi_request request;
  uint64_t done;  /* when it was found filled; 0: not yet */
  uint32_t bytes; /* then: the number, */
  int from;       /* and the sender; -1: it failed */
  int stuck;      /* the receives behind it were taken before it */
  uint8_t data[LF_BATCH_BYTES];
};

/* The number of posted receives: a rank rarely gets more batches within one round. */
#define INBOXES 8u
/* Nanoseconds for which filled receives wait for an unfilled one before them: longer than a network reorders
 * messages. */
#define PASS_NS 100000000u
/* The greatest number of batches taken in one round, because the lock is held meanwhile. */
#define TAKEN_MAX 64

static inbox *first, **inbox_end = &first;
static uint64_t next_check; /* of the whole row */

static int receive(lf_job *job, inbox *b) {
  const lf_mpi *mpi = job->mpi;
  b->request = mpi->request_null;
  b->done = 0;
  b->stuck = 0;
  b->next = NULL;
  int error =
      mpi->Irecv(b->data, (int)LF_BATCH_BYTES, mpi->byte, mpi->any_source, LF_TAG_CONTROL, job->comm, &b->request);
  if (error != 0) return error;
  *inbox_end = b;
  inbox_end = &b->next;
  return 0;
}

int32_t lf_control_open(lf_job *job) {
  for (uint32_t i = 0; i < INBOXES; i++) {
    inbox *b = malloc(sizeof *b);
    if (!b) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "an inbox of %zu bytes", sizeof *b);
    int error = receive(job, b);
    if (error != 0) return lf_mpi_fail(job->mpi, "MPI_Irecv", error, "a receive of the control channel");
  }
  return LF_OK;
}

static void dispatch(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length) {
  switch (word) {
    case LF_WORD_PING:
      lf_control_post(job, from, LF_WORD_PONG, NULL, 0);
      break;
    case LF_WORD_PONG:
      break; /* it shows that the rank is alive */
    case LF_WORD_FINALIZE:
      lf_finalize_word(job, from, word, data, length);
      break;
    case LF_WORD_LOST:
      lf_peer_word(job, from, data, length);
      break;
    case LF_WORD_CONNECTION:
    case LF_WORD_CREDIT:
      lf_finalize_answer(job, from);
      job->handlers[word](job, from, word, data, length);
      break;
    default:
      job->handlers[word](job, from, word, data, length);
  }
}

/* Whether the whole batch has a valid form: of another one no message is dispatched. */
static int is_whole(const uint8_t *data, uint32_t bytes) {
  uint32_t magic, at = sizeof magic;
  if (bytes < sizeof magic) return 0;
  memcpy(&magic, data, sizeof magic);
  if (magic != LF_BATCH_MAGIC) return 0;
  while (at < bytes) {
    lf_word_head head;
    if (bytes - at < sizeof head) return 0;
    memcpy(&head, data + at, sizeof head);
    at += (uint32_t)sizeof head;
    if (head.kind < LF_WORD_PING || head.kind > LF_WORD_LOST || head.length > LF_WORD_MAX) return 0;
    if (bytes - at < head.length) return 0;
    at += head.length;
  }
  return 1;
}

static void read_batch(lf_job *job, const inbox *b, uint64_t now) {
  if (b->from < 0 || b->from >= job->info.size || !is_whole(b->data, b->bytes)) {
    lf_control_count()->dropped++;
    return;
  }
  lf_control_count()->received++;
  lf_peer_heard(job, b->from, now);
  for (uint32_t at = sizeof(uint32_t); at < b->bytes;) {
    lf_word_head head;
    memcpy(&head, b->data + at, sizeof head);
    at += (uint32_t)sizeof head;
    dispatch(job, b->from, (lf_word)head.kind, b->data + at, head.length);
    at += head.length;
  }
}

/* Whether it is filled. A receive that failed counts as filled with nothing, so that it is dropped. */
static int is_filled(lf_job *job, inbox *b, uint64_t now) {
  if (b->done) return 1;
  const lf_mpi *mpi = job->mpi;
  lf_mpi_status status;
  int flag = 0, error = mpi->Test(&b->request, &flag, &status);
  if (error == 0 && !flag) return 0;
  b->done = now;
  uint64_t bytes = error ? 0 : lf_mpi_bytes(mpi, &status);
  b->bytes = bytes <= LF_BATCH_BYTES ? (uint32_t)bytes : 0;
  b->from = error ? -1 : lf_mpi_source(mpi, &status);
  return 1;
}

/* Takes it out of the row, reads it and posts it again. */
static void take(lf_job *job, inbox **at, uint64_t now) {
  inbox *b = *at;
  *at = b->next;
  if (!*at) inbox_end = at;
  read_batch(job, b, now);
  if (job->over) return;
  int error = receive(job, b);
  if (error != 0) job->broken(job, "MPI_Irecv", error, "a receive of the control channel");
}

/* Checks the whole row. A receive that has been filled for PASS_NS waits no more for unfilled ones before it: their
 * senders are dead, or hang. Each of those may never be filled, so another receive is posted for it. */
static void check_row(lf_job *job, uint64_t now) {
  inbox *last = NULL; /* of the receives that have been filled for PASS_NS */
  for (inbox *b = first; b; b = b->next)
    if (is_filled(job, b, now) && now - b->done >= PASS_NS) last = b;
  if (!last) return;
  for (inbox *b = first; b != last; b = b->next) {
    if (b->done || b->stuck) continue;
    b->stuck = 1;
    inbox *another = malloc(sizeof *another);
    if (another && receive(job, another) != 0) free(another);
  }
}

int lf_control_dispatch(lf_job *job, uint64_t now) {
  if (now >= next_check) {
    next_check = now + PASS_NS / 4;
    check_row(job, now);
  }
  int taken = 0;
  inbox **at = &first;
  for (inbox *b; (b = *at) && taken < TAKEN_MAX && !job->over;) {
    if (is_filled(job, b, now)) {
      take(job, at, now);
      taken++;
    } else if (b->stuck) {
      at = &b->next;
    } else {
      break;
    }
  }
  return taken ? LF_MOVED : 0;
}

/* The inboxes are not freed: MPI may still have a receive that was matched and can't be cancelled. */
void lf_control_over(lf_job *job) {
  const lf_mpi *mpi = job->mpi;
  for (inbox *b = first; b; b = b->next) {
    if (b->done || mpi->Cancel(&b->request) != 0) continue;
    lf_mpi_status status;
    int flag = 0;
    for (int i = 0; i < 1000 && !flag; i++)
      if (mpi->Test(&b->request, &flag, &status) != 0) break;
  }
}
