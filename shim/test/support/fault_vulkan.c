/*
 * The system's Vulkan library with bad luck on demand: a shared library for tests, named by LAVA_FLOW_VULKAN. What goes
 * wrong is said in LAVA_FAULT, or later in lava_fault(), as items between commas:
 *
 *   vkQueueSubmit=-4@3      from the third call on (without "@3": from the first) the function is not called, and this
 *                           VkResult returned; with 0 the call is swallowed, as by a GPU that hangs
 *   devices=0               there is no GPU
 *   api=1.1                 library and GPUs say that they are no newer
 *   uuid=0f…                32 hex digits: the UUID of each GPU. So two processes seem to have two GPUs
 *   no=VK_KHR_…             an extension that is not there
 *   no=timeline             no timeline semaphores
 *   no=external-memory, no=external-semaphore   the driver shares none
 *   misuse                  each buffer is made a second time, in a way that Vulkan forbids
 *   hazard                  each copy is recorded a second time, without a barrier between the two
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/vulkan_functions.h"

#define EXPORT __attribute__((visibility("default")))
#define ITEMS 16

typedef struct {
  char name[64];
  VkResult result;
  long from, calls;
} failure;

static struct {
  int no_devices, misuse, hazard;
  uint32_t api; /* 0: as it is */
  int has_uuid;
  uint8_t uuid[16];
  char missing[ITEMS][64];
  int missing_count;
  failure failures[ITEMS];
  int failure_count;
} plan;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the failures: other threads count calls */

/* ---- the requested faults ---- */

static void need(int condition, const char *item) {
  if (condition) return;
  fprintf(stderr, "fault_vulkan: \"%s\" can't be understood\n", item);
  abort();
}

static int can_fail(const char *name);

static void add(const char *item) {
  char key[64], value[64] = "";
  int used = 0;
  need(sscanf(item, "%63[^=]%n", key, &used) == 1, item);
  if (item[used] == '=') snprintf(value, sizeof value, "%s", item + used + 1);
  if (strcmp(key, "devices") == 0) {
    need(strcmp(value, "0") == 0, item);
    plan.no_devices = 1;
  } else if (strcmp(key, "api") == 0) {
    unsigned major, minor;
    need(sscanf(value, "%u.%u", &major, &minor) == 2, item);
    plan.api = major << 22 | minor << 12;
  } else if (strcmp(key, "uuid") == 0) {
    need(strlen(value) == 32, item);
    for (int i = 0; i < 16; i++) need(sscanf(value + 2 * i, "%2hhx", &plan.uuid[i]) == 1, item);
    plan.has_uuid = 1;
  } else if (strcmp(key, "no") == 0) {
    need(*value && plan.missing_count < ITEMS, item);
    strcpy(plan.missing[plan.missing_count++], value);
  } else if (strcmp(key, "misuse") == 0) {
    plan.misuse = 1;
  } else if (strcmp(key, "hazard") == 0) {
    plan.hazard = 1;
  } else {
    failure *f = &plan.failures[plan.failure_count];
    need(plan.failure_count < ITEMS && can_fail(key), item);
    *f = (failure){.from = 1};
    strcpy(f->name, key);
    need(sscanf(value, "%d@%ld", &f->result, &f->from) >= 1, item);
    plan.failure_count++;
  }
}

