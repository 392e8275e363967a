/* Several commands in one submission: rounds of dispatches, zeroing before them, copies after them. */
#include <string.h>

#include "abi/device.h"
#include "abi/memory.h"
#include "abi/pipeline.h"
#include "base/status.h"
#include "gpu/queue.h"

/* Steps of a submission whose commands are kept: bounds the key. */
#define KEPT_STEPS_MAX 4

/* The objects of a call, looked up once. */
typedef struct {
  lf_device *device;
  VkCommandBuffer commands;
  const int32_t *handles;
  uint32_t memory_count;
  lf_gpu_memory *memories[LF_BINDINGS_MAX];
  struct {
    lf_pipeline *pipeline;
    lf_descriptors descriptors;
  } used[LF_STEP_PIPELINES_MAX];
  uint32_t used_count;
} recording;

/* All that the commands depend on. `destroyed` is in it because a driver may reuse the handle of a destroyed buffer or
 * pipeline. */
typedef struct {
  uint64_t destroyed;
  uint32_t memory_count, step_count;
  VkBuffer buffers[LF_BINDINGS_MAX];
  uint64_t starts[LF_BINDINGS_MAX];
  struct {
    lf_pipeline *pipeline;
    uint64_t written;
  } used[KEPT_STEPS_MAX];
  lf_step steps[KEPT_STEPS_MAX];
} key;
_Static_assert(sizeof(key) <= LF_KEY_BYTES_MAX, "a key fits into a recording");

static int32_t find_memories(recording *r) {
  for (uint32_t i = 0; i < r->memory_count; i++) {
    lf_gpu_memory *gpu = lf_memory_gpu(r->handles[i]);
    if (!gpu) return lf_status_code();
    if (gpu->device != r->device)
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory 0x%x belongs to another device", (unsigned)r->handles[i]);
    r->memories[i] = gpu;
  }
  return LF_OK;
}

/* LF_OK; INVALID_ARGUMENT unless `size` bytes from `offset` are whole words within the memory. */
static int32_t check_range(const recording *r, uint32_t at, uint32_t memory, uint32_t offset, uint32_t size) {
  if (memory >= r->memory_count)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "step %u uses memory %u of %u", at, memory, r->memory_count);
  uint64_t all = r->memories[memory]->size;
  if (size > 0 && (offset | size) % 4 == 0 && offset <= all && size <= all - offset) return LF_OK;
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "step %u uses %u bytes from byte %u of %llu: words, and at least one", at,
                 size, offset, (unsigned long long)all);
}

/* The index of a pipeline among those used; `used_count` when it is not used yet. */
static uint32_t index_of(const recording *r, const lf_pipeline *p) {
  uint32_t i = 0;
  while (i < r->used_count && r->used[i].pipeline != p) i++;
  return i;
}

static int32_t find_pipeline(recording *r, uint32_t at, const lf_step *step) {
  lf_pipeline *p = lf_pipeline_get(step->pipeline, r->device);
  if (!p) return lf_status_code();
  uint32_t i = index_of(r, p);
  if (i < r->used_count) return LF_OK;
  if (i == LF_STEP_PIPELINES_MAX)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "one submission uses more than %d shaders", LF_STEP_PIPELINES_MAX);
  if (lf_pipeline_bindings(p) > r->memory_count || lf_pipeline_push_bytes(p) > sizeof step->push)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "step %u: a shader with %u buffers and %u bytes of push constants, where "
                   "there are %u memories and %zu bytes", at, lf_pipeline_bindings(p), lf_pipeline_push_bytes(p),
                   r->memory_count, sizeof step->push);
  VkDescriptorBufferInfo buffers[LF_BINDINGS_MAX];
  int32_t status = lf_pipeline_buffers(p, r->memories, buffers);
  if (status == LF_OK) status = lf_pipeline_set(p, buffers, &r->used[i].descriptors);
  if (status != LF_OK) return status;
  r->used[r->used_count++].pipeline = p;
  return LF_OK;
}

static int32_t find_pipelines(recording *r, const lf_step *steps, uint32_t count) {
  int32_t status = LF_OK;
  for (uint32_t i = 0; status == LF_OK && i < count; i++)
    if (steps[i].kind == LF_STEP_DISPATCH || steps[i].kind == LF_STEP_INDIRECT) status = find_pipeline(r, i, &steps[i]);
  return status;
}

/* Records the binds of a step. Its pipeline was found before. */
static lf_pipeline *bind(const recording *r, const lf_step *step) {
  lf_pipeline *p = lf_pipeline_get(step->pipeline, r->device);
  lf_pipeline_bind(p, r->commands, &r->used[index_of(r, p)].descriptors, step->push);
  return p;
}

