/* A hostile producer's announcements of GPU memory: each message and frame gives valid memory, or an error. */
#include "fuzz_posix.h"
#include "queues.h"
#include "shm/rx.h"

#define SIZE 5000

static uint8_t uuids[2 * LF_UUID_BYTES];
static int32_t gpu_memories[3]; /* the last one is mapped */
static lf_semaphore *timeline;

/* Sometimes the consumer waits for a timeline that never advances. */
static void use_gpu(channel *c, test_random *r) {
  CHECK_EQ(lf_shm_tx_use_device(c->producer, device, 0), LF_OK);
  CHECK_EQ(lf_shm_rx_use_device(c->consumer, device, uuids), LF_OK);
  lf_shm_rx *consumer = lf_handle_get(LF_KIND_RX, c->consumer);
  if (test_below(r, 2)) consumer->regions.timeline = lf_semaphore_retain(timeline);
}

static int32_t some_memory(test_random *r) { return gpu_memories[test_below(r, 3)]; }

/* As the producer announces it, but for a thing or two. */
static void announce(channel *c, test_random *r) {
  static uint32_t next = 0x60000000;
  int32_t memory = some_memory(r);
  int64_t os = -1;
  uint64_t wrong = test_below(r, 30);
  if (wrong != 10) CHECK_EQ(lf_memory_export(wrong == 11 ? memories[0].handle : memory, &os), LF_OK);
  lf_gpu_memory *gpu_memory = lf_memory_gpu(memory);
  lf_region_message m = {.region = ++next,
                         .kind = LF_REGION_GPU,
                         .size = SIZE,
                         .allocation = gpu_memory->allocation,
                         .host_visible = gpu_memory->host_visible};
  memcpy(m.uuids, uuids, sizeof uuids);
  uint32_t length = sizeof m, kind = LF_KIND_REGION;
  switch (wrong) {
    case 0: m.region = (uint32_t)odd_value(r, some_region(c, r).region); break;
    case 1: m.kind = (uint32_t)odd_value(r, m.kind); break;
    case 2: m.size = odd_value(r, m.size); break;
    case 3: m.allocation = odd_value(r, m.allocation); break;
    case 4: m.host_visible = (uint32_t)odd_value(r, m.host_visible); break;
    case 5: m.uuids[test_below(r, sizeof uuids)] ^= (uint8_t)(1 + test_below(r, 255)); break;
    case 6: length = (uint32_t)test_below(r, sizeof m); break;
    case 7: kind = LF_KIND_TIMELINE, length = sizeof(lf_timeline_message); break;
    case 8: m.counter = (uint32_t)odd_value(r, 0); break;
    case 10:
    case 11: break;
    default: remember(c, &m);
  }
  CHECK(lf_link_put(c->to_consumer, kind, &m, length, os) > 0);
  if (os >= 0) CHECK_EQ(lf_os_handle_close(os), LF_OK);
  consumer_status(c, lf_rx_arm(c->consumer));
}

/* The GPU reads the frames' memory. Work that waits for the timeline is not submitted, as the timeline never
 * advances. */
static void poll_frame(channel *c, test_random *r) {
  lf_region_message known = some_region(c, r);
  lf_region_info info;
  if (lf_rx_region(c->consumer, known.region, &info) != LF_OK || info.kind != LF_REGION_GPU) return;
  lf_gpu_memory *memory = lf_memory_gpu(info.memory);
  CHECK(memory != NULL && memory->size == (uint64_t)info.size);
  if (memory->peer) return;
  double value;
  int32_t result = lf_queue_fill(device, info.memory, 0, 4, 1, &value);
  if (result == 1) seen.opened++;
  else CHECK_EQ(result, LF_FULL);
}

static void gpu_messages(test_random *r) {
  channel c;
  open_channel(&c, r);
  c.link_is_hostile = 1;
  use_gpu(&c, r);
  /* The first part is left alone now and then, so that there is much to spoil. */
  int quiet = (int)test_below(r, 100);
  for (int i = 0; i < 120; i++) {
    step(&c, r);
    if (test_below(r, 3) == 0) {
      int32_t result = lf_shm_tx_send_memory(c.producer, some_memory(r));
      CHECK(result == LF_PENDING || sent(&c, result) == result);
    }
    if (test_below(r, 8) == 0) CHECK_EQ(lf_shm_tx_forget_memory(c.producer, some_memory(r)), LF_OK);
    pass_on(&c);
    if (i >= quiet && test_below(r, 4) == 0 && !c.consumer_failed) announce(&c, r);
    if (i >= quiet && test_below(r, 8) == 0) forge_message(&c, r);
    poll_frame(&c, r);
  }
  CHECK_EQ(lf_queue_wait(gpu, lf_queue_last(gpu), LONG_NS), 1);
  close_channel(&c, r);
  /* The held memory is freed at the next poll of the device. */
  lf_gpu_memory_collect(gpu, lf_queue_last(gpu));
}

static void hostile_gpu(void) {
  run_rounds("hostile_gpu", gpu_messages);
  CHECK_SEEN(seen.opened && seen.large && seen.retired && seen.consumer_failed);
}

int main(void) {
  start_fuzzing(300);
  if (!queue_open()) return 0;
  memcpy(uuids, gpu->info.device_uuid, LF_UUID_BYTES);
  memcpy(uuids + LF_UUID_BYTES, gpu->info.driver_uuid, LF_UUID_BYTES);
  timeline = timeline_of();
  for (int i = 0; i < 3; i++) {
    lf_memory_info info;
    CHECK_EQ(lf_memory_allocate_gpu(device, SIZE, i == 2, &info), LF_OK);
    /* From the first export on it has an allocation of its own, and with some drivers a descriptor. */
    int64_t os;
    CHECK_EQ(lf_memory_export(info.handle, &os), LF_OK);
    CHECK_EQ(lf_os_handle_close(os), LF_OK);
    gpu_memories[i] = info.handle;
  }
  RUN(hostile_gpu);
  for (int i = 0; i < 3; i++) CHECK_EQ(lf_memory_close(gpu_memories[i]), LF_OK);
  timeline_gone(timeline);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
