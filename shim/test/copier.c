/* Copies within a GPU: the same bytes by the shader, in one dispatch or in several, as by the driver; and which of the two it
 * is. A software GPU takes its driver's copy, which is faster there: the tests have it take the shader. */
#include "gpu/copier.h"

#include "gpu/pipeline.h"
#include "queues.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static uint32_t dispatches, driver_copies;
static void (*real_dispatch)(VkCommandBuffer, uint32_t, uint32_t, uint32_t);
static void (*real_copy)(VkCommandBuffer, VkBuffer, VkBuffer, uint32_t, const VkBufferCopy *);

static void counted_dispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z) {
  CHECK(x >= 1 && x <= 65535 && y == 1 && z == 1);
  dispatches++;
  real_dispatch(commands, x, y, z);
}

static void counted_copy(VkCommandBuffer commands, VkBuffer from, VkBuffer to, uint32_t count,
                         const VkBufferCopy *regions) {
  driver_copies++;
  real_copy(commands, from, to, count, regions);
}

static void watch(void) {
  real_dispatch = gpu->vk.CmdDispatch;
  real_copy = gpu->vk.CmdCopyBuffer;
  gpu->vk.CmdDispatch = counted_dispatch;
  gpu->vk.CmdCopyBuffer = counted_copy;
}

/* Makes the shader copy, in dispatches of at most `bytes_max` bytes. */
static void start(uint64_t bytes_max) {
  queue_reopen();
  watch();
  gpu->copier_bytes_max = bytes_max;
}

static void check_counts(uint32_t by_shader, uint32_t by_driver) {
  CHECK_EQ(dispatches, by_shader);
  CHECK_EQ(driver_copies, by_driver);
}

/* Copies between two memories full of random bytes, and compares all of both. */
static void copies(size_t from, size_t to, size_t size, uint32_t by_shader, uint32_t by_driver) {
  const size_t bytes_each = size + 4096;
  int32_t a = memory_of((double)bytes_each), b = memory_of((double)bytes_each);
  uint8_t *source = bytes_of(bytes_each, size), *target = bytes_of(bytes_each, size + 1);
  double value;
  write_all(a, 0, source, bytes_each);
  write_all(b, 0, target, bytes_each);
  dispatches = driver_copies = 0;
  copy(a, (double)from, b, (double)to, (double)size, &value);
  check_counts(by_shader, by_driver);
  memcpy(target + to, source + from, size);
  check_bytes(b, 0, target, bytes_each);
  check_bytes(a, 0, source, bytes_each);
  free(source);
  free(target);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_memory_close(b), LF_OK);
}

static void by_the_shader(void) {
  start(2048 * MIB);
  const size_t aligned = gpu->copier_alignment;
  CHECK(aligned >= 16 && 2048 % aligned == 0);
  copies(0, 0, 64 * KIB, 1, 0);
  copies(aligned, 1024, 64 * KIB + 16, 1, 0);
  copies(1024, aligned, 3 * MIB + 4096 - 16, 1, 0);
  copies(0, 2048, 17 * MIB, 1, 0); /* more than 65535 groups move at once */
  for (size_t odd = 1; odd < 16; odd += 7) copies(2048, 0, 64 * KIB + odd, 1, 1);
  copies(1024, 1024, 5 * MIB + 15, 1, 1);
}

static void in_several_dispatches(void) {
  start(64 * KIB);
  copies(0, 2048, 64 * KIB, 1, 0);
  copies(2048, 0, 64 * KIB + 16, 2, 0);
  copies(1024, 1024, MIB, 16, 0);
  copies(0, 0, MIB + 7, 16, 1);
  copies(1024, 2048, MIB + 16 * KIB + 16 + 9, 17, 1);
}

static void by_the_driver(void) {
  start(2048 * MIB);
  copies(0, 0, 64 * KIB - 1, 0, 1);
  copies(1, 0, MIB, 0, 1);
  copies(0, 8, MIB, 0, 1);
  copies(24, 24, MIB, 0, 1);
  copies(gpu->copier_alignment / 2, 0, MIB, 0, 1);
  gpu->copier_bytes_max = 0;
  copies(0, 0, MIB, 0, 1);
  CHECK(gpu->copier == NULL);
}

