/* Several commands in one submission: their order, indirect dispatches, and refused arguments. */
#include "gpu/pipeline.h"

#include "adder.h"
#include "queues.h"

enum { WORDS = 64, BYTES = WORDS * 4, FROM = 0, TO = 1, SIZES = 2, MEMORIES = 3 };

static int32_t adder_pipeline, memories[MEMORIES];

static lf_step dispatch(uint32_t groups, uint32_t addend) {
  return (lf_step){.kind = LF_STEP_DISPATCH, .pipeline = adder_pipeline, .groups = groups, .push = {addend}};
}

static lf_step indirect(uint32_t offset, uint32_t addend) {
  return (lf_step){
      .kind = LF_STEP_INDIRECT, .pipeline = adder_pipeline, .memory = SIZES, .offset = offset, .push = {addend}};
}

static lf_step cleared(uint32_t memory, uint32_t offset, uint32_t bytes) {
  return (lf_step){.kind = LF_STEP_ZERO, .memory = memory, .offset = offset, .bytes = bytes};
}

static lf_step moved(uint32_t from, uint32_t offset, uint32_t to, uint32_t to_offset, uint32_t bytes) {
  return (lf_step){
      .kind = LF_STEP_COPY, .memory = from, .offset = offset, .to = to, .to_offset = to_offset, .bytes = bytes};
}

static void run(const lf_step *steps, uint32_t count) {
  double value = 0;
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, steps, count, &value), 1);
  wait_for(value);
}

static void fill_with(int32_t memory, uint32_t first, uint32_t step) {
  uint32_t words[WORDS];
  for (uint32_t i = 0; i < WORDS; i++) words[i] = first + i * step;
  write_all(memory, 0, (const uint8_t *)words, sizeof words);
}

static void check_word(int32_t memory, uint32_t at, uint32_t expected) {
  check_bytes(memory, at * 4, (const uint8_t *)&expected, sizeof expected);
}

/* Each step needs the one before it: 0, 0 + 5, back, 5 + 7, back, ... */
static void in_order(void) {
  fill_with(memories[FROM], 99, 1);
  fill_with(memories[TO], 99, 1);
  lf_step steps[41];
  steps[0] = cleared(FROM, 0, BYTES);
  for (uint32_t i = 0; i < 20; i++) {
    steps[1 + 2 * i] = dispatch(WORDS, i);
    steps[2 + 2 * i] = moved(TO, 0, FROM, 0, BYTES);
  }
  run(steps, 41);
  for (uint32_t i = 0; i < WORDS; i += 21) check_word(memories[FROM], i, 190);
}

static void ranges(void) {
  fill_with(memories[FROM], 1, 1);
  fill_with(memories[TO], 100, 1);
  const lf_step steps[] = {cleared(TO, 4, 8), moved(FROM, 8, TO, BYTES - 4, 4)};
  run(steps, 2);
  check_word(memories[TO], 0, 100);
  check_word(memories[TO], 1, 0);
  check_word(memories[TO], 2, 0);
  check_word(memories[TO], 3, 103);
  check_word(memories[TO], WORDS - 1, 3);
}

/* An indirect dispatch, whose size the previous step writes; 0 workgroups are allowed. */
static void sizes_of_the_gpu(void) {
  fill_with(memories[FROM], 0, 1);
  fill_with(memories[TO], 0, 0);
  const uint32_t sizes[] = {0, 1, 1, 0, 10, 1, 1, 0};
  write_all(memories[SIZES], 0, (const uint8_t *)sizes, sizeof sizes);
  const lf_step none[] = {indirect(0, 1000)};
  run(none, 1);
  check_word(memories[TO], 0, 0);
  const lf_step ten[] = {indirect(16, 1000), moved(FROM, 12, SIZES, 0, 4), indirect(0, 2000)};
  run(ten, 3);
  for (uint32_t i = 0; i < 3; i++) check_word(memories[TO], i, 2000 + i);
  for (uint32_t i = 3; i < 10; i++) check_word(memories[TO], i, 1000 + i);
  check_word(memories[TO], 10, 0);
}

