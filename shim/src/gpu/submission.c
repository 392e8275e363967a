/* Submissions. One is open at a time: it collects commands, semaphores and kept objects, and goes to the queue. */
#include <string.h>

#include "base/status.h"
#include "gpu/queue_state.h"

/* The queue runs shaders and transfers only. */
#define STAGES (VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT)
#define READS (VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_SHADER_READ_BIT)
#define WRITES (VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_SHADER_WRITE_BIT)

static void depend(lf_device *device, VkFlags from, VkFlags written, VkFlags to, VkFlags accesses) {
  VkMemoryBarrier memory = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = written, .dstAccessMask = accesses};
  device->vk.CmdPipelineBarrier(*device->queue->commands, from, to, 0, 1, &memory, 0, NULL, 0, NULL);
}

/* Makes the writes of all work before visible to `to`. */
static void barrier(lf_device *device, VkFlags to, VkFlags accesses) { depend(device, STAGES, WRITES, to, accesses); }

static int32_t make_commands(lf_device *device, VkCommandBuffer *commands) {
  if (*commands) return LF_OK;
  VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                      .commandPool = device->queue->pool,
                                      .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                      .commandBufferCount = 1};
  VkResult result = device->vk.AllocateCommandBuffers(device->device, &info, commands);
  if (result == VK_SUCCESS) return LF_OK;
  *commands = NULL;
  return lf_queue_fail(device, "vkAllocateCommandBuffers", result);
}

void lf_queue_barrier(lf_device *device) { barrier(device, STAGES, READS | WRITES); }

void lf_queue_barrier_indirect(lf_device *device) {
  barrier(device, STAGES | VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT, READS | WRITES | VK_ACCESS_INDIRECT_COMMAND_READ_BIT);
}

/* LF_OK when a submission can begin; LF_FULL. */
static int32_t check_capacity(lf_device *device) {
  lf_queue *q = device->queue;
  int32_t status = lf_device_check(device);
  if (status < 0) return status;
  if (q->open) return lf_fail(LF_ESYSTEM, "", 0, "a submission to %s is open already", device->info.name);
  status = lf_submission_trigger(device);
  if (status == LF_OK && q->done < q->last) status = lf_queue_ask(device);
  if (status < 0) return status;
  lf_queue_retire(device);
  return q->last - q->done < LF_QUEUE_DEPTH ? LF_OK : LF_FULL;
}

static void open_submission(lf_queue *q, VkCommandBuffer *commands, lf_recording *recording, int is_replay) {
  q->open = lf_submission_of(q, q->last + 1);
  q->commands = commands;
  q->recording = recording;
  q->is_replay = is_replay;
  q->is_armed = 0;
  q->to_host = 0;
  q->waits.count = q->signals.count = q->memory_count = 0;
}

static int32_t begin(lf_device *device, int ordered, lf_recording *recording, VkCommandBuffer *out) {
  lf_queue *q = device->queue;
  VkCommandBuffer *commands = recording ? &recording->commands : &lf_submission_of(q, q->last + 1)->commands;
  int32_t status = make_commands(device, commands);
  if (status < 0) return status;
  VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                   .flags = recording ? 0 : VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  VkResult result = device->vk.BeginCommandBuffer(*commands, &info);
  if (result != VK_SUCCESS) return lf_queue_fail(device, "vkBeginCommandBuffer", result);
  open_submission(q, commands, recording, 0);
  /* Kept commands may be submitted before the host has written what they read. */
  VkFlags host = recording ? VK_PIPELINE_STAGE_HOST_BIT : 0, by_host = recording ? VK_ACCESS_HOST_WRITE_BIT : 0;
  if (ordered) depend(device, STAGES | host, WRITES | by_host, STAGES, READS | WRITES);
  *out = *commands;
  return LF_OK;
}

int32_t lf_queue_begin(lf_device *device, int ordered, VkCommandBuffer *out) {
  int32_t status = check_capacity(device);
  return status == LF_OK ? begin(device, ordered, NULL, out) : status;
}

