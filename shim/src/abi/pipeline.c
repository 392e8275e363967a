#include "abi/pipeline.h"

#include "abi/device.h"
#include "abi/memory.h"
#include "base/handle.h"
#include "base/status.h"

static void close_pipeline(void *object) {
  lf_device *device = lf_pipeline_device(object);
  lf_pipeline_release(object);
  lf_device_release(device);
}

int32_t lf_pipeline_create(int32_t handle, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                           uint32_t push_bytes) {
  lf_device *device = lf_device_get(handle);
  if (!device) return lf_status_code();
  lf_pipeline *pipeline;
  int32_t status = lf_pipeline_start(device, spirv, spirv_bytes, bindings, push_bytes, &pipeline);
  if (status < 0) return status;
  lf_device_retain(device);
  int32_t made = lf_handle_make(LF_KIND_PIPELINE, pipeline, close_pipeline);
  if (made < 0) close_pipeline(pipeline);
  return made;
}

int32_t lf_pipeline_ready(int32_t handle) {
  lf_pipeline *p = lf_handle_get(LF_KIND_PIPELINE, handle);
  return p ? lf_pipeline_compiled(p) : lf_handle_stale(LF_KIND_PIPELINE, handle);
}

int32_t lf_pipeline_close(int32_t handle) {
  lf_pipeline *pipeline = lf_handle_take(LF_KIND_PIPELINE, handle);
  if (!pipeline) return lf_handle_stale(LF_KIND_PIPELINE, handle);
  close_pipeline(pipeline);
  return LF_OK;
}

lf_pipeline *lf_pipeline_get(int32_t handle, const lf_device *device) {
  lf_pipeline *p = lf_handle_get(LF_KIND_PIPELINE, handle);
  if (!p) {
    lf_handle_stale(LF_KIND_PIPELINE, handle);
    return NULL;
  }
  if (lf_pipeline_device(p) != device) {
    lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the shader was made for another device");
    return NULL;
  }
  int32_t status = lf_pipeline_compiled(p);
  if (status == 0)
    lf_fail(LF_EINVALID_ARGUMENT, "", 0,
            "the driver of %s is still compiling the shader: wait until lf_pipeline_ready is 1",
            device->info.name);
  return status == 1 ? p : NULL;
}

int32_t lf_pipeline_memories(const lf_pipeline *p, const int32_t *handles, lf_gpu_memory **out) {
  for (uint32_t i = 0; i < lf_pipeline_bindings(p); i++) {
    out[i] = lf_memory_gpu(handles[i]);
    if (!out[i]) return lf_status_code();
    if (out[i]->device != lf_pipeline_device(p))
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory 0x%x of binding %u belongs to another device than the shader",
                     (unsigned)handles[i], i);
  }
  return LF_OK;
}

int32_t lf_queue_dispatch(int32_t handle, int32_t pipeline_handle, const int32_t *memories, uint32_t count,
                          const void *push, uint32_t push_bytes, uint32_t x, uint32_t y, uint32_t z, double *value) {
  lf_device *device = lf_device_get(handle);
  if (!device) return lf_status_code();
  lf_pipeline *p = lf_pipeline_get(pipeline_handle, device);
  if (!p) return lf_status_code();
  if (!value || (count && !memories) || (push_bytes && !push))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the value, no memories or no push constants");
  int32_t status = lf_pipeline_check(p, count, push_bytes, x, y, z);
  lf_gpu_memory *found[LF_BINDINGS_MAX];
  if (status == LF_OK) status = lf_pipeline_memories(p, memories, found);
  return status < 0 ? status : lf_pipeline_dispatch(p, found, push, x, y, z, value);
}
