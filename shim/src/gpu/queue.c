/* What the queue has reached, and how the outside learns of it. submission.c is how work gets there. */
#include <stdlib.h>

#include "base/monotonic.h"
#include "base/status.h"
#include "base/thread.h"
#include "gpu/copier.h"
#include "gpu/external.h"
#include "gpu/queue_state.h"
#include "gpu/staging.h"
#include "memory/memory.h"

#define CLOSE_LIMIT_NS 10000000000u
#define SPIN_LIMIT_US 1000000.0

int32_t lf_queue_fail(lf_device *device, const char *api, VkResult result) {
  int32_t code = result == VK_ERROR_OUT_OF_DEVICE_MEMORY ? LF_EGPU_OUT_OF_MEMORY : LF_ESYSTEM;
  return lf_device_fail(device, code, api, result, "the queue of %s, after %llu submissions", device->info.name,
                        (unsigned long long)device->queue->last);
}

int32_t lf_queue_check(lf_device *device) {
  if (!device->lost) return LF_OK;
  return lf_fail(LF_EGPU_DEVICE_LOST, "", VK_ERROR_DEVICE_LOST, "%s was lost earlier: close it and open it again",
                 device->info.name);
}

/* ---- what has been reached ---- */

int32_t lf_queue_ask(lf_device *device) {
  lf_queue *q = device->queue;
  uint64_t value = 0;
  VkResult result = device->vk.GetSemaphoreCounterValue(device->device, q->timeline, &value);
  /* A driver that has lost the device may answer with a value that nobody ever submitted. */
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
  lf_gpu_memory_collect(device, q->done);
}

uint64_t lf_queue_seen(lf_device *device) {
  lf_queue *q = device->queue;
  if (q->done < q->last && !device->lost) lf_queue_ask(device);
  return device->lost ? q->last : q->done;
}

int32_t lf_queue_has(lf_device *device, uint64_t value) {
  if (value <= device->queue->done) return 1; /* no driver call */
  int32_t status = lf_queue_check(device);
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
  int32_t status = lf_queue_check(device);
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

static int32_t make_timeline(lf_device *device, uint64_t value, int shared, VkSemaphore *out) {
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

int32_t lf_queue_share(lf_device *device, int64_t *out) {
  lf_queue *q = device->queue;
  int32_t status = lf_queue_check(device);
  if (status == LF_OK) status = lf_queue_ask(device);
  if (status == LF_OK && !q->shared) {
    status = make_timeline(device, q->done, 1, &q->shared);
    q->shared_since = q->last;
  }
  if (status < 0) return status;
  if (q->last == q->shared_since && q->done < q->last) {
    /* What was submitted before does not signal it: something behind that has to. */
    VkCommandBuffer commands;
    uint64_t value;
    status = lf_queue_begin(device, 1, &commands);
    if (status == LF_OK) status = lf_queue_end(device, &value);
    if (status != 1) return status == LF_FULL ? LF_PENDING : status;
  }
  return lf_semaphore_handle_of(q->shared, device, out);
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
  lf_staging_close(device);
  lf_copier_close(device);
  if (q->pool) device->vk.DestroyCommandPool(device->device, q->pool, NULL);
  if (q->shared) device->vk.DestroySemaphore(device->device, q->shared, NULL);
  if (q->gate) device->vk.DestroySemaphore(device->device, q->gate, NULL);
  if (q->timeline) device->vk.DestroySemaphore(device->device, q->timeline, NULL);
  free(q);
  device->queue = NULL;
}

int32_t lf_queue_open(lf_device *device) {
  lf_queue *q = calloc(1, sizeof *q);
  if (!q) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a queue of %zu bytes", sizeof *q);
  device->queue = q;
  device->vk.GetDeviceQueue(device->device, device->family, 0, &q->queue);
  int32_t status = make_timeline(device, 0, 0, &q->timeline);
  if (status == LF_OK) status = make_pool(device, &q->pool);
  if (status < 0) destroy(device);
  return status;
}

int32_t lf_queue_close(lf_device *device) {
  lf_queue *q = device->queue;
  if (!q) return 1;
  /* A device that was lost may have work that waits, too. */
  int is_open = lf_queue_let_go(device) == LF_OK;
  int idle = is_open && (device->lost || lf_queue_wait(device, q->last, CLOSE_LIMIT_NS) == 1 || device->lost);
  int alone = !q->waiter || lf_waiter_close(q->waiter);
  if (!idle || !alone) {
    /* Work waits for a peer that lives and does not signal, or can't be let go, or the driver hangs. What they use can't
     * be freed under them, so it stays for as long as the process does. */
    device->queue = NULL;
    return 0;
  }
  q->done = q->last;
  lf_queue_retire(device);
  destroy(device);
  return 1;
}

/* ---- as TypeScript sees it ---- */

/* The device of a handle and a value that was given out; NULL with the failure recorded. */
static lf_device *find(int32_t handle, double value) {
  lf_device *device = lf_device_get(handle);
  if (!device || (value >= 0 && value <= (double)device->queue->last && value == (double)(uint64_t)value))
    return device;
  lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the value %.17g of a queue that has come to %llu", value,
          (unsigned long long)device->queue->last);
  return NULL;
}

int32_t lf_queue_reached(int32_t handle, double value, double spin_us) {
  lf_device *device = find(handle, value);
  if (!device) return lf_status_code();
  lf_queue *q = device->queue;
  uint64_t wanted = (uint64_t)value;
  if (wanted <= q->done) return 1;
  if (!(spin_us >= 0 && spin_us <= SPIN_LIMIT_US))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "spinning for %g us: 0 to %g", spin_us, SPIN_LIMIT_US);
  uint64_t until = spin_us > 0 ? lf_now() + (uint64_t)(spin_us * 1000) : 0;
  int32_t status = lf_queue_has(device, wanted);
  while (status == 0 && until && lf_now() < until) {
    lf_relax();
    status = lf_queue_has(device, wanted);
  }
  if (status >= 0 && q->retired < q->done) lf_queue_retire(device);
  return status;
}

