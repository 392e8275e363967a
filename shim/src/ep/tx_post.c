/* The messages that are given to MPI, and their memory. */
#include "base/copy.h"
#include "base/status.h"
#include "ep/tx.h"
#include "host/pool.h"

static int32_t failed(lf_ep_tx *s, int error, const char *api) {
  lf_sticky_lost(&s->sticky, s->job, &s->peer, api, error);
  s->slots = 0;
  return lf_sticky_return(&s->sticky);
}

static int32_t no_memory(const lf_ep_tx *s) {
  return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "a message to %s", s->peer.who);
}

/*
 * Unreceived messages occupy MPI's unexpected-message queue, which all endpoints share. A receiver that is stopped, or
 * died, must not fill it. So at most UNTAKEN_MAX bytes per endpoint may be there, and further messages queue here. A
 * synchronous send, now and then, tells how many bytes the receiver has taken: its match implies the matches before
 * it.
 */
#define UNTAKEN_MAX ((uint64_t)64 << 10)
#define SYNC_AT (UNTAKEN_MAX / 4 * 3)
/* Bytes that a message counts beside its own. */
#define MESSAGE_COST 512u

static int may_post(const lf_ep_tx *s) { return s->posted - s->accepted < UNTAKEN_MAX; }

static int32_t post(lf_ep_tx *s, lf_posting *posting) {
  lf_job *job = s->job;
  s->posted += posting->bytes + MESSAGE_COST;
  int sync = __builtin_expect(s->posted - s->accepted >= SYNC_AT, 0) && !s->synchronous;
  posting->request = 0;
  const void *message = lf_cell(&s->cells, posting->cell) + LF_CELL_HEAD;
  int (*send)(const void *, int, lf_mpi_handle, int, int, lf_mpi_handle, lf_mpi_request *) =
      sync ? job->mpi->Issend : job->mpi->Isend;
  int code = send(message, (int)posting->bytes, job->mpi->byte, s->peer.rank, LF_TAG_EAGER(s->tag), job->comm,
                  &posting->request);
  if (__builtin_expect(code != 0, 0)) return failed(s, code, sync ? "MPI_Issend" : "MPI_Isend");
  if (sync) {
    s->synchronous = 1;
    posting->up_to = s->posted;
  }
  s->posting++;
  return 1;
}

/* Posts a filled cell; `length` bytes follow the header. The caller has reserved the posting. */
static int32_t hand_over(lf_ep_tx *s, uint32_t cell, uint64_t word, uint32_t length) {
  memcpy(lf_cell(&s->cells, cell) + LF_CELL_HEAD, &word, sizeof word);
  lf_posting *posting = lf_fifo_at(&s->postings, s->postings.tail, sizeof *posting);
  posting->cell = cell;
  posting->bytes = (uint32_t)sizeof word + length;
  posting->up_to = 0;
  if (__builtin_expect(s->posting == s->postings.tail, 1) && __builtin_expect(may_post(s), 1)) {
    int32_t status = post(s, posting);
    if (status != 1) {
      lf_cells_give(&s->cells, cell);
      return status;
    }
  }
  s->postings.tail++;
  return 1;
}

static void post_waiting(lf_ep_tx *s) {
  while (s->posting != s->postings.tail && may_post(s) && !s->sticky.code)
    if (post(s, lf_fifo_at(&s->postings, s->posting, sizeof(lf_posting))) != 1) return;
}

int32_t lf_ep_tx_post(lf_ep_tx *s, uint64_t word, const void *data, uint32_t length) {
  uint32_t cell;
  if (__builtin_expect(s->held != 0, 0)) lf_ep_tx_post_held(s);
  if (__builtin_expect(!lf_fifo_reserve(&s->postings, 1, sizeof(lf_posting)), 0) ||
      __builtin_expect(!lf_cells_take(&s->cells, &cell), 0))
    return no_memory(s);
  void *to = lf_cell(&s->cells, cell) + LF_CELL_HEAD + sizeof word;
  if (length <= 64) lf_copy_64(to, data, length);
  else memcpy(to, data, length);
  return hand_over(s, cell, word, length);
}

/* ---- coalescing ---- */

/* Bytes of a full message. More frames in one message lower the cost of each, and delay the first. */
#define HELD_MAX 1000u

static lf_ep_tx *first_open;

static void list(lf_ep_tx *s) {
  if (s->open) return;
  s->open = 1;
  s->next_open = first_open;
  first_open = s;
}

void lf_ep_tx_post_held(lf_ep_tx *s) {
  uint32_t frames = s->held;
  if (!frames) return;
  s->held = 0;
  hand_over(s, s->held_cell, LF_EP_HEADER(LF_EP_FRAMES, frames), s->held_bytes); /* s->sticky keeps a failure */
}

void lf_ep_post_held(void) {
  while (first_open) {
    lf_ep_tx *s = first_open;
    first_open = s->next_open;
    s->open = 0;
    lf_ep_tx_post_held(s);
  }
}

void lf_ep_tx_unlist(lf_ep_tx *s) {
  lf_ep_tx **at = &first_open;
  while (*at && *at != s) at = &(*at)->next_open;
  if (*at) *at = s->next_open;
  s->open = 0;
}