static int32_t record(recording *r, uint32_t at, const lf_step *step) {
  const lf_device_functions *vk = &r->device->vk;
  int32_t status;
  uint32_t most;
  /* The submission is ordered after all work before it, except for the sizes of indirect dispatches. */
  if (step->kind == LF_STEP_INDIRECT && !step->no_barrier) lf_queue_barrier_indirect(r->device);
  else if (at > 0 && !step->no_barrier) lf_queue_barrier(r->device);
  switch (step->kind) {
    case LF_STEP_DISPATCH:
      most = lf_pipeline_groups_max(bind(r, step));
      if (step->groups == 0 || step->groups > most)
        return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "step %u: %u workgroups, where 1 to %u can be", at, step->groups,
                       most);
      vk->CmdDispatch(r->commands, step->groups, 1, 1);
      return LF_OK;
    case LF_STEP_INDIRECT:
      status = check_range(r, at, step->memory, step->offset, 3 * sizeof(uint32_t));
      if (status < 0) return status;
      bind(r, step);
      vk->CmdDispatchIndirect(r->commands, r->memories[step->memory]->buffer,
                              r->memories[step->memory]->start + step->offset);
      return LF_OK;
    case LF_STEP_ZERO:
      status = check_range(r, at, step->memory, step->offset, step->bytes);
      if (status == LF_OK)
        vk->CmdFillBuffer(r->commands, r->memories[step->memory]->buffer,
                          r->memories[step->memory]->start + step->offset, step->bytes, 0);
      return status;
    case LF_STEP_COPY:
      status = check_range(r, at, step->memory, step->offset, step->bytes);
      if (status == LF_OK) status = check_range(r, at, step->to, step->to_offset, step->bytes);
      if (status < 0) return status;
      if (r->memories[step->memory] == r->memories[step->to])
        return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "step %u copies within one memory", at);
      const lf_gpu_memory *from = r->memories[step->memory], *to = r->memories[step->to];
      VkBufferCopy copy = {from->start + step->offset, to->start + step->to_offset, step->bytes};
      vk->CmdCopyBuffer(r->commands, from->buffer, to->buffer, 1, &copy);
      return LF_OK;
    default:
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "step %u is of kind %d", at, step->kind);
  }
}

/* LF_OK with a submission whose commands have to be recorded; 1 with one whose commands are recorded. */
static int32_t begin(recording *r, const lf_step *steps, uint32_t count) {
  if (count > KEPT_STEPS_MAX) return lf_queue_begin(r->device, 1, &r->commands);
  key k;
  memset(&k, 0, sizeof k); /* keys are compared with their padding */
  k.destroyed = r->device->destroyed;
  k.memory_count = r->memory_count;
  k.step_count = count;
  for (uint32_t i = 0; i < r->memory_count; i++) {
    k.buffers[i] = r->memories[i]->buffer;
    k.starts[i] = r->memories[i]->start;
  }
  for (uint32_t i = 0; i < r->used_count; i++) {
    k.used[i].pipeline = r->used[i].pipeline;
    k.used[i].written = r->used[i].descriptors.written;
  }
  memcpy(k.steps, steps, count * sizeof *steps);
  return lf_queue_begin_kept(r->device, &k, sizeof k, &r->commands);
}

static int32_t run(int32_t handle, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                   uint32_t step_count, int is_armed, double *value) {
  lf_device *device = lf_device_get(handle);
  if (!device) return lf_status_code();
  if (!value || !memories || !steps || step_count == 0 || memory_count == 0 || memory_count > LF_BINDINGS_MAX)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the value, or %u steps with %u memories: 1 to %d",
                   step_count,
                   memory_count, LF_BINDINGS_MAX);
  recording r = {.device = device, .handles = memories, .memory_count = memory_count};
  int32_t status = find_memories(&r);
  if (status == LF_OK) status = find_pipelines(&r, steps, step_count);
  if (status == LF_OK) status = begin(&r, steps, step_count);
  if (status == LF_FULL) return lf_queue_full(device, value);
  if (status < 0) return status;
  int is_recorded = status == 1;
  status = is_armed ? lf_submission_arm(device) : LF_OK;
  for (uint32_t i = 0; status == LF_OK && i < r.used_count; i++) status = lf_pipeline_keep(r.used[i].pipeline);
  for (uint32_t i = 0; status == LF_OK && i < memory_count; i++) status = lf_queue_use(device, r.memories[i]);
  for (uint32_t i = 0; status == LF_OK && !is_recorded && i < step_count; i++) status = record(&r, i, &steps[i]);
  return lf_queue_finish(device, status, value);
}

int32_t lf_queue_steps(int32_t handle, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                       uint32_t step_count, double *value) {
  return run(handle, memories, memory_count, steps, step_count, 0, value);
}

int32_t lf_queue_arm(int32_t handle, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                         uint32_t step_count, double *value) {
  return run(handle, memories, memory_count, steps, step_count, 1, value);
}
