/* The commands of submissions. A software GPU runs all work in submission order, and the validation layer checks single
 * submissions only, so no other test would detect a missing barrier. */
#include "queues.h"

#define STAGES (VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT)
#define WRITES (VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_SHADER_WRITE_BIT)
#define READS (VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_SHADER_READ_BIT)

static char seen[256];
static uint32_t seen_count;

static void note(char event) {
  CHECK(seen_count < sizeof seen - 1);
  seen[seen_count++] = event;
  seen[seen_count] = 0;
}

static void (*real_barrier)(VkCommandBuffer, VkFlags, VkFlags, VkFlags, uint32_t, const VkMemoryBarrier *, uint32_t,
                            const VkBufferMemoryBarrier *, uint32_t, const VkImageMemoryBarrier *);
static void (*real_copy)(VkCommandBuffer, VkBuffer, VkBuffer, uint32_t, const VkBufferCopy *);
static void (*real_fill)(VkCommandBuffer, VkBuffer, VkDeviceSize, VkDeviceSize, uint32_t);
static VkResult (*real_submit)(VkQueue, uint32_t, const VkSubmitInfo *, VkFence);

/* m: all before it, for all after it. h: results for the host. */
static char character_of(VkFlags from, VkFlags to, const VkMemoryBarrier *memory) {
  if (from != STAGES || memory->srcAccessMask != WRITES) return '?';
  if (to == STAGES && memory->dstAccessMask == (READS | WRITES)) return 'm';
  return to == VK_PIPELINE_STAGE_HOST_BIT && memory->dstAccessMask == VK_ACCESS_HOST_READ_BIT ? 'h' : '?';
}

static void noted_barrier(VkCommandBuffer commands, VkFlags from, VkFlags to, VkFlags dependency, uint32_t count,
                          const VkMemoryBarrier *memory, uint32_t buffers, const VkBufferMemoryBarrier *b,
                          uint32_t images, const VkImageMemoryBarrier *i) {
  CHECK(count == 1 && buffers == 0 && images == 0);
  note(character_of(from, to, memory));
  real_barrier(commands, from, to, dependency, count, memory, buffers, b, images, i);
}

static void noted_copy(VkCommandBuffer commands, VkBuffer from, VkBuffer to, uint32_t count,
                       const VkBufferCopy *regions) {
  note('.');
  real_copy(commands, from, to, count, regions);
}

static void noted_fill(VkCommandBuffer commands, VkBuffer buffer, VkDeviceSize offset, VkDeviceSize size,
                       uint32_t value) {
  note('.');
  real_fill(commands, buffer, offset, size, value);
}

static VkResult noted_submit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence) {
  for (uint32_t i = 0; i < infos->waitSemaphoreCount; i++) {
    note('<');
    CHECK_EQ(infos->pWaitDstStageMask[i], VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
  }
  note(' ');
  return real_submit(queue, count, infos, fence);
}

static void watch(void) {
  real_barrier = gpu->vk.CmdPipelineBarrier;
  real_copy = gpu->vk.CmdCopyBuffer;
  real_fill = gpu->vk.CmdFillBuffer;
  real_submit = gpu->vk.QueueSubmit;
  gpu->vk.CmdPipelineBarrier = noted_barrier;
  gpu->vk.CmdCopyBuffer = noted_copy;
  gpu->vk.CmdFillBuffer = noted_fill;
  gpu->vk.QueueSubmit = noted_submit;
}

/* Each submission as characters: its barriers, '.' for the work itself, '<' for each wait. */
static void check_seen(const char *wanted) {
  if (strcmp(seen, wanted) != 0) test_fail(__FILE__, __LINE__, "recorded \"%s\", not \"%s\"", seen, wanted);
  seen_count = 0;
  *seen = 0;
}

/* Fills, copies on the GPU, writes and reads, each small, with all before it in flight. */
static void each(void) {
  const size_t size = 100;
  int32_t memory = memory_of((double)size);
  lf_memory_info mapped;
  CHECK_EQ(lf_memory_allocate_gpu(device, (double)size, 1, &mapped), LF_OK);
  uint8_t bytes[100] = {0};
  lf_staged_read read;
  double value;
  wait_for((double)lf_queue_last(gpu));
  lf_semaphore *semaphore = timeline_of();
  block_on(semaphore, 1);
  seen_count = 0;
  CHECK_EQ(lf_queue_fill(device, memory, 0, 8, 1, &value), 1);
  CHECK_EQ(lf_queue_fill(device, mapped.handle, 0, 8, 1, &value), 1);
  CHECK_EQ(lf_queue_write(device, memory, 0, bytes, (double)size, 1, &value), 100);
  CHECK_EQ(lf_queue_read(device, memory, 0, (double)size, 1, &read), 100);
  CHECK_EQ(lf_queue_copy(device, memory, 0, memory, 50, 20, &value), 1);
  check_seen("m. m.h m. m.h m. ");
  signal_from_host(semaphore, 1);
  wait_for(value);
  CHECK_EQ(lf_queue_read_end(device, read.token, NULL, 0), LF_OK);
  timeline_gone(semaphore);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_memory_close(mapped.handle), LF_OK);
}

/* A large transfer in parts: only the first is ordered. All but the next part of the last transfer is ordered,
 * whichever says that it is one. */
static void parts(void) {
  const size_t part = (size_t)4 << 20, size = 3 * part;
  int32_t memory = memory_of((double)size), other = memory_of((double)size);
  uint8_t *bytes = bytes_of(size, 1);
  lf_staged_read reads[2];
  double value;
  wait_for((double)lf_queue_last(gpu));
  seen_count = 0;
  for (size_t at = 0; at < size; at += part)
    CHECK_EQ(lf_queue_write(device, memory, (double)at, bytes, (double)(size - at), at == 0, &value), (int32_t)part);
  CHECK_EQ(lf_queue_write(device, other, 0, bytes, 8, 0, &value), 8);     /* of other memory */
  CHECK_EQ(lf_queue_write(device, other, 4, bytes, 8, 0, &value), 8);     /* from elsewhere */
  CHECK_EQ(lf_queue_read(device, other, 12, 2 * (double)part, 0, &reads[0]), (int32_t)part); /* the other way */
  CHECK_EQ(lf_queue_read(device, other, 12 + (double)part, (double)part, 0, &reads[1]), (int32_t)part);
  check_seen("m. . . m. m. m.h .h ");
  wait_for(reads[1].value);
  for (int i = 0; i < 2; i++) CHECK_EQ(lf_queue_read_end(device, reads[i].token, NULL, 0), LF_OK);
  free(bytes);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_memory_close(other), LF_OK);
}

int main(void) {
  if (!queue_open()) return 0;
  watch();
  RUN(each);
  RUN(parts);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