/* More submissions than descriptor sets, with several dispatches each. */
static void many(void) {
  fill_with(memories[FROM], 0, 0);
  const lf_step steps[] = {dispatch(WORDS, 1), moved(TO, 0, FROM, 0, BYTES), dispatch(WORDS, 1), moved(TO, 0, FROM, 0, BYTES)};
  double value = 0;
  for (int i = 0; i < 600; i++) {
    int32_t status;
    while ((status = CHECK_OK(lf_queue_steps(device, memories, MEMORIES, steps, 4, &value))) == LF_FULL)
      wait_for_capacity(value);
    CHECK_EQ(status, 1);
  }
  wait_for(value);
  check_word(memories[FROM], 5, 1200);
}

static VkResult (*begin_commands)(VkCommandBuffer commands, const VkCommandBufferBeginInfo *info);
static int begun;

static VkResult counted_begin(VkCommandBuffer commands, const VkCommandBufferBeginInfo *info) {
  begun++;
  return begin_commands(commands, info);
}

/* The number of command buffers recorded for the steps, which leave `expected` in a word. */
static int recorded_for(const lf_step *steps, uint32_t count, uint32_t expected) {
  begun = 0;
  run(steps, count);
  int recorded = begun;
  check_word(memories[TO], 3, expected);
  return recorded;
}

/* The same steps are recorded once, while all that they name is unchanged and few other steps were recorded. */
static void recorded_once(void) {
  begin_commands = gpu->vk.BeginCommandBuffer;
  gpu->vk.BeginCommandBuffer = counted_begin;
  const lf_step first[] = {cleared(TO, 0, 4), dispatch(WORDS, 5)}, other[] = {dispatch(WORDS, 6)};
  for (uint32_t i = 0; i < 600; i++) {
    fill_with(memories[FROM], i, 0);
    CHECK_EQ(recorded_for(first, 2, i + 5), i == 0);
    CHECK_EQ(recorded_for(other, 1, i + 6), i == 0);
  }
  /* Two in flight at once: the second cannot reuse the commands of the first. */
  double value;
  begun = 0;
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, other, 1, &value), 1);
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, other, 1, &value), 1);
  CHECK(begun <= 1);
  wait_for(value);
  check_word(memories[TO], 3, 605);
  /* Refused steps leave no recording that later steps could match. */
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, (lf_step[]){dispatch(0, 6)}, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(recorded_for(other, 1, 605), 0);
  /* Many others in between. */
  for (uint32_t i = 0; i < 30; i++) {
    const lf_step step[] = {dispatch(WORDS, 100 + i)};
    CHECK_EQ(recorded_for(step, 1, 699 + i), 1);
  }
  CHECK_EQ(recorded_for(other, 1, 605), 1);
  CHECK_EQ(recorded_for(other, 1, 605), 0);
  /* Another memory, whatever handles the driver gives it. */
  const int32_t before = memories[TO];
  for (int i = 0; i < 8; i++) {
    if (memories[TO] != before) CHECK_EQ(lf_memory_close(memories[TO]), LF_OK);
    memories[TO] = memory_of((uint32_t)(BYTES << i));
    fill_with(memories[TO], 0, 0);
    CHECK_EQ(recorded_for(other, 1, 605), 1);
    CHECK_EQ(recorded_for(other, 1, 605), 0);
  }
  CHECK_EQ(lf_memory_close(memories[TO]), LF_OK);
  memories[TO] = before;
  /* Another shader. */
  for (int i = 0; i < 8; i++) {
    lf_step step = dispatch(WORDS, 7);
    step.pipeline = compiled(CHECK_OK(lf_pipeline_create(device, adder, sizeof adder, 2, sizeof(uint32_t))));
    CHECK_EQ(recorded_for(&step, 1, 606), 1);
    CHECK_EQ(recorded_for(&step, 1, 606), 0);
    CHECK_EQ(lf_pipeline_close(step.pipeline), LF_OK);
  }
  gpu->vk.BeginCommandBuffer = begin_commands;
}