/* As a device in hardware would be set up. */
static void limits(void) {
  queue_reopen();
  watch();
  if (gpu->info.type == LF_GPU_CPU) CHECK_EQ(gpu->copier_bytes_max, 0);
  gpu->info.type = LF_GPU_DISCRETE;
  lf_copier_choose(gpu);
  CHECK(gpu->copier_bytes_max >= 64 * MIB && gpu->copier_bytes_max <= 2048 * MIB);
  CHECK_EQ(gpu->copier_bytes_max % gpu->copier_alignment, 0);
  CHECK_EQ(gpu->copier_alignment & (gpu->copier_alignment - 1), 0);
  copies(0, 0, MIB, 1, 0);
}

static void random_ranges(void) {
  start(256 * KIB);
  const size_t bytes_each = 4 * MIB;
  const int32_t memories[2] = {memory_of((double)bytes_each), memory_of((double)bytes_each)};
  uint8_t *models[2] = {bytes_of(bytes_each, 1), bytes_of(bytes_each, 2)};
  for (int i = 0; i < 2; i++) write_all(memories[i], 0, models[i], bytes_each);
  test_random random = {test_seed()};
  dispatches = 0;
  for (int i = 0; i < 60; i++) { /* every third time within one memory */
    const int source = i % 2, target = i % 3 == 0 ? source : !source;
    size_t size = 64 * KIB + test_below(&random, MIB), low = test_below(&random, 64) * 4096;
    size_t high = 2 * MIB + test_below(&random, 128) * 4096, from = i % 4 < 2 ? low : high, to = low + high - from;
    double value;
    copy(memories[source], (double)from, memories[target], (double)to, (double)size, &value);
    memcpy(models[target] + to, models[source] + from, size);
  }
  CHECK(dispatches > 60);
  for (int i = 0; i < 2; i++) {
    check_bytes(memories[i], 0, models[i], bytes_each);
    free(models[i]);
    CHECK_EQ(lf_memory_close(memories[i]), LF_OK);
  }
}

/* Where work that has not ended uses all descriptor sets, the driver's copy does the rest. */
static void more_dispatches_than_sets(void) {
  start(64 * KIB);
  const size_t most = LF_QUEUE_DEPTH * 64 * KIB - 64 * KIB;
  int32_t a = memory_of((double)most), b = memory_of((double)most), c = memory_of((double)most);
  uint8_t *bytes = bytes_of(most, 5);
  write_all(a, 0, bytes, most);
  wait_for((double)lf_queue_last(gpu));
  lf_semaphore *semaphore = timeline_of();
  double value;
  block_on(semaphore, 1);
  dispatches = driver_copies = 0;
  copy(a, 0, b, 0, (double)most, &value);
  check_counts(LF_QUEUE_DEPTH - 1, 0);
  copy(b, 0, c, 0, (double)most, &value);
  check_counts(LF_QUEUE_DEPTH, 1);
  signal_from_host(semaphore, 1);
  wait_for(value);
  copy(c, 0, a, 0, (double)most, &value);
  check_counts(2 * LF_QUEUE_DEPTH - 1, 1);
  check_bytes(c, 0, bytes, most);
  check_bytes(a, 0, bytes, most);
  timeline_gone(semaphore);
  free(bytes);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_memory_close(b), LF_OK);
  CHECK_EQ(lf_memory_close(c), LF_OK);
}

static VkResult no_pipeline(VkDevice d, VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo *infos,
                            const VkAllocationCallbacks *a, VkPipeline *out) {
  (void)d, (void)cache, (void)count, (void)infos, (void)a;
  *out = NULL;
  return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

static void refused_by_the_driver(void) {
  start(2048 * MIB);
  gpu->vk.CreateComputePipelines = no_pipeline;
  for (int i = 0; i < 2; i++) copies(0, 0, MIB, 0, 1);
  CHECK(gpu->copier == NULL && gpu->copier_bytes_max == 0);
}

int main(void) {
  if (!queue_open()) return 0;
  RUN(by_the_shader);
  RUN(in_several_dispatches);
  RUN(by_the_driver);
  RUN(limits);
  RUN(random_ranges);
  RUN(more_dispatches_than_sets);
  RUN(refused_by_the_driver);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
