#include "gpu/pipeline.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "gpu/compile.h"
#include "gpu/queue.h"
#include "gpu/spirv.h"

/* States of the compile that lf_pipeline_start starts. */
enum {
  COMPILE_ENDED,     /* the caller's thread owns the pipeline */
  COMPILE_RUNNING,   /* the compile's thread owns it; the caller's thread may abandon it */
  COMPILE_ABANDONED  /* the compile's thread frees it */
};

struct lf_pipeline {
  lf_compile compile;
  /* COMPILE_...: the thread that owns the pipeline. Each side's last step is an exchange, so exactly one of them frees
   * the pipeline. */
  _Atomic int32_t state;
  VkResult compiled;     /* the result of the compile */
  VkShaderModule module; /* NULL once the compile has ended */
  /* the handle and the compile are owners of it, work in flight is not: it ends before the device closes */
  lf_device *device;
  uint32_t references;
  uint32_t bindings, push_bytes;
  uint32_t groups_max[3];
  uint32_t range_max; /* bytes of a buffer that a shader can access */
  VkDescriptorSetLayout set_layout;
  VkPipelineLayout layout;
  VkPipeline pipeline;
  VkDescriptorPool pool;
  /* Used in index, allocated as needed; `used` is the timeline value of the last work that used a set. */
  struct {
    VkDescriptorSet set;
    uint64_t used;
  } sets[LF_QUEUE_DEPTH];
  uint64_t sets_written;
  /* The buffers in the set that was written last. */
  VkDescriptorBufferInfo buffers[LF_BINDINGS_MAX];
  uint64_t destroyed; /* the device's count at that time */
};

static int32_t failed(lf_device *device, const char *api, VkResult result) {
  int32_t code = LF_ESYSTEM;
  if (result == VK_ERROR_INVALID_SHADER_NV) code = LF_ESHADER_INVALID;
  if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_POOL_MEMORY) code = LF_EGPU_OUT_OF_MEMORY;
  return lf_device_fail(device, code, api, result, "a compute shader for %s", device->info.name);
}

static int32_t make_layouts(lf_pipeline *p) {
  lf_device *d = p->device;
  VkDescriptorSetLayoutBinding bindings[LF_BINDINGS_MAX];
  for (uint32_t i = 0; i < p->bindings; i++)
    bindings[i] = (VkDescriptorSetLayoutBinding){.binding = i,
                                                 .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                 .descriptorCount = 1,
                                                 .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  VkDescriptorSetLayoutCreateInfo set = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                         .bindingCount = p->bindings,
                                         .pBindings = bindings};
  VkResult result = d->vk.CreateDescriptorSetLayout(d->device, &set, NULL, &p->set_layout);
  if (result != VK_SUCCESS) return failed(d, "vkCreateDescriptorSetLayout", result);
  VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = p->push_bytes};
  VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                       .setLayoutCount = 1,
                                       .pSetLayouts = &p->set_layout,
                                       .pushConstantRangeCount = p->push_bytes > 0,
                                       .pPushConstantRanges = &push};
  result = d->vk.CreatePipelineLayout(d->device, &layout, NULL, &p->layout);
  return result == VK_SUCCESS ? LF_OK : failed(d, "vkCreatePipelineLayout", result);
}

static int32_t make_pool(lf_pipeline *p) {
  lf_device *d = p->device;
  if (p->bindings == 0) return LF_OK;
  VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, LF_QUEUE_DEPTH * p->bindings};
  VkDescriptorPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                     .maxSets = LF_QUEUE_DEPTH,
                                     .poolSizeCount = 1,
                                     .pPoolSizes = &size};
  VkResult result = d->vk.CreateDescriptorPool(d->device, &pool, NULL, &p->pool);
  return result == VK_SUCCESS ? LF_OK : failed(d, "vkCreateDescriptorPool", result);
}

static int32_t make_module(lf_pipeline *p, const uint32_t *spirv, uint32_t bytes) {
  lf_device *d = p->device;
  VkShaderModuleCreateInfo code = {
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = bytes, .pCode = spirv};
  VkResult result = d->vk.CreateShaderModule(d->device, &code, NULL, &p->module);
  if (result == VK_SUCCESS) return LF_OK;
  p->module = NULL;
  return failed(d, "vkCreateShaderModule", result);
}

