/* The staging ring: bytes in and out in parts of every size, slots used again, and reads that must be ended. */
#include "queues.h"

/* The sizes in staging.c. */
#define LARGE ((size_t)4 << 20)
#define SMALL ((size_t)16 << 10)
#define LARGE_SLOTS 8

static void sizes(void) {
  static const size_t around[] = {1, 2, 3, 63, 64, 65, 4095, SMALL - 1, SMALL, SMALL + 1, 65535, 65537,
                                  LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 12345};
  const size_t capacity = 3 * LARGE + 20000;
  int32_t memory = memory_of((double)capacity);
  uint8_t *model = malloc(capacity);
  CHECK(model != NULL);
  double value;
  CHECK_EQ(lf_queue_fill(device, memory, 0, (double)(capacity & ~(size_t)3), 0x55555555, &value), 1);
  write_all(memory, (double)capacity - 4, (const uint8_t *)"UUUU", 4);
  memset(model, 0x55, capacity);
  for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
    size_t size = around[i], offset = i * 37 % 4096;
    uint8_t *bytes = bytes_of(size, i);
    write_all(memory, (double)offset, bytes, size);
    memcpy(model + offset, bytes, size);
    check_bytes(memory, (double)offset, bytes, size);
    free(bytes);
  }
  check_bytes(memory, 0, model, capacity);
  check_bytes(memory, 1, model + 1, capacity - 1);
  free(model);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

