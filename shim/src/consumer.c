/* The receiving end. Every word that the producer wrote is read once, into private memory, and checked there. */
#include <inttypes.h>
#include <stdlib.h>

#include "handle.h"
#include "link.h"
#include "memory.h"
#include "ring.h"
#include "status.h"

#define REGION_BUCKETS 256u

typedef struct {
  lf_segment segment; /* pooled regions; address NULL where there is none */
  uint64_t drop_at;   /* the position at which it may go */
  uint64_t size;
  void *address;
  uint32_t id;
  uint32_t next;        /* in its bucket: place + 1, 0 at the end */
  uint32_t outstanding; /* frames that the user holds */
  int32_t memory;       /* a MemoryBuffer's handle, 0 for pooled regions */
  uint8_t live;
  uint8_t dropping;
  uint8_t kept; /* never unmapped */
} region;

typedef struct {
  /* what every receive touches */
  lf_slot *slots;
  lf_ring *ring;
  uint64_t position; /* slots read */
  uint64_t bytes;
  uint64_t released;
  uint32_t slot_count;
  int32_t fenced;
  uint32_t dropping; /* regions that wait to go */
  int32_t failed;
  uint32_t misses; /* empty looks since the peer was last seen alive */
  lf_link *link;
  /* the rest */
  uint64_t returned;
  region *regions; /* in places of this side's own choice: an old number and its successor may live side by side */
  uint32_t region_capacity;
  uint32_t buckets[REGION_BUCKETS]; /* by number */
  uint32_t imports;
  lf_segment segment;
  uint32_t block_region[LF_BLOCKS_MAX]; /* region place + 1 of a block that the user holds, else 0 */
} consumer;

static consumer *find(int32_t handle) { return lf_handle_get(LF_KIND_CONSUMER, handle); }
#define FIND(c, handle) \
  consumer *c = find(handle); \
  if (__builtin_expect(!c, 0)) return lf_handle_stale(LF_KIND_CONSUMER, handle)

static void close_region(consumer *c, region *r) {
  if (!r->live) return;
  if (r->memory) c->imports--;
  if (!r->kept && r->memory) lf_memory_close(r->memory);
  if (!r->kept && !r->memory) lf_segment_close(&r->segment);
  if (r->dropping) c->dropping--;
  uint32_t *link = &c->buckets[r->id % REGION_BUCKETS];
  while (*link != (uint32_t)(r - c->regions) + 1) link = &c->regions[*link - 1].next;
  *link = r->next;
  memset(r, 0, sizeof *r);
}

static void wake_producer(consumer *c) {
  lf_barrier_of_waker(c->fenced);
  if (__builtin_expect(atomic_load_explicit(&c->ring->producer.waiting, memory_order_relaxed), 0) &&
      atomic_exchange_explicit(&c->ring->producer.waiting, 0, memory_order_relaxed))
    lf_link_ring(c->link);
}