int32_t lf_queue_prepared(int32_t handle, double value) {
  lf_device *device = find(handle, value);
  if (!device) return lf_status_code();
  return value > 0 && device->queue->prepared == (uint64_t)value;
}

int32_t lf_queue_go(int32_t handle) {
  lf_device *device = find(handle, 0);
  if (!device) return lf_status_code();
  int32_t status = lf_queue_check(device);
  return status < 0 ? status : lf_queue_let_go(device);
}

int32_t lf_queue_pending(int32_t handle, int32_t memory, double *value) {
  lf_device *device = find(handle, 0);
  if (!device) return lf_status_code();
  if (!value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the value");
  lf_gpu_memory *gpu = lf_memory_gpu(memory);
  if (!gpu) return lf_status_code();
  if (gpu->device != device)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory 0x%x belongs to another device", (unsigned)memory);
  int32_t status = lf_queue_has(device, gpu->last_use);
  if (status < 0) return status;
  *value = status ? 0 : (double)gpu->last_use;
  return LF_OK;
}

/* The waiter, made when first asked for. */
static int32_t waiter_of(lf_device *device) {
  lf_queue *q = device->queue;
  return q->waiter ? LF_OK : lf_waiter_open(device, q->timeline, &q->waiter);
}

int32_t lf_queue_bell(int32_t handle, int64_t *out) {
  lf_device *device = find(handle, 0);
  if (!device) return lf_status_code();
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the descriptor");
  int32_t status = waiter_of(device);
  return status == LF_OK ? lf_waiter_bell(device->queue->waiter, out) : status;
}

int32_t lf_queue_ring_at(int32_t handle, double value) {
  lf_device *device = find(handle, value);
  if (!device) return lf_status_code();
  int32_t status = lf_queue_check(device);
  if (status == LF_OK) status = waiter_of(device);
  if (status == LF_OK) lf_waiter_ring_at(device->queue->waiter, (uint64_t)value);
  return status;
}
