/*
 * The registration cache: MemoryBuffers that the peer has mapped. Each is announced once with an OS handle, and then
 * sent as a descriptor. For GPU memory with running work of this side, the peer's queue waits for the work, or the
 * send does.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "abi/device.h"
#include "abi/memory.h"
#include "base/status.h"
#include "base/whole.h"
#include "gpu/queue.h"
#include "host/pool.h"
#include "shm/tx.h"

/* ---- GPU memory ---- */

int32_t lf_shm_tx_use_device(int32_t handle, int32_t device_handle, int32_t share_timeline) {
  LF_FIND_SHM_TX(p, handle);
  lf_device *device = lf_device_get(device_handle);
  if (!device) return lf_status_code();
  if (p->device) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "this producer uses a device already");
  p->device = lf_device_retain(device);
  p->share_timeline = share_timeline != 0;
  return LF_OK;
}

static void name_device(uint8_t *uuids, const lf_device *device) {
  memcpy(uuids, device->info.device_uuid, LF_UUID_BYTES);
  memcpy(uuids + LF_UUID_BYTES, device->info.driver_uuid, LF_UUID_BYTES);
}

/* Sends the device's timeline: 1, LF_FULL, LF_PENDING. */
static int32_t send_timeline(lf_shm_tx *p) {
  lf_timeline_message message;
  name_device(message.uuids, p->device);
  int64_t os;
  int32_t status = lf_queue_share(p->device, &os);
  if (status != LF_OK) return status;
  status = lf_shm_tx_put(p, LF_KIND_TIMELINE, &message, sizeof message, os);
  lf_os_handle_close(os);
  p->timeline_sent = status == 1;
  return status;
}

/* Nanoseconds: a multiple of the time of the copy that small memory needs before its first send. */
#define MOVE_NS ((uint64_t)20 * 1000 * 1000)

/* The OS handle is open only while it is sent. */
static int32_t announce_gpu(lf_shm_tx *p, uint32_t id, uint32_t counter, lf_gpu_memory *gpu) {
  if (gpu->device != p->device)
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "memory of another device than the channel's (%s)",
                   p->device->info.name);
  if (p->share_timeline && !p->timeline_sent) {
    int32_t status = send_timeline(p);
    if (status != 1) return status;
  }
  int64_t os;
  int is_last = gpu->block && lf_queue_seen(p->device) == lf_queue_last(p->device);
  int32_t status = lf_gpu_memory_export(gpu, &os);
  if (status != LF_OK) return status == LF_FULL ? LF_PENDING : status;
  /* Without other work on the queue, waiting for the copy of small memory is faster than LF_PENDING. */
  if (is_last && !p->share_timeline) status = lf_queue_wait(p->device, gpu->moved_at, MOVE_NS);
  if (status < 0) {
    lf_os_handle_close(os);
    return status;
  }
  lf_region_message message = {.region = id,
                               .kind = LF_REGION_GPU,
                               .size = gpu->size,
                               .allocation = gpu->allocation,
                               .host_visible = gpu->host_visible,
                               .counter = counter};
  name_device(message.uuids, p->device);
  status = lf_shm_tx_announce(p, &message, os);
  lf_os_handle_close(os);
  return status;
}

/* Memory of another peer, whose work on it may run: this queue waits for that work, and so does every wait for this
 * queue. */
static int32_t take_over(lf_device *device, lf_gpu_memory *gpu) {
  if (!lf_semaphore_reached(gpu->peer, gpu->peer_value)) {
    VkCommandBuffer commands;
    uint64_t value;
    int32_t status = lf_queue_begin(device, 1, &commands);
    if (status != LF_OK) return status == LF_FULL ? LF_PENDING : status;
    status = lf_queue_use(device, gpu);
    if (status < 0) lf_queue_drop(device);
    else status = lf_queue_end(device, &value);
    if (status < 0) return status;
  }
  lf_semaphore_release(gpu->peer);
  gpu->peer = NULL;
  return LF_OK;
}

/* LF_OK with the timeline value that the peer has to wait for in *wait, or LF_PENDING. noinline keeps the send
 * short. */
__attribute__((noinline)) static int32_t order(lf_shm_tx *p, lf_gpu_memory *gpu, uint64_t *wait) {
  if (gpu->peer) {
    int32_t status = take_over(p->device, gpu);
    if (status != LF_OK) return status;
  }
  int32_t status = lf_device_check(p->device);
  if (status < 0) return status;
  p->reached = lf_queue_seen(p->device);
  if (gpu->last_use <= p->reached) return LF_OK;
  /* A host that reads the bytes does not wait for the timeline. */
  if (p->share_timeline && !gpu->host_visible) {
    *wait = gpu->last_use;
    if (p->awaited < *wait) p->awaited = *wait;
    return LF_OK;
  }
  return LF_PENDING;
}