/* Callable on any thread: it reads only constant members of the device. */
static void compile(lf_pipeline *p) {
  const lf_device *d = p->device;
  VkComputePipelineCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                                .module = p->module,
                                                .pName = "main"},
                                      .layout = p->layout,
                                      .basePipelineIndex = -1};
  p->compiled = d->vk.CreateComputePipelines(d->device, NULL, 1, &info, NULL, &p->pipeline);
  if (p->compiled != VK_SUCCESS) p->pipeline = NULL;
  d->vk.DestroyShaderModule(d->device, p->module, NULL);
  p->module = NULL;
}

static int32_t check_compiled(const lf_pipeline *p) {
  return p->compiled == VK_SUCCESS ? 1 : failed(p->device, "vkCreateComputePipelines", p->compiled);
}

static void destroy(lf_pipeline *p) {
  const lf_device *d = p->device;
  if (p->module) d->vk.DestroyShaderModule(d->device, p->module, NULL);
  if (p->pipeline) d->vk.DestroyPipeline(d->device, p->pipeline, NULL);
  if (p->pool) d->vk.DestroyDescriptorPool(d->device, p->pool, NULL);
  if (p->layout) d->vk.DestroyPipelineLayout(d->device, p->layout, NULL);
  if (p->set_layout) d->vk.DestroyDescriptorSetLayout(d->device, p->set_layout, NULL);
  free(p);
}

void lf_pipeline_release(lf_pipeline *p) {
  if (--p->references > 0) return;
  int32_t running = COMPILE_RUNNING;
  if (atomic_compare_exchange_strong(&p->state, &running, COMPILE_ABANDONED)) return;
  p->device->destroyed++;
  destroy(p);
}

/* Runs on the compile's thread, as an owner of the device. A pipeline that was closed before the compile began is not
 * compiled. */
static void run_compile(lf_compile *c) {
  lf_pipeline *p = (lf_pipeline *)c;
  lf_device *device = p->device;
  if (atomic_load(&p->state) == COMPILE_RUNNING) compile(p);
  if (atomic_exchange(&p->state, COMPILE_ENDED) == COMPILE_ABANDONED) destroy(p);
  lf_device_release(device);
}

static void release_kept(void *object) { lf_pipeline_release(object); }

static int32_t check_workgroup(lf_device *device, const VkPhysicalDeviceLimits *limits, const uint32_t *size) {
  const uint32_t *max = limits->maxComputeWorkGroupSize, most = limits->maxComputeWorkGroupInvocations;
  uint64_t all = (uint64_t)size[0] * size[1];
  int fits = size[0] <= max[0] && size[1] <= max[1] && size[2] <= max[2] && all <= most && all * size[2] <= most;
  return fits ? LF_OK
              : lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                        "workgroups of %u x %u x %u: %s has at most %u x %u x %u, and %u in "
                        "all", size[0], size[1], size[2], device->info.name, max[0], max[1], max[2], most);
}

/* Creates a pipeline up to the compile. */
static int32_t prepare(lf_device *device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                       uint32_t push_bytes, lf_pipeline **out) {
  VkPhysicalDeviceProperties properties;
  device->vulkan->vk.GetPhysicalDeviceProperties(device->physical, &properties);
  const VkPhysicalDeviceLimits *limits = &properties.limits;
  uint32_t bindings_max = limits->maxPerStageDescriptorStorageBuffers;
  if (bindings_max > LF_BINDINGS_MAX) bindings_max = LF_BINDINGS_MAX;
  if (bindings > bindings_max)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u storage buffers: %s has at most %u", bindings, device->info.name,
                   bindings_max);
  if (push_bytes > LF_PUSH_BYTES_MAX || push_bytes % 4 != 0)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u bytes of push constants: a multiple of 4, and at most %d",
                   push_bytes, LF_PUSH_BYTES_MAX);
  int32_t status = lf_device_check(device);
  uint32_t size[3] = {1, 1, 1};
  if (status == LF_OK) status = lf_spirv_check(spirv, spirv_bytes, bindings, size);
  if (status == LF_OK) status = check_workgroup(device, limits, size);
  if (status < 0) return status;
  lf_pipeline *p = calloc(1, sizeof *p);
  if (!p) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a pipeline of %zu bytes", sizeof *p);
  p->device = device;
  p->references = 1;
  p->bindings = bindings;
  p->push_bytes = push_bytes;
  memcpy(p->groups_max, limits->maxComputeWorkGroupCount, sizeof p->groups_max);
  p->range_max = limits->maxStorageBufferRange;
  status = make_layouts(p);
  if (status == LF_OK) status = make_pool(p);
  if (status == LF_OK) status = make_module(p, spirv, spirv_bytes);
  if (status < 0) {
    lf_pipeline_release(p);
    return status;
  }
  *out = p;
  return LF_OK;
}

