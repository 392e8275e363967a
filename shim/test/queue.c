/* The queue: bytes, one order of all work, and values that are reached. */
#include "queues.h"

/* ---- bytes ---- */

static void fill_and_see(void) {
  int32_t memory = memory_of(4096);
  double value, before = (double)lf_queue_last(gpu);
  fill(memory, 0, 4096, 0x11111111, &value);
  CHECK(value == before + 1);
  fill(memory, 8, 4, 0x04030201, &value);
  fill(memory, 4092, 4, 0x24232221, &value);
  reach(value);
  uint8_t wanted[4096];
  memset(wanted, 0x11, sizeof wanted);
  memcpy(wanted + 8, "\x01\x02\x03\x04", 4);
  memcpy(wanted + 4092, "\x21\x22\x23\x24", 4);
  check_bytes(memory, 0, wanted, sizeof wanted);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* Host memory that is mapped has the bytes as soon as the value is reached. */
static void mapped_memory(void) {
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_gpu(device, 4096, 1, &info), LF_OK);
  const uint8_t *bytes = (const uint8_t *)(uintptr_t)info.address;
  CHECK(bytes != NULL);
  for (uint32_t round = 1; round <= 200; round++) {
    double value;
    fill(info.handle, 0, 4096, round * 0x01010101u, &value);
    reach(value);
    CHECK_EQ(bytes[0], round & 0xff);
    CHECK_EQ(bytes[4095], round & 0xff);
  }
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
}

static void pinned_memory(void) {
  if (!test_requires("vulkan", gpu->host_import_alignment != 0, "the driver takes no host memory")) return;
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_pinned(device, 100003, &info), LF_OK);
  uint8_t *bytes = (uint8_t *)(uintptr_t)info.address;
  int32_t memory = memory_of(100003);
  double value;
  test_fill(bytes, 100003, 7);
  copy(info.handle, 0, memory, 0, 100003, &value);
  check_bytes(memory, 0, bytes, 100003);
  memset(bytes, 0, 100003);
  copy(memory, 1, info.handle, 3, 100000, &value);
  reach(value);
  uint8_t *wanted = bytes_of(100003, 7);
  CHECK(memcmp(bytes + 3, wanted + 1, 100000) == 0);
  CHECK(bytes[0] == 0 && bytes[2] == 0);
  free(wanted);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

static void odd_copies(void) {
  const size_t size = 300007;
  int32_t a = memory_of((double)size), b = memory_of((double)size);
  uint8_t *wanted = bytes_of(size, 1), *model = bytes_of(size, 2);
  write_all(a, 0, wanted, size);
  write_all(b, 0, model, size);
  test_random random = {test_seed()};
  for (int i = 0; i < 100; i++) {
    size_t bytes = 1 + test_below(&random, i < 50 ? 64 : size / 2);
    size_t from = test_below(&random, size - bytes + 1), to = test_below(&random, size - bytes + 1);
    double value;
    copy(a, (double)from, b, (double)to, (double)bytes, &value);
    memcpy(model + to, wanted + from, bytes);
  }
  check_bytes(b, 0, model, size);
  check_bytes(a, 0, wanted, size);
  free(wanted);
  free(model);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_memory_close(b), LF_OK);
}

static void copies_within(void) {
  int32_t memory = memory_of(100);
  double value, same = 0;
  CHECK_EQ(lf_queue_copy(device, memory, 0, memory, 0, 1, &same), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_copy(device, memory, 10, memory, 19, 10, &same), LF_EINVALID_ARGUMENT);
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  CHECK(strstr(last.text, "10 bytes from byte 10 to byte 19") != NULL);
  CHECK_EQ(lf_queue_copy(device, memory, 19, memory, 10, 10, &same), LF_EINVALID_ARGUMENT);
  CHECK(same == 0);
  uint8_t wanted[100];
  test_fill(wanted, sizeof wanted, 3);
  write_all(memory, 0, wanted, sizeof wanted);
  copy(memory, 10, memory, 20, 10, &value);
  copy(memory, 50, memory, 40, 10, &value);
  memcpy(wanted + 20, wanted + 10, 10);
  memcpy(wanted + 40, wanted + 50, 10);
  check_bytes(memory, 0, wanted, sizeof wanted);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* ---- order ---- */

/* Each step depends on the one before it. */
static void ordered(void) {
  const size_t size = 64 << 10;
  int32_t a = memory_of((double)size), b = memory_of((double)size);
  uint8_t *bytes = bytes_of(size, 4), *got = malloc(size);
  double value;
  for (uint32_t round = 0; round < 60; round++) {
    fill(a, 0, (double)size, round * 0x01010101u, &value);
    write_all(a, 1000, bytes, 5000);
    copy(a, 0, b, 0, (double)size, &value);
    fill(a, 0, (double)size, 0xeeeeeeee, &value);
    memset(got, (int)(round & 0xff), size);
    memcpy(got + 1000, bytes, 5000);
    check_bytes(b, 0, got, size);
  }
  free(bytes);
  free(got);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_memory_close(b), LF_OK);
}

/* ---- values ---- */

static void values(void) {
  double last = (double)lf_queue_last(gpu);
  CHECK_EQ(lf_queue_reached(device, 0, 0), 1);
  CHECK_EQ(lf_queue_reached(device, last + 1, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_reached(device, -1, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_reached(device, 0.5, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_reached(device, (double)NAN, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_reached(device, 1e300, 0), LF_EINVALID_ARGUMENT);
  lf_semaphore *semaphore = timeline_of();
  double value = block_on(semaphore, 1);
  CHECK(value == last + 1);
  CHECK_EQ(lf_queue_reached(device, value, 0), 0);
  CHECK_EQ(lf_queue_reached(device, value, 50), 0);
  CHECK_EQ(lf_queue_reached(device, value, -1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_reached(device, value, (double)NAN), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_reached(device, value, 1e9), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_wait(gpu, (uint64_t)value, 1000), LF_TIMEOUT);
  signal_from_host(semaphore, 1);
  reach(value);
  wait_for(value);
  timeline_gone(semaphore);
}

static void pending(void) {
  int32_t memory = memory_of(16), other = memory_of(16);
  double value, work;
  CHECK_EQ(lf_queue_pending(device, memory, &value), LF_OK);
  CHECK(value == 0);
  lf_semaphore *semaphore = timeline_of();
  block_on(semaphore, 1);
  fill(memory, 0, 16, 1, &work);
  CHECK_EQ(lf_queue_pending(device, memory, &value), LF_OK);
  CHECK(value == work);
  CHECK_EQ(lf_queue_pending(device, other, &value), LF_OK);
  CHECK(value == 0);
  CHECK_EQ(lf_memory_close(memory), LF_OK); /* in use: it goes later */
  signal_from_host(semaphore, 1);
  reach(work);
  wait_for(work);
  timeline_gone(semaphore);
  CHECK_EQ(lf_queue_pending(device, memory, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_pending(device, other, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_memory_close(other), LF_OK);
}

int main(void) {
  if (!queue_open()) return 0;
  RUN(fill_and_see);
  RUN(mapped_memory);
  RUN(pinned_memory);
  RUN(odd_copies);
  RUN(copies_within);
  RUN(ordered);
  RUN(values);
  RUN(pending);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
