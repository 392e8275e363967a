/* Semaphores by their handles. */
#include "abi/semaphore.h"

#include <inttypes.h>

#include "abi/device.h"
#include "base/handle.h"
#include "base/status.h"
#include "base/whole.h"
#include "gpu/external.h"
#include "gpu/queue.h"

static void destroy(void *object) { lf_semaphore_release(object); }

lf_semaphore *lf_semaphore_get(int32_t handle) {
  lf_semaphore *s = lf_handle_get(LF_KIND_SEMAPHORE, handle);
  if (!s) lf_handle_stale(LF_KIND_SEMAPHORE, handle);
  return s;
}

static int32_t make_handle(lf_semaphore *s) {
  int32_t handle = lf_handle_make(LF_KIND_SEMAPHORE, s, destroy);
  if (handle < 0) lf_semaphore_release(s);
  return handle;
}

int32_t lf_semaphore_create(int32_t device_handle, int32_t kind) {
  lf_device *device = lf_device_get(device_handle);
  if (!device) return lf_status_code();
  lf_semaphore *s;
  int32_t status = lf_semaphore_make(device, kind, &s);
  return status < 0 ? status : make_handle(s);
}

int32_t lf_semaphore_import(int32_t device_handle, int32_t kind, int64_t os, const uint8_t *uuids) {
  lf_device *device = lf_device_get(device_handle);
  int32_t status = LF_OK;
  if (!device) status = lf_status_code();
  else if (!uuids) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no UUIDs of the exporter's device and driver");
  else status = lf_device_check_uuids(device, uuids);
  if (status < 0) return lf_external_refuse(os);
  lf_semaphore *s;
  status = lf_semaphore_attach(device, kind, os, &s);
  return status < 0 ? status : make_handle(s);
}

int32_t lf_semaphore_export(int32_t semaphore, int64_t *out) {
  lf_semaphore *s = lf_semaphore_get(semaphore);
  if (!s) return lf_status_code();
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the OS handle");
  int32_t status = lf_device_check(s->device);
  return status < 0 ? status : lf_semaphore_share(s, out);
}

typedef int32_t (*operation)(lf_device *device, lf_semaphore *semaphore, uint64_t value);

/* Submits a wait or a signal, without commands. */
static int32_t submit(int32_t semaphore, double value, double *queue_value, operation wait_or_signal) {
  lf_semaphore *s = lf_semaphore_get(semaphore);
  if (!s) return lf_status_code();
  if (!queue_value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the queue's value");
  if (s->kind == LF_SEMAPHORE_BINARY) value = 0;
  else if (!(value >= 1 && lf_whole(value)))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a timeline has values from 1 to 2^53, not %g", value);
  VkCommandBuffer commands;
  uint64_t reached;
  int32_t status = lf_queue_begin(s->device, 1, &commands);
  if (status == LF_FULL) return lf_queue_full(s->device, queue_value);
  if (status < 0) return status;
  status = wait_or_signal(s->device, s, (uint64_t)value);
  if (status < 0) {
    lf_queue_drop(s->device);
    return status;
  }
  status = lf_queue_end(s->device, &reached);
  if (status >= 0) *queue_value = (double)reached;
  return status;
}

int32_t lf_semaphore_signal(int32_t semaphore, double value, double *queue_value) {
  lf_semaphore *s = lf_semaphore_get(semaphore);
  uint64_t now = 0;
  if (s && s->kind == LF_SEMAPHORE_TIMELINE && lf_semaphore_counter(s, &now) == VK_SUCCESS && value <= (double)now)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the timeline is at %" PRIu64 ": it can't be signalled with %.0f", now,
                   value);
  return submit(semaphore, value, queue_value, lf_queue_signal);
}

int32_t lf_semaphore_wait(int32_t semaphore, double value, double *queue_value) {
  return submit(semaphore, value, queue_value, lf_queue_await);
}

int32_t lf_semaphore_value(int32_t semaphore, double *out) {
  lf_semaphore *s = lf_semaphore_get(semaphore);
  if (!s) return lf_status_code();
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the timeline's value");
  if (s->kind != LF_SEMAPHORE_TIMELINE)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a binary semaphore has no value");
  uint64_t now;
  VkResult result = lf_semaphore_counter(s, &now);
  if (result != VK_SUCCESS)
    return lf_device_fail(s->device, LF_ESYSTEM, "vkGetSemaphoreCounterValue", result, "a timeline");
  *out = (double)now;
  return LF_OK;
}

int32_t lf_semaphore_close(int32_t semaphore) {
  lf_semaphore *s = lf_handle_take(LF_KIND_SEMAPHORE, semaphore);
  if (!s) return lf_handle_stale(LF_KIND_SEMAPHORE, semaphore);
  destroy(s);
  return LF_OK;
}
