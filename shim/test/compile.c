/*
 * Compiles on threads of the shim, with a driver whose compiles end when the test ends them: what the caller may do
 * meanwhile, and that each object is freed exactly once. No thread is the driver's, so ThreadSanitizer sees all of
 * them.
 */
#include "gpu/compile.h"

#include <stdatomic.h>

#include "adder.h"
#include "base/handle.h"
#include "gpu/device.h"
#include "gpu/pipeline.h"
#include "test.h"

/* ---- the driver ---- */

#define LIVE 7 /* the one byte of an object */

static _Atomic int32_t objects; /* made and not destroyed */
static _Atomic uint32_t begun, ended, running_max, allowed, devices_destroyed;
static _Atomic VkResult outcome;
static _Atomic int several; /* several devices exist at the same time */

static void *make_object(void) {
  atomic_fetch_add(&objects, 1);
  char *object = malloc(1);
  CHECK(object != NULL);
  *object = LIVE;
  return object;
}

static void check_live(const void *object) { CHECK_EQ(*(const volatile char *)object, LIVE); }

static void destroy_object(void *object) {
  check_live(object);
  *(char *)object = 0;
  atomic_fetch_sub(&objects, 1);
  free(object);
}

#define OBJECT(name)                                                                                                 \
  static VkResult create_##name(VkDevice d, const Vk##name##CreateInfo *i, const VkAllocationCallbacks *a, Vk##name *out) { \
    (void)d, (void)i, (void)a;                                                                                       \
    *out = make_object();                                                                                            \
    return VK_SUCCESS;                                                                                               \
  }                                                                                                                  \
  static void destroy_##name(VkDevice d, Vk##name object, const VkAllocationCallbacks *a) {                          \
    (void)d, (void)a;                                                                                                \
    destroy_object(object);                                                                                          \
  }
OBJECT(DescriptorSetLayout)
OBJECT(PipelineLayout)
OBJECT(DescriptorPool)
OBJECT(ShaderModule)

/* A compile of the driver, which ends when the test allows one more. */
static VkResult create_pipelines(VkDevice d, VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo *info,
                                 const VkAllocationCallbacks *a, VkPipeline *out) {
  (void)d, (void)cache, (void)a;
  CHECK_EQ(count, 1);
  uint32_t running = atomic_fetch_add(&begun, 1) + 1 - atomic_load(&ended), most = atomic_load(&running_max);
  while (running > most && !atomic_compare_exchange_weak(&running_max, &most, running)) {}
  for (uint32_t left = 0; !left || !atomic_compare_exchange_weak(&allowed, &left, left - 1); left = atomic_load(&allowed))
    test_yield();
  check_live(info->layout);
  check_live(info->stage.module);
  VkResult result = atomic_load(&outcome);
  if (result == VK_SUCCESS) *out = make_object();
  atomic_fetch_add(&ended, 1);
  return result;
}

static void destroy_pipeline(VkDevice d, VkPipeline pipeline, const VkAllocationCallbacks *a) {
  (void)d, (void)a;
  destroy_object(pipeline);
}

static void destroy_device(VkDevice d, const VkAllocationCallbacks *a) {
  (void)d, (void)a;
  if (!several) CHECK_EQ(atomic_load(&objects), 0);
  atomic_fetch_add(&devices_destroyed, 1);
}

static void properties_of(VkPhysicalDevice physical, VkPhysicalDeviceProperties *out) {
  (void)physical;
  memset(out, 0, sizeof *out);
  VkPhysicalDeviceLimits *limits = &out->limits;
  limits->maxPerStageDescriptorStorageBuffers = LF_BINDINGS_MAX;
  limits->maxComputeWorkGroupInvocations = 1;
  for (int i = 0; i < 3; i++) limits->maxComputeWorkGroupSize[i] = limits->maxComputeWorkGroupCount[i] = 1;
}

static void tear_down(lf_device *device) {
  device->vk.DestroyDevice(device->device, NULL);
  lf_vulkan_release(device->vulkan);
  free(device);
}

static void release_device(void *object) { lf_device_release(object); }

/* The handle of a device on the driver above, without a queue. */
static int32_t device_of(void) {
  lf_vulkan *vulkan = calloc(1, sizeof *vulkan);
  lf_device *device = calloc(1, sizeof *device);
  CHECK(vulkan != NULL && device != NULL);
  vulkan->references = device->references = 1;
  vulkan->vk.GetPhysicalDeviceProperties = properties_of;
  device->vulkan = vulkan;
  device->teardown = tear_down;
  snprintf(device->info.name, sizeof device->info.name, "the test's driver");
#define USE(name)                       \
  device->vk.Create##name = create_##name; \
  device->vk.Destroy##name = destroy_##name;
  USE(DescriptorSetLayout)
  USE(PipelineLayout)
  USE(DescriptorPool)
  USE(ShaderModule)
  device->vk.CreateComputePipelines = create_pipelines;
  device->vk.DestroyPipeline = destroy_pipeline;
  device->vk.DestroyDevice = destroy_device;
  return CHECK_OK(lf_handle_make(LF_KIND_DEVICE, device, release_device));
}

