/* GPU memory: sizes, reuse, exhaustion, and frees while work is in flight. */
#include "gpu/block_cache.c"
#include "gpu/parts.h"

#include <math.h>

#include "base/handle.h"
#include "queues.h"

/* The smallest memory with an allocation of its own. */
#define LARGE ((double)LF_PART_BYTES_MAX + 1)

static lf_gpu_memory *inside(int32_t memory) {
  lf_gpu_memory *found = lf_memory_gpu(memory);
  CHECK(found != NULL);
  return found;
}

static void sizes(void) {
  static const double good[] = {1, 15, 16, 17, 4095, 4096, 65537, 1000000, 1048576, 1048577};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    for (int host_visible = 0; host_visible < 2; host_visible++) {
      lf_memory_info info;
      CHECK_EQ(lf_memory_allocate_gpu(device, good[i], host_visible, &info), LF_OK);
      CHECK_EQ(info.size, good[i]);
      CHECK_EQ(info.strategy, LF_MEMORY_GPU);
      CHECK(info.allocated >= info.size);
      CHECK_EQ(info.address != 0, host_visible);
      /* Some GPUs map memory that they cannot share. */
      CHECK_EQ(info.page_bytes, host_visible && gpu->type_local_mapped != UINT32_MAX);
      CHECK_EQ(info.beyond_bar, 0);
      uint64_t bytes = inside(info.handle)->bytes;
      CHECK(bytes >= info.size && (bytes <= 80 || (double)bytes <= 1.25 * good[i] + OPENGL_REST));
      if (host_visible) {
        uint8_t *at = (uint8_t *)(uintptr_t)info.address;
        test_fill(at, (size_t)info.size / 8 * 8, i);
        CHECK_EQ(test_differs(at, (size_t)info.size / 8 * 8, i), (size_t)info.size / 8 * 8);
      }
      CHECK_EQ(lf_memory_close(info.handle), LF_OK);
      CHECK_EQ(lf_memory_close(info.handle), LF_ECLOSED);
    }
  }
}

static void bad_arguments(void) {
  static const double bad[] = {0, -1, 0.5, 4096.5, NAN, INFINITY, -INFINITY, 1e300};
  lf_memory_info info;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK_EQ(lf_memory_allocate_gpu(device, bad[i], 0, &info), LF_EINVALID_ARGUMENT);
    CHECK_EQ(lf_memory_allocate_pinned(device, bad[i], &info), LF_EINVALID_ARGUMENT);
  }
  CHECK_EQ(lf_memory_allocate_gpu(device, 1, 0, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_memory_allocate_pinned(device, 1, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_memory_allocate_gpu(vulkan, 1, 0, &info), LF_ECLOSED);
  CHECK_EQ(lf_memory_allocate_pinned(vulkan, 1, &info), LF_ECLOSED);
  int32_t memory = memory_of(4096), node;
  CHECK_EQ(lf_memory_nodes(memory, 1, &node), LF_EINVALID_ARGUMENT);
  CHECK(lf_memory_segment(memory, NULL) == NULL);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_memory_allocate(LF_MEMORY_STANDARD, 4096, -1, &info), LF_OK);
  CHECK(lf_memory_gpu(info.handle) == NULL);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
}

static void reused_by_size(void) {
  lf_block_cache_empty(gpu);
  int32_t memory = memory_of(1000000);
  VkDeviceMemory first = inside(memory)->memory;
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(gpu->cache->count, 1);

  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_gpu(device, 1000000, 1, &info), LF_OK); /* of another kind */
  CHECK_EQ(gpu->cache->count, 1);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
  int32_t larger = memory_of(1048577), smaller = memory_of(800000);
  CHECK_EQ(gpu->cache->count, 2);
  memory = memory_of(1048576); /* the same class */
  CHECK_EQ(gpu->cache->count, 1);
  CHECK(inside(memory)->memory == first);
  CHECK_EQ(inside(memory)->size, 1048576);
  CHECK_EQ(lf_memory_close(larger), LF_OK);
  CHECK_EQ(lf_memory_close(smaller), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

/* Memory that another process may have, and memory of another owner, is never reused. */
static void not_reused(void) {
  lf_block_cache_empty(gpu);
  int32_t memory = memory_of(LARGE);
  int64_t os;
  CHECK_EQ(lf_memory_export(memory, &os), LF_OK);
  CHECK_EQ(lf_os_handle_close(os), LF_OK);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(gpu->cache->count, 0);
  if (!gpu->info.host_import) return;
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_pinned(device, 4096, &info), LF_OK);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
  CHECK_EQ(gpu->cache->count, 0);
}

