/* The queue at its limits: callers that fill it, peers that it waits for, bad arguments, lost devices, and the end. */
#include "abi/device.h"
#include "queues.h"

#define MIB ((size_t)1 << 20)

/* ---- a full queue ---- */

static uint32_t made;
static VkResult (*real_allocate)(VkDevice, const VkCommandBufferAllocateInfo *, VkCommandBuffer *);
static VkResult counting_allocate(VkDevice d, const VkCommandBufferAllocateInfo *info, VkCommandBuffer *out) {
  made++;
  return real_allocate(d, info, out);
}

static void more_than_the_queue_holds(void) {
  int32_t memory = memory_of(4096);
  real_allocate = gpu->vk.AllocateCommandBuffers;
  gpu->vk.AllocateCommandBuffers = counting_allocate;
  made = 0;
  double value;
  for (uint32_t i = 0; i < 10000; i++) fill(memory, 0, 4096, i, &value);
  CHECK(made <= LF_QUEUE_DEPTH);
  wait_for(value);
  uint32_t words[1024];
  for (int i = 0; i < 1024; i++) words[i] = 9999;
  check_bytes(memory, 0, (const uint8_t *)words, sizeof words);
  gpu->vk.AllocateCommandBuffers = real_allocate;
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

static void full(void) {
  int32_t memory = memory_of(16);
  wait_for((double)lf_queue_last(gpu));
  lf_semaphore *semaphore = timeline_of();
  double first = block_on(semaphore, 1), value = 0;
  for (int i = 1; i < LF_QUEUE_DEPTH; i++) CHECK_EQ(lf_queue_fill(device, memory, 0, 16, (uint32_t)i, &value), 1);
  CHECK(value == first + LF_QUEUE_DEPTH - 1);
  CHECK_EQ(lf_queue_fill(device, memory, 0, 16, 0, &value), LF_FULL);
  CHECK(value == first);
  CHECK_EQ(lf_queue_copy(device, memory, 0, memory, 8, 8, &value), LF_FULL);
  CHECK(value == first);
  CHECK_EQ(lf_queue_write(device, memory, 0, "x", 1, 1, &value), LF_FULL);
  CHECK(value == first);
  lf_staged_read read;
  CHECK_EQ(lf_queue_read(device, memory, 0, 1, 1, &read), LF_FULL);
  CHECK(read.value == first);
  CHECK_EQ(lf_queue_last(gpu), first + LF_QUEUE_DEPTH - 1);
  signal_from_host(semaphore, 1);
  wait_for(first);
  CHECK_EQ(lf_queue_fill(device, memory, 0, 16, 0x61616161, &value), 1);
  check_bytes(memory, 0, (const uint8_t *)"aaaaaaaaaaaaaaaa", 16);
  wait_for((double)lf_queue_last(gpu));
  timeline_gone(semaphore);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* ---- peers ---- */

static void peers(void) {
  int32_t memory = memory_of(16), other = memory_of(16);
  lf_gpu_memory *used = lf_memory_gpu(memory);
  lf_semaphore *semaphore = timeline_of();
  used->peer = lf_semaphore_retain(semaphore); /* released with the memory */
  used->peer_value = 5;
  double value, second;
  fill(memory, 0, 16, 1, &value);
  CHECK_EQ(semaphore->awaited, 5);
  CHECK_EQ(semaphore->last_use, value);
  CHECK_EQ(semaphore->references, 3);
  copy(memory, 0, other, 0, 16, &second); /* after the first, so it waits for nothing of its own */
  CHECK_EQ(semaphore->references, 3);
  CHECK_EQ(lf_queue_reached(device, value, 50), 0);
  signal_from_host(semaphore, 4);
  CHECK_EQ(lf_queue_reached(device, value, 50), 0);
  signal_from_host(semaphore, 5);
  reach(second);
  wait_for(second);
  CHECK_EQ(semaphore->references, 2);
  signal_from_host(semaphore, 6); /* a value that the peer has reached needs no wait */
  used->peer_value = 6;
  fill(memory, 0, 16, 2, &value);
  CHECK_EQ(semaphore->awaited, 5);
  CHECK_EQ(semaphore->references, 2);
  wait_for(value);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_memory_close(other), LF_OK);
  timeline_gone(semaphore);
}

static void signals(void) {
  lf_semaphore *semaphore = timeline_of();
  VkCommandBuffer commands;
  uint64_t value, now;
  CHECK_EQ(lf_queue_begin(gpu, 1, &commands), LF_OK);
  CHECK_EQ(lf_queue_signal(gpu, semaphore, 3), LF_OK);
  CHECK_EQ(lf_queue_end(gpu, &value), 1);
  CHECK_EQ(semaphore->last_use, value);
  wait_for((double)value);
  CHECK_EQ(gpu->vk.GetSemaphoreCounterValue(gpu->device, semaphore->semaphore, &now), VK_SUCCESS);
  CHECK_EQ(now, 3);
  timeline_gone(semaphore);
}

static void dropped(void) {
  lf_semaphore *semaphore = timeline_of();
  uint64_t last = lf_queue_last(gpu);
  VkCommandBuffer commands;
  CHECK_EQ(lf_queue_begin(gpu, 1, &commands), LF_OK);
  CHECK_EQ(lf_queue_await(gpu, semaphore, 1), LF_OK);
  CHECK_EQ(lf_queue_signal(gpu, semaphore, 2), LF_OK);
  CHECK_EQ(lf_queue_begin(gpu, 1, &commands), LF_ESYSTEM);
  lf_queue_drop(gpu);
  lf_queue_drop(gpu);
  CHECK_EQ(semaphore->references, 1);
  CHECK_EQ(semaphore->awaited, 0);
  CHECK_EQ(lf_queue_last(gpu), last);
  timeline_gone(semaphore);
  int32_t memory = memory_of(16);
  double value;
  fill(memory, 0, 16, 1, &value);
  CHECK(value == (double)last + 1);
  wait_for(value);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* One submission has a limited number of semaphores, and its failure says so. */
static void too_many_semaphores(void) {
  lf_semaphore *semaphores[LF_SEMAPHORES_MAX + 1];
  VkCommandBuffer commands;
  CHECK_EQ(lf_queue_begin(gpu, 1, &commands), LF_OK);
  for (int i = 0; i < LF_SEMAPHORES_MAX; i++) {
    semaphores[i] = timeline_of();
    CHECK_EQ(lf_queue_await(gpu, semaphores[i], 1), LF_OK);
    CHECK_EQ(lf_queue_await(gpu, semaphores[i], 2), LF_OK); /* no second entry */
  }
  semaphores[LF_SEMAPHORES_MAX] = timeline_of();
  CHECK_EQ(lf_queue_await(gpu, semaphores[LF_SEMAPHORES_MAX], 1), LF_EINVALID_ARGUMENT);
  lf_queue_drop(gpu);
  for (int i = 0; i <= LF_SEMAPHORES_MAX; i++) timeline_gone(semaphores[i]);
}

/* ---- refused arguments ---- */

static void bad_arguments(void) {
  int32_t memory = memory_of(100), second = CHECK_OK(lf_device_open(vulkan, 0));
  lf_memory_info elsewhere;
  CHECK_EQ(lf_memory_allocate_gpu(second, 100, 0, &elsewhere), LF_OK);
  uint64_t last = lf_queue_last(gpu);
  double value;
  static const double offsets[] = {-1, 0.5, (double)NAN, 101, 1e300, 9007199254740992.0};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    CHECK_EQ(lf_queue_fill(device, memory, offsets[i], 4, 0, &value), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_queue_copy(device, memory, offsets[i], memory, 50, 4, &value), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_queue_copy(device, memory, 50, memory, offsets[i], 4, &value), LF_EINVALID_ARGUMENT);
  }
  static const double sizes[] = {0, -4, 4.5, (double)NAN, 104, 1e300};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    CHECK_EQ(lf_queue_fill(device, memory, 0, sizes[i], 0, &value), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_queue_copy(device, memory, 0, memory, 50, sizes[i], &value), LF_EINVALID_ARGUMENT);
  }
  CHECK_EQ(lf_queue_fill(device, memory, 2, 4, 0, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_fill(device, memory, 0, 6, 0, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_fill(device, memory, 0, 4, 0, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_copy(device, memory, 0, memory, 50, 4, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_fill(device, elsewhere.handle, 0, 4, 0, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_copy(device, memory, 0, elsewhere.handle, 0, 4, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_pending(device, elsewhere.handle, &value), LF_EINVALID_ARGUMENT);
  lf_memory_info host;
  CHECK_EQ(lf_memory_allocate(LF_MEMORY_STANDARD, 100, -1, &host), LF_OK);
  CHECK_EQ(lf_queue_fill(device, host.handle, 0, 4, 0, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_last(gpu), last);
  CHECK_EQ(lf_memory_close(host.handle), LF_OK);
  CHECK_EQ(lf_memory_close(elsewhere.handle), LF_OK);
  CHECK_EQ(lf_device_close(second), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

static void closed_handles(void) {
  int32_t gone = memory_of(16), memory = memory_of(16);
  const int32_t bad = 0x12345;
  double value;
  int64_t os;
  CHECK_EQ(lf_memory_close(gone), LF_OK);
  CHECK_EQ(lf_queue_fill(device, gone, 0, 4, 0, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_copy(device, gone, 0, memory, 0, 4, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_copy(device, memory, 0, gone, 0, 4, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_fill(bad, memory, 0, 4, 0, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_copy(bad, memory, 0, memory, 8, 4, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_reached(bad, 0, 0), LF_ECLOSED);
  CHECK_EQ(lf_queue_pending(bad, memory, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_event_fd(bad, &os), LF_ECLOSED);
  CHECK_EQ(lf_queue_notify_at(bad, 0), LF_ECLOSED);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* ---- a device that is lost ---- */

static VkResult lost_submit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence) {
  (void)queue, (void)count, (void)infos, (void)fence;
  return VK_ERROR_DEVICE_LOST;
}

static VkResult absurd_value(VkDevice d, VkSemaphore semaphore, uint64_t *out) {
  (void)d, (void)semaphore;
  *out = UINT64_MAX;
  return VK_SUCCESS;
}

static VkResult short_of_memory(VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence) {
  (void)queue, (void)count, (void)infos, (void)fence;
  return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

static void lost(void) {
  int32_t memory = memory_of(16);
  double value, ended;
  fill(memory, 0, 16, 1, &ended);
  wait_for(ended);
  VkResult (*submit)(VkQueue, uint32_t, const VkSubmitInfo *, VkFence) = gpu->vk.QueueSubmit;
  gpu->vk.QueueSubmit = short_of_memory;
  CHECK_EQ(lf_queue_fill(device, memory, 0, 16, 1, &value), LF_EGPU_OUT_OF_MEMORY);
  gpu->vk.QueueSubmit = submit;
  fill(memory, 0, 16, 1, &value); /* the queue still works */
  CHECK(value == ended + 1);
  wait_for(value);
  gpu->vk.QueueSubmit = lost_submit;
  CHECK_EQ(lf_queue_fill(device, memory, 0, 16, 1, &value), LF_EGPU_DEVICE_LOST);
  gpu->vk.QueueSubmit = submit;
  lf_staged_read read;
  CHECK_EQ(lf_queue_fill(device, memory, 0, 16, 1, &value), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_queue_copy(device, memory, 0, memory, 8, 8, &value), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_queue_write(device, memory, 0, "x", 1, 1, &value), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_queue_read(device, memory, 0, 1, 1, &read), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_queue_wait(gpu, 1, 0), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_queue_notify_at(device, 1), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_queue_reached(device, ended, 0), 1); /* work that ended before the loss counts as ended */
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  queue_reopen();
}

/* A driver that has lost the device may answer with a value that was never submitted. */
static void lost_unnoticed(void) {
  for (int spins = 0; spins < 2; spins++) {
    lf_semaphore *semaphore = timeline_of();
    double value = block_on(semaphore, 1);
    CHECK_EQ(lf_queue_reached(device, value, 0), 0);
    VkResult (*ask)(VkDevice, VkSemaphore, uint64_t *) = gpu->vk.GetSemaphoreCounterValue;
    gpu->vk.GetSemaphoreCounterValue = absurd_value;
    CHECK_EQ(lf_queue_reached(device, value, spins ? 10 : 0), LF_EGPU_DEVICE_LOST);
    CHECK_EQ(lf_queue_reached(device, value, 0), LF_EGPU_DEVICE_LOST);
    CHECK_EQ(lf_queue_seen(gpu), value); /* nothing runs any more */
    gpu->vk.GetSemaphoreCounterValue = ask;
    gpu->lost = 0; /* the device is not lost: it closes normally */
    signal_from_host(semaphore, 1);
    wait_for(value);
    timeline_gone(semaphore);
    queue_reopen();
  }
}

/* ---- the end ---- */

static VkSemaphore closing;   /* the timeline of the queue that is closed */
static uint64_t when_destroyed; /* its value at that time */
static void (*destroy_semaphore)(VkDevice, VkSemaphore, const VkAllocationCallbacks *);
static VkResult (*counter_value)(VkDevice, VkSemaphore, uint64_t *);

static void poll_and_destroy(VkDevice of, VkSemaphore semaphore, const VkAllocationCallbacks *how) {
  if (semaphore == closing) CHECK_EQ(counter_value(of, semaphore, &when_destroyed), VK_SUCCESS);
  destroy_semaphore(of, semaphore, how);
}

/* Closing waits for work in flight. */
static void closed_with_work(void) {
  int32_t memory = memory_of(64 * MIB), own = CHECK_OK(lf_device_open(vulkan, 0));
  double value;
  uint8_t *bytes = bytes_of(4 * MIB, 5);
  CHECK_OK(lf_queue_write(device, memory, 0, bytes, 4 * MIB, 1, &value));
  for (int i = 0; i < 30; i++) fill(memory, 0, 64 * MIB, (uint32_t)i, &value);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  closing = gpu->queue->timeline;
  when_destroyed = 0;
  destroy_semaphore = gpu->vk.DestroySemaphore;
  counter_value = gpu->vk.GetSemaphoreCounterValue;
  gpu->vk.DestroySemaphore = poll_and_destroy;
  CHECK_EQ(lf_queue_reached(device, value, 0), 0); /* there is something to wait for */
  CHECK_EQ(lf_device_close(device), LF_OK);
  CHECK(when_destroyed >= (uint64_t)value);
  CHECK_EQ(lf_queue_fill(device, memory, 0, 4, 0, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_reached(device, 0, 0), LF_ECLOSED);
  free(bytes);
  device = own;
  gpu = lf_device_get(device);
  queue_reopen();
}

int main(void) {
  if (!queue_open()) return 0;
  RUN(more_than_the_queue_holds);
  RUN(full);
  RUN(peers);
  RUN(signals);
  RUN(dropped);
  RUN(too_many_semaphores);
  RUN(bad_arguments);
  RUN(closed_handles);
  RUN(lost);
  RUN(lost_unnoticed);
  RUN(closed_with_work);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
