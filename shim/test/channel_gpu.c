/* GPU memory through a channel: known once, in the order of both sides' work, and given back when that has ended. */
#include "host/pool.h"
#include "queues.h"
#include "rings.h"
#include "shm/rx.h"
#include "shm/tx.h"

#define SIZE 300000 /* with an allocation of its own */

typedef struct {
  test_ring ring;
  lf_shm_tx *producer;
  lf_shm_rx *consumer;
} channel;

static uint8_t uuids[2 * LF_UUID_BYTES];

static channel open_channel(void) {
  memcpy(uuids, gpu->info.device_uuid, LF_UUID_BYTES);
  memcpy(uuids + LF_UUID_BYTES, gpu->info.driver_uuid, LF_UUID_BYTES);
  channel c = {.ring = test_ring_open(16, 1)};
  CHECK_EQ(lf_shm_tx_use_device(c.ring.producer, device, 0), LF_OK);
  CHECK_EQ(lf_shm_rx_use_device(c.ring.consumer, device, uuids), LF_OK);
  c.producer = lf_handle_get(LF_KIND_TX, c.ring.producer);
  c.consumer = lf_handle_get(LF_KIND_RX, c.ring.consumer);
  return c;
}

/* As if the driver shared timelines: the consumer has `timeline` for the producer's. */
static void share(channel *c, lf_semaphore *timeline) {
  c->producer->share_timeline = c->producer->timeline_sent = 1;
  c->consumer->regions.timeline = lf_semaphore_retain(timeline);
}

static lf_frame receive(const channel *c) {
  lf_frame frame;
  CHECK_EQ(lf_rx_receive(c->ring.consumer, &frame), LF_REGION);
  return frame;
}

static int32_t imported(const channel *c, const lf_frame *frame) {
  lf_region_info info;
  CHECK_EQ(lf_rx_region(c->ring.consumer, frame->region, &info), LF_OK);
  CHECK_EQ(info.kind, LF_REGION_GPU);
  return info.memory;
}

static double queued(const channel *c) {
  lf_end_stats stats;
  CHECK_EQ(lf_tx_stats(c->ring.producer, &stats), LF_OK);
  return stats.queued;
}

static int reached(double value) { return lf_queue_seen(gpu) >= (uint64_t)value; }

static void known_once(void) {
  channel c = open_channel();
  int32_t memory = memory_of(SIZE);
  uint8_t *data = bytes_of(SIZE, 1);
  wait_for(write_all(memory, 0, data, SIZE));
  uint32_t region = 0;
  for (int i = 0; i < 40; i++) {
    CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), 1);
    lf_frame frame = receive(&c);
    CHECK(frame.length == SIZE && frame.offset == 0 && (i == 0 || frame.region == region));
    region = frame.region;
    if (i == 0) check_bytes(imported(&c, &frame), 0, data, SIZE);
    CHECK_EQ(lf_rx_release(c.ring.consumer, frame.token), LF_OK);
  }
  CHECK_EQ(c.consumer->regions.imports, 1);
  CHECK_EQ(lf_shm_tx_forget_memory(c.ring.producer, memory), LF_OK);
  lf_frame frame;
  CHECK_OK(lf_rx_arm(c.ring.consumer));
  CHECK_EQ(lf_rx_receive(c.ring.consumer, &frame), LF_RETIRE);
  CHECK_EQ(lf_rx_retire(c.ring.consumer, frame.region), LF_OK);
  CHECK_EQ(c.consumer->regions.imports, 0);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), LF_ECLOSED);
  free(data);
  test_ring_close(&c.ring);
}

/* Small memory is moved before it is sent, behind the work that is under way. */
static void small_moves(void) {
  channel c = open_channel();
  lf_semaphore *block = timeline_of();
  uint8_t data[1000];
  test_fill(data, sizeof data, 7);
  int32_t memory = memory_of(sizeof data), later = memory_of(sizeof data);
  wait_for(write_all(memory, 0, data, sizeof data));
  CHECK(lf_memory_gpu(memory)->block != NULL);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), 1);
  CHECK(lf_memory_gpu(memory)->block == NULL);
  lf_frame frame = receive(&c);
  CHECK_EQ(frame.length, sizeof data);
  check_bytes(imported(&c, &frame), 0, data, sizeof data);
  CHECK_EQ(lf_rx_release(c.ring.consumer, frame.token), LF_OK);

  block_on(block, 1);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, later), LF_PENDING);
  double value = (double)lf_memory_gpu(later)->moved_at;
  CHECK(!reached(value));
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, later), LF_PENDING);
  CHECK_EQ(lf_memory_gpu(later)->moved_at, value);
  signal_from_host(block, 1);
  wait_for(value);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, later), 1);
  frame = receive(&c);
  CHECK_EQ(lf_rx_release(c.ring.consumer, frame.token), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_memory_close(later), LF_OK);
  test_ring_close(&c.ring);
  timeline_gone(block);
}

