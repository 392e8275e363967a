/* What a receiver tells its sender, how it waits for it, and how it ends. */
#include <inttypes.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "ep/receiver.h"
#include "host/pool.h"
#include "job/control.h"

void lf_receiver_corrupt(lf_receiver *r, const char *what, uint64_t got) {
  lf_trouble_set(&r->trouble, LF_ECORRUPT_SEGMENT, "%s sent what it can't have: %s 0x%" PRIx64 " at frame %" PRIu64,
                 r->peer.who, what, got, r->accepted);
  lf_receiver_stir(r);
}

void lf_receiver_ring(lf_receiver *r) {
  r->armed = 0;
  if (r->waits) lf_job_wait_end(r->job);
  r->waits = 0;
  if (r->has_bell) lf_bell_ring(&r->bell);
}

void lf_receiver_stir(lf_receiver *r) {
  if (r->armed) lf_receiver_ring(r);
}

/* ---- credits ---- */

static int untold(const lf_receiver *r) {
  return lf_receiver_taken(r) != r->taken_told || lf_receiver_released(r) != r->released_told || r->returned != r->returned_told;
}

void lf_receiver_tell(lf_receiver *r) {
  uint64_t released = lf_receiver_released(r); /* before `taken`, which is never less */
  lf_credit credit = {.lane = r->lane,
                      .state = r->finished ? LF_CREDIT_CLOSED : r->closed || r->over ? LF_CREDIT_DIED : LF_CREDIT_OPEN,
                      .address = r->address,
                      .taken = lf_receiver_taken(r),
                      .released = released,
                      .bytes = r->returned};
  atomic_store_explicit(&r->tell_at, credit.taken + (r->slots / 4 ? r->slots / 4 : 1), memory_order_relaxed);
  if (lf_mail_post_now(r->job, r->peer.rank, LF_WORD_CREDIT, &credit, sizeof credit) < 0) return; /* a round will */
  r->taken_told = credit.taken;
  r->released_told = credit.released;
  r->returned_told = credit.bytes;
  r->closed_told = r->closed;
  r->wanted_room = 0;
  if (r->wanted_released && credit.released >= r->wanted_released) r->wanted_released = 0;
  atomic_store_explicit(&r->tell_next, r->wanted_released != 0, memory_order_relaxed);
}

void lf_receiver_answer(lf_receiver *r) {
  int now = r->wanted_room && (lf_receiver_taken(r) != r->taken_told || r->returned != r->returned_told);
  if (r->wanted_released && lf_receiver_released(r) >= r->wanted_released) now = 1;
  if (r->returned - r->returned_told >= LF_POOL_BYTES / 4) now = 1;
  if (now) {
    lf_receiver_tell(r);
    return;
  }
  if (r->wanted_room) atomic_store_explicit(&r->tell_at, r->taken_told + 1, memory_order_relaxed);
  if (r->wanted_room || r->wanted_released) atomic_store_explicit(&r->tell_next, 1, memory_order_relaxed);
}

/* ---- rounds, and the end ---- */

void lf_receiver_free(lf_receiver *r) {
  lf_lane_peer_close(r->job, &r->peer);
  lf_pool_close(&r->pool);
  lf_cells_close(&r->cells);
  lf_fifo_close(&r->arrivals);
  lf_fifo_close(&r->incoming);
  lf_fifo_close(&r->apart);
  free(r->scratch);
  free(r);
}

static int accept(lf_receiver *r) {
  int did = 0;
  for (int i = 0; i < 64 && lf_inbox_look(r, NULL) == LF_PENDING; i++) {
    did = LF_MOVED;
    if (r->next - r->first < LF_POSTED / 2) lf_inbox_post(r, LF_POSTED);
  }
  lf_inbox_post(r, LF_POSTED);
  if (lf_inbox_bulk(r)) did = LF_MOVED;
  return did;
}

