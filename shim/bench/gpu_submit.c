/*
 * From nothing to the visible end of an empty dispatch: record it, submit it with a signal of a timeline, and look
 * until it has ended: at a word in host memory that its last command writes, or at the timeline. Both are measured; the
 * faster one counts.
 */
#include "gpu.h"

/* A compute shader of one workgroup of one invocation that does nothing (SPIR-V 1.0). */
static const uint32_t SHADER[] = {
    0x07230203, 0x00010000, 0, 5, 0,       /* magic, version, generator, bound, schema */
    2 << 16 | 17, 1,                       /* OpCapability Shader */
    3 << 16 | 14, 0, 1,                    /* OpMemoryModel Logical GLSL450 */
    5 << 16 | 15, 5, 1, 0x6e69616d, 0,     /* OpEntryPoint GLCompute %1 "main" */
    6 << 16 | 16, 1, 17, 1, 1, 1,          /* OpExecutionMode %1 LocalSize 1 1 1 */
    2 << 16 | 19, 2,                       /* %2 = OpTypeVoid */
    3 << 16 | 33, 3, 2,                    /* %3 = OpTypeFunction %2 */
    5 << 16 | 54, 2, 1, 0, 3,              /* %1 = OpFunction %2 None %3 */
    2 << 16 | 248, 4,                      /* %4 = OpLabel */
    1 << 16 | 253, 1 << 16 | 56,           /* OpReturn, OpFunctionEnd */
};

typedef struct {
  bench_gpu gpu;
  VkCommandBuffer commands;
  VkPipeline pipeline;
  VkSemaphore timeline;
  VkBuffer buffer;
  volatile uint32_t *word; /* of `buffer` */
  uint64_t last;
} work;

static void make_pipeline(work *w) {
  const lf_device_functions *vk = &w->gpu.vk;
  VkShaderModuleCreateInfo module_info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof SHADER,
                                          .pCode = SHADER};
  VkPipelineLayoutCreateInfo layout_info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  VkComputePipelineCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .pName = "main"}};
  gpu_check(vk->CreateShaderModule(w->gpu.device, &module_info, NULL, &info.stage.module), "vkCreateShaderModule");
  gpu_check(vk->CreatePipelineLayout(w->gpu.device, &layout_info, NULL, &info.layout), "vkCreatePipelineLayout");
  gpu_check(vk->CreateComputePipelines(w->gpu.device, NULL, 1, &info, NULL, &w->pipeline), "vkCreateComputePipelines");
}

/* In host memory that the GPU can write, where the host polls at no cost to the GPU. */
static void make_word(work *w) {
  VkMemoryRequirements needs;
  w->buffer = gpu_buffer(&w->gpu, 64, 0, &needs);
  VkFlags coherent = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  uint32_t type = gpu_type(&w->gpu, needs.memoryTypeBits, coherent | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
  if (type == UINT32_MAX) type = gpu_type(&w->gpu, needs.memoryTypeBits, coherent);
  VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs.size,
                               .memoryTypeIndex = type};
  VkDeviceMemory memory;
  void *address;
  gpu_check(w->gpu.vk.AllocateMemory(w->gpu.device, &info, NULL, &memory), "vkAllocateMemory");
  gpu_check(w->gpu.vk.BindBufferMemory(w->gpu.device, w->buffer, memory, 0), "vkBindBufferMemory");
  gpu_check(w->gpu.vk.MapMemory(w->gpu.device, memory, 0, VK_WHOLE_SIZE, 0, &address), "vkMapMemory");
  w->word = address;
  *w->word = 0;
}

static void make_work(work *w) {
  const lf_device_functions *vk = &w->gpu.vk;
  VkCommandPoolCreateInfo pool_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                       .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                       .queueFamilyIndex = w->gpu.family};
  VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandBufferCount = 1};
  gpu_check(vk->CreateCommandPool(w->gpu.device, &pool_info, NULL, &info.commandPool), "vkCreateCommandPool");
  gpu_check(vk->AllocateCommandBuffers(w->gpu.device, &info, &w->commands), "vkAllocateCommandBuffers");
  VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                    .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
  VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
  gpu_check(vk->CreateSemaphore(w->gpu.device, &semaphore, NULL, &w->timeline), "vkCreateSemaphore");
}

static void record(work *w, int with_word) {
  const lf_device_functions *vk = &w->gpu.vk;
  VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                    .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  gpu_check(vk->BeginCommandBuffer(w->commands, &begin), "vkBeginCommandBuffer");
  vk->CmdBindPipeline(w->commands, VK_PIPELINE_BIND_POINT_COMPUTE, w->pipeline);
  vk->CmdDispatch(w->commands, 1, 1, 1);
  VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
                             .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT};
  if (with_word) {
    vk->CmdPipelineBarrier(w->commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &barrier, 0,
                           NULL, 0, NULL);
    vk->CmdFillBuffer(w->commands, w->buffer, 0, 4, (uint32_t)w->last);
  }
  vk->CmdPipelineBarrier(w->commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL,
                         0, NULL);
  gpu_check(vk->EndCommandBuffer(w->commands), "vkEndCommandBuffer");
}

static uint64_t reached(work *w) {
  uint64_t value;
  gpu_check(w->gpu.vk.GetSemaphoreCounterValue(w->gpu.device, w->timeline, &value), "vkGetSemaphoreCounterValue");
  return value;
}

static void run(work *w, int with_word) {
  w->last++;
  record(w, with_word);
  VkTimelineSemaphoreSubmitInfo values = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                          .signalSemaphoreValueCount = 1, .pSignalSemaphoreValues = &w->last};
  VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .pNext = &values, .commandBufferCount = 1,
                       .pCommandBuffers = &w->commands, .signalSemaphoreCount = 1, .pSignalSemaphores = &w->timeline};
  gpu_check(w->gpu.vk.QueueSubmit(w->gpu.queue, 1, &info, NULL), "vkQueueSubmit");
  if (with_word) {
    while (*w->word != (uint32_t)w->last) bench_relax();
  } else {
    while (reached(w) < w->last) bench_relax();
  }
}

static void measure(work *w, int with_word, size_t count, double *samples) {
  size_t warm = count / 10 + 1;
  for (size_t i = 0; i < warm + count; i++) {
    uint64_t start = bench_now();
    run(w, with_word);
    if (i >= warm) samples[i - warm] = (double)(bench_now() - start) / 1000;
    while (reached(w) < w->last); /* the command buffer is free, off the clock */
  }
  bench_print(with_word ? "word" : "timeline", samples, count, 0.99, with_word ? "{" : ",");
}

int main(int argc, char **argv) {
  if (bench_usage(argc, 5, "gpu_submit CPU CPU COUNT UUID")) return 2;
  size_t count = (size_t)atoll(argv[3]);
  double *samples = calloc(count + 1, sizeof *samples);
  if (!count || !samples) return bench_usage(0, 1, "a count");
  alarm(BENCH_LIMIT_S);
  work w = {.last = 0};
  gpu_open(argv[4], &w.gpu); /* before the pin: the driver has threads of its own */
  make_pipeline(&w);
  make_word(&w);
  make_work(&w);
  bench_pin(argv[1]);
  measure(&w, 1, count, samples);
  measure(&w, 0, count, samples);
  puts("}");
  return 0;
}
