/* Receives messages from MPI, and checks their contents. */
#include <inttypes.h>

#include "base/channel_limits.h"
#include "base/copy.h"
#include "base/status.h"
#include "ep/rx.h"
#include "host/pool.h"

/* Rendezvous receives that are posted at once: up to this number of bytes, or two messages. More would put large
 * frames into more blocks than the caches hold. */
#define REQUESTED_BYTES ((uint64_t)1 << 20)
#define REQUESTED_MESSAGES 2u

static int32_t failed(lf_ep_rx *r, int code, const char *api) {
  lf_sticky_lost(&r->sticky, r->job, &r->peer, api, code);
  lf_ep_rx_notify(r);
  return r->sticky.code;
}

/* ---- messages with a header ---- */

void lf_ep_rx_post(lf_ep_rx *r, uint32_t most) {
  lf_job *job = r->job;
  for (; most && r->next - r->first < LF_POSTED && !r->ended && !r->sticky.code; most--) {
    uint32_t cell;
    if (!lf_cells_take(&r->cells, &cell)) return; /* the next poll tries again */
    lf_posted *p = &r->posted[r->next % LF_POSTED];
    p->cell = cell;
    p->request = 0;
    int code = job->mpi->Irecv(lf_cell(&r->cells, cell) + LF_CELL_HEAD, (int)LF_EP_MESSAGE_MAX, job->mpi->byte,
                               r->peer.rank, LF_TAG_EAGER(r->tag), job->comm, &p->request);
    if (code) {
      lf_cells_give(&r->cells, cell);
      failed(r, code, "MPI_Irecv");
      return;
    }
    r->next++;
  }
}

static int32_t take_hello(lf_ep_rx *r, const uint8_t *data, uint64_t number, uint64_t length) {
  lf_ep_hello hello;
  if (r->hello || length != sizeof hello) return 0;
  memcpy(&hello, data, sizeof hello);
  if (hello.magic != LF_EP_MAGIC || hello.wire_version != LF_WIRE_VERSION ||
      hello.fragment_bytes != LF_FRAGMENT_BYTES || number != r->slots)
    return 0;
  r->hello = 1;
  return 1;
}

static int take_end(lf_ep_rx *r, const uint8_t *data, uint64_t number, uint64_t length) {
  lf_ep_end end;
  if (length != sizeof end) return 0;
  memcpy(&end, data, sizeof end);
  if (number != r->accepted || end.died > 1) return 0;
  r->ended = end.died ? LF_CREDIT_DIED : LF_CREDIT_CLOSED;
  return 1;
}

/* A bound on the frames in flight. The sender knows the exact number. */
static int has_slots(const lf_ep_rx *r, uint64_t frames) {
  return frames <= r->slots && r->accepted - r->taken_told <= r->slots - frames;
}

/* A frame that comes later, of `length` bytes. 0 where the length cannot be. */
static int announce(lf_ep_rx *r, lf_ep_kind kind, uint64_t length) {
  int apart = kind == LF_EP_FRAGMENTS && r->fragments;
  if (length == 0 || length > (apart ? LF_GPU_BYTES_MAX : LF_FRAME_MAX) || !has_slots(r, 1)) return 0;
  if (kind == LF_EP_RNDV && length <= LF_EAGER_MAX) return 0;
  if (!lf_fifo_reserve(&r->arrivals, 1, sizeof(lf_arrival))) {
    lf_sticky_set(&r->sticky, LF_EHOST_OUT_OF_MEMORY, "no memory for what %s sends", r->peer.who);
    return 1;
  }
  lf_arrival *a = lf_fifo_at(&r->arrivals, r->arrivals.tail++, sizeof *a);
  *a = (lf_arrival){.length = length,
                    .message_bytes = kind == LF_EP_FRAGMENTS ? LF_FRAGMENT_BYTES : LF_RNDV_MAX,
                    .kind = apart ? LF_ARRIVAL_APART : LF_ARRIVAL_BLOCK};
  a->missing = apart ? 0 : (uint32_t)lf_ep_messages(length, a->message_bytes);
  r->accepted++;
  return 1;
}

/* Whether the bytes are that number of frames, end to end. */
static int are_frames(const uint8_t *data, uint64_t frames, uint64_t length) {
  uint64_t at = 0;
  if (!frames) return 0;
  for (uint64_t i = 0; i < frames; i++) {
    if (at >= length || data[at] > LF_INLINE_MAX) return 0;
    at += 1 + (uint64_t)data[at];
  }
  return at == length;
}

static int queue_cell(lf_ep_rx *r, uint32_t cell, uint64_t length, uint32_t frames) {
  if (!lf_fifo_reserve(&r->arrivals, 1, sizeof(lf_arrival))) {
    lf_sticky_set(&r->sticky, LF_EHOST_OUT_OF_MEMORY, "no memory for what %s sends", r->peer.who);
    return 0;
  }
  LF_CELL_STATE(r, cell) = LF_CELL_QUEUED;
  lf_arrival *a = lf_fifo_at(&r->arrivals, r->arrivals.tail++, sizeof *a);
  *a = (lf_arrival){.length = length, .frames = frames, .index = cell, .kind = LF_ARRIVAL_CELL};
  return 1;
}

