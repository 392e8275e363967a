/* Shared by the tests of a GPU's queue: the first GPU, its memory, and transfers in both directions. */
#ifndef LF_TEST_QUEUES_H
#define LF_TEST_QUEUES_H

#include "abi/device.h"
#include "abi/memory.h"
#include "gpu/device.h"
#include "gpu/queue.h"
#include "gpu/queue_state.h"
#include "test.h"

#include <math.h>

#define LONG_NS 60000000000u /* far longer than anything here takes: only so that a hang ends */

static int32_t vulkan, device; /* handles */
static lf_device *gpu;

/* 0, with the reason printed, where there is no GPU. ThreadSanitizer sees a driver that it did not compile, and takes
 * what that does between its own threads for races of ours. */
static inline int queue_open(void) {
  if (TEST_TSAN) {
    printf("skip gpu: the driver's own threads were not compiled for ThreadSanitizer\n");
    return 0;
  }
  vulkan = lf_vulkan_open();
  lf_status last = {.text = ""};
  if (vulkan < 0) lf_status_last(&last);
  if (!test_requires("vulkan", vulkan >= 0, last.text)) return 0;
  device = CHECK_OK(lf_device_open(vulkan, 0));
  gpu = lf_device_get(device);
  CHECK(gpu != NULL);
  printf("# %s, %s\n", gpu->info.name, gpu->info.driver);
  return 1;
}

static inline void queue_shut(void) {
  CHECK_OK(lf_device_close(device));
  CHECK_OK(lf_vulkan_close(vulkan));
}

/* The same once more where everything is as it was in the beginning. */
static inline void queue_reopen(void) {
  CHECK_OK(lf_device_close(device));
  device = CHECK_OK(lf_device_open(vulkan, 0));
  gpu = lf_device_get(device);
  CHECK(gpu != NULL);
}

static inline void silent_validation(void) {
  const char *path = getenv("LAVA_FLOW_VALIDATION");
  if (!test_requires("validation", path && *path, "LAVA_FLOW_VALIDATION is not set")) return;
  FILE *file = fopen(path, "r");
  char line[2048] = "";
  if (file && fgets(line, sizeof line, file)) test_fail(__FILE__, __LINE__, "the validation layer said: %s", line);
  if (file) fclose(file);
}

static inline int32_t memory_of(double size) {
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_gpu(device, size, 0, &info), LF_OK);
  return info.handle;
}

/* The pipeline, when the driver has compiled it. */
static inline int32_t compiled(int32_t pipeline) {
  int32_t status;
  while ((status = CHECK_OK(lf_pipeline_ready(pipeline))) == 0) test_yield();
  return pipeline;
}

static inline void wait_for(double value) { CHECK_EQ(lf_queue_wait(gpu, (uint64_t)value, LONG_NS), 1); }

/* Waits after LF_FULL, for a value that is still in flight or was just reached. */
static inline void wait_for_capacity(double value) {
  CHECK(value > 0);
  wait_for(value);
}

static inline void reach(double value) {
  int32_t status;
  do status = CHECK_OK(lf_queue_reached(device, value, 100));
  while (status == 0);
  CHECK_EQ(status, 1);
}

static inline void fill(int32_t memory, double offset, double size, uint32_t word, double *value) {
  int32_t status;
  while ((status = CHECK_OK(lf_queue_fill(device, memory, offset, size, word, value))) == LF_FULL)
    wait_for_capacity(*value);
  CHECK_EQ(status, 1);
}

static inline void copy(int32_t source, double from, int32_t target, double to, double size, double *value) {
  int32_t status;
  while ((status = CHECK_OK(lf_queue_copy(device, source, from, target, to, size, value))) == LF_FULL)
    wait_for_capacity(*value);
  CHECK_EQ(status, 1);
}

/* Returns the last value. */
static inline double write_all(int32_t memory, double offset, const uint8_t *data, size_t size) {
  double value = 0;
  for (size_t at = 0; at < size;) {
    int32_t took = CHECK_OK(
        lf_queue_write(device, memory, offset + (double)at, data + at, (double)(size - at), at == 0, &value));
    if (took == LF_FULL) wait_for_capacity(value);
    else at += (size_t)took;
  }
  return value;
}

/* As JavaScript reads: several reads are in flight, and the oldest ends first. */
static inline void read_all(int32_t memory, double offset, uint8_t *data, size_t size) {
  lf_staged_read reads[4];
  uint32_t bytes[4];
  size_t begun = 0, ended = 0;
  for (uint32_t first = 0, next = 0; ended < size;) {
    if (begun < size && next - first < 4) {
      lf_staged_read *read = &reads[next % 4];
      int32_t took =
          CHECK_OK(lf_queue_read(device, memory, offset + (double)begun, (double)(size - begun), begun == 0, read));
      if (took != LF_FULL) {
        bytes[next++ % 4] = (uint32_t)took;
        begun += (size_t)took;
        continue;
      }
      if (first == next) { /* other reads hold the slots */
        wait_for_capacity(read->value);
        continue;
      }
    }
    wait_for(reads[first % 4].value);
    CHECK_EQ(lf_queue_read_end(device, reads[first % 4].token, data + ended, bytes[first % 4]), LF_OK);
    ended += bytes[first++ % 4];
  }
}

static inline void check_bytes(int32_t memory, double offset, const uint8_t *wanted, size_t size) {
  uint8_t *got = malloc(size);
  CHECK(got != NULL);
  read_all(memory, offset, got, size);
  for (size_t i = 0; i < size; i++)
    if (got[i] != wanted[i])
      test_fail(__FILE__, __LINE__, "byte %zu of %zu from %.0f is %u, not %u", i, size, offset, got[i], wanted[i]);
  free(got);
}

static inline uint8_t *bytes_of(size_t size, uint64_t key) {
  uint8_t *bytes = malloc(size);
  CHECK(bytes != NULL);
  test_fill(bytes, size, key);
  return bytes;
}

/* A timeline of this process alone, as a peer's would be: no driver has to share it. */
static inline lf_semaphore *timeline_of(void) {
  lf_semaphore *semaphore = calloc(1, sizeof *semaphore);
  CHECK(semaphore != NULL);
  VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                    .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
  VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
  CHECK_EQ(gpu->vk.CreateSemaphore(gpu->device, &info, NULL, &semaphore->semaphore), VK_SUCCESS);
  semaphore->device = gpu;
  semaphore->kind = LF_SEMAPHORE_TIMELINE;
  semaphore->owners = semaphore->references = 1;
  return semaphore;
}

static inline void signal_from_host(lf_semaphore *semaphore, uint64_t value) {
  VkSemaphoreSignalInfo info = {
      .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = semaphore->semaphore, .value = value};
  CHECK_EQ(gpu->vk.SignalSemaphore(gpu->device, &info), VK_SUCCESS);
}

/* Once no work uses it. */
static inline void timeline_gone(lf_semaphore *semaphore) {
  lf_queue_retire(gpu);
  CHECK_EQ(semaphore->references, 1);
  gpu->vk.DestroySemaphore(gpu->device, semaphore->semaphore, NULL);
  free(semaphore);
}

/* Work that does not end before the semaphore has `value`; returns its own value. */
static inline double block_on(lf_semaphore *semaphore, uint64_t value) {
  VkCommandBuffer commands;
  uint64_t reached;
  CHECK_EQ(lf_queue_begin(gpu, 1, &commands), LF_OK);
  CHECK_EQ(lf_queue_await(gpu, semaphore, value), LF_OK);
  CHECK_EQ(lf_queue_end(gpu, &reached), 1);
  return (double)reached;
}

#endif
