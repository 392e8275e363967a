/*
 * A batch is one MPI message: active messages for one rank, one after the other. A message goes into the last batch for
 * its rank that has space. Of the batches for one rank, MPI has one at a time: they can't pass each other, and a rank
 * that takes none holds up no other rank.
 */
#include "job/control.h"

#include <stdlib.h>

#include "base/monotonic.h"
#include "base/rank_map.h"
#include "base/status.h"

typedef struct batch batch;
struct batch {
  batch *next;
  uint8_t *bytes;
  uint32_t used, capacity;
};

/* The batches for one rank. Exists while it has one. */
typedef struct outbox outbox;
struct outbox {
  outbox *next;
  batch *first, *last;
  lf_peer *peer;  /* retained while the rank does not take its batches, so that it is asked for signs of life */
  uint64_t since; /* when MPI got the first batch */
  uint64_t due;   /* until then a batch that is not full waits for more */
  lf_mpi_request request;
  int rank;
  int sending; /* the first batch is with MPI */
  int lost;    /* the rank is dead: nothing is added */
  uint32_t batches;
};

/* Bytes of a new batch, which grows by doubling up to LF_BATCH_BYTES: most batches have a few short messages. */
#define FIRST_BYTES 512u
/* The greatest number of batches for one rank that does not take them: 16 MiB. */
#define BATCHES_MAX 512u
/* The greatest number of batches for one rank in one round, because the lock is held meanwhile. */
#define PUSHED_MAX 8
/* The greatest number of unused batches that are kept for reuse. */
#define SPARE_MAX 16u
/* Nanoseconds after which a rank that does not take a batch is asked for a sign of life: far above any turn. */
#define SLOW_NS 1000000000u

static lf_ranks outboxes;
static outbox *pending, **pending_end = &pending;
static batch *spare;
static uint32_t spares;
static uint32_t held; /* the number of outboxes with something that MPI has to take over */
static uint64_t next_due = UINT64_MAX; /* when the first batch goes of those that waited for more in the last round */
static int hurried; /* no batch waits for more */
static lf_control_counts counts;

lf_control_counts *lf_control_count(void) { return &counts; }

/* ---- batches ---- */

/* Grows a batch that MPI does not have, for `bytes` more. */
static int32_t widen(batch *b, uint32_t bytes) {
  uint32_t capacity = b->capacity ? b->capacity : FIRST_BYTES;
  while (capacity - b->used < bytes) capacity *= 2;
  if (capacity == b->capacity) return LF_OK;
  uint8_t *wider = realloc(b->bytes, capacity);
  if (!wider) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "a batch of %u bytes", capacity);
  b->bytes = wider;
  b->capacity = capacity;
  return LF_OK;
}

static void drop_batch(batch *b) {
  if (spares == SPARE_MAX) {
    free(b->bytes);
    free(b);
    return;
  }
  b->next = spare;
  spare = b;
  spares++;
}

static batch *new_batch(void) {
  const uint32_t magic = LF_BATCH_MAGIC;
  batch *b = spare ? spare : calloc(1, sizeof *b);
  if (!b) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a batch");
    return NULL;
  }
  if (b == spare) {
    spare = b->next;
    spares--;
  }
  b->next = NULL;
  b->used = 0;
  if (widen(b, sizeof magic) < 0) {
    drop_batch(b);
    return NULL;
  }
  memcpy(b->bytes, &magic, sizeof magic);
  b->used = sizeof magic;
  return b;
}

static outbox *outbox_of(int rank) {
  outbox *o = lf_ranks_find(&outboxes, rank);
  if (o) return o;
  o = calloc(1, sizeof *o);
  if (!o) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "messages for rank %d", rank);
    return NULL;
  }
  o->rank = rank;
  o->due = UINT64_MAX;
  if (lf_ranks_add(&outboxes, rank, o) < 0) {
    free(o);
    return NULL;
  }
  *pending_end = o;
  pending_end = &o->next;
  held++;
  return o;
}

/* The batch that has space for `bytes` more, or NULL. */
static batch *batch_for(outbox *o, uint32_t bytes) {
  batch *b = o->last;
  int open = b && !(o->sending && b == o->first) && LF_BATCH_BYTES - b->used >= bytes;
  if (open) return widen(b, bytes) < 0 ? NULL : b;
  if (o->batches == BATCHES_MAX) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "rank %d takes no messages: %u batches wait for it", o->rank, o->batches);
    return NULL;
  }
  b = new_batch();
  if (!b) return NULL;
  if (widen(b, bytes) < 0) {
    drop_batch(b);
    return NULL;
  }
  if (o->last) o->last->next = b;
  else o->first = b;
  o->last = b;
  o->batches++;
  counts.waiting++;
  return b;
}