static int is_reached(double value) { return CHECK_OK(lf_queue_reached(device, value, 1000)); }

/* An armed submission waits for its trigger and sees what the host wrote meanwhile; any other submission triggers it
 * first. */
static void armed(void) {
  const lf_step steps[] = {dispatch(WORDS, 9)};
  double value, other;
  lf_memory_info mapped;
  CHECK_EQ(lf_memory_allocate_gpu(device, BYTES, 1, &mapped), LF_OK);
  const int32_t from = memories[FROM];
  memories[FROM] = mapped.handle;
  volatile uint32_t *word = (uint32_t *)(uintptr_t)mapped.address;
  CHECK(word != NULL);
  CHECK_EQ(lf_queue_trigger(device), LF_OK); /* nothing is armed */
  for (uint32_t i = 0; i < 20; i++) {
    CHECK_EQ(lf_queue_arm(device, memories, MEMORIES, steps, 1, &value), 1);
    CHECK_EQ(lf_queue_armed(device, value), 1);
    CHECK_EQ(lf_queue_armed(device, value - 1), 0);
    CHECK_EQ(is_reached(value), 0);
    word[3] = 100 + i;
    CHECK_EQ(lf_queue_trigger(device), LF_OK);
    CHECK_EQ(lf_queue_armed(device, value), 0);
    wait_for(value);
    check_word(memories[TO], 3, 109 + i);
  }
  /* Another submission triggers the armed one: both have run, in this order. */
  const lf_step copy[] = {moved(TO, 0, SIZES, 0, BYTES)};
  CHECK_EQ(lf_queue_arm(device, memories, MEMORIES, steps, 1, &value), 1);
  word[3] = 1000;
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, copy, 1, &other), 1);
  CHECK_EQ(lf_queue_armed(device, value), 0);
  CHECK(other > value);
  wait_for(other);
  check_word(memories[SIZES], 3, 1009);
  /* One submission is armed at a time, and the same steps can't be armed while they are in flight. */
  CHECK_EQ(lf_queue_arm(device, memories, MEMORIES, steps, 1, &value), 1);
  int32_t status = CHECK_OK(lf_queue_arm(device, memories, MEMORIES, steps, 1, &other));
  CHECK(status == LF_FULL || status == 1); /* the first may have ended by then */
  CHECK_EQ(lf_queue_armed(device, value), 0);
  CHECK_EQ(lf_queue_trigger(device), LF_OK);
  wait_for(status == 1 ? other : value); /* the last that uses the steps, which are armed again below */
  /* More steps than are kept. */
  const lf_step many[] = {dispatch(1, 1), dispatch(1, 2), dispatch(1, 3), dispatch(1, 4), dispatch(1, 5)};
  CHECK_EQ(lf_queue_arm(device, memories, MEMORIES, many, 5, &value), LF_FULL);
  CHECK_EQ(lf_queue_arm(device, memories, MEMORIES, (lf_step[]){dispatch(0, 1)}, 1, &value), LF_EINVALID_ARGUMENT);
  /* Memory that is closed while the armed submission uses it. */
  CHECK_EQ(lf_queue_arm(device, memories, MEMORIES, steps, 1, &value), 1);
  CHECK_EQ(lf_memory_close(mapped.handle), LF_OK);
  CHECK_EQ(lf_queue_trigger(device), LF_OK);
  wait_for(value);
  memories[FROM] = from;
}

/* Closing a device triggers its armed submission. Otherwise its memory would stay for the life of the process. */
static void closed_while_prepared(void) {
  const lf_step steps[] = {dispatch(WORDS, 9)};
  double value;
  CHECK_EQ(lf_queue_arm(device, memories, MEMORIES, steps, 1, &value), 1);
}