static void cache_is_bounded(void) {
  int32_t memories[BLOCKS_MAX + 20];
  const int count = BLOCKS_MAX + 20;
  for (int i = 0; i < count; i++) memories[i] = memory_of(LARGE);
  for (int i = 0; i < count; i++) CHECK_EQ(lf_memory_close(memories[i]), LF_OK);
  CHECK_EQ(gpu->cache->count, BLOCKS_MAX);

  uint64_t limit = gpu->cache->limit;
  gpu->cache->limit = 2 << 20;
  for (int i = 0; i < 3; i++) memories[i] = memory_of(1000000 + i * 100000);
  for (int i = 0; i < 3; i++) CHECK_EQ(lf_memory_close(memories[i]), LF_OK);
  CHECK(gpu->cache->bytes <= gpu->cache->limit && gpu->cache->count > 0);
  int32_t large = memory_of(4 << 20); /* more than all of it */
  uint32_t before = gpu->cache->count;
  CHECK_EQ(lf_memory_close(large), LF_OK);
  CHECK_EQ(gpu->cache->count, before);
  gpu->cache->limit = limit;
  lf_block_cache_empty(gpu);
  CHECK_EQ(gpu->cache->count, 0);
  CHECK_EQ(gpu->cache->bytes, 0);
}

static void out_of_memory(void) {
  lf_memory_info info;
  lf_status last;
  CHECK_EQ(lf_memory_allocate_gpu(device, gpu->info.allocation_max + 1, 0, &info), LF_EGPU_OUT_OF_MEMORY);
  CHECK_EQ(lf_memory_close(memory_of(LARGE)), LF_OK);
  CHECK(gpu->cache->count > 0);
  int32_t memories[256], count = 0, status = LF_OK;
  while (count < 256) {
    status = lf_memory_allocate_gpu(device, gpu->info.allocation_max, 0, &info);
    if (status < 0) break;
    memories[count++] = info.handle;
  }
  lf_status_last(&last);
  CHECK_EQ(status, LF_EGPU_OUT_OF_MEMORY);
  CHECK(strstr(last.text, "asked for") != NULL);
  CHECK_EQ(gpu->cache->count, 0); /* was tried before giving up */
  while (count) CHECK_EQ(lf_memory_close(memories[--count]), LF_OK);
  CHECK_EQ(lf_memory_close(memory_of(1 << 20)), LF_OK);
}

/* A semaphore blocks the work that uses the memory, so that all steps below happen before the work ends. */
static lf_semaphore *blocker;
static double use_behind_blocker(int32_t memory) {
  VkCommandBuffer commands;
  uint64_t value;
  CHECK_EQ(lf_queue_begin(gpu, 1, &commands), LF_OK);
  CHECK_EQ(lf_queue_await(gpu, blocker, 1), LF_OK);
  CHECK_EQ(lf_queue_use(gpu, inside(memory)), LF_OK);
  gpu->vk.CmdFillBuffer(commands, inside(memory)->buffer, inside(memory)->start, 4096, 0x01020304);
  CHECK_EQ(lf_queue_end(gpu, &value), 1);
  return (double)value;
}

static void freed_in_flight(void) {
  lf_block_cache_empty(gpu);
  blocker = timeline_of();
  int32_t memory = memory_of(LARGE);
  VkDeviceMemory used = inside(memory)->memory;
  double value = use_behind_blocker(memory);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(gpu->cache->count, 0);
  CHECK(gpu->cache->waiting != NULL);
  memory = memory_of(LARGE);
  CHECK(inside(memory)->memory != used);

  signal_from_host(blocker, 1);
  wait_for(value);
  int32_t again = memory_of(LARGE);
  CHECK(inside(again)->memory == used);
  CHECK(gpu->cache->waiting == NULL);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  CHECK_EQ(lf_memory_close(again), LF_OK);
  timeline_gone(blocker);
}

static void pinned(void) {
  if (!test_requires("vulkan", gpu->info.host_import, "the driver has no VK_EXT_external_memory_host")) return;
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_pinned(device, 10000, &info), LF_OK);
  CHECK_EQ(info.size, 10000);
  CHECK_EQ(info.strategy, LF_MEMORY_GPU_PINNED);
  CHECK_EQ(info.pinned_by, LF_PINNED_BY_VULKAN);
  CHECK(info.address != 0 && info.allocated >= 12288 && info.page_bytes >= 4096);
  uint8_t *bytes = (uint8_t *)(uintptr_t)info.address;
  for (int i = 0; i < 10000; i++) CHECK_EQ(bytes[i], 0);
  int32_t memory = memory_of(10000);
  test_fill(bytes, 10000, 5);
  double value;
  CHECK_EQ(lf_queue_copy(device, info.handle, 0, memory, 0, 10000, &value), 1);
  wait_for(value);
  memset(bytes, 0, 10000);
  CHECK_EQ(lf_queue_copy(device, memory, 0, info.handle, 0, 10000, &value), 1);
  wait_for(value);
  CHECK_EQ(test_differs(bytes, 10000, 5), 10000);
  int64_t os;
  CHECK_EQ(lf_memory_export(info.handle, &os), LF_EEXTERNAL_MEMORY_UNSUPPORTED);
  CHECK_EQ(lf_memory_close(memory), LF_OK);

  /* Its pages stay until the work has ended. */
  blocker = timeline_of();
  value = use_behind_blocker(info.handle);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
  CHECK_EQ(test_differs(bytes, 10000, 5), 10000);
  signal_from_host(blocker, 1);
  wait_for(value);
  timeline_gone(blocker);
  CHECK(gpu->cache->waiting == NULL);
}