int32_t lf_ep_tx_post_coalesced(lf_ep_tx *s, const void *data, uint32_t length) {
  if (!s->open) { /* an infrequent frame is not held back */
    int32_t status = lf_ep_tx_post(s, LF_EP_HEADER(LF_EP_FRAME, length), data, length);
    if (status == 1) list(s);
    return status;
  }
  if (s->held && s->held_bytes + 1 + length > HELD_MAX) lf_ep_tx_post_held(s);
  if (!s->held) {
    if (!lf_fifo_reserve(&s->postings, 1, sizeof(lf_posting)) || !lf_cells_take(&s->cells, &s->held_cell))
      return no_memory(s);
    s->held_bytes = 0;
  }
  char *to = (char *)lf_cell(&s->cells, s->held_cell) + LF_CELL_HEAD + sizeof(uint64_t) + s->held_bytes;
  *to = (char)length;
  lf_copy_inline(to + 1, data, length);
  s->held++;
  s->held_bytes += 1 + length;
  return 2;
}

/* ---- rendezvous ---- */

/* Rendezvous messages that MPI has at once: MPI announces each on its own. */
#define RNDV_STARTED_MAX 16u

static int32_t start_rndv(lf_ep_tx *s) {
  lf_job *job = s->job;
  while (s->rndv_started != s->rndv.tail && s->rndv_started - s->rndv.head < RNDV_STARTED_MAX && !s->sticky.code) {
    lf_rndv_message *message = lf_fifo_at(&s->rndv, s->rndv_started, sizeof *message);
    message->request = 0;
    int code = job->mpi->Isend(message->data, message->bytes, job->mpi->byte, s->peer.rank, LF_TAG_RNDV(s->tag),
                               job->comm, &message->request);
    if (code) return failed(s, code, "MPI_Isend");
    s->rndv_started++;
  }
  return 1;
}

static int32_t push(lf_ep_tx *s, lf_fifo *fifo, const void *data, uint64_t length, uint32_t block, uint64_t ticket) {
  uint32_t messages = length ? (uint32_t)lf_ep_messages(length, LF_RNDV_MAX) : 1;
  if (!lf_fifo_reserve(fifo, messages, sizeof(lf_rndv_message))) return no_memory(s);
  for (uint32_t i = 0; i < messages; i++) {
    uint64_t at = i * LF_RNDV_MAX, left = length - at;
    int last = i + 1 == messages;
    *(lf_rndv_message *)lf_fifo_at(fifo, fifo->tail++, sizeof(lf_rndv_message)) =
        (lf_rndv_message){.data = (const char *)data + at,
                  .bytes = (int32_t)(last ? left : LF_RNDV_MAX),
                  .ticket = last ? ticket : 0,
                  .block = last ? block : LF_NO_BLOCK};
  }
  return fifo == &s->rndv ? start_rndv(s) : 1;
}

int32_t lf_ep_tx_post_rndv(lf_ep_tx *s, const void *data, uint64_t length, uint32_t block, uint64_t ticket) {
  return push(s, s->fragments_left ? &s->deferred : &s->rndv, data, length, block, ticket);
}

int32_t lf_ep_tx_post_fragment(lf_ep_tx *s, const void *data, uint32_t length, uint64_t ticket) {
  return push(s, &s->rndv, data, length, LF_NO_BLOCK, ticket);
}

void lf_ep_tx_resume(lf_ep_tx *s) {
  uint32_t count = lf_fifo_count(&s->deferred);
  if (!count || !lf_fifo_reserve(&s->rndv, count, sizeof(lf_rndv_message))) return; /* the next round tries again */
  for (; count; count--)
    memcpy(lf_fifo_at(&s->rndv, s->rndv.tail++, sizeof(lf_rndv_message)),
           lf_fifo_at(&s->deferred, s->deferred.head++, sizeof(lf_rndv_message)), sizeof(lf_rndv_message));
  start_rndv(s); /* s->sticky keeps a failure */
}

/* ---- completion ---- */

static int sent(lf_ep_tx *s, lf_mpi_request *request) {
  lf_mpi_status status;
  int flag = 0, code = s->job->mpi->Test(request, &flag, &status);
  if (__builtin_expect(code == 0, 1)) return flag;
  failed(s, code, "MPI_Test");
  return *request == s->job->mpi->request_null; /* MPI has freed the request */
}

int lf_ep_tx_reap(lf_ep_tx *s, int all) {
  int did = 0;
  uint32_t keep = all ? 0 : 1;
  while (s->posting - s->postings.head > keep) {
    lf_posting *posting = lf_fifo_at(&s->postings, s->postings.head, sizeof *posting);
    if (!sent(s, &posting->request)) break;
    if (__builtin_expect(posting->up_to != 0, 0)) {
      s->accepted = posting->up_to;
      s->synchronous = 0;
    }
    lf_cells_give(&s->cells, posting->cell);
    s->postings.head++;
    did = 1;
  }
  if (__builtin_expect(s->posting != s->postings.tail, 0)) post_waiting(s);
  if (__builtin_expect(lf_fifo_count(&s->rndv) == 0, 1)) {
    lf_ep_work(s->job, &s->working, 0);
    return did;
  }
  while (s->rndv_started != s->rndv.head) {
    lf_rndv_message *message = lf_fifo_at(&s->rndv, s->rndv.head, sizeof *message);
    if (!sent(s, &message->request)) break;
    if (message->block != LF_NO_BLOCK) lf_pool_release(&s->pool, message->block);
    if (message->ticket) s->sent = message->ticket;
    if (message->ticket || message->block != LF_NO_BLOCK) lf_ep_tx_notify(s);
    s->rndv.head++;
    did = 1;
  }
  start_rndv(s);
  lf_ep_work(s->job, &s->working, lf_fifo_count(&s->rndv) > 0);
  return did;
}