static void refused(const char *why, lf_step step) {
  const lf_step steps[] = {cleared(TO, 0, 4), step};
  double value = 0, last = (double)lf_queue_last(gpu);
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, steps, 2, &value), LF_EINVALID_ARGUMENT);
  lf_status status;
  CHECK_OK(lf_status_last(&status));
  if (!strstr(status.text, why)) test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", status.text, why);
  CHECK_EQ((double)lf_queue_last(gpu), last); /* nothing of it was submitted */
}

static void refusals(void) {
  refused("kind 4", (lf_step){.kind = 4});
  refused("kind -1", (lf_step){.kind = -1});
  refused("memory 3 of 3", cleared(3, 0, 4));
  refused("words", cleared(TO, 2, 4));
  refused("words", cleared(TO, 0, 6));
  refused("words", cleared(TO, 0, 0));
  refused("words", cleared(TO, BYTES, 4));
  refused("words", cleared(TO, 4, UINT32_MAX - 3));
  refused("words", indirect(BYTES - 8, 0));
  refused("words", moved(FROM, 0, TO, BYTES - 4, 8));
  refused("within one memory", moved(FROM, 0, FROM, 8, 8));
  refused("0 workgroups", dispatch(0, 0));
  refused("4294967295 workgroups", dispatch(UINT32_MAX, 0));
  lf_step stale = dispatch(1, 0);
  stale.pipeline ^= 1 << 20;
  const lf_step steps[] = {stale};
  double value;
  CHECK(lf_queue_steps(device, memories, MEMORIES, steps, 1, &value) < 0);
  CHECK_EQ(lf_queue_steps(device, NULL, MEMORIES, steps, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_steps(device, memories, 0, steps, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_steps(device, memories, 17, steps, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, NULL, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, steps, 0, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, steps, 1, NULL), LF_EINVALID_ARGUMENT);
  /* A shader with more buffers than there are memories. */
  const lf_step good[] = {dispatch(1, 0)};
  CHECK_EQ(lf_queue_steps(device, memories, 1, good, 1, &value), LF_EINVALID_ARGUMENT);
}

/* One more shader than a submission keeps. */
static void many_shaders(void) {
  int32_t pipelines[LF_STEP_PIPELINES_MAX + 1];
  lf_step steps[LF_STEP_PIPELINES_MAX + 1];
  fill_with(memories[FROM], 0, 1);
  for (int i = 0; i <= LF_STEP_PIPELINES_MAX; i++) {
    pipelines[i] = compiled(CHECK_OK(lf_pipeline_create(device, adder, sizeof adder, 2, sizeof(uint32_t))));
    steps[i] = dispatch(1, (uint32_t)i);
    steps[i].pipeline = pipelines[i];
  }
  run(steps, LF_STEP_PIPELINES_MAX);
  check_word(memories[TO], 0, LF_STEP_PIPELINES_MAX - 1);
  double value;
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, steps, LF_STEP_PIPELINES_MAX + 1, &value), LF_EINVALID_ARGUMENT);
  /* A pipeline may be closed while work with it is in flight. */
  CHECK_EQ(lf_queue_steps(device, memories, MEMORIES, steps, 2, &value), 1);
  for (int i = 0; i <= LF_STEP_PIPELINES_MAX; i++) CHECK_EQ(lf_pipeline_close(pipelines[i]), LF_OK);
  wait_for(value);
}

int main(void) {
  if (!queue_open()) return 0;
  adder_pipeline = compiled(CHECK_OK(lf_pipeline_create(device, adder, sizeof adder, 2, sizeof(uint32_t))));
  for (int i = 0; i < MEMORIES; i++) memories[i] = memory_of(BYTES);
  RUN(in_order);
  RUN(ranges);
  RUN(sizes_of_the_gpu);
  RUN(many);
  RUN(recorded_once);
  RUN(refusals);
  RUN(many_shaders);
  RUN(armed);
  RUN(closed_while_prepared);
  for (int i = 0; i < MEMORIES; i++) CHECK_EQ(lf_memory_close(memories[i]), LF_OK);
  CHECK_EQ(lf_pipeline_close(adder_pipeline), LF_OK);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
