/* Vulkan's library and its instance. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "base/status.h"
#include "gpu/device.h"

#define VULKAN_1_2 (1u << 22 | 2u << 12)
#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

static const char *const library_names[] = {
#if defined(_WIN32)
    "vulkan-1.dll",
#elif defined(__APPLE__)
    "libvulkan.dylib",  "libvulkan.1.dylib", "libMoltenVK.dylib",
#else
    "libvulkan.so.1", "libvulkan.so",
#endif
    NULL};

#define NAME(result, name, ...) "vk" #name,
static const char *const global_names[] = {LF_VULKAN_GLOBAL(NAME) LF_VULKAN_GLOBAL_OPTIONAL(NAME)};
static const char *const instance_names[] = {LF_VULKAN_INSTANCE(NAME) LF_VULKAN_INSTANCE_OPTIONAL(NAME)};
#define COUNT(result, name, ...) +1
enum {
  GLOBAL_COUNT = sizeof global_names / sizeof *global_names,
  GLOBAL_NEEDED = LF_VULKAN_GLOBAL(COUNT),
  INSTANCE_COUNT = sizeof instance_names / sizeof *instance_names,
  INSTANCE_NEEDED = LF_VULKAN_INSTANCE(COUNT)
};

static int32_t fail(const char *api, VkResult result, const char *what) {
  int32_t code = result == VK_ERROR_OUT_OF_HOST_MEMORY ? LF_EHOST_OUT_OF_MEMORY : LF_EGPU_DEVICE_NOT_FOUND;
  return lf_fail(code, api, result, "%s: %s", what, lf_vulkan_result_name(result));
}

/* ---- validation ---- */

/* If the host signals a semaphore that work waits for, the layer (1.3.239) can lose count of it. After ten seconds it
 * reports that this "is most likely a validation bug". It uses this id for nothing else. */
#define LAYER_LOST_COUNT "UNASSIGNED-VkSemaphore-state-timeout"
/* lf_semaphore_abandon alone causes this message: the layer knows no pending signals of a peer's semaphore (it reports
 * one of value 0). */
#define LAYER_KNOWS_NO_PEER "VUID-VkSemaphoreSignalInfo-value-03259"

/* One line per message, in one write, as several processes append to the file. */
static VkBool32 on_message(VkFlags severity, VkFlags types, const VkDebugUtilsMessengerCallbackDataEXT *data,
                           void *user) {
  (void)types;
  char line[8192];
  const char *id = data->pMessageIdName ? data->pMessageIdName : "";
  if (strcmp(id, LAYER_LOST_COUNT) == 0 || strcmp(id, LAYER_KNOWS_NO_PEER) == 0) return 0;
  int used = snprintf(line, sizeof line - 1, "%s: %s: %s",
                      severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT ? "error" : "warning", id,
                      data->pMessage ? data->pMessage : "");
  size_t length = used < 0 ? 0 : (size_t)used < sizeof line - 1 ? (size_t)used : sizeof line - 2;
  for (size_t i = 0; i < length; i++)
    if (line[i] == '\n' || line[i] == '\r') line[i] = ' ';
  line[length++] = '\n';
  fwrite(line, 1, length, user);
  return 0;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(FILE *messages) {
  return (VkDebugUtilsMessengerCreateInfoEXT){
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
      .messageSeverity =
          VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
      /* Not the general messages: the loader's, about other drivers of this machine. */
      .messageType =
          VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
      .pfnUserCallback = on_message,
      .pUserData = messages};
}

static int has_extension(const lf_vulkan *v, const char *layer, const char *wanted) {
  uint32_t count = 0;
  if (v->vk.EnumerateInstanceExtensionProperties(layer, &count, NULL) != VK_SUCCESS || !count) return 0;
  VkExtensionProperties *all = calloc(count, sizeof *all);
  int found = 0;
  if (all && v->vk.EnumerateInstanceExtensionProperties(layer, &count, all) >= VK_SUCCESS)
    for (uint32_t i = 0; i < count && !found; i++) found = strcmp(all[i].extensionName, wanted) == 0;
  free(all);
  return found;
}

static int32_t open_messages(lf_vulkan *v, const char *path) {
  if (!has_extension(v, VALIDATION_LAYER, "VK_EXT_validation_features"))
    return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0,
                   "LAVA_FLOW_VALIDATION is set, but Vulkan's layer " VALIDATION_LAYER " is not installed");
  v->messages = fopen(path, "ab");
  if (!v->messages)
    return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "fopen", 0, "LAVA_FLOW_VALIDATION: %s can't be opened for appending",
                   path);
  setvbuf(v->messages, NULL, _IONBF, 0);
  return LF_OK;
}

