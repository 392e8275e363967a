#include "metal/metal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/handle.h"
#include "base/library.h"
#include "base/once.h"
#include "base/status.h"

lf_metal_messages lf_metal;
static lf_objc_functions objc;
static lf_metal_functions mtl;
static int opened;
static char reason[400]; /* why Metal can't be used */

#define NAME(result, function, arguments) #function,
static const char *const objc_names[] = {LF_OBJC_FUNCTIONS(NAME) NULL};
static const char *const metal_names[] = {LF_METAL_FUNCTIONS(NAME) NULL};
#undef NAME

#if defined(__APPLE__)
/* Without a window, a program has a default device only if CoreGraphics is loaded. */
static const char *const graphics_library[] = {"/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics", NULL};
static const char *const objc_library[] = {"/usr/lib/libobjc.A.dylib", NULL};
static const char *const metal_library[] = {"/System/Library/Frameworks/Metal.framework/Metal", NULL};
#elif defined(_WIN32)
#define SYSTEM "win32" /* the runtime's name of the system */
#else
#define SYSTEM "linux"
#endif

/* Opens both libraries. They are one file if LAVA_FLOW_METAL names it, which is for tests. */
static int open_libraries(void **runtime, void **metal) {
#if defined(__APPLE__)
  const char *named = getenv("LAVA_FLOW_METAL");
  if (!named || !named[0]) {
    if (!lf_library_open(graphics_library, reason, sizeof reason)) return 0;
    *runtime = lf_library_open(objc_library, reason, sizeof reason);
    *metal = *runtime ? lf_library_open(metal_library, reason, sizeof reason) : NULL;
    return *metal != NULL;
  }
#else
  const char *named = getenv("LAVA_FLOW_METAL");
  if (!named || !named[0]) {
    snprintf(reason, sizeof reason, "Metal is a part of macOS, and this is %s", SYSTEM);
    return 0;
  }
#endif
  static const char *const none[] = {NULL};
  *runtime = *metal = lf_library_find("LAVA_FLOW_METAL", none, reason, sizeof reason);
  return *metal != NULL;
}

static void open_metal(void) {
  void *runtime, *metal;
  if (!open_libraries(&runtime, &metal)) return;
  const char *missing = lf_library_symbols(runtime, objc_names, (void **)&objc);
  if (!missing) missing = lf_library_symbols(metal, metal_names, (void **)&mtl);
  if (missing) {
    snprintf(reason, sizeof reason, "the library for Metal has no %s", missing);
    return;
  }
#define MESSAGE(message, name, result, ...) \
  lf_metal.message.selector = objc.sel_registerName(name); \
  lf_metal.message.send = (result(*)(lf_id, lf_sel __VA_OPT__(, ) __VA_ARGS__))objc.objc_msgSend;
  LF_METAL_MESSAGES(MESSAGE)
#undef MESSAGE
  opened = 1;
}

static int is_open(void) {
  static lf_once once = LF_ONCE;
  lf_once_run(&once, open_metal);
  return opened;
}

void *lf_metal_pool_push(void) { return objc.objc_autoreleasePoolPush(); }
void lf_metal_pool_pop(void *pool) { objc.objc_autoreleasePoolPop(pool); }

void lf_metal_release(lf_id object) {
  if (object) LF_SEND(object, release);
}

lf_id lf_metal_class(const char *name) {
  lf_id class = objc.objc_getClass(name);
  if (!class) lf_fail(LF_EBACKEND_UNAVAILABLE, "objc_getClass", 0, "Metal has no class %s here", name);
  return class;
}

lf_id lf_metal_string(const char *text, uint64_t bytes) {
  lf_id class = lf_metal_class("NSString");
  if (!class) return NULL;
  lf_id string = LF_SEND(class, alloc);
  if (string) string = LF_SEND(string, init_with_bytes, text, (lf_ns_uint)bytes, LF_NS_UTF8);
  if (!string) lf_fail(LF_ESHADER_INVALID, "NSString", 0, "%llu bytes that are no UTF-8", (unsigned long long)bytes);
  return string;
}