/* If neither Vulkan nor CUDA can pin, the failure has the reasons of both. */
static void not_pinned(void) {
  const uint64_t alignment = gpu->host_import_alignment;
  uint8_t uuid[LF_UUID_BYTES];
  lf_memory_info info;
  lf_status last;
  gpu->host_import_alignment = 0;
  memcpy(uuid, gpu->info.device_uuid, sizeof uuid);
  memset(gpu->info.device_uuid, 0xee, sizeof uuid); /* CUDA has no such GPU */
  CHECK_EQ(lf_memory_allocate_pinned(device, 10000, &info), LF_EGPU_PINNING_FAILED);
  lf_status_last(&last);
  CHECK(strstr(last.text, "VK_EXT_external_memory_host") != NULL);
  CHECK(strstr(last.text, "; through CUDA: ") != NULL && last.text[strlen(last.text) - 2] != ':');
  memcpy(gpu->info.device_uuid, uuid, sizeof uuid);
  gpu->host_import_alignment = alignment;
}

/* ---- closing ---- */

typedef struct {
  int32_t vulkan, device, memory, pinned;
} things;

static things make_things(void) {
  things t = {.vulkan = CHECK_OK(lf_vulkan_open())};
  lf_memory_info info;
  t.device = CHECK_OK(lf_device_open(t.vulkan, 0));
  CHECK_EQ(lf_memory_allocate_gpu(t.device, 65536, 1, &info), LF_OK);
  t.memory = info.handle;
  CHECK_EQ(lf_memory_allocate_pinned(t.device, 65536, &info), LF_OK);
  t.pinned = info.handle;
  double value; /* of work that may be in flight when all is closed */
  CHECK_EQ(lf_queue_copy(t.device, t.memory, 0, t.pinned, 0, 65536, &value), 1);
  return t;
}

static void closed_in_every_order(void) {
  if (!test_requires("vulkan", gpu->info.host_import, "the driver has no VK_EXT_external_memory_host")) return;
  for (int order = 0; order < 24; order++) {
    things t = make_things();
    int left[4] = {0, 1, 2, 3};
    for (int i = 0, rest = order; i < 4; i++) {
      int at = rest % (4 - i), which = left[at];
      rest /= 4 - i;
      for (int j = at; j < 3; j++) left[j] = left[j + 1];
      switch (which) {
        case 0: CHECK_EQ(lf_vulkan_close(t.vulkan), LF_OK); break;
        case 1: CHECK_EQ(lf_device_close(t.device), LF_OK); break;
        case 2: CHECK_EQ(lf_memory_close(t.memory), LF_OK); break;
        default: CHECK_EQ(lf_memory_close(t.pinned), LF_OK); break;
      }
    }
  }
}

static things of_thread;
static void make_and_end(void *argument) {
  (void)argument;
  of_thread = make_things();
}

static void a_thread_takes_its_own(void) {
  if (!test_requires("vulkan", gpu->info.host_import, "the driver has no VK_EXT_external_memory_host")) return;
  test_thread thread;
  test_start(&thread, make_and_end, NULL);
  test_join(&thread);
  CHECK_EQ(lf_vulkan_count(of_thread.vulkan), LF_ECLOSED);
  CHECK_EQ(lf_device_close(of_thread.device), LF_ECLOSED);
  CHECK_EQ(lf_memory_close(of_thread.memory), LF_ECLOSED);
  CHECK_EQ(lf_memory_close(of_thread.pinned), LF_ECLOSED);
}

/* Mapped memory in host memory says whether its size is the reason. */
static void mapped_in_host_memory(void) {
  const uint32_t type = gpu->type_local_mapped;
  VkMemoryType *host = &gpu->memory.memoryTypes[gpu->type_readback];
  const VkFlags flags = host->propertyFlags;
  host->propertyFlags &= ~(VkFlags)VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  for (uint32_t beyond = 0; beyond < 2; beyond++) {
    lf_memory_info info;
    gpu->type_local_mapped = beyond ? gpu->type_readback : UINT32_MAX;
    CHECK_EQ(lf_memory_allocate_gpu(device, 3000000, 1, &info), LF_OK);
    CHECK(info.address != 0 && info.page_bytes == 0);
    CHECK_EQ(info.beyond_bar, beyond);
    CHECK_EQ(lf_memory_close(info.handle), LF_OK);
  }
  host->propertyFlags = flags;
  gpu->type_local_mapped = type;
}