static void destroy(void *object) {
  consumer *c = object;
  if (c->ring) {
    atomic_store_explicit(&c->ring->consumer.closed, 1, memory_order_release);
    wake_producer(c);
  }
  for (uint32_t i = 0; i < c->region_capacity; i++) close_region(c, &c->regions[i]);
  free(c->regions);
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

int32_t lf_consumer_open(int32_t link_handle, int32_t fenced) {
  lf_link *link = lf_handle_get(LF_KIND_LINK, link_handle);
  if (!link) return lf_handle_stale(LF_KIND_LINK, link_handle);
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
  consumer *c = calloc(1, sizeof *c);
  if (!c) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a consumer of %zu bytes", sizeof *c);
  c->fenced = fenced;
  c->link = lf_link_retain(link);
  status = lf_segment_attach(message->os, (size_t)size, &c->segment);
  lf_os_handle_close(message->os); /* the mapping is enough */
  message->os = -1;
  if (status == LF_OK) status = check_head(c->segment.address, size, &c->slot_count);
  if (status == LF_OK) {
    c->ring = c->segment.address;
    c->slots = lf_ring_slots(c->ring);
    status = lf_handle_make(LF_KIND_CONSUMER, c, destroy);
  }
  if (status < 0) destroy(c);
  return status;
}

static int32_t corrupt(consumer *c, const char *what, uint64_t got) {
  c->failed = LF_ECORRUPT_SEGMENT;
  return lf_fail(LF_ECORRUPT_SEGMENT, "", 0, "the producer wrote what it can't have: %s 0x%" PRIx64 " at message %" PRIu64,
                 what, got, c->position);
}

static int32_t failed(consumer *c) {
  return lf_fail(c->failed, "", 0, "this channel failed before at message %" PRIu64, c->position);
}

/* ---- regions ---- */

static region *find_region(consumer *c, uint32_t id) {
  for (uint32_t at = c->buckets[id % REGION_BUCKETS]; at; at = c->regions[at - 1].next)
    if (c->regions[at - 1].id == id) return &c->regions[at - 1];
  return NULL;
}

/* A free place for a region, or NULL with the failure recorded. */
static region *free_place(consumer *c) {
  uint32_t place = 0;
  while (place < c->region_capacity && c->regions[place].live) place++;
  if (place == c->region_capacity) {
    uint32_t capacity = place ? place * 2 : 16;
    region *more = capacity <= LF_REGIONS_MAX ? realloc(c->regions, capacity * sizeof *more) : NULL;
    if (!more) {
      lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "%u regions of shared memory in one channel", capacity);
      return NULL;
    }
    memset(more + place, 0, (capacity - place) * sizeof *more);
    c->regions = more;
    c->region_capacity = capacity;
  }
  return &c->regions[place];
}

static int32_t add_region(consumer *c, lf_message *message) {
  lf_region_message add;
  if (message->length != sizeof add || message->os < 0) return corrupt(c, "region message of length", message->length);
  memcpy(&add, message->data, sizeof add);
  if (add.size == 0 || add.size > ((uint64_t)1 << 32)) return corrupt(c, "region size", add.size);
  if (find_region(c, add.region)) return corrupt(c, "second region", add.region);
  region *r = free_place(c);
  if (!r) return LF_EHOST_OUT_OF_MEMORY;
  lf_segment segment;
  int32_t status = lf_segment_attach(message->os, (size_t)add.size, &segment);
  if (status < 0) return status;
  memset(r, 0, sizeof *r);
  r->address = segment.address;
  if (add.pooled) {
    r->segment = segment;
  } else {
    segment.os = message->os; /* kept, so that the buffer can be passed on */
    message->os = -1;
    status = lf_memory_adopt(&segment, add.size);
    if (status < 0) return status;
    r->memory = status;
    c->imports++;
  }
  r->size = add.size;
  r->id = add.region;
  r->live = 1;
  uint32_t *bucket = &c->buckets[add.region % REGION_BUCKETS];
  r->next = *bucket;
  *bucket = (uint32_t)(r - c->regions) + 1;
  return LF_OK;
}

static int32_t drop_region(consumer *c, const lf_message *message) {
  lf_drop_message drop;
  if (message->length != sizeof drop) return corrupt(c, "drop message of length", message->length);
  memcpy(&drop, message->data, sizeof drop);
  region *r = find_region(c, drop.region);
  if (!r || r->dropping) return corrupt(c, "dropped region", drop.region);
  r->dropping = 1;
  r->drop_at = drop.position;
  c->dropping++;
  return LF_OK;
}

static int may_go(const consumer *c, const region *r) {
  return r->live && r->dropping && r->outstanding == 0 && c->position >= r->drop_at;
}

static region *droppable(consumer *c) {
  for (uint32_t i = 0; i < c->region_capacity; i++)
    if (may_go(c, &c->regions[i])) return &c->regions[i];
  return NULL;
}

/* Reads the producer's messages about regions. Even a hostile producer can't keep this going: each message adds a
 * region, of which there is a limit, or drops one that was not dropped yet. */
static int32_t read_link(consumer *c) {
  for (;;) {
    lf_message *message;
    int32_t status = lf_link_take(c->link, &message);
    if (status == LF_EMPTY || status == LF_EPEER_DIED) return LF_OK;
    if (status == 1) {
      if (message->kind == LF_KIND_REGION) status = add_region(c, message);
      else if (message->kind == LF_KIND_DROP) status = drop_region(c, message);
      else status = corrupt(c, "message kind", message->kind);
    }
    if (status < 0) {
      c->failed = status;
      return status;
    }
  }
}