/* From now on this goes wrong, and nothing else. */
EXPORT void lava_fault(const char *items) {
  pthread_mutex_lock(&lock);
  memset(&plan, 0, sizeof plan);
  char copy[1024], *rest = NULL;
  snprintf(copy, sizeof copy, "%s", items);
  for (char *item = strtok_r(copy, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) add(item);
  pthread_mutex_unlock(&lock);
}

static int fails(const char *name, VkResult *out) {
  int found = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < plan.failure_count; i++) {
    failure *f = &plan.failures[i];
    if (strcmp(f->name, name) != 0 || ++f->calls < f->from) continue;
    *out = f->result;
    found = 1;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static int lacks(const char *what) {
  for (int i = 0; i < plan.missing_count; i++)
    if (strcmp(plan.missing[i], what) == 0) return 1;
  return 0;
}

static void *chained(void *chain, VkStructureType type) {
  typedef struct header {
    VkStructureType sType;
    struct header *pNext;
  } header;
  for (header *at = chain; at; at = at->pNext)
    if (at->sType == type) return at;
  return NULL;
}

/* ---- functions that fail, or are what they always are ----
 * One pointer each: all GPUs of a process are taken to have one driver. */

#define WRAP(name, parameters, arguments)                                            \
  static VkResult(*real_##name) parameters;                                          \
  static VkResult fault_##name parameters {                                          \
    VkResult result;                                                                 \
    return fails("vk" #name, &result) ? result : real_##name arguments;              \
  }

#define WRAP_CREATE(name, owner, info, product)                                      \
  WRAP(name, (owner o, const info *i, const VkAllocationCallbacks *a, product *p), (o, i, a, p))

WRAP(CreateInstance, (const VkInstanceCreateInfo *i, const VkAllocationCallbacks *a, VkInstance *p), (i, a, p))
WRAP_CREATE(CreateDevice, VkPhysicalDevice, VkDeviceCreateInfo, VkDevice)
WRAP_CREATE(AllocateMemory, VkDevice, VkMemoryAllocateInfo, VkDeviceMemory)
WRAP_CREATE(CreateCommandPool, VkDevice, VkCommandPoolCreateInfo, VkCommandPool)
WRAP_CREATE(CreateSemaphore, VkDevice, VkSemaphoreCreateInfo, VkSemaphore)
WRAP_CREATE(CreateShaderModule, VkDevice, VkShaderModuleCreateInfo, VkShaderModule)
WRAP(BindBufferMemory, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize o), (d, b, m, o))
WRAP(MapMemory, (VkDevice d, VkDeviceMemory m, VkDeviceSize o, VkDeviceSize s, VkFlags f, void **p), (d, m, o, s, f, p))

/* What the last submission signals. A lost device runs nothing, so its memory may be freed: before a device is said to be
 * lost, its work has to end. */
static struct {
  VkDevice device;
  VkSemaphore timeline;
  uint64_t value;
} submitted;
/* Nanoseconds. Bounds the wait for a submission that waits for a semaphore. */
#define LOST_NS 1000000000u

static VkResult (*real_WaitSemaphores)(VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t t);

static VkResult lose(VkResult result) {
  pthread_mutex_lock(&lock);
  VkDevice device = submitted.device;
  VkSemaphore timeline = submitted.timeline;
  uint64_t value = submitted.value;
  pthread_mutex_unlock(&lock);
  VkSemaphoreWaitInfo wait = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                              .semaphoreCount = 1,
                              .pSemaphores = &timeline,
                              .pValues = &value};
  if (result == VK_ERROR_DEVICE_LOST && timeline && real_WaitSemaphores) real_WaitSemaphores(device, &wait, LOST_NS);
  return result;
}

static VkResult (*real_QueueSubmit)(VkQueue q, uint32_t n, const VkSubmitInfo *s, VkFence f);
static VkResult fault_QueueSubmit(VkQueue q, uint32_t n, const VkSubmitInfo *s, VkFence f) {
  VkResult result;
  if (fails("vkQueueSubmit", &result)) return lose(result);
  result = real_QueueSubmit(q, n, s, f);
  const VkTimelineSemaphoreSubmitInfo *values = n > 0 ? s[n - 1].pNext : NULL;
  if (result != VK_SUCCESS || !values || values->sType != VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO ||
      values->signalSemaphoreValueCount == 0)
    return result;
  pthread_mutex_lock(&lock);
  submitted.timeline = s[n - 1].pSignalSemaphores[0];
  submitted.value = values->pSignalSemaphoreValues[0];
  pthread_mutex_unlock(&lock);
  return result;
}

static VkResult fault_WaitSemaphores(VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t t) {
  VkResult result;
  return fails("vkWaitSemaphores", &result) ? lose(result) : real_WaitSemaphores(d, i, t);
}

static VkResult (*real_GetSemaphoreCounterValue)(VkDevice d, VkSemaphore s, uint64_t *v);
static VkResult fault_GetSemaphoreCounterValue(VkDevice d, VkSemaphore s, uint64_t *v) {
  VkResult result;
  return fails("vkGetSemaphoreCounterValue", &result) ? lose(result) : real_GetSemaphoreCounterValue(d, s, v);
}

WRAP(SignalSemaphore, (VkDevice d, const VkSemaphoreSignalInfo *i), (d, i))
WRAP(WaitForFences, (VkDevice d, uint32_t n, const VkFence *f, VkBool32 all, uint64_t t), (d, n, f, all, t))
WRAP(GetFenceStatus, (VkDevice d, VkFence f), (d, f))
WRAP(DeviceWaitIdle, (VkDevice d), (d))
WRAP(GetMemoryFdKHR, (VkDevice d, const VkMemoryGetFdInfoKHR *i, int *p), (d, i, p))
WRAP(GetSemaphoreFdKHR, (VkDevice d, const VkSemaphoreGetFdInfoKHR *i, int *p), (d, i, p))
WRAP(ImportSemaphoreFdKHR, (VkDevice d, const VkImportSemaphoreFdInfoKHR *i), (d, i))
WRAP(GetMemoryHostPointerPropertiesEXT,
     (VkDevice d, uint32_t t, const void *h, VkMemoryHostPointerPropertiesEXT *p), (d, t, h, p))

/* ---- functions that say something else ---- */

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__);

