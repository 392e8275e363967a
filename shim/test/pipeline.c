/* Compute shaders: their effects on memory, in the order of the queue, and the arguments that are refused before the
 * driver gets them. */
#include "gpu/pipeline.h"

#include "adder.h"
#include "queues.h"

/* clang-format off */
static const uint32_t nothing[] = {
  0x07230203, 0x00010300, 0, 6, 0,
  OP(2, 17), 1, OP(3, 14), 0, 1,
  OP(5, 15), 5, 1, 0x6e69616d, 0, OP(6, 16), 1, 17, 1, 1, 1,
  OP(2, 19), 2, OP(3, 33), 3, 2, OP(5, 54), 2, 1, 0, 3, OP(2, 248), 4, OP(1, 253), OP(1, 56),
};
/* clang-format on */

static int32_t make_adder(void) {
  return compiled(CHECK_OK(lf_pipeline_create(device, adder, sizeof adder, 2, sizeof(uint32_t))));
}

static double add(int32_t pipeline, int32_t from, int32_t to, uint32_t addend, uint32_t count) {
  const int32_t memories[] = {from, to};
  double value;
  int32_t status;
  while ((status = CHECK_OK(lf_queue_dispatch(device, pipeline, memories, 2, &addend, sizeof addend, count, 1, 1,
                                              &value))) == LF_FULL)
    wait_for_capacity(value);
  CHECK_EQ(status, 1);
  return value;
}

static void check_words(int32_t memory, uint32_t count, uint32_t first, uint32_t step) {
  uint32_t *words = malloc(count * sizeof *words);
  CHECK(words != NULL);
  for (uint32_t i = 0; i < count; i++) words[i] = first + i * step;
  check_bytes(memory, 0, (const uint8_t *)words, count * sizeof *words);
  free(words);
}

static void adds(void) {
  enum { COUNT = 1000 };
  int32_t pipeline = make_adder(), a = memory_of(COUNT * 4), b = memory_of(COUNT * 4);
  uint32_t words[COUNT];
  for (uint32_t i = 0; i < COUNT; i++) words[i] = i * 3;
  write_all(a, 0, (const uint8_t *)words, sizeof words);
  add(pipeline, a, b, 5, COUNT);
  check_words(b, COUNT, 5, 3);
  check_words(a, COUNT, 0, 3);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_memory_close(b), LF_OK);
}

/* Each dispatch needs the one before it; there are more of them than descriptor sets. Transfers come in between. */
static void in_order(void) {
  int32_t pipeline = make_adder(), a = memory_of(64), b = memory_of(64);
  double value;
  CHECK_EQ(lf_queue_fill(device, a, 0, 64, 0, &value), 1);
  for (uint32_t i = 0; i < 600; i++) {
    add(pipeline, i % 2 ? b : a, i % 2 ? a : b, 1, 16);
    if (i % 100 == 99) check_words(a, 16, i + 1, 0);
  }
  CHECK_EQ(lf_queue_fill(device, b, 0, 64, 70, &value), 1);
  value = add(pipeline, b, b, 7, 16); /* one memory, two bindings */
  CHECK_EQ(lf_queue_copy(device, b, 0, a, 0, 64, &value), 1);
  CHECK_EQ(lf_queue_fill(device, b, 0, 64, 0, &value), 1);
  check_words(a, 16, 77, 0);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_memory_close(b), LF_OK);
}

static void mapped_results(void) {
  int32_t pipeline = make_adder(), a = memory_of(64);
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_gpu(device, 64, 1, &info), LF_OK);
  double value;
  CHECK_EQ(lf_queue_fill(device, a, 0, 64, 1, &value), 1);
  for (uint32_t i = 0; i < 100; i++) {
    value = add(pipeline, a, info.handle, i, 16);
    int32_t status;
    while ((status = CHECK_OK(lf_queue_reached(device, value, 100))) == 0) {}
    CHECK_EQ(((const uint32_t *)(uintptr_t)info.address)[15], i + 1);
  }
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
}

static void without_bindings(void) {
  int32_t pipeline = compiled(CHECK_OK(lf_pipeline_create(device, nothing, sizeof nothing, 0, 0)));
  double value = 0;
  for (int i = 0; i < 10; i++)
    CHECK_EQ(lf_queue_dispatch(device, pipeline, NULL, 0, NULL, 0, 1, 1, 1, &value), 1);
  wait_for(value);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
}