/* ---- the instance ---- */

/* Loads `table`, an array of function pointers in the order of `names`. Returns NULL, or the name of a needed function
 * that the library lacks. */
static const char *load(PFN_vkGetInstanceProcAddr get, VkInstance instance, const char *const *names, int count,
                        int needed, void *table) {
  PFN_vkVoidFunction *to = table;
  for (int i = 0; i < count; i++) {
    to[i] = get(instance, names[i]);
    if (!to[i] && i < needed) return names[i];
  }
  return NULL;
}

static int32_t open_library(lf_vulkan *v, PFN_vkGetInstanceProcAddr *get) {
  char why[400];
  v->library = lf_library_find("LAVA_FLOW_VULKAN", library_names, why, sizeof why);
  if (!v->library) return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "dlopen", 0, "no Vulkan library: %s", why);
  void *symbol = lf_library_symbol(v->library, "vkGetInstanceProcAddr");
  if (!symbol) return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "dlsym", 0, "the Vulkan library has no vkGetInstanceProcAddr");
  memcpy(get, &symbol, sizeof symbol);
  const char *missing = load(*get, NULL, global_names, GLOBAL_COUNT, GLOBAL_NEEDED, &v->vk);
  if (missing) return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0, "the Vulkan library has no %s", missing);
  uint32_t version = 0;
  if (!v->vk.EnumerateInstanceVersion || v->vk.EnumerateInstanceVersion(&version) != VK_SUCCESS)
    return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0, "the Vulkan library is of version 1.0, and 1.2 is needed");
  return LF_OK;
}

static int32_t create_instance(lf_vulkan *v) {
  const char *extensions[4];
  const char *const layers[] = {VALIDATION_LAYER};
  uint32_t extension_count = 0;
  int portable = has_extension(v, NULL, "VK_KHR_portability_enumeration"); /* without it, the loader hides MoltenVK */
  if (portable) extensions[extension_count++] = "VK_KHR_portability_enumeration";
  VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(v->messages);
  VkValidationFeatureEnableEXT synchronization = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
  VkValidationFeaturesEXT features = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                      .pNext = &messenger,
                                      .enabledValidationFeatureCount = 1,
                                      .pEnabledValidationFeatures = &synchronization};
  if (v->messages) {
    extensions[extension_count++] = "VK_EXT_debug_utils";
    extensions[extension_count++] = "VK_EXT_validation_features";
  }
  VkApplicationInfo application = {
      .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pEngineName = "lava-flow", .apiVersion = VULKAN_1_2};
  VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                               .pNext = v->messages ? &features : NULL,
                               .flags = portable ? VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR : 0,
                               .pApplicationInfo = &application,
                               .enabledLayerCount = v->messages ? 1 : 0,
                               .ppEnabledLayerNames = layers,
                               .enabledExtensionCount = extension_count,
                               .ppEnabledExtensionNames = extensions};
  VkResult result = v->vk.CreateInstance(&info, NULL, &v->instance);
  if (result == VK_SUCCESS) return LF_OK;
  v->instance = NULL;
  return fail("vkCreateInstance", result,
              result == VK_ERROR_INCOMPATIBLE_DRIVER ? "Vulkan has no driver here" : "an instance of Vulkan");
}