int32_t lf_consumer_region(int32_t handle, uint32_t id, lf_region_info *out) {
  FIND(c, handle);
  region *r = find_region(c, id);
  if (!r || !out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", id);
  *out = (lf_region_info){(uint64_t)(uintptr_t)r->address, (double)r->size, r->memory, 0};
  return LF_OK;
}

int32_t lf_consumer_keep(int32_t handle, uint32_t id) {
  FIND(c, handle);
  region *r = find_region(c, id);
  if (!r) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", id);
  r->kept = 1;
  return LF_OK;
}

int32_t lf_consumer_retire(int32_t handle, uint32_t id) {
  FIND(c, handle);
  region *r = find_region(c, id);
  if (!r || !may_go(c, r)) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "region 0x%x is in use", id);
  close_region(c, r);
  return LF_OK;
}

/* ---- receiving ---- */

/* A message that lies in a region; the slot's payload says where. */
static int32_t take_region(consumer *c, const lf_slot *slot, lf_frame *out) {
  lf_descriptor d;
  lf_copy_private(&d, slot->payload, sizeof d);
  region *r = find_region(c, d.region);
  if (!r) { /* its announcement was sent before the message, so it is here by now */
    int32_t status = read_link(c);
    if (status < 0) return status;
    r = find_region(c, d.region);
    if (!r) return corrupt(c, "region", d.region);
  }
  if (d.length > r->size || d.offset > r->size - d.length) return corrupt(c, "offset", d.offset);
  uint32_t token;
  if (d.block != LF_NO_BLOCK) {
    if (r->memory || d.block >= LF_BLOCKS_MAX || c->block_region[d.block]) return corrupt(c, "block", d.block);
    c->block_region[d.block] = (uint32_t)(r - c->regions) + 1;
    token = d.block + 1;
  } else {
    if (!r->memory) return corrupt(c, "frame without a block in region", d.region);
    token = 0x80000000u | (uint32_t)(r - c->regions);
  }
  r->outstanding++;
  out->region = d.region;
  out->token = token;
  out->offset = (double)d.offset;
  out->length = (double)d.length;
  return LF_REGION;
}

static int32_t take_slot(consumer *c, const lf_slot *slot, uint64_t word, lf_frame *out) {
  uint32_t length = (uint32_t)(word >> 32);
  int32_t result;
  if (__builtin_expect(length <= LF_INLINE_MAX, 1)) {
    lf_copy_inline(out->payload, slot->payload, length);
    result = (int32_t)length;
  } else if (length == LF_LENGTH_REGION) {
    result = take_region(c, slot, out);
    if (result != LF_REGION) return result;
  } else {
    return corrupt(c, "length", length);
  }
  out->sequence = (double)c->position++;
  c->bytes += result == LF_REGION ? (uint64_t)out->length : length;
  atomic_store_explicit(&c->ring->taken, c->position, memory_order_release);
  wake_producer(c);
  if (__builtin_expect((c->position & 4095) == 0, 0)) { /* drops of a peer that keeps us too busy to sleep */
    int32_t status = read_link(c);
    (void)status; /* kept in c->failed; this frame is good */
  }
  return result;
}

static inline const lf_slot *current_slot(const consumer *c) { return &c->slots[c->position & (c->slot_count - 1)]; }

static inline uint64_t read_word(const lf_slot *slot) {
  return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&slot->word, memory_order_acquire);
}