int32_t lf_pipeline_make(lf_device *device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                         uint32_t push_bytes, lf_pipeline **out) {
  lf_pipeline *p;
  int32_t status = prepare(device, spirv, spirv_bytes, bindings, push_bytes, &p);
  if (status < 0) return status;
  compile(p);
  status = check_compiled(p);
  if (status < 0) {
    lf_pipeline_release(p);
    return status;
  }
  *out = p;
  return LF_OK;
}

int32_t lf_pipeline_start(lf_device *device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                          uint32_t push_bytes, lf_pipeline **out) {
  lf_pipeline *p;
  int32_t status = prepare(device, spirv, spirv_bytes, bindings, push_bytes, &p);
  if (status < 0) return status;
  lf_device_retain(device); /* until the compile has ended */
  p->compile.run = run_compile;
  atomic_store(&p->state, COMPILE_RUNNING);
  status = lf_compile_start(&p->compile);
  if (status < 0) {
    atomic_store(&p->state, COMPILE_ENDED);
    lf_pipeline_release(p);
    lf_device_release(device);
    return status;
  }
  *out = p;
  return LF_OK;
}

int32_t lf_pipeline_compiled(const lf_pipeline *p) {
  return atomic_load_explicit(&p->state, memory_order_acquire) == COMPILE_RUNNING ? 0 : check_compiled(p);
}

/* The next set to write, or LF_FULL while work in flight uses it. If each submission writes a set, the set is free:
 * LF_QUEUE_DEPTH submissions came after the work that used it. */
static int32_t next_set(lf_pipeline *p, VkDescriptorSet *out) {
  lf_device *d = p->device;
  uint32_t index = p->sets_written % LF_QUEUE_DEPTH;
  VkDescriptorSet *set = &p->sets[index].set;
  if (p->sets[index].used > lf_queue_seen(d)) return LF_FULL;
  if (!*set) {
    VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                        .descriptorPool = p->pool,
                                        .descriptorSetCount = 1,
                                        .pSetLayouts = &p->set_layout};
    VkResult result = d->vk.AllocateDescriptorSets(d->device, &info, set);
    if (result != VK_SUCCESS) {
      *set = NULL;
      return failed(d, "vkAllocateDescriptorSets", result);
    }
  }
  *out = *set;
  return LF_OK;
}

static void write_set(lf_pipeline *p, VkDescriptorSet set, const VkDescriptorBufferInfo *buffers) {
  VkWriteDescriptorSet writes[LF_BINDINGS_MAX];
  for (uint32_t i = 0; i < p->bindings; i++)
    writes[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                       .dstSet = set,
                                       .dstBinding = i,
                                       .descriptorCount = 1,
                                       .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                       .pBufferInfo = &buffers[i]};
  p->device->vk.UpdateDescriptorSets(p->device->device, p->bindings, writes, 0, NULL);
}

int32_t lf_pipeline_set(lf_pipeline *p, const VkDescriptorBufferInfo *buffers, lf_descriptors *out) {
  *out = (lf_descriptors){0};
  if (p->bindings == 0) return LF_OK;
  lf_device *d = p->device;
  size_t size = p->bindings * sizeof *buffers;
  if (p->sets_written == 0 || p->destroyed != d->destroyed || memcmp(p->buffers, buffers, size) != 0) {
    VkDescriptorSet set;
    int32_t status = next_set(p, &set);
    if (status != LF_OK) return status;
    write_set(p, set, buffers);
    memcpy(p->buffers, buffers, size);
    p->destroyed = d->destroyed;
    p->sets_written++;
  }
  uint32_t index = (p->sets_written - 1) % LF_QUEUE_DEPTH;
  p->sets[index].used = lf_queue_last(d) + 1;
  *out = (lf_descriptors){p->sets[index].set, p->sets_written};
  return LF_OK;
}