/* ---- the tests ---- */

static int32_t start(int32_t device) {
  return CHECK_OK(lf_pipeline_create(device, adder, sizeof adder, 2, sizeof(uint32_t)));
}

static void until(_Atomic uint32_t *count, uint32_t wanted) {
  while (atomic_load(count) < wanted) test_yield();
}

/* No compile is in flight, and nothing of `devices` devices is left. */
static void check_freed(uint32_t devices) {
  while (lf_compile_threads() > 0) test_yield();
  CHECK_EQ(atomic_load(&objects), 0);
  CHECK_EQ(atomic_load(&devices_destroyed), devices);
  CHECK_EQ(atomic_load(&begun), atomic_load(&ended));
  atomic_store(&begun, 0);
  atomic_store(&ended, 0);
  atomic_store(&allowed, 0);
  atomic_store(&devices_destroyed, 0);
  atomic_store(&running_max, 0);
}

static int32_t ready(int32_t pipeline) {
  int32_t status;
  while ((status = lf_pipeline_ready(pipeline)) == 0) test_yield();
  return status;
}

static int32_t dispatch(int32_t device, int32_t pipeline) {
  const int32_t memories[2] = {0, 0};
  const uint32_t addend = 1;
  double value;
  return lf_queue_dispatch(device, pipeline, memories, 2, &addend, sizeof addend, 1, 1, 1, &value);
}

static void not_ready_until_compiled(void) {
  int32_t device = device_of(), pipeline = start(device);
  until(&begun, 1);
  for (int i = 0; i < 100; i++) CHECK_EQ(lf_pipeline_ready(pipeline), 0);
  CHECK_EQ(dispatch(device, pipeline), LF_EINVALID_ARGUMENT);
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  CHECK(strstr(last.text, "still compiling") != NULL);
  atomic_store(&allowed, 1);
  CHECK_EQ(ready(pipeline), 1);
  CHECK_EQ(dispatch(device, pipeline), LF_ECLOSED); /* of the memories: the pipeline is taken */
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  CHECK_EQ(lf_pipeline_ready(pipeline), LF_ECLOSED);
  CHECK_EQ(lf_device_close(device), LF_OK);
  check_freed(1);
}

static void failure_is_the_callers(void) {
  static const struct {
    VkResult result;
    int32_t status;
  } cases[] = {{VK_ERROR_INVALID_SHADER_NV, LF_ESHADER_INVALID},
               {VK_ERROR_OUT_OF_HOST_MEMORY, LF_EHOST_OUT_OF_MEMORY},
               {VK_ERROR_OUT_OF_DEVICE_MEMORY, LF_EGPU_OUT_OF_MEMORY},
               {VK_ERROR_UNKNOWN, LF_ESYSTEM}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t device = device_of();
    atomic_store(&outcome, cases[i].result);
    atomic_store(&allowed, 1);
    int32_t pipeline = start(device);
    for (int again = 0; again < 2; again++) {
      lf_status last;
      CHECK_EQ(ready(pipeline), cases[i].status);
      CHECK_EQ(lf_status_last(&last), LF_OK);
      CHECK_EQ(last.native_status, cases[i].result);
      CHECK_EQ(strcmp(last.api, "vkCreateComputePipelines"), 0);
    }
    CHECK_EQ(dispatch(device, pipeline), cases[i].status);
    CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
    CHECK_EQ(lf_device_close(device), LF_OK);
    check_freed(1);
  }
  atomic_store(&outcome, VK_SUCCESS);
}

static void closed_while_compiling(void) {
  for (int i = 0; i < 200; i++) {
    int32_t device = device_of(), pipeline = start(device);
    atomic_store(&outcome, i % 3 ? VK_SUCCESS : VK_ERROR_UNKNOWN);
    if (i % 2) until(&begun, 1);
    atomic_store(&allowed, i % 4 < 2); /* before the close, and after it */
    CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
    atomic_store(&allowed, 1);
    while (lf_compile_threads() > 0) test_yield();
    CHECK_EQ(atomic_load(&objects), 0);
    CHECK_EQ(atomic_load(&devices_destroyed), 0);
    CHECK_EQ(lf_device_close(device), LF_OK);
    check_freed(1);
  }
  atomic_store(&outcome, VK_SUCCESS);
}