/* No message in the slot: because there is none yet, because there will be none, or because the word is forged. */
static int32_t nothing(consumer *c, const lf_slot *slot, uint64_t word, lf_frame *out) {
  if ((uint32_t)word != lf_sequence(c->position - c->slot_count)) return corrupt(c, "sequence", word);
  int closed = atomic_load_explicit(&c->ring->producer.closed, memory_order_acquire) != 0;
  int dead = 0;
  if (!closed && (++c->misses & 1023) == 0) {
    dead = !lf_link_peer_alive(c->link);
    int32_t status = read_link(c); /* drops, for one that only ever looks */
    if (status < 0) return status;
  }
  if (!closed && !dead) return LF_EMPTY;
  if (dead) c->misses = 1023; /* the next call looks at it again */
  /* What it committed before that is visible now. */
  closed = atomic_load_explicit(&c->ring->producer.closed, memory_order_acquire) != 0;
  word = read_word(slot);
  if ((uint32_t)word == lf_sequence(c->position)) return take_slot(c, slot, word, out);
  if (closed) return lf_fail(LF_ECHANNEL_CLOSED, "", 0, "the producer closed the channel, and all was received");
  return lf_fail(LF_EPEER_DIED, "", 0, "the producer died; %" PRIu64 " messages it committed were received", c->position);
}

static int32_t retire_first(consumer *c, lf_frame *out) {
  region *r = droppable(c);
  if (!r) return LF_EMPTY;
  out->region = r->id;
  return LF_RETIRE;
}

/* A message that was there already likely has others behind it: asking for them now hides the way between the cores.
 * (A slot that the producer has not written since the last lap is still in this cache: asking for it moves nothing.) */
static inline void fetch_ahead(const consumer *c) {
  const lf_slot *ahead = &c->slots[(c->position + 8) & (c->slot_count - 1)];
  __builtin_prefetch(ahead);
  __builtin_prefetch(ahead->payload + LF_INLINE_MAX - 1);
}

static inline int32_t receive(consumer *c, lf_frame *out) {
  if (__builtin_expect(c->failed | (int32_t)c->dropping, 0)) {
    if (c->failed) return failed(c);
    if (retire_first(c, out) == LF_RETIRE) return LF_RETIRE;
  }
  const lf_slot *slot = current_slot(c);
  uint64_t word = read_word(slot);
  if (__builtin_expect((uint32_t)word == lf_sequence(c->position), 1)) {
    fetch_ahead(c);
    return take_slot(c, slot, word, out);
  }
  return nothing(c, slot, word, out);
}

int32_t lf_consumer_receive(int32_t handle, lf_frame *out) {
  FIND(c, handle);
  if (__builtin_expect(!out, 0)) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the frame");
  return receive(c, out);
}

static int32_t arm(consumer *c) {
  if (c->failed) return failed(c);
  atomic_store_explicit(&c->ring->consumer.waiting, 1, memory_order_relaxed);
  lf_barrier_of_sleeper(c->fenced);
  int32_t status = read_link(c);
  if (status < 0) return status;
  uint64_t word = read_word(current_slot(c));
  int ready = (uint32_t)word != lf_sequence(c->position - c->slot_count) ||
              atomic_load_explicit(&c->ring->producer.closed, memory_order_acquire) || !lf_link_peer_alive(c->link) ||
              (c->dropping && droppable(c));
  if (!ready) return 0;
  c->misses = 1023; /* a death that was just seen is looked at again by the next receive */
  atomic_store_explicit(&c->ring->consumer.waiting, 0, memory_order_relaxed);
  return 1;
}

int32_t lf_consumer_arm(int32_t handle) {
  FIND(c, handle);
  return arm(c);
}

