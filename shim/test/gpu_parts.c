/* Small GPU memory as parts of blocks: no part sees another's bytes, no block is exported, empty blocks are freed. */
#include "gpu/parts.c"

#include "queues.h"

#define MANY 10000

static lf_gpu_memory *inside(int32_t memory) {
  lf_gpu_memory *found = lf_memory_gpu(memory);
  CHECK(found != NULL);
  return found;
}

static uint32_t blocks(void) {
  uint32_t count = 0;
  for (const lf_part_block *b = gpu->parts[0].blocks; b; b = b->next) count++;
  return count;
}

static double size_of(uint64_t i) {
  static const double sizes[] = {1, 3, 16, 63, 64, 65, 255, 4096, 5000};
  return sizes[i % (sizeof sizes / sizeof *sizes)];
}

/* All in few allocations, none of them exported, and each with bytes of its own. */
static void many(void) {
  static int32_t memories[MANY];
  uint32_t before = gpu->allocations;
  for (int i = 0; i < MANY; i++) {
    memories[i] = memory_of(size_of((uint64_t)i));
    const lf_gpu_memory *m = inside(memories[i]);
    CHECK(m->block != NULL && m->address == NULL);
    CHECK_EQ(m->start % gpu->parts->unit, 0);
    CHECK_EQ(m->start % gpu->storage_alignment, 0);
    CHECK(m->start + m->size <= m->block->memory->bytes && m->bytes >= m->size);
    CHECK(m->bytes < m->size + gpu->parts->unit);
  }
  CHECK(gpu->allocations - before < 8);
  CHECK(!gpu->parts->blocks->memory->exported);
  test_random r = {1};
  double value = 0;
  for (int i = 0; i < MANY; i += 97)
    if (inside(memories[i])->size >= 4) fill(memories[i], 0, 4, (uint32_t)i, &value);
  wait_for(value);
  for (int i = 0; i < MANY; i += 97) {
    uint32_t word;
    if (inside(memories[i])->size < 4) continue;
    read_all(memories[i], 0, (uint8_t *)&word, sizeof word);
    CHECK_EQ(word, i);
  }
  for (int left = MANY; left; left--) { /* in any order */
    uint64_t at = test_below(&r, (uint64_t)left);
    CHECK_EQ(lf_memory_close(memories[at]), LF_OK);
    memories[at] = memories[left - 1];
  }
  CHECK_EQ(blocks(), 1);
  lf_block_cache_empty(gpu);
  CHECK_EQ(blocks(), 0);
  CHECK_EQ(gpu->allocations, before);
}

/* An exported part moves with its bytes, keeps its handle, and the exported allocation has no bytes of the block. */
static void moves_when_exported(void) {
  uint8_t *data = bytes_of(5000, 3), *other = bytes_of(5000, 4);
  int32_t memory = memory_of(5000), neighbour = memory_of(5000);
  write_all(memory, 0, data, 5000);
  wait_for(write_all(neighbour, 0, other, 5000));
  VkDeviceMemory block = inside(memory)->memory;
  CHECK(inside(neighbour)->memory == block);
  int64_t os, again;
  CHECK_EQ(lf_memory_export(memory, &os), LF_OK);
  const lf_gpu_memory *m = inside(memory);
  CHECK(m->block == NULL && m->memory != block && m->start == 0 && m->exported);
  VkDeviceMemory own = m->memory;
  CHECK_EQ(lf_memory_export(memory, &again), LF_OK);
  CHECK(inside(memory)->memory == own);
  CHECK_EQ(lf_os_handle_close(again), LF_OK);
  check_bytes(memory, 0, data, 5000);
  check_bytes(neighbour, 0, other, 5000);

  uint8_t uuids[2 * LF_UUID_BYTES];
  memcpy(uuids, gpu->info.device_uuid, LF_UUID_BYTES);
  memcpy(uuids + LF_UUID_BYTES, gpu->info.driver_uuid, LF_UUID_BYTES);
  double allocated;
  CHECK_EQ(lf_memory_allocated(memory, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_memory_allocated(vulkan, &allocated), LF_ECLOSED);
  CHECK_EQ(lf_memory_allocated(memory, &allocated), LF_OK);
  lf_memory_info theirs;
  CHECK_EQ(lf_memory_import_gpu(device, os, 5000, allocated, 0, uuids, &theirs), LF_OK);
  check_bytes(theirs.handle, 0, data, 5000);
  wait_for(write_all(theirs.handle, 0, other, 5000));
  check_bytes(memory, 0, other, 5000);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_memory_close(neighbour), LF_OK);
  CHECK_EQ(lf_memory_close(theirs.handle), LF_OK);
  free(data);
  free(other);
}

/* Blocked work uses the part: its range is not reused until the work has ended, also if the part was moved or
 * closed. */