static void random_transfers(void) {
  const size_t capacity = 2 * LARGE + 777;
  int32_t memory = memory_of((double)capacity);
  uint8_t *model = bytes_of(capacity, 1);
  write_all(memory, 0, model, capacity);
  test_random random = {test_seed()};
  for (uint64_t i = 0; i < 300; i++) {
    size_t size = 1 + test_below(&random, i % 10 == 0 ? capacity : i % 2 ? 100 : 3 * SMALL);
    size_t offset = test_below(&random, capacity - size + 1);
    uint8_t *bytes = bytes_of(size, i);
    write_all(memory, (double)offset, bytes, size);
    memcpy(model + offset, bytes, size);
    free(bytes);
    if (i % 30 == 0) check_bytes(memory, 0, model, capacity);
  }
  check_bytes(memory, 0, model, capacity);
  free(model);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* Two large transfers whose parts alternate, each marked as continuing the last work: a part must not run before the
 * other transfer's work before it. */
static void interleaved(void) {
  const size_t size = 2 * LARGE;
  int32_t memory = memory_of((double)size);
  uint8_t *first = bytes_of(size, 1), *second = bytes_of(size, 2);
  double value;
  for (int round = 0; round < 5; round++) {
    for (size_t at = 0; at < size; at += LARGE) { /* each part of the second follows the same part of the first */
      const uint8_t *turns[] = {first, second};
      for (int i = 0; i < 2; i++)
        for (;;) {
          int32_t took =
              CHECK_OK(lf_queue_write(device, memory, (double)at, turns[i] + at, (double)(size - at), 0, &value));
          if (took == (int32_t)LARGE) break;
          CHECK_EQ(took, LF_FULL);
          wait_for_capacity(value);
        }
    }
    check_bytes(memory, 0, second, size);
  }
  free(first);
  free(second);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* Small writes continue while no work can end: there is a slot for each submission. */
static void small_writes_do_not_wait(void) {
  int32_t memory = memory_of(LF_QUEUE_DEPTH * 100);
  wait_for((double)lf_queue_last(gpu));
  lf_semaphore *semaphore = timeline_of();
  double value, first = block_on(semaphore, 1);
  uint8_t *bytes = bytes_of(LF_QUEUE_DEPTH * 100, 9);
  for (int i = 1; i < LF_QUEUE_DEPTH; i++) {
    CHECK_EQ(lf_queue_write(device, memory, (i - 1) * 100, bytes + (i - 1) * 100, 100, 1, &value), 100);
    CHECK(value == first + i);
  }
  CHECK_EQ(lf_queue_write(device, memory, 0, bytes, 100, 1, &value), LF_FULL);
  CHECK(value == first);
  signal_from_host(semaphore, 1);
  wait_for((double)lf_queue_last(gpu));
  check_bytes(memory, 0, bytes, (LF_QUEUE_DEPTH - 1) * 100);
  timeline_gone(semaphore);
  free(bytes);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

static void large_writes_wait_for_the_first(void) {
  int32_t memory = memory_of((double)LARGE);
  wait_for((double)lf_queue_last(gpu));
  lf_semaphore *semaphore = timeline_of();
  uint8_t *bytes = bytes_of(LARGE, 11);
  double value, first = block_on(semaphore, 1);
  for (int i = 0; i < LARGE_SLOTS; i++)
    CHECK_EQ(lf_queue_write(device, memory, 0, bytes, (double)LARGE, 1, &value), (int32_t)LARGE);
  CHECK_EQ(lf_queue_write(device, memory, 0, bytes, (double)LARGE, 1, &value), LF_FULL);
  CHECK(value == first + 1);
  CHECK_EQ(lf_queue_write(device, memory, 0, bytes, 5, 1, &value), 5);
  signal_from_host(semaphore, 1);
  wait_for(first + 1);
  CHECK_EQ(lf_queue_write(device, memory, 0, bytes, (double)LARGE, 1, &value), (int32_t)LARGE);
  check_bytes(memory, 0, bytes, LARGE);
  wait_for((double)lf_queue_last(gpu));
  timeline_gone(semaphore);
  free(bytes);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

static void reads_hold_their_slots(void) {
  const double size = (double)LARGE;
  int32_t memory = memory_of(size);
  uint8_t *bytes = bytes_of(LARGE, 12), *got = malloc(LARGE);
  write_all(memory, 0, bytes, LARGE);
  wait_for((double)lf_queue_last(gpu));
  lf_staged_read reads[LARGE_SLOTS], one;
  for (int i = 0; i < LARGE_SLOTS; i++)
    CHECK_EQ(lf_queue_read(device, memory, 0, size, 1, &reads[i]), (int32_t)LARGE);
  wait_for(reads[LARGE_SLOTS - 1].value);
  CHECK_EQ(lf_queue_read(device, memory, 0, size, 1, &one), LF_FULL);
  CHECK(one.value == 0); /* no work frees a slot: a read has to be ended */
  double value;
  CHECK_EQ(lf_queue_write(device, memory, 0, bytes, size, 1, &value), LF_FULL);
  CHECK(value == 0);
  CHECK_EQ(lf_queue_read_end(device, reads[3].token, NULL, 0), LF_OK);
  CHECK_EQ(lf_queue_read_end(device, reads[3].token, got, 1), LF_ECLOSED);
  CHECK_EQ(lf_queue_read(device, memory, 0, size, 1, &one), (int32_t)LARGE);
  CHECK(one.token != reads[3].token);
  CHECK_EQ(lf_queue_read_end(device, reads[3].token, got, 1), LF_ECLOSED); /* another read has its slot now */
  wait_for(one.value);
  CHECK_EQ(lf_queue_read_end(device, one.token, got, size), LF_OK);
  CHECK(memcmp(got, bytes, LARGE) == 0);
  for (int i = 0; i < LARGE_SLOTS; i++) {
    if (i == 3) continue;
    memset(got, 0, LARGE);
    CHECK_EQ(lf_queue_read_end(device, reads[i].token, got, size), LF_OK);
    CHECK(memcmp(got, bytes, LARGE) == 0);
  }
  free(bytes);
  free(got);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* A read that was given up in flight keeps its slot until the GPU has ended it. */
static void reads_given_up(void) {
  int32_t memory = memory_of((double)LARGE);
  wait_for((double)lf_queue_last(gpu));
  lf_semaphore *semaphore = timeline_of();
  block_on(semaphore, 1);
  lf_staged_read read;
  uint8_t got[4];
  for (int i = 0; i < LARGE_SLOTS; i++) {
    CHECK_EQ(lf_queue_read(device, memory, 0, (double)LARGE, 1, &read), (int32_t)LARGE);
    CHECK_EQ(lf_queue_read_end(device, read.token, got, 4), LF_EINVALID_ARGUMENT); /* not yet */
    CHECK_EQ(lf_queue_read_end(device, read.token, NULL, 0), LF_OK);
  }
  CHECK_EQ(lf_queue_read(device, memory, 0, (double)LARGE, 1, &read), LF_FULL);
  CHECK(read.value > 0);
  signal_from_host(semaphore, 1);
  wait_for(read.value);
  CHECK_EQ(lf_queue_read(device, memory, 0, (double)LARGE, 1, &read), (int32_t)LARGE);
  CHECK_EQ(lf_queue_read_end(device, read.token, NULL, 0), LF_OK);
  wait_for((double)lf_queue_last(gpu));
  timeline_gone(semaphore);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

static void bad_arguments(void) {
  int32_t memory = memory_of(100);
  lf_memory_info pinned;
  lf_staged_read read;
  double value;
  uint8_t bytes[200] = {0};
  static const double offsets[] = {-1, 0.5, (double)NAN, 101, 1e300};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    CHECK_EQ(lf_queue_write(device, memory, offsets[i], bytes, 1, 1, &value), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_queue_read(device, memory, offsets[i], 1, 1, &read), LF_EINVALID_ARGUMENT);
  }
  static const double counts[] = {0, -1, 0.5, (double)NAN, 101, 1e300};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    CHECK_EQ(lf_queue_write(device, memory, 0, bytes, counts[i], 1, &value), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_queue_read(device, memory, 0, counts[i], 1, &read), LF_EINVALID_ARGUMENT);
  }
  CHECK_EQ(lf_queue_write(device, memory, 0, NULL, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_write(device, memory, 0, bytes, 1, 1, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_read(device, memory, 0, 1, 1, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_read(device, memory, 0, 100, 1, &read), 100);
  wait_for(read.value);
  static const double lengths[] = {0, -1, 0.5, (double)NAN, 101, 1e300};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
    CHECK_EQ(lf_queue_read_end(device, read.token, bytes, lengths[i]), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_read_end(device, read.token, bytes, 50), LF_OK);
  static const uint32_t tokens[] = {0, 1, 0xffff, 0x10000, 0xffffffff};
  for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
    CHECK_EQ(lf_queue_read_end(device, tokens[i], bytes, 1), LF_ECLOSED);
  if (gpu->host_import_alignment) {
    CHECK_EQ(lf_memory_allocate_pinned(device, 100, &pinned), LF_OK);
    CHECK_EQ(lf_queue_write(device, pinned.handle, 0, bytes, 1, 1, &value), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_queue_read(device, pinned.handle, 0, 1, 1, &read), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_memory_close(pinned.handle), LF_OK);
  }
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_queue_write(device, memory, 0, bytes, 1, 1, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_read(device, memory, 0, 1, 1, &read), LF_ECLOSED);
  CHECK_EQ(lf_queue_write(0x12345, memory, 0, bytes, 1, 1, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_read(0x12345, memory, 0, 1, 1, &read), LF_ECLOSED);
  CHECK_EQ(lf_queue_read_end(0x12345, 0, bytes, 1), LF_ECLOSED);
}

/* A device without a staging ring knows of no reads. */
static void before_the_first_use(void) {
  uint8_t byte;
  CHECK(gpu->staging == NULL);
  CHECK_EQ(lf_queue_read_end(device, 0, &byte, 1), LF_ECLOSED);
}

int main(void) {
  if (!queue_open()) return 0;
  RUN(before_the_first_use);
  RUN(sizes);
  RUN(random_transfers);
  RUN(interleaved);
  RUN(small_writes_do_not_wait);
  RUN(large_writes_wait_for_the_first);
  RUN(reads_hold_their_slots);
  RUN(reads_given_up);
  RUN(bad_arguments);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