/* The peer imports the whole once, and frames say where in it they lie. */
static void parts(void) {
  channel c = open_channel();
  int32_t memory = memory_of(SIZE);
  static const struct {
    double offset, size;
    int32_t code;
  } cases[] = {{0, SIZE, 1},          {0, 1, 1},         {SIZE - 1, 1, 1},     {37, 1000, 1},
               {0, 0, LF_EINVALID_ARGUMENT}, {0, SIZE + 1, LF_EINVALID_ARGUMENT}, {SIZE, 1, LF_EINVALID_ARGUMENT},
               {1, SIZE, LF_EINVALID_ARGUMENT}, {-1, 1, LF_EINVALID_ARGUMENT}, {0.5, 1, LF_EINVALID_ARGUMENT},
               {1, NAN, LF_EINVALID_ARGUMENT}, {NAN, 1, LF_EINVALID_ARGUMENT}, {1e300, 1e300, LF_EINVALID_ARGUMENT}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CHECK_EQ(lf_shm_tx_send_part(c.ring.producer, memory, cases[i].offset, cases[i].size), cases[i].code);
    lf_frame frame;
    if (cases[i].code != 1) {
      CHECK_EQ(lf_rx_receive(c.ring.consumer, &frame), LF_EMPTY);
      continue;
    }
    frame = receive(&c);
    CHECK(frame.offset == cases[i].offset && frame.length == cases[i].size);
    CHECK_EQ(lf_memory_gpu(imported(&c, &frame))->size, SIZE);
    CHECK_EQ(lf_rx_release(c.ring.consumer, frame.token), LF_OK);
  }
  CHECK_EQ(c.consumer->regions.imports, 1);
  CHECK_EQ(lf_shm_tx_unreleased(c.ring.producer, memory), 0);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_shm_tx_send_part(c.ring.producer, memory, 0, 1), LF_ECLOSED);
  test_ring_close(&c.ring);
}

static void devices_are_named_once(void) {
  channel c = open_channel();
  CHECK_EQ(lf_shm_tx_use_device(c.ring.producer, device, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_shm_rx_use_device(c.ring.consumer, device, uuids), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_shm_tx_use_device(c.ring.producer, c.ring.producer, 1), LF_ECLOSED);
  double value;
  CHECK_EQ(lf_shm_tx_pending(c.ring.producer, &value), 0);
  CHECK_EQ(lf_shm_tx_pending(c.ring.producer, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_shm_rx_pending(c.ring.consumer, 1, &value), 0);
  CHECK_EQ(lf_shm_rx_pending(c.ring.consumer, 1, NULL), LF_EINVALID_ARGUMENT);
  test_ring_close(&c.ring);
  test_ring plain = test_ring_open(16, 1);
  int32_t memory = memory_of(SIZE);
  CHECK_EQ(lf_shm_tx_send_memory(plain.producer, memory), LF_EEXTERNAL_MEMORY_UNSUPPORTED);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  test_ring_close(&plain);
}

/* Two opens of one GPU have two queues: the order of one says nothing of the other. */
static void memory_of_another_device(void) {
  channel c = open_channel();
  int32_t other = CHECK_OK(lf_device_open(vulkan, 0));
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_gpu(other, SIZE, 0, &info), LF_OK);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, info.handle), LF_EEXTERNAL_HANDLE_MISMATCH);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
  CHECK_OK(lf_device_close(other));
  test_ring_close(&c.ring);
}