void lf_pipeline_bind(lf_pipeline *p, VkCommandBuffer commands, const lf_descriptors *descriptors, const void *push) {
  const lf_device_functions *vk = &p->device->vk;
  VkDescriptorSet set = descriptors->set;
  vk->CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, p->pipeline);
  if (set) vk->CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, p->layout, 0, 1, &set, 0, NULL);
  if (p->push_bytes) vk->CmdPushConstants(commands, p->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, p->push_bytes, push);
}

int32_t lf_pipeline_record(lf_pipeline *p, VkCommandBuffer commands, const VkDescriptorBufferInfo *buffers,
                           const void *push, uint32_t x, uint32_t y, uint32_t z) {
  lf_descriptors descriptors;
  int32_t status = lf_pipeline_set(p, buffers, &descriptors);
  if (status != LF_OK) return status;
  lf_pipeline_bind(p, commands, &descriptors, push);
  p->device->vk.CmdDispatch(commands, x, y, z);
  return LF_OK;
}

int32_t lf_pipeline_keep(lf_pipeline *p) {
  int32_t status = lf_queue_keep(p->device, p, release_kept);
  if (status == LF_OK) p->references++;
  return status;
}

/* ---- arguments ---- */

lf_device *lf_pipeline_device(const lf_pipeline *p) { return p->device; }
uint32_t lf_pipeline_bindings(const lf_pipeline *p) { return p->bindings; }
uint32_t lf_pipeline_push_bytes(const lf_pipeline *p) { return p->push_bytes; }
uint32_t lf_pipeline_groups_max(const lf_pipeline *p) { return p->groups_max[0]; }

int32_t lf_pipeline_buffers(const lf_pipeline *p, lf_gpu_memory *const *memories, VkDescriptorBufferInfo *buffers) {
  for (uint32_t i = 0; i < p->bindings; i++) {
    const lf_gpu_memory *gpu = memories[i];
    if (gpu->size > p->range_max)
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "binding %u has %" PRIu64 " bytes: a shader on %s reaches %u", i,
                     gpu->size, p->device->info.name, p->range_max);
    buffers[i] = (VkDescriptorBufferInfo){gpu->buffer, gpu->start, gpu->size};
  }
  return LF_OK;
}

int32_t lf_pipeline_check(const lf_pipeline *p, uint32_t count, uint32_t push_bytes, uint32_t x, uint32_t y,
                          uint32_t z) {
  if (count != p->bindings || push_bytes != p->push_bytes)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "%u memories and %u bytes of push constants for a shader with %u and %u", count, push_bytes,
                   p->bindings, p->push_bytes);
  if (!x || !y || !z || x > p->groups_max[0] || y > p->groups_max[1] || z > p->groups_max[2])
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u x %u x %u workgroups: 1 to %u x %u x %u on %s", x, y, z,
                   p->groups_max[0], p->groups_max[1], p->groups_max[2], p->device->info.name);
  return LF_OK;
}

int32_t lf_pipeline_dispatch(lf_pipeline *p, lf_gpu_memory *const *memories, const void *push, uint32_t x, uint32_t y,
                             uint32_t z, double *value) {
  lf_device *device = p->device;
  VkDescriptorBufferInfo buffers[LF_BINDINGS_MAX];
  int32_t status = lf_pipeline_buffers(p, memories, buffers);
  if (status < 0) return status;
  VkCommandBuffer commands;
  status = lf_queue_begin(device, 1, &commands);
  if (status == LF_FULL) return lf_queue_full(device, value);
  if (status < 0) return status;
  status = lf_pipeline_keep(p);
  if (status == LF_OK) status = lf_pipeline_record(p, commands, buffers, push, x, y, z);
  for (uint32_t i = 0; status == LF_OK && i < p->bindings; i++) status = lf_queue_use(device, memories[i]);
  return lf_queue_finish(device, status, value);
}