REAL(void, DestroyBuffer, VkDevice, VkBuffer, const VkAllocationCallbacks *)
static void fault_DestroyBuffer(VkDevice d, VkBuffer b, const VkAllocationCallbacks *a) { real_DestroyBuffer(d, b, a); }

REAL(VkResult, CreateBuffer, VkDevice, const VkBufferCreateInfo *, const VkAllocationCallbacks *, VkBuffer *)
static VkResult fault_CreateBuffer(VkDevice d, const VkBufferCreateInfo *i, const VkAllocationCallbacks *a, VkBuffer *p) {
  VkResult result;
  if (fails("vkCreateBuffer", &result)) return result;
  if (plan.misuse) {
    VkBufferCreateInfo without_use = *i;
    VkBuffer made;
    without_use.usage = 0;
    if (real_CreateBuffer(d, &without_use, a, &made) == VK_SUCCESS) real_DestroyBuffer(d, made, a);
  }
  return real_CreateBuffer(d, i, a, p);
}

REAL(void, CmdCopyBuffer, VkCommandBuffer, VkBuffer, VkBuffer, uint32_t, const VkBufferCopy *)
static void fault_CmdCopyBuffer(VkCommandBuffer c, VkBuffer from, VkBuffer to, uint32_t n, const VkBufferCopy *r) {
  real_CmdCopyBuffer(c, from, to, n, r);
  if (plan.hazard) real_CmdCopyBuffer(c, from, to, n, r);
}

REAL(VkResult, EnumeratePhysicalDevices, VkInstance, uint32_t *, VkPhysicalDevice *)
static VkResult fault_EnumeratePhysicalDevices(VkInstance i, uint32_t *count, VkPhysicalDevice *out) {
  VkResult result;
  if (fails("vkEnumeratePhysicalDevices", &result)) return result;
  if (!plan.no_devices) return real_EnumeratePhysicalDevices(i, count, out);
  *count = 0;
  return VK_SUCCESS;
}