int32_t lf_shm_tx_pending(int32_t handle, double *value) {
  LF_FIND_SHM_TX(p, handle);
  if (!value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the value");
  int pending = p->awaited && p->awaited > lf_queue_seen(p->device);
  *value = pending ? (double)p->awaited : 0;
  return pending;
}

/* ---- what was released ---- */

/* Frames of the counter's MemoryBuffers that the consumer has not released, in *count. */
static int32_t count_unreleased(lf_shm_tx *p, uint32_t index, uint32_t *count) {
  lf_counter *counter = &p->counters[index];
  uint32_t released = atomic_load_explicit(&p->ring->memory_released[index], memory_order_acquire);
  if (released - counter->released > counter->sent - counter->released)
    return lf_shm_tx_corrupt(p, "count of a buffer's released frames", released);
  counter->released = released;
  *count = counter->sent - released;
  return LF_OK;
}

/* An unused counter. If none is left, buffers share a counter, and count as unreleased together. */
static int32_t take_counter(lf_shm_tx *p, uint32_t region, uint32_t *index) {
  *index = LF_INDEX(region) % LF_COUNTERS;
  for (uint32_t i = 0; i < LF_COUNTERS; i++) {
    if (p->counters[i].users) continue;
    uint32_t count;
    int32_t status = count_unreleased(p, i, &count);
    if (status < 0) return status;
    if (count) continue; /* of a closed buffer with unreleased frames */
    *index = i;
    break;
  }
  return LF_OK;
}

int32_t lf_shm_tx_unreleased(int32_t handle, int32_t memory) {
  LF_FIND_SHM_TX(p, handle);
  const lf_rcache_entry *known = &p->rcache[(uint32_t)memory & 0xffffu];
  if (p->failed || memory <= 0 || known->memory != memory) return 0;
  uint32_t count;
  int32_t status = count_unreleased(p, known->counter, &count);
  if (status < 0) return status;
  /* A peer that closed or died has unmapped everything. */
  if (!count || lf_shm_tx_check_peer(p) < 0) return 0;
  return count < INT32_MAX ? (int32_t)count : INT32_MAX;
}

/* ---- sending ---- */

int32_t lf_shm_tx_forget_memory(int32_t handle, int32_t memory) {
  LF_FIND_SHM_TX(p, handle);
  lf_rcache_entry *known = &p->rcache[(uint32_t)memory & 0xffffu];
  if (memory <= 0 || known->memory != memory) return LF_OK; /* never sent */
  known->memory = 0;
  p->counters[known->counter].users--;
  p->imports--;
  return lf_shm_tx_drop(p, known->region);
}

/* Adds the memory to the cache: 1 once it was announced. */
__attribute__((noinline)) static int32_t introduce(lf_shm_tx *p, int32_t handle, lf_rcache_entry *known,
                                                   int32_t memory) {
  uint64_t size;
  lf_gpu_memory *gpu = p->device ? lf_memory_gpu(memory) : NULL;
  const lf_segment *segment = gpu ? NULL : lf_memory_segment(memory, &size);
  if (!gpu && !segment) return lf_status_code();
  if (known->memory) { /* the handle was reused: its memory was closed without lf_shm_tx_forget_memory */
    int32_t status = lf_shm_tx_forget_memory(handle, known->memory);
    if (status < 0) return status;
  }
  lf_pool_region *region = lf_pool_new_region(&p->pool);
  if (!region) return LF_EHOST_OUT_OF_MEMORY;
  uint32_t id = region->id, counter;
  int32_t status = take_counter(p, id, &counter);
  if (status < 0) return status;
  lf_region_message message = {.region = id, .kind = LF_REGION_HOST, .size = size, .counter = counter};
  status = gpu ? announce_gpu(p, id, counter, gpu) : lf_shm_tx_announce(p, &message, segment->os);
  if (status != 1) return status;
  region->announced = 1;
  *known = (lf_rcache_entry){memory, id, gpu ? gpu->size : size, gpu, counter};
  p->counters[counter].users++;
  p->imports++;
  return 1;
}

/* `whole` 0: `size` bytes from `offset` on, which are checked. */
static inline int32_t send(int32_t handle, int32_t memory, int whole, double offset, double size) {
  LF_FIND_SHM_TX(p, handle);
  if (__builtin_expect(!lf_shm_tx_has_capacity(p), 0)) {
    int32_t status = lf_shm_tx_check_capacity(p);
    if (status != LF_OK) return status;
  }
  lf_rcache_entry *known = &p->rcache[(uint32_t)memory & 0xffffu];
  if (__builtin_expect(known->memory != memory || !lf_memory_open(memory), 0)) {
    int32_t status = introduce(p, handle, known, memory);
    if (status != 1) return status;
  }
  lf_descriptor descriptor = {.region = known->region, .block = LF_NO_BLOCK, .length = known->size};
  if (!whole) {
    if (!lf_whole(offset) || !lf_whole(size) || size < 1 || offset > (double)known->size ||
        size > (double)known->size - offset)
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.17g bytes from byte %.17g of a memory of %" PRIu64, size, offset,
                     known->size);
    descriptor.offset = (uint64_t)offset;
    descriptor.length = (uint64_t)size;
  }
  lf_gpu_memory *gpu = known->gpu;
  if (__builtin_expect(gpu && (gpu->peer || gpu->last_use > p->reached), 0)) {
    int32_t status = order(p, gpu, &descriptor.wait);
    if (status != LF_OK) return status;
  }
  p->counters[known->counter].sent++;
  return lf_shm_tx_publish_region(p, &descriptor);
}

int32_t lf_shm_tx_send_memory(int32_t handle, int32_t memory) { return send(handle, memory, 1, 0, 0); }

int32_t lf_shm_tx_send_part(int32_t handle, int32_t memory, double offset, double size) {
  return send(handle, memory, 0, offset, size);
}