/* LF_OK with *out NULL if the rank is dead: messages for it are dropped. */
static int32_t post(lf_job *job, int rank, lf_word word, const void *data, uint32_t length, outbox **out) {
  *out = NULL;
  if (rank < 0 || rank >= job->info.size || length > LF_WORD_MAX || (length && !data))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a word of %u bytes for rank %d", length, rank);
  if (job->over) return lf_fail(LF_EMPI_FAILED, "", 0, "this process has left the MPI job");
  if (lf_peer_is_silent(rank)) return LF_OK;
  outbox *o = outbox_of(rank);
  if (!o) return lf_status_code();
  if (o->lost) return LF_OK;
  const lf_word_head head = {(uint16_t)word, (uint16_t)length};
  batch *b = batch_for(o, (uint32_t)sizeof head + length);
  if (!b) return lf_status_code();
  memcpy(b->bytes + b->used, &head, sizeof head);
  if (length) memcpy(b->bytes + b->used + sizeof head, data, length);
  b->used += (uint32_t)sizeof head + length;
  *out = o;
  return LF_OK;
}

static void drop_first(outbox *o) {
  batch *b = o->first;
  o->first = b->next;
  if (!o->first) o->last = NULL;
  o->batches--;
  counts.waiting--;
  drop_batch(b);
}

/* The batch that MPI has stays until MPI gives it back, which may be never. */
static void lose(outbox *o) {
  if (o->lost) return;
  o->lost = 1;
  held--;
  batch *with_mpi = o->sending ? o->first : NULL;
  if (with_mpi) o->first = with_mpi->next;
  while (o->first) drop_first(o);
  o->first = o->last = with_mpi;
  if (with_mpi) {
    with_mpi->next = NULL;
    o->batches = 1;
  }
}

void lf_control_forget(int rank) {
  outbox *o = lf_ranks_find(&outboxes, rank);
  if (o) lose(o);
}

void lf_control_recall(int rank) {
  outbox *o = lf_ranks_find(&outboxes, rank);
  if (!o || !o->lost) return;
  o->lost = 0;
  held++;
  lf_peer_release(NULL, o->peer);
  o->peer = NULL;
}

/* LF_MOVED, LF_BUSY, or 0: nothing is left, or a batch that waits for more. */
static int push(lf_job *job, outbox *o, uint64_t now) {
  const lf_mpi *mpi = job->mpi;
  int said = 0;
  for (int count = 0; o->first && count < PUSHED_MAX; count++) {
    int error = 0, flag = 0;
    lf_mpi_status status;
    if (!o->sending) {
      if (now < o->due && o->first == o->last && !hurried) {
        if (o->due < next_due) next_due = o->due;
        return said;
      }
      if (o->first == o->last) o->due = UINT64_MAX;
      o->request = mpi->request_null;
      error = mpi->Isend(o->first->bytes, (int)o->first->used, mpi->byte, o->rank, LF_TAG_CONTROL, job->comm, &o->request);
      o->sending = error == 0;
      o->since = now;
      counts.sent++;
    }
    if (error == 0) error = mpi->Test(&o->request, &flag, &status);
    if (error == 0 && !flag) {
      if (!o->peer && !o->lost && now - o->since > SLOW_NS) o->peer = lf_peer_retain(job, o->rank);
      return said | LF_BUSY;
    }
    o->sending = 0;
    if (error != 0) lf_peer_lost(job, o->rank);
    if (o->first) drop_first(o); /* a lost outbox has nothing left */
    said = LF_MOVED;
  }
  return said;
}

int lf_control_flush(lf_job *job, uint64_t now) {
  int said = 0;
  next_due = UINT64_MAX;
  for (outbox **at = &pending; *at;) {
    outbox *o = *at;
    int pushed = push(job, o, now);
    if (!o->lost) said |= pushed;
    if (o->first) {
      at = &o->next;
      continue;
    }
    *at = o->next;
    if (!*at) pending_end = at;
    lf_ranks_remove(&outboxes, o->rank);
    if (!o->lost) held--;
    lf_peer_release(job, o->peer);
    free(o);
  }
  return said;
}

int32_t lf_control_post_within(lf_job *job, int rank, lf_word word, const void *data, uint32_t length,
                            uint64_t patience_ns) {
  outbox *o;
  int32_t status = post(job, rank, word, data, length, &o);
  uint64_t due = patience_ns ? lf_now() + patience_ns : 0;
  if (o && due < o->due) o->due = due;
  return status;
}

int32_t lf_control_post(lf_job *job, int rank, lf_word word, const void *data, uint32_t length) {
  return lf_control_post_within(job, rank, word, data, length, 0);
}

int32_t lf_control_post_now(lf_job *job, int rank, lf_word word, const void *data, uint32_t length) {
  int32_t status = lf_control_post(job, rank, word, data, length);
  outbox *o = status == LF_OK ? lf_ranks_find(&outboxes, rank) : NULL;
  if (o) push(job, o, lf_now());
  return status;
}

uint64_t lf_control_due(void) { return next_due; }

void lf_control_hurry(void) { hurried = 1; }

int lf_control_sent(lf_job *job) {
  (void)job;
  return held == 0;
}