static void closed_in_flight(void) {
  lf_semaphore *blocker = timeline_of();
  int32_t closed = memory_of(4096), moved = memory_of(4096);
  const uint64_t starts[] = {inside(closed)->start, inside(moved)->start};
  VkCommandBuffer commands;
  uint64_t value;
  CHECK_EQ(lf_queue_begin(gpu, 1, &commands), LF_OK);
  CHECK_EQ(lf_queue_await(gpu, blocker, 1), LF_OK);
  CHECK_EQ(lf_queue_use(gpu, inside(closed)), LF_OK);
  CHECK_EQ(lf_queue_use(gpu, inside(moved)), LF_OK);
  gpu->vk.CmdFillBuffer(commands, inside(moved)->buffer, inside(moved)->start, 4096, 0x01020304);
  CHECK_EQ(lf_queue_end(gpu, &value), 1);
  CHECK_EQ(lf_memory_close(closed), LF_OK);
  CHECK_EQ(lf_gpu_memory_move_out(inside(moved)), LF_OK);
  CHECK(inside(moved)->block == NULL && inside(moved)->moved_at > value);
  int32_t later[8];
  for (int i = 0; i < 8; i++) {
    later[i] = memory_of(4096);
    CHECK(inside(later[i])->start != starts[0] && inside(later[i])->start != starts[1]);
  }
  signal_from_host(blocker, 1);
  int64_t os;
  CHECK_EQ(lf_memory_export(moved, &os), LF_OK); /* waits for the copy */
  CHECK_EQ(lf_os_handle_close(os), LF_OK);
  uint32_t word;
  read_all(moved, 4092, (uint8_t *)&word, sizeof word);
  CHECK_EQ(word, 0x01020304);
  for (int i = 0; i < 8; i++) CHECK_EQ(lf_memory_close(later[i]), LF_OK);
  CHECK_EQ(lf_memory_close(moved), LF_OK);
  timeline_gone(blocker);
  lf_block_cache_empty(gpu);
  CHECK_EQ(blocks(), 0);
}

/* Without memory for a block, memory has an allocation of its own; the last failure says what is missing. */
static void out_of_memory(void) {
  lf_block_cache_empty(gpu);
  const uint64_t allocated = gpu->allocated;
  const double heap = gpu->info.heap_bytes;
  if (gpu->info.type == LF_GPU_CPU) {
    gpu->info.heap_bytes = (double)(allocated + 100000);
    int32_t memory = memory_of(4096);
    CHECK(inside(memory)->block == NULL);
    lf_memory_info info;
    CHECK_EQ(lf_memory_allocate_gpu(device, 99000, 0, &info), LF_EGPU_OUT_OF_MEMORY);
    gpu->info.heap_bytes = heap;
    CHECK_EQ(lf_memory_close(memory), LF_OK);
    lf_block_cache_empty(gpu);
  }
  CHECK_EQ(gpu->allocated, allocated);
  /* The sizes of blocks: an eighth first, then the double. */
  static int32_t memories[2000];
  uint64_t largest = 0;
  for (int i = 0; i < 2000; i++) {
    memories[i] = memory_of((double)LF_PART_BYTES_MAX);
    const lf_part_block *newest = gpu->parts->blocks;
    if (i == 0) CHECK_EQ(newest->memory->bytes, gpu->parts->block_bytes >> HALVINGS);
    CHECK(newest->memory->bytes <= gpu->parts->block_bytes);
    if (newest->memory->bytes > largest) largest = newest->memory->bytes;
  }
  CHECK_EQ(largest, gpu->parts->block_bytes);
  for (int i = 0; i < 2000; i++) CHECK_EQ(lf_memory_close(memories[i]), LF_OK);
  lf_block_cache_empty(gpu);
  CHECK_EQ(gpu->allocated, allocated);
}

/* A part that moves into a used allocation does not export the allocation's old bytes. */
static void moves_without_a_trace(void) {
  static uint8_t secret[8192];
  memset(secret, 0x5a, sizeof secret);
  lf_gpu_memory *own;
  CHECK_EQ(lf_gpu_memory_allocate_own(gpu, 5120, 0, &own), LF_OK);
  int32_t as_handle = CHECK_OK(lf_memory_adopt_gpu(own));
  wait_for(write_all(as_handle, 0, secret, 5120));
  const VkDeviceMemory again = own->memory;
  CHECK_EQ(lf_memory_close(as_handle), LF_OK);
  int32_t memory = memory_of(4098);
  uint8_t data[4098];
  memset(data, 1, sizeof data);
  wait_for(write_all(memory, 0, data, sizeof data));
  int64_t os;
  CHECK_EQ(lf_memory_export(memory, &os), LF_OK);
  CHECK_EQ(lf_os_handle_close(os), LF_OK);
  lf_gpu_memory *m = inside(memory);
  CHECK(m->memory == again && m->bytes >= 5120 && m->bytes <= sizeof secret);
  check_bytes(memory, 0, data, sizeof data);
  m->size = m->bytes;
  read_all(memory, 0, secret, (size_t)m->bytes);
  for (size_t i = sizeof data; i < m->bytes; i++) CHECK_EQ(secret[i], 0);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* The device goes with its last part. */
static void closed_before_its_parts(void) {
  int32_t other = CHECK_OK(lf_device_open(vulkan, 0));
  lf_memory_info info[3];
  for (int i = 0; i < 3; i++) CHECK_EQ(lf_memory_allocate_gpu(other, 64, 0, &info[i]), LF_OK);
  CHECK_EQ(lf_device_close(other), LF_OK);
  for (int i = 0; i < 3; i++) CHECK_EQ(lf_memory_close(info[i].handle), LF_OK);
}

int main(void) {
  if (!queue_open()) return 0;
  RUN(many);
  RUN(moves_when_exported);
  RUN(closed_in_flight);
  RUN(out_of_memory);
  RUN(moves_without_a_trace);
  RUN(closed_before_its_parts);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
