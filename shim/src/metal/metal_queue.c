#include <stdio.h>

#include "base/handle.h"
#include "base/monotonic.h"
#include "base/status.h"
#include "base/thread.h"
#include "metal/metal.h"

#define SPIN_LIMIT_US 1000000.0 /* bounds how long a call blocks its thread */

/* A submission with its memories looked up. */
typedef struct {
  const lf_metal_memory *memories[LF_METAL_MEMORIES];
  uint32_t memory_count;
  const lf_step *steps;
  uint32_t step_count;
} work;

/* An encoder writes commands of one kind: the open one is ended when a command of the other kind follows. */
typedef struct {
  lf_id commands;
  lf_id compute, blit; /* at most one of them */
  const lf_metal_pipeline *pipeline;
} writer;

static const lf_metal_pipeline *pipeline_of(const lf_step *step) {
  return lf_handle_get(LF_KIND_METAL_PIPELINE, step->pipeline);
}

/* Whether `bytes` from `offset` are whole words within a memory of the submission. */
static int within(const work *w, uint32_t memory, uint32_t offset, uint32_t bytes) {
  return memory < w->memory_count && bytes > 0 && (offset | bytes) % 4 == 0 &&
         (uint64_t)offset + bytes <= w->memories[memory]->size;
}

static int32_t check_pipeline(const lf_metal_device *device, const work *w, const lf_step *step) {
  const lf_metal_pipeline *pipeline = pipeline_of(step);
  if (!pipeline) return lf_handle_stale(LF_KIND_METAL_PIPELINE, step->pipeline);
  if (pipeline->device == device->device && pipeline->buffers <= w->memory_count) return LF_OK;
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a pipeline of %u buffers, and %u memories; or it is another device's",
                 pipeline->buffers, w->memory_count);
}

static int32_t check_step(const lf_metal_device *device, const work *w, uint32_t at) {
  const lf_step *step = &w->steps[at];
  int right = 0;
  switch (step->kind) {
    case LF_STEP_DISPATCH:
      return check_pipeline(device, w, step);
    case LF_STEP_INDIRECT:
      right = within(w, step->memory, step->offset, 3 * sizeof(uint32_t));
      break;
    case LF_STEP_ZERO:
      right = within(w, step->memory, step->offset, step->bytes);
      break;
    case LF_STEP_COPY:
      right = within(w, step->memory, step->offset, step->bytes) && within(w, step->to, step->to_offset, step->bytes) &&
              step->memory != step->to;
  }
  if (!right)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "step %u of kind %d: %u bytes from %u of memory %u to %u of memory %u: not inside of them, or within one",
                   at, step->kind, step->bytes, step->offset, step->memory, step->to_offset, step->to);
  return step->kind == LF_STEP_INDIRECT ? check_pipeline(device, w, step) : LF_OK;
}

static int32_t check_work(const lf_metal_device *device, work *w, const int32_t *memories) {
  for (uint32_t i = 0; i < w->memory_count; i++) {
    w->memories[i] = lf_handle_get(LF_KIND_METAL_MEMORY, memories[i]);
    if (!w->memories[i]) return lf_handle_stale(LF_KIND_METAL_MEMORY, memories[i]);
    if (w->memories[i]->device != device->device)
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory %u is another device's", i);
  }
  for (uint32_t i = 0; i < w->step_count; i++) {
    int32_t status = check_step(device, w, i);
    if (status < 0) return status;
  }
  return LF_OK;
}

static void end_encoding(writer *to) {
  lf_id encoder = to->compute ? to->compute : to->blit;
  if (encoder) LF_SEND(encoder, end_encoding);
  *to = (writer){.commands = to->commands};
}

/* 1; 0 when Metal makes no encoder. Encoders of one command buffer run in order, and each sees the writes of those
 * before it. */
static int want_blit(writer *to) {
  if (to->blit) return 1;
  end_encoding(to);
  to->blit = LF_SEND(to->commands, blit_encoder);
  return to->blit != NULL;
}

/* As want_blit. The encoder is concurrent: only barriers order its dispatches. */
static int want_compute(writer *to, int no_barrier) {
  if (to->compute) {
    if (!no_barrier) LF_SEND(to->compute, barrier, LF_MTL_BARRIER_BUFFERS);
    return 1;
  }
  end_encoding(to);
  to->compute = LF_SEND(to->commands, compute_encoder, LF_MTL_DISPATCH_CONCURRENT);
  return to->compute != NULL;
}

/* Binds a pipeline and its buffers, which its dispatches share. Another pipeline may have its push words at the index
 * of a buffer. naga's MSL takes the buffer sizes for the lengths of arrays: words of 32 bits. */
static void use_pipeline(writer *to, const work *w, const lf_metal_pipeline *pipeline) {
  if (to->pipeline == pipeline) return;
  to->pipeline = pipeline;
  LF_SEND(to->compute, set_pipeline, pipeline->state);
  for (uint32_t i = 0; i < pipeline->buffers; i++) LF_SEND(to->compute, set_buffer, w->memories[i]->buffer, 0, i);
  uint32_t sizes[LF_METAL_MEMORIES];
  for (uint32_t i = 0; i < pipeline->sized_count; i++) {
    uint64_t size = w->memories[pipeline->sized[i]]->size;
    sizes[i] = size > UINT32_MAX ? UINT32_MAX - 3 : (uint32_t)size;
  }
  if (pipeline->sized_count > 0)
    LF_SEND(to->compute, set_bytes, sizes, pipeline->sized_count * sizeof *sizes,
            pipeline->buffers + (pipeline->push_words > 0));
}

