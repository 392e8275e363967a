#include "ep/ep.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "host/backing.h"

/* ---- cells ---- */

int lf_cells_grow(lf_cells *cells) {
  uint32_t chunk = cells->count / LF_CELLS_A_CHUNK;
  if (chunk == cells->chunk_capacity) {
    uint32_t capacity = chunk ? chunk * 2 : 4;
    uint8_t **chunks = realloc(cells->chunks, capacity * sizeof *chunks);
    if (chunks) cells->chunks = chunks;
    void **memory = realloc(cells->memory, capacity * sizeof *memory);
    if (memory) cells->memory = memory;
    uint32_t *free = realloc(cells->free, (size_t)capacity * LF_CELLS_A_CHUNK * sizeof *free);
    if (free) cells->free = free;
    if (!chunks || !memory || !free) return 0;
    cells->chunk_capacity = capacity;
  }
  void *memory = malloc((size_t)LF_CELLS_A_CHUNK * LF_CELL_BYTES + 63);
  if (!memory) return 0;
  cells->memory[chunk] = memory;
  cells->chunks[chunk] = (uint8_t *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
  for (uint32_t i = LF_CELLS_A_CHUNK; i-- > 0;) cells->free[cells->free_count++] = cells->count + i;
  cells->count += LF_CELLS_A_CHUNK;
  return 1;
}

static void free_chunk(void *chunk, void *memory) {
  (void)chunk;
  free(memory);
}

void lf_cells_close(lf_cells *cells) {
  for (uint32_t i = 0; i < cells->count / LF_CELLS_A_CHUNK; i++)
    lf_backing_free(cells->chunks[i], free_chunk, cells->memory[i]);
  free(cells->chunks);
  free(cells->memory);
  free(cells->free);
  memset(cells, 0, sizeof *cells);
}

/* ---- the peer ---- */

/* Nanoseconds between two polls of the link, each a system call. */
#define POLL_NS ((uint64_t)10000000)
/* The last messages of a process that died arrive within this time after the message before. A minimum of polls
 * counts too: a process that was stopped finds a late clock, and one poll may return nothing that MPI has not read
 * yet. A waiting process polls LAST_POLLS times in half of the time. */
#define LAST_NS ((uint64_t)100000000)
#define LAST_POLLS 10u

int32_t lf_ep_peer_open(lf_job *job, int32_t rank, lf_link *link, const char *who, uint32_t who_bytes,
                        lf_ep_peer *out) {
  if (rank < 0 || rank >= job->info.size)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "rank %d of a job with %d", rank, job->info.size);
  if (!who && who_bytes) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a name of %u bytes at no address", who_bytes);
  *out = (lf_ep_peer){.rank = rank};
  int shown = (int)(who_bytes < LF_EP_WHO_MAX ? who_bytes : LF_EP_WHO_MAX);
  snprintf(out->who, sizeof out->who, "%.*s", shown, who ? who : "");
  if (!out->who[0]) snprintf(out->who, sizeof out->who, "rank %d", rank);
  out->known = lf_peer_retain(job, rank);
  if (!out->known) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "what is known of %s", out->who);
  if (link) {
    out->link = lf_link_retain(link);
    out->known->vouched++;
  }
  return LF_OK;
}

/* From now on keepalives show whether the peer lives. */
static void link_ended(lf_ep_peer *peer) {
  lf_link_release(peer->link);
  peer->link = NULL;
  peer->known->vouched--;
}

void lf_ep_peer_close(lf_job *job, lf_ep_peer *peer) {
  if (!peer->known) return;
  if (peer->link) link_ended(peer);
  lf_peer_release(job, peer->known);
  peer->known = NULL;
}

int lf_ep_peer_died(lf_ep_peer *peer, uint64_t now) {
  if (peer->moved) {
    peer->moved = 0;
    peer->known->heard = now;
    if (peer->gone) peer->gone = now;
    peer->polls = 0;
  }
  if (!peer->gone && now - peer->polled >= POLL_NS) {
    peer->polled = now;
    /* While the link is open the process lives, even without keepalives. */
    int ended = peer->link && !lf_link_peer_alive(peer->link);
    if (ended) link_ended(peer);
    if (ended || peer->known->silent || (!peer->link && peer->known->dead)) peer->gone = now;
  }
  if (!peer->gone) return 0;
  if (peer->polls < LAST_POLLS) peer->polls++;
  return peer->polls == LAST_POLLS && now - peer->gone >= LAST_NS;
}

/* ---- sticky errors ---- */

void lf_sticky_set(lf_sticky_error *sticky, int32_t code, const char *format, ...) {
  if (sticky->code) return;
  va_list args;
  va_start(args, format);
  vsnprintf(sticky->text, sizeof sticky->text, format, args);
  va_end(args);
  sticky->code = code;
}

void lf_sticky_take(lf_sticky_error *sticky) {
  if (sticky->code) return;
  lf_status last;
  lf_status_last(&last);
  memcpy(sticky->api, last.api, sizeof sticky->api);
  memcpy(sticky->text, last.text, sizeof sticky->text);
  sticky->native_status = last.native_status;
  sticky->code = last.code;
}

void lf_sticky_lost(lf_sticky_error *sticky, lf_job *job, const lf_ep_peer *peer, const char *api, int error) {
  lf_mpi_fail(job->mpi, api, error, "%s can't be reached", peer->who);
  lf_sticky_take(sticky);
  if (peer->rank == job->info.rank) return;
  if (sticky->code == LF_EMPI_FAILED) sticky->code = LF_EPEER_DIED;
  lf_peer_lost(job, peer->rank);
}

void lf_sticky_over(lf_sticky_error *sticky, const char *reason) {
  *sticky = (lf_sticky_error){0};
  lf_sticky_set(sticky, LF_EMPI_FAILED, "%s", reason ? reason : "this process has left the MPI job");
}

int32_t lf_sticky_return(const lf_sticky_error *sticky) {
  return lf_fail(sticky->code, sticky->api, sticky->native_status, "%s", sticky->text);
}
