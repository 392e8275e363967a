/* Queues by the handles of their devices. */
#include "abi/device.h"
#include "abi/memory.h"
#include "base/status.h"
#include "base/whole.h"
#include "gpu/queue.h"

#define SPIN_LIMIT_US 1000000.0 /* bounds how long a call blocks its thread */

/* The device of a handle, if `value` is one of its timeline values; NULL with the failure recorded. */
static lf_device *find(int32_t handle, double value) {
  lf_device *device = lf_device_get(handle);
  if (!device || (lf_whole(value) && value <= (double)lf_queue_last(device))) return device;
  lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the value %.17g of a queue that has come to %llu", value,
          (unsigned long long)lf_queue_last(device));
  return NULL;
}

int32_t lf_queue_reached(int32_t handle, double value, double spin_us) {
  lf_device *device = find(handle, value);
  if (!device) return lf_status_code();
  if (!(spin_us >= 0 && spin_us <= SPIN_LIMIT_US))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "spinning for %g us: 0 to %g", spin_us, SPIN_LIMIT_US);
  return lf_queue_poll(device, (uint64_t)value, (uint64_t)(spin_us * 1000));
}

int32_t lf_queue_armed(int32_t handle, double value) {
  lf_device *device = find(handle, value);
  if (!device) return lf_status_code();
  return value > 0 && lf_submission_armed(device) == (uint64_t)value;
}

int32_t lf_queue_trigger(int32_t handle) {
  lf_device *device = find(handle, 0);
  if (!device) return lf_status_code();
  int32_t status = lf_device_check(device);
  return status < 0 ? status : lf_submission_trigger(device);
}

int32_t lf_queue_pending(int32_t handle, int32_t memory, double *value) {
  lf_device *device = find(handle, 0);
  if (!device) return lf_status_code();
  if (!value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the value");
  lf_gpu_memory *gpu = lf_memory_gpu(memory);
  if (!gpu) return lf_status_code();
  if (gpu->device != device)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory 0x%x belongs to another device", (unsigned)memory);
  int32_t status = lf_queue_has(device, gpu->last_use);
  if (status < 0) return status;
  *value = status ? 0 : (double)gpu->last_use;
  return LF_OK;
}

int32_t lf_queue_event_fd(int32_t handle, int64_t *out) {
  lf_device *device = find(handle, 0);
  if (!device) return lf_status_code();
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the descriptor");
  lf_waiter *waiter;
  int32_t status = lf_queue_waiter(device, &waiter);
  return status == LF_OK ? lf_waiter_event_fd(waiter, out) : status;
}

int32_t lf_queue_notify_at(int32_t handle, double value) {
  lf_device *device = find(handle, value);
  if (!device) return lf_status_code();
  lf_waiter *waiter;
  int32_t status = lf_device_check(device);
  if (status == LF_OK) status = lf_queue_waiter(device, &waiter);
  if (status == LF_OK) lf_waiter_notify_at(waiter, (uint64_t)value);
  return status;
}
