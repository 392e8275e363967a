/* Vulkan's library and its GPUs: descriptions, and the failures when there is none. */
#include "process_posix.h"
#include "queues.h"

static void refused(const char *variable, const char *value, const char *words) {
  CHECK_EQ(setenv(variable, value, 1), 0);
  CHECK_EQ(lf_vulkan_open(), LF_EGPU_DEVICE_NOT_FOUND);
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  if (!strstr(last.text, words)) test_fail(__FILE__, __LINE__, "\"%s\" is not in \"%s\"", words, last.text);
}

static void no_library(void) {
  const char *before = getenv("LAVA_FLOW_VULKAN");
  char *kept = before ? strdup(before) : NULL;
  refused("LAVA_FLOW_VULKAN", "off", "LAVA_FLOW_VULKAN is \"off\"");
  refused("LAVA_FLOW_VULKAN", "/nowhere/libvulkan.so.1", "/nowhere/libvulkan.so.1");
#if defined(__linux__)
  refused("LAVA_FLOW_VULKAN", "libc.so.6", "");
#endif
  if (kept) setenv("LAVA_FLOW_VULKAN", kept, 1);
  else unsetenv("LAVA_FLOW_VULKAN");
  free(kept);
}

static void messages_that_cannot_be_kept(void) {
  const char *before = getenv("LAVA_FLOW_VALIDATION");
  char *kept = before ? strdup(before) : NULL;
  refused("LAVA_FLOW_VALIDATION", "/nowhere/messages", "LAVA_FLOW_VALIDATION");
  if (kept) setenv("LAVA_FLOW_VALIDATION", kept, 1);
  else unsetenv("LAVA_FLOW_VALIDATION");
  free(kept);
}

static void described(void) {
  int32_t count = CHECK_OK(lf_vulkan_count(vulkan));
  CHECK(count > 0);
  for (int32_t i = 0; i < count; i++) {
    lf_gpu_info info;
    CHECK_EQ(lf_vulkan_describe(vulkan, i, &info), LF_OK);
    CHECK(*info.name && info.api_version >= 1u << 22);
    CHECK(info.type >= LF_GPU_DISCRETE && info.type <= LF_GPU_OTHER);
    if (*info.missing) {
      CHECK_EQ(lf_device_open(vulkan, i), LF_EGPU_DEVICE_NOT_FOUND);
      continue;
    }
    CHECK(info.external_memory && *info.driver);
    CHECK(info.heap_bytes > 0 && info.allocation_max > 0 && info.allocation_max <= info.heap_bytes);
  }
  lf_gpu_info info;
  const int32_t nowhere[] = {-1, count, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
    CHECK_EQ(lf_vulkan_describe(vulkan, nowhere[i], &info), LF_EGPU_DEVICE_NOT_FOUND);
    CHECK_EQ(lf_device_open(vulkan, nowhere[i]), LF_EGPU_DEVICE_NOT_FOUND);
  }
  CHECK_EQ(lf_vulkan_describe(vulkan, 0, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_vulkan_count(device), LF_ECLOSED);
  CHECK_EQ(lf_device_open(device, 0), LF_ECLOSED);
}

static void available_bytes(void) {
  double available = 0;
  CHECK_EQ(lf_device_available(device, &available), LF_OK);
  CHECK(gpu->has_budget ? available >= 0 : available == -1);
  CHECK_EQ(lf_device_available(device, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_device_available(vulkan, &available), LF_ECLOSED);
}

/* Two devices of one GPU, each from an instance of its own: closing one leaves the other as it is. */
static void devices_share_nothing(void) {
  int32_t other_vulkan = CHECK_OK(lf_vulkan_open()), other = CHECK_OK(lf_device_open(other_vulkan, 0));
  lf_memory_info memory;
  CHECK_EQ(lf_memory_allocate_gpu(other, 65536, 0, &memory), LF_OK);
  double value;
  CHECK_EQ(lf_queue_fill(device, memory.handle, 0, 4, 1, &value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_memory_close(memory.handle), LF_OK);
  CHECK_EQ(lf_device_close(other), LF_OK);
  CHECK_EQ(lf_vulkan_close(other_vulkan), LF_OK);
  int32_t mine = memory_of(4096);
  CHECK_EQ(lf_queue_fill(device, mine, 0, 4096, 7, &value), 1);
  wait_for(value);
  CHECK_EQ(lf_memory_close(mine), LF_OK);
}

static void kept_open_by_its_devices(void) {
  int32_t instance = CHECK_OK(lf_vulkan_open()), opened = CHECK_OK(lf_device_open(instance, 0));
  CHECK_EQ(lf_vulkan_close(instance), LF_OK);
  CHECK_EQ(lf_vulkan_close(instance), LF_ECLOSED);
  lf_memory_info memory;
  CHECK_EQ(lf_memory_allocate_gpu(opened, 4096, 1, &memory), LF_OK);
  CHECK_EQ(lf_device_close(opened), LF_OK);
  CHECK_EQ(lf_device_close(opened), LF_ECLOSED);
  CHECK_EQ(lf_memory_allocate_gpu(opened, 4096, 1, &memory), LF_ECLOSED);
  CHECK_EQ(lf_memory_close(memory.handle), LF_OK);
}

/* A lost GPU fails everything, and is closed like any other. */
static void lost(void) {
  int32_t memory = memory_of(4096);
  gpu->lost = 1;
  lf_memory_info info;
  double value;
  int64_t os;
  CHECK_EQ(lf_memory_allocate_gpu(device, 4096, 0, &info), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_memory_allocate_pinned(device, 4096, &info), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_memory_export(memory, &os), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_queue_fill(device, memory, 0, 4, 0, &value), LF_EGPU_DEVICE_LOST);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  queue_reopen();
  memory = memory_of(4096);
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

static void descriptors_come_back(void) {
  int before = test_open_descriptors();
  for (int i = 0; i < 3; i++) {
    int32_t instance = CHECK_OK(lf_vulkan_open()), opened = CHECK_OK(lf_device_open(instance, 0));
    CHECK_EQ(lf_device_close(opened), LF_OK);
    CHECK_EQ(lf_vulkan_close(instance), LF_OK);
  }
  CHECK_EQ(test_open_descriptors(), before);
}

int main(void) {
  RUN(no_library);
  if (!queue_open()) return 0;
  RUN(messages_that_cannot_be_kept);
  RUN(described);
  RUN(available_bytes);
  RUN(devices_share_nothing);
  RUN(kept_open_by_its_devices);
  RUN(lost);
  RUN(descriptors_come_back);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