REAL(VkResult, EnumerateInstanceVersion, uint32_t *)
static VkResult fault_EnumerateInstanceVersion(uint32_t *out) {
  VkResult result = real_EnumerateInstanceVersion(out);
  if (plan.api && result == VK_SUCCESS) *out = plan.api;
  return result;
}

static void change(VkPhysicalDeviceProperties *p) {
  if (plan.api) p->apiVersion = plan.api;
}

REAL(void, GetPhysicalDeviceProperties, VkPhysicalDevice, VkPhysicalDeviceProperties *)
static void fault_GetPhysicalDeviceProperties(VkPhysicalDevice d, VkPhysicalDeviceProperties *p) {
  real_GetPhysicalDeviceProperties(d, p);
  change(p);
}

REAL(void, GetPhysicalDeviceProperties2, VkPhysicalDevice, VkPhysicalDeviceProperties2 *)
static void fault_GetPhysicalDeviceProperties2(VkPhysicalDevice d, VkPhysicalDeviceProperties2 *p) {
  real_GetPhysicalDeviceProperties2(d, p);
  change(&p->properties);
  VkPhysicalDeviceIDProperties *id = chained(p->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES);
  if (id && plan.has_uuid) memcpy(id->deviceUUID, plan.uuid, sizeof plan.uuid);
}

REAL(void, GetPhysicalDeviceFeatures2, VkPhysicalDevice, VkPhysicalDeviceFeatures2 *)
static void fault_GetPhysicalDeviceFeatures2(VkPhysicalDevice d, VkPhysicalDeviceFeatures2 *f) {
  real_GetPhysicalDeviceFeatures2(d, f);
  VkPhysicalDeviceTimelineSemaphoreFeatures *timeline =
      chained(f->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES);
  if (timeline && lacks("timeline")) timeline->timelineSemaphore = 0;
}

REAL(void, GetPhysicalDeviceExternalBufferProperties, VkPhysicalDevice, const VkPhysicalDeviceExternalBufferInfo *,
     VkExternalBufferProperties *)
static void fault_GetPhysicalDeviceExternalBufferProperties(VkPhysicalDevice d, const VkPhysicalDeviceExternalBufferInfo *i,
                                                            VkExternalBufferProperties *p) {
  real_GetPhysicalDeviceExternalBufferProperties(d, i, p);
  if (lacks("external-memory")) memset(&p->externalMemoryProperties, 0, sizeof p->externalMemoryProperties);
}

REAL(void, GetPhysicalDeviceExternalSemaphoreProperties, VkPhysicalDevice, const VkPhysicalDeviceExternalSemaphoreInfo *,
     VkExternalSemaphoreProperties *)
static void fault_GetPhysicalDeviceExternalSemaphoreProperties(VkPhysicalDevice d,
                                                               const VkPhysicalDeviceExternalSemaphoreInfo *i,
                                                               VkExternalSemaphoreProperties *p) {
  real_GetPhysicalDeviceExternalSemaphoreProperties(d, i, p);
  if (!lacks("external-semaphore")) return;
  p->exportFromImportedHandleTypes = p->compatibleHandleTypes = p->externalSemaphoreFeatures = 0;
}

REAL(VkResult, EnumerateDeviceExtensionProperties, VkPhysicalDevice, const char *, uint32_t *, VkExtensionProperties *)
static VkResult fault_EnumerateDeviceExtensionProperties(VkPhysicalDevice d, const char *layer, uint32_t *count,
                                                         VkExtensionProperties *out) {
  uint32_t all = 0, left = 0;
  VkResult result = real_EnumerateDeviceExtensionProperties(d, layer, &all, NULL);
  if (result != VK_SUCCESS) return result;
  VkExtensionProperties *found = calloc(all + 1, sizeof *found);
  if (!found) return VK_ERROR_OUT_OF_HOST_MEMORY;
  result = real_EnumerateDeviceExtensionProperties(d, layer, &all, found);
  for (uint32_t i = 0; result == VK_SUCCESS && i < all; i++) {
    if (lacks(found[i].extensionName)) continue;
    if (out && left == *count) result = VK_INCOMPLETE;
    else if (out) out[left++] = found[i];
    else left++;
  }
  free(found);
  *count = left;
  return result;
}