/* Accepts a message of `bytes` bytes, and releases its cell unless the cell has a frame. */
static __attribute__((noinline)) void take_in(lf_ep_rx *r, uint32_t cell, uint64_t bytes) {
  const uint8_t *message = lf_cell(&r->cells, cell) + LF_CELL_HEAD;
  uint64_t word = 0, length = bytes - sizeof word;
  if (bytes >= sizeof word) memcpy(&word, message, sizeof word);
  lf_ep_kind kind = (lf_ep_kind)(word >> 56);
  uint64_t number = word & LF_EP_NUMBER_MAX;
  const uint8_t *data = message + sizeof word;
  int right = bytes >= sizeof word && !r->ended && (r->hello || kind == LF_EP_HELLO), keeps = 0;
  if (right) switch (kind) {
      case LF_EP_HELLO: right = take_hello(r, data, number, length); break;
      case LF_EP_FRAME:
        right = number == length && has_slots(r, 1);
        if (right && !r->closed) keeps = queue_cell(r, cell, length, 0);
        r->accepted += right;
        break;
      case LF_EP_FRAMES:
        right = are_frames(data, number, length) && has_slots(r, number);
        if (right && !r->closed) keeps = queue_cell(r, cell, length, (uint32_t)number);
        if (right) r->accepted += number;
        break;
      case LF_EP_RNDV:
      case LF_EP_FRAGMENTS: right = length == 0 && announce(r, kind, number); break;
      case LF_EP_ASK:
        right = length == 0;
        if (number) r->wanted_released = number;
        else r->wanted_credits = 1;
        lf_ep_rx_answer(r);
        break;
      case LF_EP_END: right = take_end(r, data, number, length); break;
      default: right = 0;
    }
  if (!keeps) lf_cells_give(&r->cells, cell);
  if (!right) lf_ep_rx_corrupt(r, r->hello ? "message" : "first message", word);
  lf_ep_rx_notify(r);
}

int32_t lf_ep_rx_poll(lf_ep_rx *r, lf_frame *out) {
  if (__builtin_expect(r->first == r->next, 0)) return LF_EMPTY;
  lf_posted *p = &r->posted[r->first % LF_POSTED];
  const lf_mpi *mpi = r->job->mpi;
  lf_mpi_status status;
  int flag = 0, code = mpi->Test(&p->request, &flag, &status);
  if (__builtin_expect(code != 0, 0)) {
    r->first++; /* MPI has freed its request */
    lf_cells_give(&r->cells, p->cell);
    if (!lf_mpi_truncated(mpi, code)) return failed(r, code, "MPI_Test");
    lf_ep_rx_corrupt(r, "message of more bytes than", LF_EP_MESSAGE_MAX);
    return r->sticky.code;
  }
  if (!flag) return LF_EMPTY;
  r->first++;
  r->peer.moved = 1;
  uint64_t bytes = lf_mpi_bytes(mpi, &status);
  uint32_t cell = p->cell;
  if (__builtin_expect(out != NULL, 1) && __builtin_expect(bytes <= sizeof(uint64_t) + LF_INLINE_MAX, 1) && r->hello) {
    const uint8_t *message = lf_cell(&r->cells, cell) + LF_CELL_HEAD;
    uint64_t word;
    memcpy(&word, message, sizeof word);
    uint64_t length = bytes - sizeof word;
    if (__builtin_expect(word == LF_EP_HEADER(LF_EP_FRAME, length), 1) && has_slots(r, 1) && !r->ended) {
      lf_copy_inline(out->payload, message + sizeof word, (uint32_t)length);
      lf_cells_give(&r->cells, cell);
      r->accepted++;
      int tell;
      out->sequence = lf_ep_rx_count(r, length, &tell);
      if (__builtin_expect(tell, 0)) lf_ep_rx_send_credits(r);
      return (int32_t)length;
    }
  }
  take_in(r, cell, bytes);
  return LF_PENDING;
}

/* ---- rendezvous ---- */

int32_t lf_ep_rx_expect(lf_ep_rx *r, void *data, uint32_t bytes, uint32_t arrival, uint64_t ticket) {
  if (!lf_fifo_reserve(&r->incoming, 1, sizeof(lf_incoming)))
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "what is to come from %s", r->peer.who);
  lf_job *job = r->job;
  lf_incoming *in = lf_fifo_at(&r->incoming, r->incoming.tail, sizeof *in);
  *in = (lf_incoming){.arrival = arrival, .bytes = bytes, .ticket = ticket};
  int code = job->mpi->Irecv(data, (int)bytes, job->mpi->byte, r->peer.rank, LF_TAG_RNDV(r->tag), job->comm,
                             &in->request);
  if (code) return failed(r, code, "MPI_Irecv");
  r->incoming.tail++;
  r->incoming_bytes += bytes;
  return 1;
}

