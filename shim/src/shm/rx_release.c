/* Frames that the user releases. A frame whose GPU work runs is released when the work has ended. */
#include <stdlib.h>

#include "base/status.h"
#include "gpu/queue.h"
#include "host/pool.h"
#include "shm/rx.h"

/* The producer may reuse the frame's memory. */
static void count_release(lf_shm_rx *c) {
  c->released++;
  atomic_store_explicit(&c->ring->released, c->released, memory_order_release);
  lf_shm_rx_wake_peer(c);
}

/* The same for a frame of a MemoryBuffer. Only this side writes the counter: a hostile producer deceives itself
 * alone. */
static void count_memory_release(lf_shm_rx *c, const lf_region *r) {
  _Atomic uint32_t *counter = &c->ring->memory_released[r->counter];
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_release);
  count_release(c);
}

/* The timeline value at which this side's last work on the memory ends; 0: it has ended, or the device is lost. */
static uint64_t work_on(lf_shm_rx *c, const lf_gpu_memory *gpu) {
  if (gpu->last_use <= c->reached) return 0;
  c->reached = lf_queue_seen(gpu->device);
  return gpu->last_use <= c->reached || gpu->device->lost ? 0 : gpu->last_use;
}

static int32_t end_later(lf_shm_rx *c, lf_region *r, uint64_t value) {
  if (c->ending_count == c->ending_capacity) {
    uint32_t capacity = c->ending_capacity ? c->ending_capacity * 2 : 16;
    ending_frame *more = realloc(c->ending, capacity * sizeof *more);
    if (!more) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "%u frames whose work is under way", capacity);
    c->ending = more;
    c->ending_capacity = capacity;
  }
  c->ending[c->ending_count++] = (ending_frame){value, (uint32_t)(r - c->regions.all)};
  r->ending++;
  return LF_PENDING;
}

void lf_shm_rx_end_frames(lf_shm_rx *c) {
  lf_device *device = c->regions.device;
  uint64_t seen = lf_queue_seen(device), now = device->lost ? UINT64_MAX : seen;
  uint32_t left = 0;
  for (uint32_t i = 0; i < c->ending_count; i++) {
    if (c->ending[i].value > now) {
      c->ending[left++] = c->ending[i];
    } else {
      lf_region *r = &c->regions.all[c->ending[i].region];
      r->ending--;
      count_memory_release(c, r);
    }
  }
  c->ending_count = left;
}

static int32_t release_memory(lf_shm_rx *c, uint32_t index) {
  lf_region *r = index < c->regions.capacity ? &c->regions.all[index] : NULL;
  if (!r || !r->live || r->kind == LF_REGION_POOLED || !r->outstanding)
    return lf_fail(LF_ECLOSED, "", 0, "frame 0x%x is not held", 0x80000000u | index);
  uint64_t value = r->gpu ? work_on(c, r->gpu) : 0;
  int32_t status = value ? end_later(c, r, value) : LF_OK;
  if (status >= 0) r->outstanding--;
  if (status == LF_OK) count_memory_release(c, r);
  return status;
}

/* Puts the block into the return ring. The producer frees it (collect in tx.c). */
static int32_t release_block(lf_shm_rx *c, uint32_t block) {
  if (block >= LF_BLOCKS_MAX || !c->block_region[block])
    return lf_fail(LF_ECLOSED, "", 0, "frame 0x%x is not held", block + 1);
  c->regions.all[c->block_region[block] - 1].outstanding--;
  c->block_region[block] = 0;
  uint64_t word = (uint64_t)block << 32 | lf_sequence(c->returned);
  atomic_store_explicit(&c->ring->returns[c->returned % LF_BLOCKS_MAX], word, memory_order_release);
  c->returned++;
  count_release(c);
  return LF_OK;
}

int32_t lf_shm_rx_release(lf_rx *rx, uint32_t token) {
  lf_shm_rx *c = (lf_shm_rx *)rx;
  if (__builtin_expect(c->released + c->ending_count >= c->position, 0))
    return lf_fail(LF_ECLOSED, "", 0, "no frame is held");
  if (token & 0x80000000u) return release_memory(c, token & ~0x80000000u);
  if (token) return release_block(c, token - 1);
  count_release(c);
  return LF_OK;
}

int32_t lf_shm_rx_pending(int32_t handle, int32_t all, double *value) {
  LF_FIND_SHM_RX(c, handle);
  if (!value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the value");
  if (c->regions.device) lf_shm_rx_peer_alive(c);
  if (c->ending_count) lf_shm_rx_end_frames(c);
  uint64_t last = 0, first = UINT64_MAX;
  for (uint32_t i = 0; i < c->ending_count; i++)
    if (c->ending[i].value < first) first = c->ending[i].value;
  for (uint32_t i = 0; all && i < c->regions.capacity; i++) {
    uint64_t work = c->regions.all[i].gpu ? work_on(c, c->regions.all[i].gpu) : 0;
    if (work > last) last = work;
  }
  *value = all ? (double)last : c->ending_count ? (double)first : 0;
  return *value > 0;
}