/* Nobody receives any more: what still comes is dropped. */
static void drop(lf_receiver *r) {
  while (lf_fifo_count(&r->arrivals)) {
    lf_arrival *a = lf_fifo_at(&r->arrivals, r->arrivals.head, sizeof *a);
    if (a->kind == LF_ARRIVAL_APART) {
      if (!lf_fifo_reserve(&r->apart, 1, sizeof a->length)) return;
      *(uint64_t *)lf_fifo_at(&r->apart, r->apart.tail++, sizeof a->length) = a->length;
    } else if (a->missing || r->bulk_next == r->arrivals.head) {
      if (a->kind == LF_ARRIVAL_BLOCK) break;
    } else if (a->kind == LF_ARRIVAL_BLOCK) {
      lf_pool_give(&r->pool, a->place);
    }
    if (r->bulk_next == r->arrivals.head) r->bulk_next++;
    r->arrivals.head++;
  }
  if (!lf_fifo_count(&r->apart) || lf_fifo_count(&r->incoming)) return;
  uint64_t *left = lf_fifo_at(&r->apart, r->apart.head, sizeof *left);
  uint32_t bytes = *left < LF_PIECE_BYTES ? (uint32_t)*left : LF_PIECE_BYTES;
  if (!r->scratch) r->scratch = malloc(LF_PIECE_BYTES);
  if (!r->scratch || lf_inbox_expect(r, r->scratch, bytes, 0, r->tickets + 1) < 0) return;
  r->tickets++;
  *left -= bytes;
  if (!*left) r->apart.head++;
}

static int linger(lf_receiver *r, int did, int died) {
  if (!r->closed_told && !died) lf_receiver_tell(r);
  drop(r);
  int rest = lf_fifo_count(&r->arrivals) + lf_fifo_count(&r->apart) + lf_fifo_count(&r->incoming) > 0;
  if (!died && !r->trouble.code && (!r->ended || rest || !r->closed_told)) return did | LF_BUSY;
  if (!lf_inbox_cancel(r)) return did;
  lf_job_remove(r->job, &r->end);
  lf_lane_work(r->job, &r->working, 0);
  lf_receiver_free(r);
  return did;
}

int lf_receiver_round(lf_job_end *end, uint64_t now) {
  lf_receiver *r = (lf_receiver *)end;
  int did = r->trouble.code ? 0 : accept(r);
  int died = lf_lane_peer_died(&r->peer, now);
  if (r->closed) return linger(r, did, died);
  if (died && !r->ended) {
    lf_trouble_set(&r->trouble, LF_EPEER_DIED, "%s died; %" PRIu64 " messages it sent were received", r->peer.who,
                   r->accepted);
    lf_receiver_stir(r);
  }
  if (untold(r) && !died) {
    lf_receiver_tell(r);
    did = LF_MOVED;
  }
  if (lf_pool_trim(&r->pool, now)) did = LF_MOVED;
  return did | (lf_fifo_count(&r->incoming) ? LF_BUSY : 0);
}

void lf_receiver_over(lf_job_end *end, const char *reason) {
  lf_receiver *r = (lf_receiver *)end;
  r->over = 1;
  if (!r->closed_told) lf_receiver_tell(r);
  r->kept = !lf_inbox_cancel(r);
  r->first = r->next;
  r->incoming.head = r->incoming.tail;
  lf_lane_work(r->job, &r->working, 0);
  lf_trouble_over(&r->trouble, reason);
  if (r->closed && !r->kept) lf_receiver_free(r);
  else lf_receiver_stir(r);
}

/* ---- waiting ---- */

static int ready(const lf_receiver *r) {
  if (r->trouble.code || r->retire || r->arrived != r->arrived_told) return 1;
  if (r->arrived < r->tickets) return r->cut; /* it is the next piece that the user waits for, not what comes behind */
  if (!lf_fifo_count(&r->arrivals)) return r->ended != 0;
  const lf_arrival *a = lf_fifo_at(&r->arrivals, r->arrivals.head, sizeof *a);
  return a->kind != LF_ARRIVAL_BLOCK || (!a->missing && r->arrivals.head != r->bulk_next);
}