/* Pipeline, memory and at last the device are closed while the dispatch still waits. */
static void closed_in_flight(void) {
  int32_t pipeline = make_adder(), a = memory_of(64), b = memory_of(64);
  lf_semaphore *semaphore = timeline_of();
  wait_for((double)lf_queue_last(gpu));
  block_on(semaphore, 1);
  double value = add(pipeline, a, b, 1, 16);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_ECLOSED);
  CHECK_EQ(lf_queue_reached(device, value, 10), 0);
  signal_from_host(semaphore, 1);
  wait_for(value);
  timeline_gone(semaphore);
  CHECK_EQ(lf_memory_close(b), LF_OK);
  pipeline = make_adder();
  a = memory_of(64);
  for (int i = 0; i < 50; i++) add(pipeline, a, a, 1, 16);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  queue_reopen();
}

/* The pipeline, and at last the device too, are closed while the driver compiles. */
static void closed_while_compiling(void) {
  for (int i = 0; i < 40; i++) {
    CHECK_EQ(lf_pipeline_close(CHECK_OK(lf_pipeline_create(device, adder, sizeof adder, 2, 4))), LF_OK);
    if (i % 4 == 3) queue_reopen();
  }
  adds();
}

/* ---- refused arguments ---- */

static void refused_spirv(const uint32_t *words, size_t bytes, const char *because) {
  CHECK_EQ(lf_pipeline_create(device, words, (uint32_t)bytes, 2, 4), LF_ESHADER_INVALID);
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  CHECK_EQ(last.code, LF_ESHADER_INVALID);
  if (!strstr(last.text, because)) test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", last.text, because);
}

static uint32_t *changed(uint32_t word, uint32_t to) {
  static uint32_t words[sizeof adder / sizeof *adder];
  uint32_t count = 0;
  memcpy(words, adder, sizeof adder);
  for (size_t i = 5; i < sizeof adder / sizeof *adder; i++)
    if (adder[i] == word && !count++) words[i] = to;
  CHECK(count > 0);
  return words;
}

static void bad_spirv(void) {
  const size_t count = sizeof adder / sizeof *adder;
  uint32_t words[sizeof adder / sizeof *adder];
  CHECK_EQ(lf_pipeline_create(device, NULL, 100, 2, 4), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_pipeline_create(device, (const uint32_t *)(uintptr_t)((const char *)adder + 1), 100, 2, 4),
           LF_EINVALID_ARGUMENT);
  refused_spirv(adder, 0, "0 bytes");
  refused_spirv(adder, 19, "19 bytes");
  refused_spirv(adder, sizeof adder - 1, "do not begin");
  refused_spirv(adder, 20, "without a compute entry point");
  memcpy(words, adder, sizeof adder);
  words[0] = 0x03022307;
  refused_spirv(words, sizeof words, "byte order");
  refused_spirv(changed(0x6e69616d, 0x6e69616e), sizeof adder, "named main");
  refused_spirv(changed(OP(6, 15), OP(0, 15)), sizeof adder, "cut off");
  refused_spirv(changed(OP(1, 56), OP(2, 56)), sizeof adder, "cut off");
  CHECK_EQ(lf_pipeline_create(device, adder, sizeof adder, 1, 4), LF_ESHADER_INVALID); /* binding 1 of 1 */
  memcpy(words, adder, sizeof adder);
  for (size_t i = 5; i + 3 < count; i++)
    if (words[i] == OP(4, 71) && words[i + 1] == A_TO && words[i + 2] == 34) words[i + 3] = 1;
  refused_spirv(words, sizeof words, "descriptor set 0");
}

static void bad_pipelines(void) {
  enum { SIZE_AT = 18 }; /* of OpExecutionMode LocalSize, in `nothing` */
  const uint32_t sizes[][3] = {{1u << 30, 1, 1}, {1, 1u << 30, 1}, {1, 1, 1u << 30}, {1024, 1024, 64}, {1u << 31, 1u << 31, 4}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint32_t wide[sizeof nothing / sizeof *nothing];
    memcpy(wide, nothing, sizeof nothing);
    memcpy(wide + SIZE_AT, sizes[i], sizeof *sizes);
    CHECK_EQ(lf_pipeline_create(device, wide, sizeof wide, 0, 0), LF_EINVALID_ARGUMENT);
  }
  CHECK_EQ(lf_pipeline_create(device, adder, sizeof adder, LF_BINDINGS_MAX + 1, 4), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_pipeline_create(device, adder, sizeof adder, 2, 3), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_pipeline_create(device, adder, sizeof adder, 2, 132), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_pipeline_create(0x12345, adder, sizeof adder, 2, 4), LF_ECLOSED);
  CHECK_EQ(lf_pipeline_close(0x12345), LF_ECLOSED);
}

