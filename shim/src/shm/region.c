#include "shm/region.h"

#include <inttypes.h>
#include <stdlib.h>

#include "abi/memory.h"
#include "base/status.h"
#include "host/pool.h"

#define HOST_BYTES_MAX ((uint64_t)1 << 32)

/* The largest difference of a wait to a timeline: Vulkan's minimum of maxTimelineSemaphoreValueDifference. */
#define WAIT_MAX ((uint64_t)0x7fffffff)

int32_t lf_corrupt_producer(const char *what, uint64_t got, uint64_t position) {
  return lf_fail(LF_ECORRUPT_SEGMENT, "", 0, "the producer wrote what it can't have: %s 0x%" PRIx64 " at message %" PRIu64,
                 what, got, position);
}

void lf_regions_use(lf_regions *regions, lf_device *device, const uint8_t *uuids) {
  regions->device = lf_device_retain(device);
  memcpy(regions->uuids, uuids, sizeof regions->uuids);
  regions->own = memcmp(uuids, device->info.device_uuid, LF_UUID_BYTES) == 0 &&
                 memcmp(uuids + LF_UUID_BYTES, device->info.driver_uuid, LF_UUID_BYTES) == 0;
}

/* An unused entry, or NULL with the failure recorded. */
static lf_region *free_entry(lf_regions *regions) {
  uint32_t index = 0;
  while (index < regions->capacity && regions->all[index].live) index++;
  if (index == regions->capacity) {
    uint32_t capacity = index ? index * 2 : 16;
    lf_region *more = capacity <= LF_REGIONS_MAX ? realloc(regions->all, capacity * sizeof *more) : NULL;
    if (!more) {
      lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "%u regions of memory in one channel", capacity);
      return NULL;
    }
    memset(more + index, 0, (capacity - index) * sizeof *more);
    regions->all = more;
    regions->capacity = capacity;
  }
  return &regions->all[index];
}

static int32_t map(lf_region *r, lf_message *message) {
  lf_segment segment;
  int32_t status = lf_segment_attach(message->os, (size_t)r->size, &segment);
  if (status < 0) return status;
  r->address = segment.address;
  if (r->kind == LF_REGION_POOLED) {
    r->segment = segment;
    return LF_OK;
  }
  segment.os = message->os; /* kept, so that the user can send the buffer on */
  message->os = -1;
  r->memory = lf_memory_adopt(&segment, r->size);
  return r->memory < 0 ? r->memory : LF_OK;
}

/* Compares the device before the import: NVIDIA's driver accepts memory of another GPU, and aliases nothing. */
static int32_t import(lf_regions *regions, lf_region *r, lf_message *message, const uint8_t *uuids) {
  if (memcmp(uuids, regions->uuids, sizeof regions->uuids) != 0)
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "the producer sent memory of another GPU than it agreed on");
  int64_t os = message->os;
  message->os = -1;
  if (!regions->own) {
    r->os = os;
    return LF_OK;
  }
  lf_gpu_memory *gpu;
  int32_t status = lf_gpu_memory_import(regions->device, os, r->size, r->allocation, r->host_visible, &gpu);
  if (status < 0) return status;
  r->memory = lf_memory_adopt_gpu(gpu);
  if (r->memory < 0) return r->memory;
  r->gpu = gpu;
  r->address = gpu->address;
  return LF_OK;
}

static int32_t check_region(const lf_regions *regions, const lf_region_message *m, uint64_t position) {
  int gpu = m->kind == LF_REGION_GPU;
  if (m->kind > LF_REGION_GPU || (gpu && !regions->device)) return lf_corrupt_producer("region kind", m->kind, position);
  if (m->size == 0 || m->size > (gpu ? LF_GPU_BYTES_MAX : HOST_BYTES_MAX))
    return lf_corrupt_producer("region size", m->size, position);
  if (gpu ? m->allocation < m->size || m->allocation > LF_GPU_BYTES_MAX : m->allocation != 0)
    return lf_corrupt_producer("region allocation", m->allocation, position);
  if (m->host_visible > (uint32_t)gpu) return lf_corrupt_producer("region flag", m->host_visible, position);
  if (m->counter >= (m->kind == LF_REGION_POOLED ? 1 : LF_COUNTERS))
    return lf_corrupt_producer("region counter", m->counter, position);
  return lf_regions_find(regions, m->region) ? lf_corrupt_producer("second region", m->region, position) : LF_OK;
}

static int32_t add(lf_regions *regions, lf_message *message, uint64_t position) {
  lf_region_message m;
  if (message->length != sizeof m || message->os < 0)
    return lf_corrupt_producer("region message of length", message->length, position);
  memcpy(&m, message->data, sizeof m);
  int32_t status = check_region(regions, &m, position);
  if (status < 0) return status;
  lf_region *entry = free_entry(regions);
  if (!entry) return LF_EHOST_OUT_OF_MEMORY;
  lf_region r = {.os = -1,
                 .id = m.region,
                 .counter = m.counter,
                 .kind = (uint8_t)m.kind,
                 .size = m.size,
                 .allocation = m.allocation,
                 .host_visible = m.host_visible == 1,
                 .live = 1};
  status = r.kind == LF_REGION_GPU ? import(regions, &r, message, m.uuids) : map(&r, message);
  if (status < 0) return status;
  if (r.kind != LF_REGION_POOLED) regions->imports++;
  uint32_t *bucket = &regions->buckets[r.id % LF_REGION_BUCKETS];
  r.next = *bucket;
  *entry = r;
  *bucket = (uint32_t)(entry - regions->all) + 1;
  return LF_OK;
}

