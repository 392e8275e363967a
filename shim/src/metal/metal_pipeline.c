#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/handle.h"
#include "base/status.h"
#include "metal/metal.h"

/* naga's name for the entry point `main` in MSL, where `main` is reserved. */
#define ENTRY_POINT "main_"

static void destroy(void *object) {
  lf_metal_pipeline *pipeline = object;
  void *pool = lf_metal_pool_push();
  lf_metal_release(pipeline->state);
  lf_metal_pool_pop(pool);
  free(pipeline);
}

/* Fast math is off: it lets the compiler reorder floats, and a kernel's results would differ from other backends'. */
static lf_id new_options(void) {
  lf_id class = lf_metal_class("MTLCompileOptions");
  lf_id options = class ? LF_SEND(class, alloc) : NULL;
  if (options) options = LF_SEND(options, init);
  if (options) LF_SEND(options, set_fast_math, 0);
  else if (class) lf_fail(LF_EHOST_OUT_OF_MEMORY, "MTLCompileOptions", 0, "options to compile with");
  return options;
}

/* The library, or NULL with the failure recorded. */
static lf_id new_library(const lf_metal_device *device, const char *msl, uint32_t bytes) {
  lf_id options = new_options();
  lf_id source = options ? lf_metal_string(msl, bytes) : NULL;
  lf_id error = NULL;
  lf_id library = source ? LF_SEND(device->device, new_library, source, options, &error) : NULL;
  /* A library with warnings has an error object, too. */
  if (source && !library) lf_metal_fail(LF_ESHADER_INVALID, "newLibraryWithSource:options:error:", error, "the MSL");
  lf_metal_release(source);
  lf_metal_release(options);
  return library;
}

static int32_t make(lf_metal_pipeline *pipeline, const lf_metal_device *device, const char *msl, uint32_t bytes) {
  lf_id library = new_library(device, msl, bytes);
  if (!library) return lf_status_code();
  lf_id name = lf_metal_string(ENTRY_POINT, sizeof ENTRY_POINT - 1);
  lf_id function = name ? LF_SEND(library, new_function, name) : NULL;
  lf_metal_release(name);
  lf_metal_release(library);
  if (!name) return lf_status_code();
  if (!function)
    return lf_fail(LF_ESHADER_INVALID, "newFunctionWithName:", 0, "the MSL has no function " ENTRY_POINT);
  lf_id error = NULL;
  pipeline->state = LF_SEND(device->device, new_pipeline, function, &error);
  lf_metal_release(function);
  if (!pipeline->state)
    return lf_metal_fail(LF_ESHADER_INVALID, "newComputePipelineStateWithFunction:error:", error, "the pipeline");
  uint64_t most = LF_SEND(pipeline->state, max_threads);
  if (pipeline->threads > most)
    return lf_fail(LF_EINVALID_ARGUMENT, "maxTotalThreadsPerThreadgroup", 0,
                   "this shader runs on at most %llu threads of a workgroup on %s, not %u", (unsigned long long)most,
                   device->name, pipeline->threads);
  return lf_handle_make(LF_KIND_METAL_PIPELINE, pipeline, destroy);
}

int32_t lf_metal_pipeline_create(int32_t handle, const char *msl, uint32_t bytes, uint32_t threads, uint32_t buffers,
                                 uint32_t push_words, const uint8_t *sized, uint32_t sized_count) {
  const lf_metal_device *device = lf_handle_get(LF_KIND_METAL_DEVICE, handle);
  if (!device) return lf_handle_stale(LF_KIND_METAL_DEVICE, handle);
  if (!msl || bytes == 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no MSL");
  if (threads == 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a workgroup of no threads");
  if (buffers > LF_METAL_MEMORIES || push_words > LF_METAL_PUSH_WORDS || sized_count > buffers || (sized_count &&
                                                                                                   !sized))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "%u buffers, %u of them sized, and %u push words: at most %u, and %zu words",
                   buffers, sized_count, push_words, LF_METAL_MEMORIES, LF_METAL_PUSH_WORDS);
  for (uint32_t i = 0; i < sized_count; i++)
    if (sized[i] >= buffers)
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "buffer %u is sized, and there are %u", sized[i], buffers);
  lf_metal_pipeline *pipeline = calloc(1, sizeof *pipeline);
  if (!pipeline) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a pipeline of Metal's");
  *pipeline = (lf_metal_pipeline){.device = device->device,
                                  .threads = threads,
                                  .buffers = buffers,
                                  .push_words = push_words,
                                  .sized_count = sized_count};
  if (sized_count > 0) memcpy(pipeline->sized, sized, sized_count);
  void *pool = lf_metal_pool_push();
  int32_t result = make(pipeline, device, msl, bytes);
  lf_metal_pool_pop(pool);
  if (result < 0) destroy(pipeline);
  return result;
}

int32_t lf_metal_pipeline_close(int32_t handle) {
  lf_metal_pipeline *pipeline = lf_handle_take(LF_KIND_METAL_PIPELINE, handle);
  if (!pipeline) return lf_handle_stale(LF_KIND_METAL_PIPELINE, handle);
  destroy(pipeline);
  return LF_OK;
}
