/*
 * A letter is one message of MPI: words for one rank, one after the other. What is posted goes into the last letter for
 * its rank that has room. Of the letters for one rank, MPI has one at a time, so they can't pass each other, and a rank
 * that takes none holds up nobody else.
 */
#include "job/control.h"

#include <stdlib.h>

#include "base/monotonic.h"
#include "base/rank_map.h"
#include "base/status.h"

typedef struct letter letter;
struct letter {
  letter *next;
  uint8_t *bytes;
  uint32_t used, room;
};

/* What is to go to one rank; it is there only while there is something in it. */
typedef struct outbox outbox;
struct outbox {
  outbox *next;
  letter *first, *last;
  lf_peer *peer;  /* asked for signs of life when it does not take its mail */
  uint64_t since; /* the first letter is with MPI from then on */
  uint64_t due;   /* a letter that is not full waits until then for more */
  lf_mpi_request request;
  int rank;
  int sending; /* the first letter is with MPI */
  int lost;    /* the rank is dead: nothing more is put in here */
  uint32_t letters;
};

/* A letter has room for so much at first, and grows by doubling up to LF_BATCH_BYTES. */
#define FIRST_BYTES 512u
/* Letters for one rank that does not take them: 16 MiB. */
#define LETTERS_MAX 512u
/* Letters for one rank that go in one round: the lock is not held for longer. */
#define PUSHED_MAX 8
/* Letters that are kept for the next ones. */
#define SPARE_MAX 16u
/* Who does not take a letter for so long is asked whether it is there. */
#define SLOW_NS 1000000000u

static lf_ranks outboxes;
static outbox *pending, **pending_end = &pending;
static letter *spare;
static uint32_t spares;
static uint32_t held; /* outboxes that still have something for MPI to take over */
static uint64_t next_due = UINT64_MAX; /* when the first of the letters goes that waited for more in the last round */
static int hurried; /* no letter waits for more */
static lf_control_counts counts;

lf_control_counts *lf_control_count(void) { return &counts; }

/* ---- letters ---- */

/* Makes room for `bytes` more in a letter that MPI does not have. */
static int32_t widen(letter *l, uint32_t bytes) {
  uint32_t room = l->room ? l->room : FIRST_BYTES;
  while (room - l->used < bytes) room *= 2;
  if (room == l->room) return LF_OK;
  uint8_t *wider = realloc(l->bytes, room);
  if (!wider) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "a letter of %u bytes", room);
  l->bytes = wider;
  l->room = room;
  return LF_OK;
}

static void drop_letter(letter *l) {
  if (spares == SPARE_MAX) {
    free(l->bytes);
    free(l);
    return;
  }
  l->next = spare;
  spare = l;
  spares++;
}

static letter *new_letter(void) {
  const uint32_t magic = LF_BATCH_MAGIC;
  letter *l = spare ? spare : calloc(1, sizeof *l);
  if (!l) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a letter");
    return NULL;
  }
  if (l == spare) {
    spare = l->next;
    spares--;
  }
  l->next = NULL;
  l->used = 0;
  if (widen(l, sizeof magic) < 0) {
    drop_letter(l);
    return NULL;
  }
  memcpy(l->bytes, &magic, sizeof magic);
  l->used = sizeof magic;
  return l;
}

static outbox *outbox_of(int rank) {
  outbox *o = lf_ranks_find(&outboxes, rank);
  if (o) return o;
  o = calloc(1, sizeof *o);
  if (!o) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "mail for rank %d", rank);
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

/* The letter that has room for `bytes` more, or NULL. */
static letter *letter_for(outbox *o, uint32_t bytes) {
  letter *l = o->last;
  int open = l && !(o->sending && l == o->first) && LF_BATCH_BYTES - l->used >= bytes;
  if (open) return widen(l, bytes) < 0 ? NULL : l;
  if (o->letters == LETTERS_MAX) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "rank %d takes no mail: %u letters wait for it", o->rank, o->letters);
    return NULL;
  }
  l = new_letter();
  if (!l) return NULL;
  if (widen(l, bytes) < 0) {
    drop_letter(l);
    return NULL;
  }
  if (o->last) o->last->next = l;
  else o->first = l;
  o->last = l;
  o->letters++;
  counts.waiting++;
  return l;
}

/* LF_OK with *out NULL where the rank is dead: what is for it is dropped. */
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
  letter *l = letter_for(o, (uint32_t)sizeof head + length);
  if (!l) return lf_status_code();
  memcpy(l->bytes + l->used, &head, sizeof head);
  if (length) memcpy(l->bytes + l->used + sizeof head, data, length);
  l->used += (uint32_t)sizeof head + length;
  *out = o;
  return LF_OK;
}

static void drop_first(outbox *o) {
  letter *l = o->first;
  o->first = l->next;
  if (!o->first) o->last = NULL;
  o->letters--;
  counts.waiting--;
  drop_letter(l);
}

/* What MPI has in its hands stays until it gives it back, which may be never. */
static void lose(outbox *o) {
  if (o->lost) return;
  o->lost = 1;
  held--;
  letter *with_mpi = o->sending ? o->first : NULL;
  if (with_mpi) o->first = with_mpi->next;
  while (o->first) drop_first(o);
  o->first = o->last = with_mpi;
  if (with_mpi) {
    with_mpi->next = NULL;
    o->letters = 1;
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

/* LF_MOVED, LF_BUSY, or 0 with nothing left in it, or a letter that waits for more. */
static int push(lf_job *job, outbox *o, uint64_t now) {
  const lf_mpi *mpi = job->mpi;
  int said = 0;
  for (int letters = 0; o->first && letters < PUSHED_MAX; letters++) {
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
    if (o->first) drop_first(o); /* what was lost has nothing left */
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