/* The send waits if the peer can't, as for memory that the peer's host reads. */
static void send_waits(int host_visible) {
  channel c = open_channel();
  lf_semaphore *block = timeline_of(), *timeline = timeline_of();
  if (host_visible) share(&c, timeline);
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_gpu(device, SIZE, host_visible, &info), LF_OK);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, info.handle), 1);
  lf_frame frame = receive(&c);
  CHECK_EQ(lf_rx_release(c.ring.consumer, frame.token), LF_OK);
  block_on(block, 1);
  double value;
  CHECK_EQ(lf_queue_fill(device, info.handle, 0, SIZE, 1, &value), 1);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, info.handle), LF_PENDING);
  CHECK_EQ(lf_rx_receive(c.ring.consumer, &frame), LF_EMPTY);
  signal_from_host(block, 1);
  wait_for(value);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, info.handle), 1);
  frame = receive(&c);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
  test_ring_close(&c.ring);
  timeline_gone(block);
  timeline_gone(timeline);
}

static void send_waits_without_a_timeline(void) { send_waits(0); }
static void send_waits_for_memory_that_is_seen(void) { send_waits(1); }

/* With a timeline the send goes at once, and the next work of the receiver waits. */
static void receiver_waits(void) {
  channel c = open_channel();
  lf_semaphore *block = timeline_of(), *timeline = timeline_of();
  share(&c, timeline);
  int32_t memory = memory_of(SIZE), target = memory_of(SIZE);
  block_on(block, 1);
  double value, pending, copied;
  CHECK_EQ(lf_queue_fill(device, memory, 0, SIZE, 1, &value), 1);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), 1);
  CHECK_EQ(lf_shm_tx_pending(c.ring.producer, &pending), 1);
  CHECK(pending == value);
  lf_frame frame = receive(&c);
  lf_gpu_memory *received = lf_memory_gpu(imported(&c, &frame));
  CHECK(received->peer == timeline && received->peer_value == (uint64_t)value);
  signal_from_host(block, 1);
  wait_for(value);
  CHECK_EQ(lf_shm_tx_pending(c.ring.producer, &pending), 0);
  /* Both sides have one queue here. What the receiver's work waits for now is the timeline alone. */
  CHECK_EQ(lf_queue_copy(device, imported(&c, &frame), 0, target, 0, SIZE, &copied), 1);
  CHECK(!reached(copied));
  signal_from_host(timeline, (uint64_t)value);
  wait_for(copied);
  CHECK_EQ(lf_rx_release(c.ring.consumer, frame.token), LF_OK);
  CHECK_EQ(lf_memory_close(target), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  test_ring_close(&c.ring);
  timeline_gone(block);
  timeline_gone(timeline);
}

/* A frame is the sender's again when the receiver's work on it has ended, and not when the receiver says so. */
static void release_waits(void) {
  channel c = open_channel();
  lf_semaphore *block = timeline_of();
  int32_t memory = memory_of(SIZE), target = memory_of(SIZE);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), 1);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), 1);
  lf_frame first = receive(&c), second = receive(&c);
  block_on(block, 1);
  double copied, value;
  CHECK_EQ(lf_queue_copy(device, imported(&c, &first), 0, target, 0, SIZE, &copied), 1);
  CHECK_EQ(lf_rx_release(c.ring.consumer, first.token), LF_PENDING);
  CHECK_EQ(lf_rx_release(c.ring.consumer, second.token), LF_PENDING);
  CHECK_EQ(lf_rx_release(c.ring.consumer, second.token), LF_ECLOSED);
  CHECK_EQ(lf_shm_rx_pending(c.ring.consumer, 0, &value), 1);
  CHECK(value == copied);
  CHECK_EQ(queued(&c), 2);
  /* Dropped meanwhile: it stays until its work has ended. */
  CHECK_EQ(lf_shm_tx_forget_memory(c.ring.producer, memory), LF_OK);
  CHECK_OK(lf_rx_arm(c.ring.consumer));
  CHECK_EQ(lf_rx_retire(c.ring.consumer, first.region), LF_EINVALID_ARGUMENT);
  signal_from_host(block, 1);
  wait_for(copied);
  CHECK_EQ(lf_shm_rx_pending(c.ring.consumer, 1, &value), 0);
  CHECK_EQ(queued(&c), 0);
  CHECK_EQ(lf_rx_retire(c.ring.consumer, first.region), LF_OK);
  CHECK_EQ(lf_memory_close(target), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  test_ring_close(&c.ring);
  timeline_gone(block);
}

typedef struct {
  lf_semaphore *block;
  lf_ring *ring;
} sleeper;

/* Ends the work that a frame waits for, once the receiver has announced that it sleeps. */
static void unblock(void *given) {
  sleeper *s = given;
  while (!atomic_load(&s->ring->consumer.waiting)) test_yield();
  signal_from_host(s->block, 1);
}