int32_t lf_queue_begin_kept(lf_device *device, const void *key, uint32_t size, VkCommandBuffer *out) {
  lf_queue *q = device->queue;
  int32_t status = check_capacity(device);
  if (status != LF_OK) return status;
  lf_recording *oldest = q->recordings;
  for (lf_recording *r = q->recordings; r < q->recordings + LF_RECORDINGS; r++) {
    if (r->size == size && memcmp(r->key, key, size) == 0) {
      /* Commands in flight cannot be submitted again. */
      if (r->used > q->done) return begin(device, 1, NULL, out);
      open_submission(q, &r->commands, r, 1);
      *out = r->commands;
      return 1;
    }
    if (r->used < oldest->used) oldest = r;
  }
  if (oldest->used > q->done) return begin(device, 1, NULL, out);
  oldest->size = 0;
  status = begin(device, 1, oldest, out);
  if (status < 0) return status;
  memcpy(oldest->key, key, size);
  oldest->size = size;
  return LF_OK;
}

int32_t lf_submission_arm(lf_device *device) {
  lf_queue *q = device->queue;
  if (!q->recording) return LF_FULL;
  int32_t status = q->trigger ? LF_OK : lf_queue_make_timeline(device, 0, 0, &q->trigger);
  q->is_armed = status == LF_OK;
  return status;
}

int32_t lf_queue_keep(lf_device *device, void *object, void (*release)(void *object)) {
  lf_submission *s = device->queue->open;
  if (s->kept_count == LF_KEPT_MAX)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "one submission uses more than %d semaphores and shaders", LF_KEPT_MAX);
  s->kept[s->kept_count++] = (lf_kept){release, object};
  return LF_OK;
}

static void drop_semaphore(void *object) { lf_semaphore_drop(object); }

static int32_t add(lf_device *device, lf_semaphore_list *list, lf_semaphore *semaphore, uint64_t value) {
  for (uint32_t i = 0; i < list->count; i++) {
    if (list->semaphores[i] != semaphore) continue;
    if (list->values[i] < value) list->values[i] = value;
    return LF_OK;
  }
  if (list->count == LF_SEMAPHORES_MAX)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "one submission uses more than %d semaphores", LF_SEMAPHORES_MAX);
  int32_t status = lf_queue_keep(device, semaphore, drop_semaphore);
  if (status < 0) return status;
  lf_semaphore_keep(semaphore);
  list->semaphores[list->count] = semaphore;
  list->raw[list->count] = semaphore->semaphore;
  list->values[list->count++] = value;
  return LF_OK;
}

int32_t lf_queue_await(lf_device *device, lf_semaphore *semaphore, uint64_t value) {
  /* Work runs in one order: a value that earlier work waited for needs no second wait. */
  if (semaphore->kind == LF_SEMAPHORE_TIMELINE &&
      (semaphore->awaited >= value || lf_semaphore_reached(semaphore, value)))
    return LF_OK;
  return add(device, &device->queue->waits, semaphore, value);
}

int32_t lf_queue_signal(lf_device *device, lf_semaphore *semaphore, uint64_t value) {
  return add(device, &device->queue->signals, semaphore, value);
}

int32_t lf_queue_use(lf_device *device, lf_gpu_memory *memory) {
  lf_queue *q = device->queue;
  if (q->memory_count == LF_MEMORIES_MAX)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "one submission uses more than %d memories", LF_MEMORIES_MAX);
  if (memory->peer) {
    int32_t status = lf_queue_await(device, memory->peer, memory->peer_value);
    if (status < 0) return status;
  }
  if (memory->address) q->to_host = 1;
  q->memories[q->memory_count++] = memory;
  return LF_OK;
}

void lf_queue_to_host(lf_device *device) { device->queue->to_host = 1; }

