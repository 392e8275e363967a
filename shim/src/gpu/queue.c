/* The queue's timeline: what it has reached, waits and polls for it, the armed submission's trigger. submission.c
 * submits work. */
#include <stdlib.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "base/thread.h"
#include "gpu/external.h"
#include "gpu/queue_state.h"

#define CLOSE_LIMIT_NS 10000000000u /* bounds a close whose work waits for a peer or a hung driver */

int32_t lf_queue_fail(lf_device *device, const char *api, VkResult result) {
  int32_t code = result == VK_ERROR_OUT_OF_DEVICE_MEMORY ? LF_EGPU_OUT_OF_MEMORY : LF_ESYSTEM;
  return lf_device_fail(device, code, api, result, "the queue of %s, after %llu submissions", device->info.name,
                        (unsigned long long)device->queue->last);
}

/* ---- the armed submission ---- */

/* Flushes the processor's write-combining buffers, so that the GPU sees what the host wrote into BAR memory. */
static void flush_writes(void) {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#elif defined(__aarch64__)
  __asm__ volatile("dsb st" ::: "memory");
#endif
}

int32_t lf_submission_trigger(lf_device *device) {
  lf_queue *q = device->queue;
  if (!q->armed) return LF_OK;
  flush_writes();
  VkSemaphoreSignalInfo info = {
      .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = q->trigger, .value = q->triggered + 1};
  VkResult result = device->vk.SignalSemaphore(device->device, &info);
  if (result != VK_SUCCESS) return lf_queue_fail(device, "vkSignalSemaphore", result);
  q->triggered++;
  q->armed = 0;
  return LF_OK;
}

/* ---- the timeline ---- */

int32_t lf_queue_ask(lf_device *device) {
  lf_queue *q = device->queue;
  uint64_t value = 0;
  VkResult result = device->vk.GetSemaphoreCounterValue(device->device, q->timeline, &value);
  /* A driver that has lost the device may report a value that was never submitted. */
  if (result == VK_SUCCESS && value > q->last) result = VK_ERROR_DEVICE_LOST;
  if (result != VK_SUCCESS) return lf_queue_fail(device, "vkGetSemaphoreCounterValue", result);
  q->done = value;
  return LF_OK;
}

void lf_submission_release(lf_submission *slot) {
  while (slot->kept_count > 0) {
    lf_kept *kept = &slot->kept[--slot->kept_count];
    kept->release(kept->object);
  }
}

void lf_queue_retire(lf_device *device) {
  lf_queue *q = device->queue;
  while (q->retired < q->done) lf_submission_release(lf_submission_of(q, ++q->retired));
  q->retired_to(device, q->done);
}

uint64_t lf_queue_seen(lf_device *device) {
  lf_queue *q = device->queue;
  if (q->done < q->last && !device->lost) lf_queue_ask(device);
  return device->lost ? q->last : q->done;
}

int32_t lf_queue_has(lf_device *device, uint64_t value) {
  if (value <= device->queue->done) return 1; /* no driver call */
  int32_t status = lf_device_check(device);
  if (status == LF_OK) status = lf_queue_ask(device);
  return status < 0 ? status : value <= device->queue->done;
}

uint64_t lf_queue_last(const lf_device *device) { return device->queue->last; }

int32_t lf_queue_full(const lf_device *device, double *value) {
  const lf_queue *q = device->queue;
  *value = q->last < LF_QUEUE_DEPTH ? 0 : (double)(q->last - LF_QUEUE_DEPTH + 1);
  return LF_FULL;
}

int32_t lf_queue_wait(lf_device *device, uint64_t value, uint64_t timeout_ns) {
  lf_queue *q = device->queue;
  int32_t status = lf_device_check(device);
  if (status < 0) return status;
  VkSemaphoreWaitInfo wait = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                              .semaphoreCount = 1,
                              .pSemaphores = &q->timeline,
                              .pValues = &value};
  VkResult result = device->vk.WaitSemaphores(device->device, &wait, timeout_ns);
  if (result == VK_TIMEOUT) return LF_TIMEOUT;
  if (result != VK_SUCCESS) return lf_queue_fail(device, "vkWaitSemaphores", result);
  status = lf_queue_ask(device);
  if (status < 0) return status;
  lf_queue_retire(device);
  return 1;
}