/* A receiver that blocks lets go of frames all the same. */
static void release_while_blocked(void) {
  channel c = open_channel();
  lf_semaphore *block = timeline_of();
  int32_t memory = memory_of(SIZE), target = memory_of(SIZE);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), 1);
  lf_frame frame = receive(&c);
  block_on(block, 1);
  double copied;
  CHECK_EQ(lf_queue_copy(device, imported(&c, &frame), 0, target, 0, SIZE, &copied), 1);
  CHECK_EQ(lf_rx_release(c.ring.consumer, frame.token), LF_PENDING);
  CHECK_EQ(lf_rx_receive(c.ring.consumer, &frame), LF_EMPTY);
  CHECK_EQ(queued(&c), 1); /* the work is still blocked */
  CHECK_EQ(atomic_load(&c.consumer->ring->consumer.waiting), 0);
  test_thread thread;
  sleeper asleep = {block, c.consumer->ring};
  test_start(&thread, unblock, &asleep);
  for (int i = 0; i < 200 && queued(&c) > 0; i++)
    CHECK_EQ(lf_rx_receive_wait(c.ring.consumer, 50, 0, &frame), LF_TIMEOUT);
  CHECK_EQ(queued(&c), 0);
  test_join(&thread);
  CHECK_EQ(lf_memory_close(target), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  test_ring_close(&c.ring);
  timeline_gone(block);
}

/* The timeline of a producer that is gone moves no more: what waits for it goes on. That of one which lives is let be. */
static void abandoned(void) {
  channel c = open_channel();
  lf_semaphore *timeline = timeline_of();
  share(&c, timeline);
  int32_t memory = memory_of(SIZE), target = memory_of(SIZE);
  lf_descriptor descriptor = {.block = LF_NO_BLOCK, .length = SIZE, .wait = 1000};
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), 1);
  lf_frame first = receive(&c);
  descriptor.region = first.region;
  for (int i = 0; i < 2; i++) CHECK_EQ(lf_shm_tx_publish_region(c.producer, &descriptor), 1);
  lf_frame second = receive(&c);
  double copied, value;
  CHECK_EQ(lf_queue_copy(device, imported(&c, &second), 0, target, 0, SIZE, &copied), 1);
  CHECK_EQ(lf_shm_rx_pending(c.ring.consumer, 1, &value), 1);
  CHECK(value == copied);
  uint64_t now;
  CHECK_EQ(gpu->vk.GetSemaphoreCounterValue(gpu->device, timeline->semaphore, &now), VK_SUCCESS);
  CHECK_EQ(now, 0);
  CHECK_EQ(lf_tx_close(c.ring.producer), LF_OK);
  CHECK_EQ(lf_link_close(c.ring.producer_link), LF_OK);
  c.ring.producer = c.ring.producer_link = 0;
  CHECK_OK(lf_shm_rx_pending(c.ring.consumer, 0, &value));
  wait_for(copied);
  /* The frames that it committed are received, without a wait. */
  lf_frame third = receive(&c);
  CHECK(lf_memory_gpu(imported(&c, &third))->peer == NULL);
  CHECK_EQ(lf_queue_copy(device, imported(&c, &third), 0, target, 0, SIZE, &copied), 1);
  wait_for(copied);
  CHECK_EQ(lf_memory_close(target), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  test_ring_close(&c.ring);
  timeline_gone(timeline);
}

/* What came from a peer whose work goes on is sent on with that work to wait for. */
static void passed_on(void) {
  channel one = open_channel(), two = open_channel();
  lf_semaphore *timeline = timeline_of();
  share(&one, timeline);
  int32_t memory = memory_of(SIZE);
  CHECK_EQ(lf_shm_tx_send_memory(one.ring.producer, memory), 1);
  lf_frame frame = receive(&one);
  lf_descriptor descriptor = {.region = frame.region, .block = LF_NO_BLOCK, .length = SIZE, .wait = 1000};
  CHECK_EQ(lf_shm_tx_publish_region(one.producer, &descriptor), 1);
  frame = receive(&one);
  int32_t middle = imported(&one, &frame);
  /* Not every driver shares on what it imported. */
  int32_t result = lf_shm_tx_send_memory(two.ring.producer, middle);
  if (result == LF_EEXTERNAL_MEMORY_UNSUPPORTED) {
    printf("skip passed_on: %s does not share what it imported\n", gpu->info.name);
  } else {
    CHECK_EQ(result, LF_PENDING);
    CHECK_EQ(lf_shm_tx_send_memory(two.ring.producer, middle), LF_PENDING);
  }
  signal_from_host(timeline, 1000);
  wait_for((double)lf_queue_last(gpu));
  if (result == LF_PENDING) {
    CHECK_EQ(lf_shm_tx_send_memory(two.ring.producer, middle), 1);
    receive(&two);
  }
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  test_ring_close(&two.ring);
  test_ring_close(&one.ring);
  timeline_gone(timeline);
}