int32_t lf_consumer_receive_wait(int32_t handle, double timeout_ms, double spin_us, lf_frame *out) {
  FIND(c, handle);
  if (!out || !(timeout_ms >= 0) || !(spin_us >= 0))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a wait of %f ms that spins for %f us", timeout_ms, spin_us);
  int32_t result;
  if (c->failed || c->dropping || timeout_ms == 0) {
    result = receive(c, out);
    if (result != LF_EMPTY || timeout_ms == 0) return result == LF_EMPTY ? LF_TIMEOUT : result;
  }
  uint64_t start = 0; /* read after the first round: on some machines the clock costs more than a message takes */
  uint64_t limit = timeout_ms > 9e12 ? (uint64_t)1 << 62 : (uint64_t)(timeout_ms * 1e6);
  uint64_t spin = spin_us > 9e15 ? (uint64_t)1 << 62 : (uint64_t)(spin_us * 1e3);
  uint64_t spin_end = spin < limit ? spin : limit;
  for (;;) {
    /* The clock is read once in a while: a message must not arrive while this thread looks at its watch. */
    const lf_slot *slot = current_slot(c);
    uint32_t wanted = lf_sequence(c->position);
    for (int i = 0; i < 512; i++) {
      uint64_t word = read_word(slot);
      /* Both lines of the slot are watched: the second one then comes with the first, not after it. */
      (void)*(const volatile uint8_t *)(slot->payload + LF_INLINE_MAX - 1);
      if ((uint32_t)word == wanted) {
        if (i == 0) fetch_ahead(c);
        return take_slot(c, slot, word, out);
      }
      lf_relax();
    }
    result = receive(c, out); /* closed, died, corrupt */
    if (result != LF_EMPTY) return result;
    if (!start) start = lf_now();
    uint64_t passed = lf_now() - start;
    if (passed < spin_end) continue;
    if (passed >= limit) return LF_TIMEOUT;
    result = arm(c);
    if (result < 0) return result;
    if (result == 0) {
      /* Woken at least four times a second: a bell that was lost to a signal or a bug costs time, not the channel. */
      uint64_t left = limit - passed;
      result = lf_link_sleep(c->link, left < 250000000u ? left : 250000000u);
      if (result < 0) return result;
      atomic_store_explicit(&c->ring->consumer.waiting, 0, memory_order_relaxed);
      c->misses = 1023;
    }
    result = receive(c, out);
    if (result != LF_EMPTY) return result;
    if (spin_end < limit) { /* after a wake-up the next message is likely near: spin again */
      uint64_t now = lf_now() - start;
      spin_end = now + spin < limit ? now + spin : limit;
    }
  }
}

int32_t lf_consumer_release(int32_t handle, uint32_t token) {
  FIND(c, handle);
  if (__builtin_expect(c->released >= c->position, 0)) return lf_fail(LF_ECLOSED, "", 0, "no frame is held");
  if (token) {
    region *r;
    if (token & 0x80000000u) {
      uint32_t place = token & ~0x80000000u;
      r = place < c->region_capacity ? &c->regions[place] : NULL;
      if (!r || !r->live || !r->memory || !r->outstanding)
        return lf_fail(LF_ECLOSED, "", 0, "frame 0x%x is not held", token);
    } else {
      uint32_t block = token - 1;
      if (block >= LF_BLOCKS_MAX || !c->block_region[block])
        return lf_fail(LF_ECLOSED, "", 0, "frame 0x%x is not held", token);
      r = &c->regions[c->block_region[block] - 1];
      c->block_region[block] = 0;
      uint64_t word = (uint64_t)block << 32 | lf_sequence(c->returned);
      atomic_store_explicit(&c->ring->returns[c->returned % LF_BLOCKS_MAX], word, memory_order_release);
      c->returned++;
    }
    r->outstanding--;
  }
  c->released++;
  atomic_store_explicit(&c->ring->released, c->released, memory_order_release);
  wake_producer(c);
  return LF_OK;
}

int32_t lf_consumer_stats(int32_t handle, lf_port_stats *out) {
  FIND(c, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the statistics");
  memset(out, 0, sizeof *out);
  uint64_t at = c->position;
  while (at - c->position < c->slot_count &&
         (uint32_t)read_word(&c->slots[at & (c->slot_count - 1)]) == lf_sequence(at))
    at++;
  out->queued = (double)(at - c->position);
  for (uint32_t i = 0; i < c->region_capacity; i++) {
    if (!c->regions[i].live) continue;
    out->regions++;
    out->region_bytes += (double)c->regions[i].size;
  }
  out->imports = c->imports;
  out->frames = (double)c->position;
  out->bytes = (double)c->bytes;
  if (atomic_load_explicit(&c->ring->producer.closed, memory_order_acquire)) out->peer = 1;
  else if (!lf_link_peer_alive(c->link)) out->peer = 2;
  return LF_OK;
}

int32_t lf_consumer_close(int32_t handle) {
  consumer *c = lf_handle_take(LF_KIND_CONSUMER, handle);
  if (!c) return lf_handle_stale(LF_KIND_CONSUMER, handle);
  destroy(c);
  return LF_OK;
}
