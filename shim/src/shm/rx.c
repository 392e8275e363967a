/* The receiving end: open and close, and its regions. */
#include <inttypes.h>
#include <stdlib.h>

#include "abi/device.h"
#include "abi/link.h"
#include "base/copy.h"
#include "base/status.h"
#include "host/pool.h"
#include "shm/rx.h"

static void release_consumer(lf_shm_rx *c) {
  lf_regions_close(&c->regions, !lf_link_peer_alive(c->link));
  free(c->ending);
  lf_segment_close(&c->segment);
  lf_link_release(c->link);
  free(c);
}

static int32_t check_head(const lf_ring *ring, uint64_t size, uint32_t *slot_count) {
  lf_ring_head head;
  lf_copy_private(&head, &ring->head, sizeof head);
  if (head.magic != LF_RING_MAGIC) return lf_fail(LF_ECORRUPT_SEGMENT, "", 0, "no ring in the peer's segment");
  if (head.wire_version != LF_WIRE_VERSION)
    return lf_fail(LF_EWIRE_VERSION_MISMATCH, "", 0, "the peer's segment has wire version %u, this process %u",
                   head.wire_version, LF_WIRE_VERSION);
  uint32_t slots = head.slot_count;
  if (slots < LF_SLOTS_MIN || slots > LF_SLOTS_MAX || (slots & (slots - 1)) || head.slot_bytes != LF_SLOT_BYTES ||
      head.block_count != LF_BLOCKS_MAX || head.total_bytes != size || size != lf_ring_bytes(slots))
    return lf_fail(LF_ECORRUPT_SEGMENT, "", 0,
                   "the peer's segment of %" PRIu64 " bytes says %u slots of %u bytes, %u blocks, %" PRIu64 " bytes", size,
                   slots, head.slot_bytes, head.block_count, head.total_bytes);
  *slot_count = slots;
  return LF_OK;
}

int32_t lf_shm_rx_open(int32_t link_handle, int32_t fenced) {
  lf_link *link = lf_link_get(link_handle);
  if (!link) return lf_status_code();
  lf_message *message;
  int32_t status = lf_link_take(link, &message);
  if (status != 1) return status;
  uint64_t size;
  if (message->kind >= LF_KIND_FIRST_FREE)
    return lf_fail(LF_ESYSTEM, "", 0, "the producer could not share its memory: %.*s", (int)message->length,
                   (const char *)message->data);
  if (message->kind != LF_KIND_SEGMENT || message->length != sizeof size || message->os < 0)
    return lf_fail(LF_ECORRUPT_SEGMENT, "", 0, "the peer sent message kind %u where its segment should come",
                   message->kind);
  memcpy(&size, message->data, sizeof size);
  if (size < lf_ring_bytes(LF_SLOTS_MIN) || size > lf_ring_bytes(LF_SLOTS_MAX))
    return lf_fail(LF_ECORRUPT_SEGMENT, "", 0, "the peer's segment has %" PRIu64 " bytes", size);
  lf_shm_rx *c = calloc(1, sizeof *c);
  if (!c) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a consumer of %zu bytes", sizeof *c);
  c->rx.ops = &lf_shm_rx_ops;
  c->fenced = fenced;
  c->pace = LF_PACE_START;
  c->link = lf_link_retain(link);
  status = lf_segment_attach(message->os, (size_t)size, &c->segment);
  lf_os_handle_close(message->os); /* the mapping is enough */
  message->os = -1;
  if (status == LF_OK) status = check_head(c->segment.address, size, &c->slot_count);
  if (status == LF_OK) {
    c->ring = c->segment.address;
    c->slots = lf_ring_slots(c->ring);
    return lf_rx_handle(&c->rx);
  }
  release_consumer(c);
  return status;
}

/* ---- regions ---- */

int32_t lf_shm_rx_use_device(int32_t handle, int32_t device_handle, const uint8_t *uuids) {
  LF_FIND_SHM_RX(c, handle);
  lf_device *device = lf_device_get(device_handle);
  if (!device) return lf_status_code();
  if (!uuids || c->regions.device)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, uuids ? "this consumer uses a device already" : "no UUIDs");
  lf_regions_use(&c->regions, device, uuids);
  return LF_OK;
}

static int32_t rx_region(lf_rx *rx, uint32_t id, lf_region_info *out) {
  lf_shm_rx *c = (lf_shm_rx *)rx;
  lf_region *r = lf_regions_find(&c->regions, id);
  if (!r) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", id);
  *out = (lf_region_info){.address = (uint64_t)(uintptr_t)r->address,
                          .size = (double)r->size,
                          .allocation = (double)r->allocation,
                          .memory = r->memory,
                          .kind = r->kind,
                          .host_visible = r->host_visible};
  return LF_OK;
}

int32_t lf_shm_rx_claim(int32_t handle, uint32_t id, int64_t *out) {
  LF_FIND_SHM_RX(c, handle);
  lf_region *r = lf_regions_find(&c->regions, id);
  if (!r || !out || r->os < 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no OS handle of region 0x%x to claim", id);
  *out = r->os;
  r->os = -1;
  return LF_OK;
}

static int32_t rx_retire(lf_rx *rx, uint32_t id) {
  lf_shm_rx *c = (lf_shm_rx *)rx;
  lf_region *r = lf_regions_find(&c->regions, id);
  if (!r || !lf_region_may_go(r, c->position))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "region 0x%x is in use", id);
  lf_regions_remove(&c->regions, r);
  return LF_OK;
}

static int32_t rx_event_fd(lf_rx *rx, int64_t *out) { return lf_link_copy_event_fd(((lf_shm_rx *)rx)->link, out); }

static void rx_stats(lf_rx *rx, lf_end_stats *out) {
  lf_shm_rx *c = (lf_shm_rx *)rx;
  uint64_t at = c->position;
  while (at - c->position < c->slot_count &&
         (uint32_t)lf_slot_word(&c->slots[at & (c->slot_count - 1)]) == lf_sequence(at))
    at++;
  out->queued = (double)(at - c->position);
  for (uint32_t i = 0; i < c->regions.capacity; i++) {
    if (!c->regions.all[i].live) continue;
    out->regions++;
    out->region_bytes += (double)c->regions.all[i].size;
  }
  out->imports = c->regions.imports;
  out->frames = (double)c->position;
  out->bytes = (double)c->bytes;
  out->held = (double)(c->position - c->released - c->ending_count);
  if (atomic_load_explicit(&c->ring->producer.closed, memory_order_acquire)) out->peer = 1;
  else if (!lf_shm_rx_peer_alive(c)) out->peer = 2;
}

static void rx_close(lf_rx *rx, int died) {
  lf_shm_rx *c = (lf_shm_rx *)rx;
  lf_link *link = died ? lf_link_retain(c->link) : NULL;
  if (!died) {
    atomic_store_explicit(&c->ring->consumer.closed, 1, memory_order_release);
    lf_shm_rx_wake_peer(c);
  }
  release_consumer(c);
  if (!link) return;
  lf_link_hang_up(link);
  lf_link_release(link);
}

const lf_rx_ops lf_shm_rx_ops = {
    .receive = lf_shm_rx_receive,
    .receive_wait = lf_shm_rx_receive_wait,
    .release = lf_shm_rx_release,
    .region = rx_region,
    .retire = rx_retire,
    .arm = lf_shm_rx_arm,
    .event_fd = rx_event_fd,
    .stats = rx_stats,
    .close = rx_close,
};