/* ---- where they are found ---- */

static PFN_vkVoidFunction (*real_GetInstanceProcAddr)(VkInstance instance, const char *name);
static PFN_vkVoidFunction (*real_GetDeviceProcAddr)(VkDevice device, const char *name);
static PFN_vkVoidFunction fault_GetDeviceProcAddr(VkDevice device, const char *name);

#define ENTRY(name, fails) {"vk" #name, (PFN_vkVoidFunction)fault_##name, (PFN_vkVoidFunction *)(void *)&real_##name, fails}
#define FAILS(name) ENTRY(name, 1)
#define CHANGES(name) ENTRY(name, 0)
static const struct {
  const char *name;
  PFN_vkVoidFunction wrapper;
  PFN_vkVoidFunction *real;
  int can_fail;
} TABLE[] = {
    FAILS(CreateInstance), FAILS(EnumeratePhysicalDevices), FAILS(CreateDevice), FAILS(AllocateMemory), FAILS(CreateBuffer),
    FAILS(CreateCommandPool), FAILS(CreateSemaphore), FAILS(CreateShaderModule), FAILS(BindBufferMemory), FAILS(MapMemory),
    FAILS(QueueSubmit), FAILS(WaitSemaphores), FAILS(GetSemaphoreCounterValue), FAILS(SignalSemaphore),
    FAILS(WaitForFences), FAILS(GetFenceStatus), FAILS(DeviceWaitIdle), FAILS(GetMemoryFdKHR), FAILS(GetSemaphoreFdKHR),
    FAILS(ImportSemaphoreFdKHR), FAILS(GetMemoryHostPointerPropertiesEXT),
    CHANGES(DestroyBuffer), CHANGES(CmdCopyBuffer), CHANGES(EnumerateInstanceVersion), CHANGES(GetPhysicalDeviceProperties),
    CHANGES(GetPhysicalDeviceProperties2), CHANGES(GetPhysicalDeviceFeatures2),
    CHANGES(GetPhysicalDeviceExternalBufferProperties), CHANGES(GetPhysicalDeviceExternalSemaphoreProperties),
    CHANGES(EnumerateDeviceExtensionProperties), CHANGES(GetDeviceProcAddr),
};
#define ENTRIES (sizeof TABLE / sizeof *TABLE)

static int can_fail(const char *name) {
  for (size_t i = 0; i < ENTRIES; i++)
    if (strcmp(TABLE[i].name, name) == 0) return TABLE[i].can_fail;
  return 0;
}

static PFN_vkVoidFunction wrapped(const char *name, PFN_vkVoidFunction real) {
  for (size_t i = 0; real && i < ENTRIES; i++) {
    if (strcmp(TABLE[i].name, name) != 0) continue;
    *TABLE[i].real = real;
    return TABLE[i].wrapper;
  }
  return real;
}

static PFN_vkVoidFunction fault_GetDeviceProcAddr(VkDevice device, const char *name) {
  pthread_mutex_lock(&lock);
  if (submitted.device != device) {
    submitted.device = device;
    submitted.timeline = 0; /* an earlier device's, which may be destroyed */
  }
  pthread_mutex_unlock(&lock);
  return wrapped(name, real_GetDeviceProcAddr(device, name));
}

EXPORT PFN_vkVoidFunction vkGetInstanceProcAddr(VkInstance instance, const char *name) {
  return real_GetInstanceProcAddr ? wrapped(name, real_GetInstanceProcAddr(instance, name)) : NULL;
}

__attribute__((constructor)) static void load(void) {
  const char *items = getenv("LAVA_FAULT");
  lava_fault(items ? items : "");
  void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
  memcpy(&real_GetInstanceProcAddr, &symbol, sizeof symbol);
}