/* The device stays until the compile has ended, whichever handle is closed first. */
static void device_closed_while_compiling(void) {
  for (int i = 0; i < 200; i++) {
    int32_t device = device_of(), pipeline = start(device);
    if (i % 2) until(&begun, 1);
    if (i % 4 < 2) CHECK_EQ(lf_device_close(device), LF_OK);
    CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
    if (i % 4 >= 2) CHECK_EQ(lf_device_close(device), LF_OK);
    if (i % 2) CHECK_EQ(atomic_load(&devices_destroyed), 0);
    atomic_store(&allowed, 1);
    check_freed(1);
  }
  /* The pipeline of a closed device can still be asked for. */
  int32_t device = device_of(), pipeline = start(device);
  CHECK_EQ(lf_device_close(device), LF_OK);
  atomic_store(&allowed, 1);
  CHECK_EQ(ready(pipeline), 1);
  CHECK_EQ(lf_pipeline_close(pipeline), LF_OK);
  check_freed(1);
}

/* More than can run: the others wait, and one that is closed meanwhile is never compiled. */
static void limit(void) {
  enum { COUNT = LF_COMPILES_MAX + 3 };
  int32_t device = device_of(), pipelines[COUNT];
  for (int i = 0; i < COUNT; i++) pipelines[i] = start(device);
  until(&begun, LF_COMPILES_MAX);
  CHECK_EQ(lf_compile_threads(), LF_COMPILES_MAX);
  CHECK_EQ(lf_pipeline_close(pipelines[COUNT - 1]), LF_OK);
  for (int i = 0; i < COUNT - 1; i++) CHECK_EQ(lf_pipeline_ready(pipelines[i]), 0);
  atomic_store(&allowed, COUNT);
  for (int i = 0; i < COUNT - 1; i++) {
    CHECK_EQ(ready(pipelines[i]), 1);
    CHECK_EQ(lf_pipeline_close(pipelines[i]), LF_OK);
  }
  CHECK_EQ(lf_device_close(device), LF_OK);
  while (lf_compile_threads() > 0) test_yield();
  CHECK_EQ(atomic_load(&begun), COUNT - 1);
  CHECK(atomic_load(&running_max) <= LF_COMPILES_MAX);
  check_freed(1);
}

static void leaves_it(void *unused) {
  (void)unused;
  start(device_of());
  until(&begun, 1);
}

/* A thread's end closes its objects, and does not wait for the compile. */
static void thread_ends_while_compiling(void) {
  for (int i = 0; i < 50; i++) {
    test_thread thread;
    test_start(&thread, leaves_it, NULL);
    test_join(&thread);
    CHECK_EQ(atomic_load(&devices_destroyed), 0);
    atomic_store(&allowed, 1);
    check_freed(1);
  }
}

/* Threads with a device each, at the same time. */
static void churns(void *seed) {
  test_random random = {(uint64_t)(uintptr_t)seed};
  for (int i = 0; i < 100; i++) {
    int32_t device = device_of(), pipelines[3];
    for (int j = 0; j < 3; j++) pipelines[j] = start(device);
    uint64_t first = test_below(&random, 3);
    if (test_below(&random, 2)) CHECK_EQ(ready(pipelines[first]), 1);
    CHECK_EQ(lf_pipeline_close(pipelines[first]), LF_OK);
    if (test_below(&random, 2)) CHECK_EQ(ready(pipelines[(first + 1) % 3]), 1);
    CHECK_EQ(lf_device_close(device), LF_OK);
    for (int j = 1; j < 3; j++) CHECK_EQ(lf_pipeline_close(pipelines[(first + (uint64_t)j) % 3]), LF_OK);
  }
}

static void many_threads(void) {
  test_thread threads[4];
  atomic_store(&allowed, UINT32_MAX / 2);
  atomic_store(&several, 1);
  for (uintptr_t i = 0; i < 4; i++) test_start(&threads[i], churns, (void *)(i + 1));
  for (int i = 0; i < 4; i++) test_join(&threads[i]);
  check_freed(400);
  atomic_store(&several, 0);
}

#if !defined(_WIN32)
static void allow_at_exit(void) { atomic_store(&allowed, 1); }

static void check_at_exit(void) {
  if (atomic_load(&ended) == 1) printf("ok exit_waits_for_compiles\n");
  else test_fail(__FILE__, __LINE__, "the process ends while a compile runs");
}
#endif

int main(void) {
#if !defined(_WIN32)
  atexit(check_at_exit); /* before the first compile: called after the shim's own function */
#endif
  RUN(not_ready_until_compiled);
  RUN(failure_is_the_callers);
  RUN(closed_while_compiling);
  RUN(device_closed_while_compiling);
  RUN(limit);
  RUN(thread_ends_while_compiling);
  RUN(many_threads);
#if !defined(_WIN32)
  atexit(allow_at_exit); /* called before it */
  start(device_of());
  until(&begun, 1);
#endif
  return 0;
}