/* The only place that signals the queue's timeline, and the timeline that peers share. */
static VkResult submit(lf_device *device, uint64_t value) {
  lf_queue *q = device->queue;
  /* All stages wait, so that later work of any stage is ordered after these waits, too. */
  VkFlags all[LF_SEMAPHORES_MAX + 1];
  VkSemaphore awaited[LF_SEMAPHORES_MAX + 1];
  uint64_t until[LF_SEMAPHORES_MAX + 1];
  uint32_t waits = q->waits.count;
  memcpy(awaited, q->waits.raw, waits * sizeof *awaited);
  memcpy(until, q->waits.values, waits * sizeof *until);
  if (q->is_armed) {
    awaited[waits] = q->trigger;
    until[waits++] = q->triggered + 1;
  }
  for (uint32_t i = 0; i < waits; i++) all[i] = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
  VkSemaphore raw[LF_SEMAPHORES_MAX + 2] = {q->timeline, q->shared};
  uint64_t values[LF_SEMAPHORES_MAX + 2] = {value, value};
  uint32_t own = q->shared ? 2 : 1;
  memcpy(raw + own, q->signals.raw, q->signals.count * sizeof *raw);
  memcpy(values + own, q->signals.values, q->signals.count * sizeof *values);
  VkTimelineSemaphoreSubmitInfo timeline = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                            .waitSemaphoreValueCount = waits,
                                            .pWaitSemaphoreValues = until,
                                            .signalSemaphoreValueCount = q->signals.count + own,
                                            .pSignalSemaphoreValues = values};
  VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                       .pNext = &timeline,
                       .waitSemaphoreCount = waits,
                       .pWaitSemaphores = awaited,
                       .pWaitDstStageMask = all,
                       .commandBufferCount = 1,
                       .pCommandBuffers = q->commands,
                       .signalSemaphoreCount = q->signals.count + own,
                       .pSignalSemaphores = raw};
  return device->vk.QueueSubmit(q->queue, 1, &info, NULL);
}

int32_t lf_queue_end(lf_device *device, uint64_t *value) {
  lf_queue *q = device->queue;
  uint64_t next = q->last + 1;
  VkResult result = VK_SUCCESS;
  const char *api = "vkEndCommandBuffer";
  if (!q->is_replay) {
    if (q->to_host) barrier(device, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
    result = device->vk.EndCommandBuffer(*q->commands);
  }
  if (result == VK_SUCCESS) {
    api = "vkQueueSubmit";
    result = submit(device, next);
  }
  if (result != VK_SUCCESS) {
    int32_t status = lf_queue_fail(device, api, result);
    lf_queue_drop(device);
    return status;
  }
  q->last = next;
  q->open = NULL;
  if (q->recording) q->recording->used = next;
  if (q->is_armed) q->armed = next;
  for (uint32_t i = 0; i < q->memory_count; i++) q->memories[i]->last_use = next;
  for (uint32_t i = 0; i < q->signals.count; i++) q->signals.semaphores[i]->last_use = next;
  for (uint32_t i = 0; i < q->waits.count; i++) {
    lf_semaphore *semaphore = q->waits.semaphores[i];
    semaphore->last_use = next;
    if (semaphore->awaited < q->waits.values[i]) semaphore->awaited = q->waits.values[i];
  }
  *value = next;
  return 1;
}

int32_t lf_queue_finish(lf_device *device, int32_t status, double *value) {
  uint64_t reached = 0;
  if (status == LF_OK) status = lf_queue_end(device, &reached);
  else lf_queue_drop(device);
  if (status == 1) *value = (double)reached;
  return status;
}

void lf_queue_drop(lf_device *device) {
  lf_queue *q = device->queue;
  if (!q->open) return;
  /* Partly recorded commands can't begin again, and resetting them can fail: the next submission allocates others. */
  device->vk.FreeCommandBuffers(device->device, q->pool, 1, q->commands);
  *q->commands = NULL;
  if (q->recording) q->recording->size = 0;
  lf_submission_release(q->open);
  q->open = NULL;
}

/* ---- for peers ---- */

int32_t lf_queue_share(lf_device *device, int64_t *out) {
  lf_queue *q = device->queue;
  int32_t status = lf_device_check(device);
  if (status == LF_OK) status = lf_queue_ask(device);
  if (status == LF_OK && !q->shared) {
    status = lf_queue_make_timeline(device, q->done, 1, &q->shared);
    q->shared_since = q->last;
  }
  if (status < 0) return status;
  if (q->last == q->shared_since && q->done < q->last) {
    /* Work submitted before does not signal the shared timeline: an empty submission behind it does. */
    VkCommandBuffer commands;
    uint64_t value;
    status = lf_queue_begin(device, 1, &commands);
    if (status == LF_OK) status = lf_queue_end(device, &value);
    if (status != 1) return status == LF_FULL ? LF_PENDING : status;
  }
  return lf_semaphore_handle_of(q->shared, device, out);
}