/* BAR memory: written by the host, read by the GPU, never exported. */
static void window(void) {
  lf_block_cache_empty(gpu);
  static const double sizes[] = {4, 4096, 1000004};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const size_t size = (size_t)sizes[i];
    lf_memory_info info, back;
    int32_t status = lf_memory_allocate_bar(device, sizes[i], &info);
    if (status == LF_ENOT_HOST_VISIBLE) {
      CHECK(!gpu->info.host_visible);
      return;
    }
    CHECK_EQ(status, LF_OK);
    CHECK(info.address != 0 && info.page_bytes == 1 && info.beyond_bar == 0 && info.size == sizes[i]);
    test_fill((void *)(uintptr_t)info.address, size / 8 * 8, i);
    CHECK_EQ(lf_memory_allocate_gpu(device, sizes[i], 1, &back), LF_OK);
    double value;
    CHECK_EQ(lf_queue_copy(device, info.handle, 0, back.handle, 0, sizes[i], &value), 1);
    reach(value);
    CHECK_EQ(test_differs((void *)(uintptr_t)back.address, size / 8 * 8, i), size / 8 * 8);
    int64_t os;
    CHECK_EQ(lf_memory_export(info.handle, &os), LF_EEXTERNAL_MEMORY_UNSUPPORTED);
    CHECK_EQ(lf_memory_close(back.handle), LF_OK);
    uint32_t kept = gpu->cache->count;
    CHECK_EQ(lf_memory_close(info.handle), LF_OK);
    CHECK_EQ(gpu->cache->count, kept);
  }
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_bar(device, 0, &info), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_memory_allocate_bar(device, NAN, &info), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_memory_allocate_bar(device, 4096, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_memory_allocate_bar(vulkan, 4096, &info), LF_ECLOSED);
  /* No memory type is mapped: the allocation fails and leaves nothing allocated. */
  const VkPhysicalDeviceMemoryProperties types = gpu->memory;
  for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++)
    gpu->memory.memoryTypes[i].propertyFlags &= ~(VkFlags)VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
  CHECK_EQ(lf_memory_allocate_bar(device, 4096, &info), LF_ENOT_HOST_VISIBLE);
  gpu->memory = types;
}

/* A closed instance is reused by the next open, unless that names another library. */
static void instance_is_kept(void) {
  int32_t first = CHECK_OK(lf_vulkan_open());
  lf_vulkan *is = lf_handle_get(LF_KIND_VULKAN, first);
  VkInstance instance = is->instance;
  CHECK_OK(lf_vulkan_close(first));
  int32_t second = CHECK_OK(lf_vulkan_open()), other = CHECK_OK(lf_vulkan_open());
  CHECK(((lf_vulkan *)lf_handle_get(LF_KIND_VULKAN, second))->instance == instance);
  CHECK(((lf_vulkan *)lf_handle_get(LF_KIND_VULKAN, other))->instance != instance);
  CHECK_EQ(lf_vulkan_count(second), lf_vulkan_count(vulkan));
  CHECK_OK(lf_vulkan_close(second));
  CHECK_OK(lf_vulkan_close(other));
#if !defined(_WIN32)
  char *named = getenv("LAVA_FLOW_VULKAN");
  named = named ? strdup(named) : NULL;
  setenv("LAVA_FLOW_VULKAN", "/nowhere/libvulkan.so.1", 1);
  CHECK_EQ(lf_vulkan_open(), LF_EGPU_DEVICE_NOT_FOUND);
  if (named) setenv("LAVA_FLOW_VULKAN", named, 1);
  else unsetenv("LAVA_FLOW_VULKAN");
  free(named);
#endif
  second = CHECK_OK(lf_vulkan_open());
  CHECK(((lf_vulkan *)lf_handle_get(LF_KIND_VULKAN, second))->instance == instance);
  CHECK_OK(lf_vulkan_close(second));
}

int main(void) {
  if (!queue_open()) return 0;
  RUN(sizes);
  RUN(mapped_in_host_memory);
  RUN(window);
  RUN(instance_is_kept);
  RUN(bad_arguments);
  RUN(reused_by_size);
  RUN(not_reused);
  RUN(cache_is_bounded);
  RUN(out_of_memory);
  RUN(freed_in_flight);
  RUN(pinned);
  RUN(not_pinned);
  RUN(closed_in_every_order);
  RUN(a_thread_takes_its_own);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