/* ---- open and close ---- */

int32_t lf_queue_make_timeline(lf_device *device, uint64_t value, int shared, VkSemaphore *out) {
  VkExportSemaphoreCreateInfo exported = {.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
                                          .handleTypes = LF_EXTERNAL_SEMAPHORE};
  VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                    .pNext = shared ? &exported : NULL,
                                    .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
                                    .initialValue = value};
  VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
  VkResult result = device->vk.CreateSemaphore(device->device, &info, NULL, out);
  if (result == VK_SUCCESS) return LF_OK;
  *out = NULL;
  return lf_queue_fail(device, "vkCreateSemaphore", result);
}

static int32_t make_pool(lf_device *device, VkCommandPool *out) {
  VkCommandPoolCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
      .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
      .queueFamilyIndex = device->family};
  VkResult result = device->vk.CreateCommandPool(device->device, &info, NULL, out);
  return result == VK_SUCCESS ? LF_OK : lf_queue_fail(device, "vkCreateCommandPool", result);
}

static void destroy(lf_device *device) {
  lf_queue *q = device->queue;
  if (q->pool) device->vk.DestroyCommandPool(device->device, q->pool, NULL);
  if (q->shared) device->vk.DestroySemaphore(device->device, q->shared, NULL);
  if (q->trigger) device->vk.DestroySemaphore(device->device, q->trigger, NULL);
  if (q->timeline) device->vk.DestroySemaphore(device->device, q->timeline, NULL);
  free(q);
  device->queue = NULL;
}

int32_t lf_queue_open(lf_device *device, void (*retired_to)(lf_device *device, uint64_t value)) {
  lf_queue *q = calloc(1, sizeof *q);
  if (!q) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a queue of %zu bytes", sizeof *q);
  device->queue = q;
  q->retired_to = retired_to;
  device->vk.GetDeviceQueue(device->device, device->family, 0, &q->queue);
  int32_t status = lf_queue_make_timeline(device, 0, 0, &q->timeline);
  if (status == LF_OK) status = make_pool(device, &q->pool);
  if (status < 0) destroy(device);
  return status;
}

int32_t lf_queue_close(lf_device *device) {
  lf_queue *q = device->queue;
  if (!q) return 1;
  /* A lost device may have an armed submission, too. */
  int is_open = lf_submission_trigger(device) == LF_OK;
  int idle = is_open && (device->lost || lf_queue_wait(device, q->last, CLOSE_LIMIT_NS) == 1 || device->lost);
  int alone = !q->waiter || lf_waiter_close(q->waiter);
  if (!idle || !alone) {
    /* A peer lives and does not signal, the trigger failed, or the driver hangs. The objects that the work uses can't
     * be freed, so they stay for the life of the process. */
    device->queue = NULL;
    return 0;
  }
  q->done = q->last;
  lf_queue_retire(device);
  destroy(device);
  return 1;
}

/* ---- for the event loop ---- */

int32_t lf_queue_poll(lf_device *device, uint64_t value, uint64_t spin_ns) {
  lf_queue *q = device->queue;
  if (value <= q->done) return 1;
  uint64_t until = spin_ns ? lf_now() + spin_ns : 0;
  int32_t status = lf_queue_has(device, value);
  while (status == 0 && until && lf_now() < until) {
    lf_relax();
    status = lf_queue_has(device, value);
  }
  if (status >= 0 && q->retired < q->done) lf_queue_retire(device);
  return status;
}

uint64_t lf_submission_armed(const lf_device *device) { return device->queue->armed; }

int32_t lf_queue_waiter(lf_device *device, lf_waiter **out) {
  lf_queue *q = device->queue;
  int32_t status = q->waiter ? LF_OK : lf_waiter_open(device, q->timeline, &q->waiter);
  *out = q->waiter;
  return status;
}