static int32_t drop(lf_regions *regions, const lf_message *message, uint64_t position) {
  lf_drop_message m;
  if (message->length != sizeof m) return lf_corrupt_producer("drop message of length", message->length, position);
  memcpy(&m, message->data, sizeof m);
  lf_region *r = lf_regions_find(regions, m.region);
  if (!r || r->dropping) return lf_corrupt_producer("dropped region", m.region, position);
  r->dropping = 1;
  r->drop_at = m.position;
  regions->dropping++;
  return LF_OK;
}

/* A channel has one timeline, and only if both sides use one device. */
static int32_t take_timeline(lf_regions *regions, lf_message *message, uint64_t position) {
  lf_timeline_message m;
  if (message->length != sizeof m || message->os < 0 || !regions->own || regions->timeline)
    return lf_corrupt_producer("timeline message of length", message->length, position);
  memcpy(&m, message->data, sizeof m);
  if (memcmp(m.uuids, regions->uuids, sizeof m.uuids) != 0)
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "the producer sent the timeline of another GPU than it agreed on");
  int64_t os = message->os;
  message->os = -1;
  return lf_semaphore_attach(regions->device, LF_SEMAPHORE_TIMELINE, os, &regions->timeline);
}

int32_t lf_regions_read(lf_regions *regions, lf_message *message, uint64_t position) {
  switch (message->kind) {
    case LF_KIND_REGION: return add(regions, message, position);
    case LF_KIND_DROP: return drop(regions, message, position);
    case LF_KIND_TIMELINE: return take_timeline(regions, message, position);
    default: return lf_corrupt_producer("message kind", message->kind, position);
  }
}

static void forget_peer(lf_gpu_memory *gpu) {
  if (gpu->peer) lf_semaphore_release(gpu->peer);
  gpu->peer = NULL;
}

int32_t lf_regions_await(lf_regions *regions, lf_region *r, uint64_t wait, uint64_t position) {
  lf_semaphore *timeline = regions->timeline;
  if (!timeline || !r->gpu || r->host_visible) return lf_corrupt_producer("wait", wait, position);
  if (wait > WAIT_MAX && !lf_semaphore_reached(timeline, wait - WAIT_MAX))
    return lf_corrupt_producer("wait", wait, position);
  if (regions->abandoned) return LF_OK;
  lf_gpu_memory *gpu = r->gpu;
  if (gpu->peer != timeline) {
    forget_peer(gpu);
    gpu->peer = lf_semaphore_retain(timeline);
    gpu->peer_value = wait;
  } else if (wait > gpu->peer_value) {
    gpu->peer_value = wait;
  }
  return LF_OK;
}

void lf_regions_abandon(lf_regions *regions) {
  if (!regions->timeline || regions->abandoned) return;
  regions->abandoned = 1;
  lf_semaphore_abandon(regions->timeline);
  for (uint32_t i = 0; i < regions->capacity; i++) {
    lf_gpu_memory *gpu = regions->all[i].gpu;
    if (gpu && gpu->peer == regions->timeline) forget_peer(gpu);
  }
}

int lf_region_may_go(const lf_region *r, uint64_t position) {
  return r->live && r->dropping && r->outstanding + r->ending == 0 && position >= r->drop_at;
}

lf_region *lf_regions_droppable(const lf_regions *regions, uint64_t position) {
  for (uint32_t i = 0; i < regions->capacity; i++)
    if (lf_region_may_go(&regions->all[i], position)) return &regions->all[i];
  return NULL;
}

void lf_regions_remove(lf_regions *regions, lf_region *r) {
  if (!r->live) return;
  if (r->kind != LF_REGION_POOLED) regions->imports--;
  if (r->os >= 0) lf_os_handle_close(r->os);
  if (r->memory) lf_memory_close(r->memory);
  else lf_segment_close(&r->segment);
  if (r->dropping) regions->dropping--;
  uint32_t *link = &regions->buckets[r->id % LF_REGION_BUCKETS];
  while (*link != (uint32_t)(r - regions->all) + 1) link = &regions->all[*link - 1].next;
  *link = r->next;
  memset(r, 0, sizeof *r);
}

void lf_regions_close(lf_regions *regions, int died) {
  /* At the end of a thread the imports may have been closed before. */
  if (regions->timeline && died && !regions->abandoned) lf_semaphore_abandon(regions->timeline);
  for (uint32_t i = 0; i < regions->capacity; i++) lf_regions_remove(regions, &regions->all[i]);
  free(regions->all);
  if (regions->timeline) lf_semaphore_release(regions->timeline);
  if (regions->device) lf_device_release(regions->device);
}