static int32_t list_devices(lf_vulkan *v) {
  /* The number of GPUs may grow between the two calls. */
  for (VkResult result = VK_INCOMPLETE; result == VK_INCOMPLETE;) {
    uint32_t count = 0;
    result = v->vk.EnumeratePhysicalDevices(v->instance, &count, NULL);
    if (result == VK_ERROR_INITIALIZATION_FAILED) count = 0; /* some loaders return this when no driver has a device */
    else if (result != VK_SUCCESS) return fail("vkEnumeratePhysicalDevices", result, "the list of GPUs");
    v->count = 0;
    if (!count) return LF_OK;
    VkPhysicalDevice *list = realloc(v->physical, count * sizeof(VkPhysicalDevice));
    if (!list) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "realloc", 0, "a list of %u GPUs", count);
    v->physical = list;
    result = v->vk.EnumeratePhysicalDevices(v->instance, &count, v->physical);
    if (result < 0) return fail("vkEnumeratePhysicalDevices", result, "the list of GPUs");
    v->count = count;
  }
  return LF_OK;
}

static int32_t open_instance(lf_vulkan *v) {
  PFN_vkGetInstanceProcAddr get;
  int32_t status = open_library(v, &get);
  if (status < 0) return status;
  const char *messages = getenv("LAVA_FLOW_VALIDATION");
  if (messages && *messages) status = open_messages(v, messages);
  if (status == LF_OK) status = create_instance(v);
  if (status < 0) return status;
  const char *missing = load(get, v->instance, instance_names, INSTANCE_COUNT, INSTANCE_NEEDED, &v->vk.DestroyInstance);
  if (missing) {
    /* Without vkDestroyInstance the instance cannot be destroyed. */
    if (!v->vk.DestroyInstance) v->instance = NULL;
    return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0, "the Vulkan library has no %s", missing);
  }
  if (v->messages) {
    VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(v->messages);
    if (!v->vk.CreateDebugUtilsMessengerEXT || !v->vk.DestroyDebugUtilsMessengerEXT)
      return lf_fail(LF_EGPU_DEVICE_NOT_FOUND, "", 0,
                     "LAVA_FLOW_VALIDATION is set, but there is no VK_EXT_debug_utils");
    VkResult result = v->vk.CreateDebugUtilsMessengerEXT(v->instance, &info, NULL, &v->messenger);
    if (result != VK_SUCCESS) return fail("vkCreateDebugUtilsMessengerEXT", result, "the validation layer's messages");
  }
  return list_devices(v);
}

static void destroy(lf_vulkan *v) {
  if (v->messenger) v->vk.DestroyDebugUtilsMessengerEXT(v->instance, v->messenger, NULL);
  if (v->instance) v->vk.DestroyInstance(v->instance, NULL);
  if (v->messages) fclose(v->messages); /* the layer writes messages until the instance is destroyed */
  free(v->named);
  free(v->messages_named);
  free(v->physical);
  free(v);
}

/*
 * The instance that was closed first is kept for the next open. When the last instance is destroyed, the loader unloads
 * the drivers, and a process can load NVIDIA's (580) about eight times only: then Vulkan has no driver any more.
 */
static _Atomic(lf_vulkan *) kept;

static int is_same(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

static char *copied(const char *text) { return text ? strdup(text) : NULL; }

/* The variables that an instance depends on. */
static const char *library_named(void) { return getenv("LAVA_FLOW_VULKAN"); }
static const char *messages_named(void) { return getenv("LAVA_FLOW_VALIDATION"); }

static lf_vulkan *take_kept(void) {
  lf_vulkan *v = atomic_exchange(&kept, NULL);
  if (!v) return NULL;
  if (is_same(v->named, library_named()) && is_same(v->messages_named, messages_named()) && list_devices(v) == LF_OK)
    return v;
  lf_vulkan *none = NULL;
  if (!atomic_compare_exchange_strong(&kept, &none, v)) destroy(v);
  return NULL;
}

void lf_vulkan_release(lf_vulkan *v) {
  lf_vulkan *none = NULL;
  if (--v->references) return;
  if (!v->instance || !atomic_compare_exchange_strong(&kept, &none, v)) destroy(v);
}

int32_t lf_vulkan_make(lf_vulkan **out) {
  lf_vulkan *v = take_kept();
  int32_t status = LF_OK;
  if (!v) {
    v = calloc(1, sizeof *v);
    if (!v) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for an instance of Vulkan", sizeof *v);
    v->named = copied(library_named());
    v->messages_named = copied(messages_named());
    status = open_instance(v);
  }
  v->references = 1;
  if (status < 0) destroy(v);
  else *out = v;
  return status;
}