static int dispatch(writer *to, const work *w, const lf_step *step) {
  const lf_metal_pipeline *pipeline = pipeline_of(step);
  const lf_mtl_size threads = {pipeline->threads, 1, 1};
  if (!want_compute(to, step->no_barrier != 0)) return 0;
  if (step->kind == LF_STEP_DISPATCH && step->groups == 0) return 1;
  use_pipeline(to, w, pipeline);
  if (pipeline->push_words > 0)
    LF_SEND(to->compute, set_bytes, step->push, pipeline->push_words * sizeof *step->push, pipeline->buffers);
  if (step->kind == LF_STEP_INDIRECT) {
    LF_SEND(to->compute, dispatch_indirect, w->memories[step->memory]->buffer, step->offset, threads);
  } else {
    const lf_mtl_size groups = {step->groups, 1, 1};
    LF_SEND(to->compute, dispatch, groups, threads);
  }
  return 1;
}

static int move(writer *to, const work *w, const lf_step *step) {
  if (!want_blit(to)) return 0;
  lf_id memory = w->memories[step->memory]->buffer;
  if (step->kind == LF_STEP_ZERO) {
    const lf_ns_range range = {step->offset, step->bytes};
    LF_SEND(to->blit, fill, memory, range, 0);
  } else {
    LF_SEND(to->blit, copy, memory, step->offset, w->memories[step->to]->buffer, step->to_offset, step->bytes);
  }
  return 1;
}

/* Keeps the message of the first failure. */
static void lose(lf_metal_device *device, lf_id commands) {
  if (device->lost[0]) return;
  lf_metal_fail(LF_EGPU_DEVICE_LOST, "MTLCommandBuffer", LF_SEND(commands, error), device->name);
  lf_status failure;
  lf_status_last(&failure);
  device->lost_status = failure.native_status;
  snprintf(device->lost, sizeof device->lost, "%s", failure.text);
}

/* Releases the command buffers that have ended. Their status changes a little after the event's value, and no caller
 * waits for it. */
static void retire(lf_metal_device *device) {
  while (device->count > 0) {
    lf_metal_flight *oldest = &device->flights[device->first];
    lf_ns_uint status = LF_SEND(oldest->commands, status);
    if (status < LF_MTL_STATUS_COMPLETED) return;
    if (status == LF_MTL_STATUS_ERROR) lose(device, oldest->commands);
    lf_metal_release(oldest->commands);
    device->first = (device->first + 1) % LF_METAL_FLIGHTS;
    device->count--;
  }
}

/* Needs an autorelease pool. */
static int32_t submit(lf_metal_device *device, const work *w, double *value) {
  retire(device);
  if (device->lost[0]) return lf_metal_lost(device);
  if (device->count == LF_METAL_FLIGHTS) {
    *value = (double)device->flights[device->first].value;
    return LF_FULL;
  }
  writer to = {.commands = LF_SEND(device->queue, command_buffer)};
  int good = to.commands != NULL;
  for (uint32_t i = 0; good && i < w->step_count; i++) {
    const lf_step *step = &w->steps[i];
    good = step->kind == LF_STEP_ZERO || step->kind == LF_STEP_COPY ? move(&to, w, step) : dispatch(&to, w, step);
  }
  end_encoding(&to);
  /* The autorelease pool releases command buffers that were not committed. */
  if (!good)
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "MTLCommandBuffer", 0, "%s makes no command buffer or encoder",
                   device->name);
  LF_SEND(to.commands, signal_event, device->event, ++device->submitted);
  LF_SEND(to.commands, commit);
  device->flights[(device->first + device->count++) % LF_METAL_FLIGHTS] =
      (lf_metal_flight){LF_SEND(to.commands, retain), device->submitted};
  *value = (double)device->submitted;
  return 1;
}

int32_t lf_metal_steps(int32_t handle, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                        uint32_t step_count, double *value) {
  lf_metal_device *device = lf_handle_get(LF_KIND_METAL_DEVICE, handle);
  if (!device) return lf_handle_stale(LF_KIND_METAL_DEVICE, handle);
  if (!value || !steps || (memory_count > 0 && !memories) || memory_count > LF_METAL_MEMORIES || step_count == 0)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u memories, of which there can be %u, and %u steps", memory_count,
                   LF_METAL_MEMORIES, step_count);
  work w = {.memory_count = memory_count, .steps = steps, .step_count = step_count};
  int32_t result = check_work(device, &w, memories);
  if (result < 0) return result;
  void *pool = lf_metal_pool_push();
  result = submit(device, &w, value);
  lf_metal_pool_pop(pool);
  return result;
}

int32_t lf_metal_reached(int32_t handle, double value, double spin_us) {
  lf_metal_device *device = lf_handle_get(LF_KIND_METAL_DEVICE, handle);
  if (!device) return lf_handle_stale(LF_KIND_METAL_DEVICE, handle);
  if (!(value >= 0 && value <= (double)device->submitted) || !(spin_us >= 0 && spin_us <= SPIN_LIMIT_US))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the value %.17g of %llu submissions, spinning for %g us (at most %g)",
                   value,
                   (unsigned long long)device->submitted, spin_us, SPIN_LIMIT_US);
  void *pool = lf_metal_pool_push();
  uint64_t until = spin_us > 0 ? lf_now() + (uint64_t)(spin_us * 1000) : 0;
  int there = (double)LF_SEND(device->event, signaled_value) >= value;
  while (!there && until && lf_now() < until) {
    lf_relax();
    there = (double)LF_SEND(device->event, signaled_value) >= value;
  }
  retire(device); /* a failed command buffer may have signalled, or never will */
  lf_metal_pool_pop(pool);
  return device->lost[0] ? lf_metal_lost(device) : there;
}