/* A block for the arrival. Only the user can retire a region that the user has a view of. */
static int take_block(lf_ep_rx *r, lf_arrival *a) {
  uint32_t region;
  while (!lf_pool_acquire(&r->pool, a->length, &a->index)) {
    int32_t status = lf_pool_grow(&r->pool, a->length, &region);
    if (status == LF_RETIRE && !lf_pool_region_of(&r->pool, region)->announced) {
      lf_pool_retire(&r->pool, region);
    } else if (status != LF_OK) {
      int retire = status == LF_RETIRE;
      if (retire && !r->retire) lf_ep_rx_signal(r);
      r->retire = (uint8_t)retire;
      return 0;
    }
  }
  r->retire = 0;
  a->placed = 1;
  return 1;
}

static int may_ask(const lf_ep_rx *r, uint64_t bytes) {
  return r->incoming_bytes + bytes <= REQUESTED_BYTES || lf_fifo_count(&r->incoming) < REQUESTED_MESSAGES;
}

/* 1 if receives for all bytes were posted. */
static int ask_for(lf_ep_rx *r, uint32_t position) {
  lf_arrival *a = lf_fifo_at(&r->arrivals, position, sizeof *a);
  while (a->asked < a->length) {
    uint64_t left = a->length - a->asked, bytes = left < a->message_bytes ? left : a->message_bytes;
    if (!may_ask(r, bytes) || (!a->placed && !take_block(r, a))) return 0;
    if (lf_pool_ready(&r->pool, a->index, a->asked + bytes) < 0) return 0; /* the next poll tries again */
    const lf_block *b = &r->pool.blocks[a->index];
    char *address = (char *)r->pool.regions[b->region].segment.address + b->offset;
    if (lf_ep_rx_expect(r, address + a->asked, (uint32_t)bytes, position, 0) < 0) return 0;
    a->asked += bytes;
  }
  return 1;
}

/* In the order of the frames: MPI matches receives in the order in which they were posted. */
static void ask(lf_ep_rx *r) {
  while (r->rndv_next != r->arrivals.tail && !r->sticky.code) {
    const lf_arrival *a = lf_fifo_at(&r->arrivals, r->rndv_next, sizeof *a);
    if (a->kind == LF_ARRIVAL_APART) return; /* the user requests its fragments after receiving it */
    if (a->kind == LF_ARRIVAL_BLOCK) {
      if (lf_fifo_count(&r->apart) || !ask_for(r, r->rndv_next)) return;
    }
    r->rndv_next++;
  }
}

int lf_ep_rx_progress_rndv(lf_ep_rx *r) {
  int did = 0;
  if (!r->over) ask(r);
  while (lf_fifo_count(&r->incoming)) {
    lf_incoming *in = lf_fifo_at(&r->incoming, r->incoming.head, sizeof *in);
    const lf_mpi *mpi = r->job->mpi;
    lf_mpi_status status;
    int flag = 0, code = mpi->Test(&in->request, &flag, &status);
    if (code) {
      r->incoming_bytes -= in->bytes;
      r->incoming.head++;
      if (!lf_mpi_truncated(mpi, code)) failed(r, code, "MPI_Test");
      else lf_ep_rx_corrupt(r, "message of more bytes than", in->bytes);
      return 1;
    }
    if (!flag) break;
    did = 1;
    r->peer.moved = 1;
    uint64_t bytes = lf_mpi_bytes(mpi, &status);
    /* An empty message replaces a fragment that the sender did not send before its end. */
    if (bytes != in->bytes && bytes) lf_ep_rx_corrupt(r, "part of a frame of length", bytes);
    if (in->ticket) {
      r->arrived = in->ticket;
      r->cut |= bytes == 0;
      lf_ep_rx_notify(r);
    } else {
      lf_arrival *a = lf_fifo_at(&r->arrivals, in->arrival, sizeof *a);
      a->cut |= bytes == 0;
      if (--a->missing == 0) lf_ep_rx_notify(r);
    }
    r->incoming_bytes -= in->bytes;
    r->incoming.head++;
  }
  lf_ep_work(r->job, &r->working, lf_fifo_count(&r->incoming) > 0);
  return did;
}

/* ---- cancel ---- */

static int cancel(lf_ep_rx *r, lf_mpi_request *request) {
  const lf_mpi *mpi = r->job->mpi;
  lf_mpi_status status;
  int flag = 0;
  if (*request == mpi->request_null) return 1;
  if (!r->cancelled) mpi->Cancel(request);
  if (mpi->Test(request, &flag, &status) == 0 && !flag) return 0; /* MPI has freed a failing request too */
  *request = mpi->request_null;
  return 1;
}

int lf_ep_rx_cancel(lf_ep_rx *r) {
  int none = 1;
  for (uint32_t i = r->first; i != r->next; i++) none &= cancel(r, &r->posted[i % LF_POSTED].request);
  for (uint32_t i = r->incoming.head; i != r->incoming.tail; i++)
    none &= cancel(r, &((lf_incoming *)lf_fifo_at(&r->incoming, i, sizeof(lf_incoming)))->request);
  r->cancelled = 1;
  return none;
}