static void bad_dispatches(void) {
  int32_t pipeline = make_adder(), second = CHECK_OK(lf_device_open(vulkan, 0)), a = memory_of(64), b = memory_of(64);
  int32_t gone = memory_of(64);
  lf_memory_info elsewhere;
  CHECK_EQ(lf_memory_allocate_gpu(second, 64, 0, &elsewhere), LF_OK);
  CHECK_EQ(lf_memory_close(gone), LF_OK);
  const uint32_t addend = 1;
  const int32_t memories[] = {a, b}, stale[] = {a, gone}, of_other_device[] = {elsewhere.handle, b};
  double value;
  uint64_t last = lf_queue_last(gpu);
#define DISPATCH(list, count, push, bytes, x, y, z, out) \
  lf_queue_dispatch(device, pipeline, list, count, push, bytes, x, y, z, out)
  CHECK_EQ(DISPATCH(memories, 1, &addend, 4, 1, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(memories, 3, &addend, 4, 1, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(NULL, 2, &addend, 4, 1, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(memories, 2, &addend, 0, 1, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(memories, 2, &addend, 8, 1, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(memories, 2, NULL, 4, 1, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(memories, 2, &addend, 4, 1, 1, 1, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(memories, 2, &addend, 4, 0, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(memories, 2, &addend, 4, 1, UINT32_MAX, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(memories, 2, &addend, 4, 1, 1, UINT32_MAX, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(DISPATCH(stale, 2, &addend, 4, 1, 1, 1, &value), LF_ECLOSED);
  CHECK_EQ(DISPATCH(of_other_device, 2, &addend, 4, 1, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_dispatch(second, pipeline, memories, 2, &addend, 4, 1, 1, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_dispatch(device, a, memories, 2, &addend, 4, 1, 1, 1, &value), LF_ECLOSED);
  CHECK_EQ(lf_queue_dispatch(0x12345, pipeline, memories, 2, &addend, 4, 1, 1, 1, &value), LF_ECLOSED);
#undef DISPATCH
  CHECK_EQ(lf_queue_last(gpu), last);
  CHECK_EQ(lf_memory_close(elsewhere.handle), LF_OK);
  CHECK_EQ(lf_device_close(second), LF_OK);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  CHECK_EQ(lf_memory_close(a), LF_OK);
  CHECK_EQ(lf_memory_close(b), LF_OK);
}

/* A dispatch that waits for a full queue is told so, and takes no descriptor set. */
static void full(void) {
  int32_t pipeline = make_adder(), a = memory_of(64);
  const int32_t memories[] = {a, a};
  const uint32_t addend = 1;
  double value;
  CHECK_EQ(lf_queue_fill(device, a, 0, 64, 0, &value), 1);
  wait_for(value);
  lf_semaphore *semaphore = timeline_of();
  double first = block_on(semaphore, 1);
  for (int i = 1; i < LF_QUEUE_DEPTH; i++) add(pipeline, a, a, 1, 16);
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(lf_queue_dispatch(device, pipeline, memories, 2, &addend, 4, 16, 1, 1, &value), LF_FULL);
    CHECK(value == first);
  }
  signal_from_host(semaphore, 1);
  wait_for(first);
  add(pipeline, a, a, 1, 16);
  check_words(a, 16, LF_QUEUE_DEPTH, 0);
  wait_for((double)lf_queue_last(gpu));
  timeline_gone(semaphore);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  CHECK_EQ(lf_memory_close(a), LF_OK);
}

int main(void) {
  if (!queue_open()) return 0;
  RUN(adds);
  RUN(in_order);
  RUN(mapped_results);
  RUN(without_bindings);
  RUN(closed_in_flight);
  RUN(closed_while_compiling);
  RUN(full);
  RUN(bad_spirv);
  RUN(bad_pipelines);
  RUN(bad_dispatches);
  queue_shut();
  RUN(silent_validation);
  /* A compile may be in flight when the process ends: it does so without a word, and with status 0. */
  vulkan = CHECK_OK(lf_vulkan_open());
  device = CHECK_OK(lf_device_open(vulkan, 0));
  CHECK_OK(lf_pipeline_create(device, adder, sizeof adder, 2, 4));
  return 0;
}
