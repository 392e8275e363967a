/* Writes to and reads from GPU memory, by the handles of device and memory. */
#include "gpu/staging.h"

#include "abi/device.h"
#include "abi/transfer.h"
#include "base/status.h"

/* The host accesses GPU-pinned memory directly, so it needs no staging. */
static int32_t check_range(lf_device *device, int32_t memory, double offset, double size, lf_range *out) {
  int32_t status = lf_range_of(device, memory, offset, size, out);
  if (status == LF_OK && out->memory->pinned)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "memory 0x%x is GPU-pinned host memory: write and read its bytes directly", (unsigned)memory);
  return status;
}

int32_t lf_queue_write(int32_t handle, int32_t memory, double offset, const void *data, double size, int32_t first,
                       double *value) {
  if (!data || !value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no bytes to write, or no memory for the value");
  *value = 0;
  lf_device *device = lf_device_get(handle);
  if (!device) return lf_status_code();
  lf_range range;
  int32_t status = check_range(device, memory, offset, size, &range);
  return status < 0 ? status : lf_staging_write(device, &range, data, first, value);
}

int32_t lf_queue_read(int32_t handle, int32_t memory, double offset, double size, int32_t first, lf_staged_read *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the read's description");
  *out = (lf_staged_read){0};
  lf_device *device = lf_device_get(handle);
  if (!device) return lf_status_code();
  lf_range range;
  int32_t status = check_range(device, memory, offset, size, &range);
  return status < 0 ? status : lf_staging_read(device, &range, first, out);
}

int32_t lf_queue_read_end(int32_t handle, uint32_t token, void *target, double size) {
  lf_device *device = lf_device_get(handle);
  return device ? lf_staging_read_end(device, token, target, size) : lf_status_code();
}
