/*
 * The bare driver calls behind GPU memory that can be shared: vkAllocateMemory (exportable, dedicated to its buffer) and
 * vkBindBufferMemory; and the same two for the import of such memory.
 */
#include "gpu.h"

static VkDeviceMemory bind(bench_gpu *gpu, VkBuffer buffer, VkMemoryRequirements needs, const void *kind) {
  VkMemoryDedicatedAllocateInfo dedicated = {.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .pNext = kind,
                                             .buffer = buffer};
  VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .pNext = &dedicated,
                               .allocationSize = needs.size,
                               .memoryTypeIndex = gpu_type(gpu, needs.memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)};
  VkDeviceMemory memory;
  gpu_check(gpu->vk.AllocateMemory(gpu->device, &info, NULL, &memory), "vkAllocateMemory");
  gpu_check(gpu->vk.BindBufferMemory(gpu->device, buffer, memory, 0), "vkBindBufferMemory");
  return memory;
}

static VkDeviceMemory allocate(bench_gpu *gpu, VkBuffer buffer, VkMemoryRequirements needs) {
  VkExportMemoryAllocateInfo kind = {.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
                                     .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT};
  return bind(gpu, buffer, needs, &kind);
}

static void import(bench_gpu *gpu, VkBuffer buffer, VkMemoryRequirements needs, int fd) {
  VkImportMemoryFdInfoKHR kind = {.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
                                  .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT, .fd = fd};
  bind(gpu, buffer, needs, &kind);
}

static int exported(bench_gpu *gpu, VkDeviceMemory memory) {
  VkMemoryGetFdInfoKHR info = {.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, .memory = memory,
                               .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT};
  int fd;
  gpu_check(gpu->vk.GetMemoryFdKHR(gpu->device, &info, &fd), "vkGetMemoryFdKHR");
  return fd;
}

int main(int argc, char **argv) {
  if (bench_usage(argc, 6, "gpu_alloc CPU CPU BYTES COUNT UUID")) return 2;
  VkDeviceSize bytes = (VkDeviceSize)atoll(argv[3]);
  size_t count = (size_t)atoll(argv[4]), warm = count / 10 + 1;
  double *allocating = calloc(count + 1, sizeof *allocating), *importing = calloc(count + 1, sizeof *importing);
  VkDeviceMemory *made = calloc(warm + count, sizeof *made);
  if (!bytes || !count || !allocating || !importing || !made) return bench_usage(0, 1, "a size and a count");
  alarm(BENCH_LIMIT_S);
  bench_pin(argv[1]);
  bench_gpu gpu;
  gpu_open(argv[5], &gpu);
  VkMemoryRequirements needs;
  for (size_t i = 0; i < warm + count; i++) {
    VkBuffer buffer = gpu_buffer(&gpu, bytes, 1, &needs);
    uint64_t start = bench_now();
    made[i] = allocate(&gpu, buffer, needs);
    if (i >= warm) allocating[i - warm] = (double)(bench_now() - start) / 1000;
  }
  for (size_t i = 0; i < warm + count; i++) {
    int fd = exported(&gpu, made[i]);
    VkBuffer buffer = gpu_buffer(&gpu, bytes, 1, &needs);
    uint64_t start = bench_now();
    import(&gpu, buffer, needs, fd);
    if (i >= warm) importing[i - warm] = (double)(bench_now() - start) / 1000;
  }
  bench_print("bare", allocating, count, 0.99, "{");
  bench_print("bare-import", importing, count, 0.99, ",");
  puts("}");
  return 0;
}