/* The text of an NSString; "" for NULL. It lives as long as the autorelease pool. */
static const char *text_of(lf_id string) {
  const char *text = string ? LF_SEND(string, utf8) : NULL;
  return text ? text : "";
}

int32_t lf_metal_fail(int32_t code, const char *api, lf_id error, const char *what) {
  int32_t status = error ? (int32_t)LF_SEND(error, error_code) : 0;
  const char *words = error ? text_of(LF_SEND(error, error_words)) : "";
  return lf_fail(code, api, status, "%s: %s", what, *words ? words : "Metal gives no reason");
}

int32_t lf_metal_lost(const lf_metal_device *device) {
  return lf_fail(LF_EGPU_DEVICE_LOST, "MTLCommandBuffer", device->lost_status, "%s", device->lost);
}

int32_t lf_metal_viable(uint32_t capacity, char *why) {
  if (!is_open()) return lf_status_viable(0, reason, capacity, why);
  void *pool = lf_metal_pool_push();
  lf_id device = mtl.MTLCreateSystemDefaultDevice();
  int32_t result = lf_status_viable(device != NULL, device ? text_of(LF_SEND(device,
                                                                             name)) : "Metal has no device here",
                                   capacity, why);
  lf_metal_release(device);
  lf_metal_pool_pop(pool);
  return result;
}

/* The device may be partly made. */
static void destroy(void *object) {
  lf_metal_device *device = object;
  void *pool = lf_metal_pool_push();
  for (; device->count > 0; device->count--, device->first = (device->first + 1) % LF_METAL_FLIGHTS)
    lf_metal_release(device->flights[device->first].commands);
  lf_metal_release(device->event);
  lf_metal_release(device->queue);
  lf_metal_release(device->device);
  lf_metal_pool_pop(pool);
  free(device);
}

static int32_t make(lf_metal_device *device) {
  device->device = mtl.MTLCreateSystemDefaultDevice();
  if (!device->device)
    return lf_fail(LF_EBACKEND_UNAVAILABLE, "MTLCreateSystemDefaultDevice", 0, "Metal has no device here");
  snprintf(device->name, sizeof device->name, "%s", text_of(LF_SEND(device->device, name)));
  device->buffer_max = LF_SEND(device->device, max_buffer_length);
  device->workgroup_max = (uint32_t)LF_SEND(device->device, max_group_memory);
  device->queue = LF_SEND(device->device, new_queue, LF_METAL_FLIGHTS);
  if (!device->queue)
    return lf_fail(LF_EBACKEND_UNAVAILABLE, "newCommandQueueWithMaxCommandBufferCount:", 0, "%s gives no command queue",
                   device->name);
  device->event = LF_SEND(device->device, new_event);
  if (!device->event)
    return lf_fail(LF_EBACKEND_UNAVAILABLE, "newSharedEvent", 0, "%s gives no shared event", device->name);
  return lf_handle_make(LF_KIND_METAL_DEVICE, device, destroy);
}

int32_t lf_metal_open(void) {
  if (!is_open()) return lf_fail(LF_EBACKEND_UNAVAILABLE, "", 0, "Metal can't be used: %s", reason);
  lf_metal_device *device = calloc(1, sizeof *device);
  if (!device) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a device of Metal's");
  void *pool = lf_metal_pool_push();
  int32_t result = make(device);
  lf_metal_pool_pop(pool);
  if (result < 0) destroy(device);
  return result;
}

int32_t lf_metal_describe(int32_t handle, lf_metal_info *out) {
  const lf_metal_device *device = lf_handle_get(LF_KIND_METAL_DEVICE, handle);
  if (!device) return lf_handle_stale(LF_KIND_METAL_DEVICE, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the description");
  memcpy(out->name, device->name, sizeof out->name);
  out->buffer_max = (double)device->buffer_max;
  out->workgroup_max = device->workgroup_max;
  out->reserved = 0;
  return LF_OK;
}

int32_t lf_metal_close(int32_t handle) {
  lf_metal_device *device = lf_handle_take(LF_KIND_METAL_DEVICE, handle);
  if (!device) return lf_handle_stale(LF_KIND_METAL_DEVICE, handle);
  destroy(device);
  return LF_OK;
}