/* ---- what a producer can't have written ---- */

static void forge(lf_descriptor d, int with_timeline) {
  channel c = open_channel();
  lf_semaphore *timeline = timeline_of();
  if (with_timeline) share(&c, timeline);
  int32_t memory = memory_of(SIZE);
  CHECK_EQ(lf_shm_tx_send_memory(c.ring.producer, memory), 1);
  lf_frame frame = receive(&c);
  d.region = frame.region;
  CHECK_EQ(lf_shm_tx_publish_region(c.producer, &d), 1);
  CHECK_EQ(lf_rx_receive(c.ring.consumer, &frame), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(lf_rx_receive(c.ring.consumer, &frame), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  test_ring_close(&c.ring);
  timeline_gone(timeline);
}

static void forged_frames(void) {
  const lf_descriptor good = {.block = LF_NO_BLOCK, .length = SIZE};
  lf_descriptor d = good;
  d.wait = 1, forge(d, 0); /* no timeline to wait for */
  d.wait = (uint64_t)1 << 31, forge(d, 1);
  d.wait = UINT64_MAX, forge(d, 1);
  d = good, d.length = SIZE + 1, forge(d, 0);
  d = good, d.offset = 1, forge(d, 0);
  d = good, d.offset = UINT64_MAX, forge(d, 0);
  d = good, d.block = 0, forge(d, 0);
  d = good, d.staged = 1, forge(d, 0);
  d = good, d.staged = 2, forge(d, 0);
  d = good, d.reserved = 1, forge(d, 0);
  d = good, d.length = 0, forge(d, 0);
}

/* A block may have no bytes when it is a loan's, and not when it has a buffer's copy. */
static void forged_copy_of_nothing(void) {
  channel c = open_channel();
  static const uint8_t bytes[SIZE];
  CHECK_EQ(lf_tx_send(c.ring.producer, bytes, sizeof bytes), 1);
  lf_frame frame = receive(&c);
  lf_descriptor d = {.region = frame.region, .block = LF_BLOCKS_MAX - 1};
  CHECK_EQ(lf_shm_tx_publish_region(c.producer, &d), 1);
  CHECK_EQ(lf_rx_receive(c.ring.consumer, &frame), LF_REGION);
  CHECK_EQ(frame.length, 0);
  d.staged = 1, d.block--;
  CHECK_EQ(lf_shm_tx_publish_region(c.producer, &d), 1);
  CHECK_EQ(lf_rx_receive(c.ring.consumer, &frame), LF_ECORRUPT_SEGMENT);
  test_ring_close(&c.ring);
}

/* Its receiver closes `os`. */
static void refuse(int32_t code, lf_region_message m, int64_t os) {
  channel c = open_channel();
  CHECK_EQ(lf_shm_tx_announce(c.producer, &m, os), 1);
  if (os >= 0) CHECK_EQ(lf_os_handle_close(os), LF_OK);
  CHECK_EQ(lf_rx_arm(c.ring.consumer), code);
  CHECK_EQ(c.consumer->regions.imports, 0);
  test_ring_close(&c.ring);
}

static int64_t export(int32_t memory) {
  int64_t os;
  CHECK_EQ(lf_memory_export(memory, &os), LF_OK);
  return os;
}

/* An export gives small memory an allocation of its own. */
static uint64_t allocation_of(int32_t memory) {
  CHECK_EQ(lf_os_handle_close(export(memory)), LF_OK);
  return lf_memory_gpu(memory)->allocation;
}

static void forged_regions(void) {
  int32_t memory = memory_of(SIZE);
  lf_memory_info shared;
  CHECK_EQ(lf_memory_allocate(LF_MEMORY_SHARED, SIZE, -1, &shared), LF_OK);
  lf_region_message good = {
      .region = 7, .kind = LF_REGION_GPU, .size = SIZE, .allocation = allocation_of(memory)};
  memcpy(good.uuids, uuids, sizeof uuids);
  lf_region_message m = good;
  m.uuids[3] ^= 1, refuse(LF_EEXTERNAL_HANDLE_MISMATCH, m, export(memory));
  m = good, m.uuids[20] ^= 1, refuse(LF_EEXTERNAL_HANDLE_MISMATCH, m, export(memory));
  m = good, m.size = 0, refuse(LF_ECORRUPT_SEGMENT, m, export(memory));
  m = good, m.size = m.allocation + 1, refuse(LF_ECORRUPT_SEGMENT, m, export(memory));
  m = good, m.size = m.allocation = UINT64_MAX, refuse(LF_ECORRUPT_SEGMENT, m, export(memory));
  m = good, m.allocation *= 2, refuse(LF_EEXTERNAL_HANDLE_MISMATCH, m, export(memory));
  m = good, m.size = m.allocation = (uint64_t)1 << 47, refuse(LF_EGPU_OUT_OF_MEMORY, m, export(memory));
  m = good, m.kind = 3, refuse(LF_ECORRUPT_SEGMENT, m, export(memory));
  m = good, m.host_visible = 2, refuse(LF_ECORRUPT_SEGMENT, m, export(memory));
  m = good, m.counter = LF_COUNTERS, refuse(LF_ECORRUPT_SEGMENT, m, export(memory));
  refuse(LF_ECORRUPT_SEGMENT, good, -1);
  refuse(LF_EEXTERNAL_HANDLE_MISMATCH, good, export(shared.handle));
  m = good, m.kind = LF_REGION_HOST, refuse(LF_ECORRUPT_SEGMENT, m, export(memory));
  CHECK_EQ(lf_memory_close(shared.handle), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* Memory of another GPU is not imported, and handed to its reader once. */
static void remote_memory(void) {
  channel c = {.ring = test_ring_open(16, 1)};
  uint8_t other[sizeof uuids];
  memcpy(other, uuids, sizeof other);
  other[0] ^= 1;
  CHECK_EQ(lf_shm_rx_use_device(c.ring.consumer, device, other), LF_OK);
  c.producer = lf_handle_get(LF_KIND_TX, c.ring.producer);
  int32_t memory = memory_of(SIZE);
  lf_region_message m = {
      .region = 7, .kind = LF_REGION_GPU, .size = SIZE, .allocation = allocation_of(memory)};
  memcpy(m.uuids, other, sizeof other);
  for (int claimed = 0; claimed < 2; claimed++, m.region++) {
    int64_t os = export(memory), got;
    CHECK_EQ(lf_shm_tx_announce(c.producer, &m, os), 1);
    CHECK_EQ(lf_os_handle_close(os), LF_OK);
    lf_descriptor descriptor = {.region = m.region, .block = LF_NO_BLOCK, .length = SIZE};
    CHECK_EQ(lf_shm_tx_publish_region(c.producer, &descriptor), 1);
    lf_frame frame = receive(&c);
    CHECK_EQ(imported(&c, &frame), 0);
    CHECK_EQ(lf_shm_rx_claim(c.ring.consumer, frame.region, NULL), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_shm_rx_claim(c.ring.consumer, frame.region + 9, &got), LF_EINVALID_ARGUMENT);
    if (claimed) {
      CHECK_EQ(lf_shm_rx_claim(c.ring.consumer, frame.region, &got), LF_OK);
      CHECK_EQ(lf_shm_rx_claim(c.ring.consumer, frame.region, &os), LF_EINVALID_ARGUMENT);
      CHECK_EQ(lf_os_handle_close(got), LF_OK);
    }
    CHECK_EQ(lf_rx_release(c.ring.consumer, frame.token), LF_OK);
  }
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  test_ring_close(&c.ring);
}

int main(void) {
  if (!queue_open()) return 0;
  RUN(known_once);
  RUN(small_moves);
  RUN(parts);
  RUN(devices_are_named_once);
  RUN(memory_of_another_device);
  RUN(send_waits_without_a_timeline);
  RUN(send_waits_for_memory_that_is_seen);
  RUN(receiver_waits);
  RUN(release_waits);
  RUN(release_while_blocked);
  RUN(abandoned);
  RUN(passed_on);
  RUN(forged_frames);
  RUN(forged_copy_of_nothing);
  RUN(forged_regions);
  RUN(remote_memory);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