int32_t lf_receiver_arm(int32_t handle) {
  LF_FIND_RECEIVER(r, handle);
  if (r->batch_left) return 1;
  lf_job_lock(r->job);
  lf_outbox_flush_all();
  if (!ready(r)) {
    if (r->peer.rank == r->job->info.rank) lf_job_settle(r->job);
    else lf_job_round(r->job, lf_now());
  }
  int there = ready(r);
  if (!there) {
    r->armed = 1;
    if (!r->waits) lf_job_wait_begin(r->job);
    r->waits = 1;
  }
  lf_job_unlock(r->job);
  return there;
}

int32_t lf_receiver_bell(int32_t handle, int64_t *out) {
  LF_FIND_RECEIVER(r, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the descriptor");
  lf_job_lock(r->job);
  int32_t status = r->has_bell ? LF_OK : lf_bell_open(&r->bell);
  r->has_bell = status == LF_OK;
  if (status == LF_OK) status = lf_bell_copy(&r->bell, out);
  lf_job_unlock(r->job);
  return status;
}

int32_t lf_receiver_stats(int32_t handle, lf_port_stats *out) {
  LF_FIND_RECEIVER(r, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the statistics");
  memset(out, 0, sizeof *out);
  lf_job_lock(r->job);
  uint64_t before;
  do {
    before = r->accepted;
    lf_job_settle(r->job);
  } while (r->accepted != before);
  out->queued = (double)(r->accepted - r->dropped - lf_receiver_taken(r));
  out->regions = r->cells.count / LF_CELLS_A_CHUNK;
  for (uint32_t i = 0; i < r->pool.region_capacity; i++) out->regions += r->pool.regions[i].segment.address != NULL;
  out->region_bytes = (double)lf_pool_held(&r->pool) + (double)r->cells.count * LF_CELL_BYTES;
  out->frames = (double)lf_receiver_taken(r);
  out->bytes = (double)r->bytes;
  out->held = (double)(lf_receiver_taken(r) - lf_receiver_released(r));
  out->peer = r->ended ? r->ended : r->trouble.code ? 2 : 0;
  lf_job_unlock(r->job);
  return LF_OK;
}

/* ---- regions ---- */

static int32_t no_region(uint32_t id) { return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", id); }

int32_t lf_receiver_region(int32_t handle, uint32_t id, lf_region_info *out) {
  LF_FIND_RECEIVER(r, handle);
  if (!out) return no_region(id);
  int32_t status = LF_OK;
  lf_job_lock(r->job);
  lf_pool_region *region = lf_pool_region_of(&r->pool, id);
  if (region) {
    region->announced = 1;
    *out = (lf_region_info){.address = (uint64_t)(uintptr_t)region->segment.address,
                            .size = (double)region->segment.size};
  } else if (id >= 1 && id <= r->cells.count / LF_CELLS_A_CHUNK) {
    *out = (lf_region_info){.address = (uint64_t)(uintptr_t)r->cells.chunks[id - 1],
                            .size = (double)(LF_CELLS_A_CHUNK * LF_CELL_BYTES)};
  } else {
    status = no_region(id);
  }
  lf_job_unlock(r->job);
  return status;
}

int32_t lf_receiver_retirable(int32_t handle, uint32_t *out) {
  LF_FIND_RECEIVER(r, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the region");
  lf_job_lock(r->job);
  int32_t status = r->retire ? lf_pool_idle(&r->pool, out) : LF_EMPTY;
  lf_job_unlock(r->job);
  return status;
}

int32_t lf_receiver_retire(int32_t handle, uint32_t id) {
  LF_FIND_RECEIVER(r, handle);
  int32_t status = LF_OK;
  lf_job_lock(r->job);
  lf_pool_region *region = lf_pool_region_of(&r->pool, id);
  if (!region) status = no_region(id);
  else if (region->free == region->blocks) status = lf_pool_retire(&r->pool, id);
  else region->announced = 0; /* it is in use again, and seen by nobody */
  lf_inbox_bulk(r);
  lf_job_unlock(r->job);
  return status;
}
