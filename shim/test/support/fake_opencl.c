/*
 * An OpenCL driver without a GPU, for tests where there is none: a cl_mem is host memory, or the file that Mesa's
 * software Vulkan exports (its first two words are its size and where in it the memory begins), so what OpenCL does
 * here is seen by Vulkan, and the reverse. It counts what is open, refuses what the specification forbids, and external
 * memory that was not acquired. Semaphores it has none: Mesa's software Vulkan shares none.
 *
 * FAKE_OPENCL_UUIDS: the UUIDs of its devices, as hex, with commas between.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interop/opencl_api.h"

#define API __attribute__((visibility("default")))
enum {
  MISALIGNED = -13, INVALID_VALUE = -30, INVALID_DEVICE = -33, INVALID_CONTEXT = -34, INVALID_COMMAND_QUEUE = -36,
  INVALID_MEM_OBJECT = -38, INVALID_OPERATION = -59, INVALID_BUFFER_SIZE = -61, INVALID_PROPERTY = -64
};

#define DEVICES_MAX 4
#define ALIGNMENT 512u /* bytes that sub-buffers begin at multiples of */

struct _cl_platform_id { int unused; };
struct _cl_device_id { uint8_t uuid[16]; };
struct _cl_context { int references, count; cl_device_id devices[DEVICES_MAX]; };
struct _cl_command_queue { cl_context context; cl_device_id device; };
struct _cl_mem {
  cl_context context;
  cl_mem whole; /* of a sub-buffer */
  char *bytes, *map;
  size_t size, mapped;
  int references, external, acquired;
};
struct _cl_event { int unused; };

static struct _cl_platform_id platform;
static struct _cl_device_id devices[DEVICES_MAX];
static int device_count = -1, open_objects;

/* Contexts, queues, memory and events that are open. */
API int fake_open(void) { return open_objects; }

static void *make(size_t size) {
  open_objects++;
  return calloc(1, size);
}
static void gone(void *object) {
  open_objects--;
  free(object);
}
#define TELL(result) \
  do { \
    if (out_result) *out_result = (result); \
  } while (0)
#define REFUSE(result) \
  do { \
    TELL(result); \
    return NULL; \
  } while (0)

static cl_int answer(const void *value, size_t bytes, size_t capacity, void *out, size_t *needed) {
  if (needed) *needed = bytes;
  if (!out) return LF_CL_SUCCESS;
  if (capacity < bytes) return INVALID_VALUE;
  memcpy(out, value, bytes);
  return LF_CL_SUCCESS;
}

/* ---- devices, contexts, queues ---- */

static void find_devices(void) {
  const char *uuids = getenv("FAKE_OPENCL_UUIDS");
  for (device_count = 0; uuids && *uuids && device_count < DEVICES_MAX; device_count++) {
    for (int i = 0; i < 16; i++, uuids += 2)
      if (sscanf(uuids, "%2hhx", &devices[device_count].uuid[i]) != 1) return;
    if (*uuids == ',') uuids++;
  }
}

API cl_int clGetPlatformIDs(cl_uint capacity, cl_platform_id *out, cl_uint *count) {
  if (device_count < 0) find_devices();
  if (out && capacity > 0) *out = &platform;
  if (count) *count = 1;
  return LF_CL_SUCCESS;
}
API cl_int clGetDeviceIDs(cl_platform_id of, cl_bitfield type, cl_uint capacity, cl_device_id *out, cl_uint *count) {
  (void)type;
  if (of != &platform || device_count <= 0) return LF_CL_DEVICE_NOT_FOUND;
  for (cl_uint i = 0; out && i < capacity && i < (cl_uint)device_count; i++) out[i] = devices + i;
  if (count) *count = (cl_uint)device_count;
  return LF_CL_SUCCESS;
}
API cl_int clGetDeviceInfo(cl_device_id device, cl_uint what, size_t capacity, void *out, size_t *needed) {
  static const char name[] = "Stand-in OpenCL";
  static const char extensions[] = "cl_khr_device_uuid cl_khr_external_memory cl_khr_external_memory_opaque_fd";
  const cl_uint align = 8 * ALIGNMENT;
  cl_platform_id of = &platform;
  if (!device) return INVALID_DEVICE;
  switch (what) {
    case LF_CL_DEVICE_NAME: return answer(name, sizeof name, capacity, out, needed);
    case LF_CL_DEVICE_EXTENSIONS: return answer(extensions, sizeof extensions, capacity, out, needed);
    case LF_CL_DEVICE_PLATFORM: return answer(&of, sizeof of, capacity, out, needed);
    case LF_CL_DEVICE_UUID: return answer(device->uuid, sizeof device->uuid, capacity, out, needed);
    case LF_CL_DEVICE_MEM_BASE_ADDR_ALIGN: return answer(&align, sizeof align, capacity, out, needed);
    default: return INVALID_VALUE;
  }
}
API cl_context clCreateContext(const cl_context_properties *properties, cl_uint count, const cl_device_id *with,
                               void (*told)(const char *, const void *, size_t, void *), void *user, cl_int *out_result) {
  (void)properties, (void)told, (void)user;
  if (count == 0 || count > DEVICES_MAX || !with) REFUSE(INVALID_VALUE);
  cl_context context = make(sizeof *context);
  context->references = 1;
  context->count = (int)count;
  memcpy(context->devices, with, count * sizeof *with);
  TELL(LF_CL_SUCCESS);
  return context;
}
API cl_int clRetainContext(cl_context context) {
  context->references++;
  return LF_CL_SUCCESS;
}
API cl_int clReleaseContext(cl_context context) {
  if (!context) return INVALID_CONTEXT;
  if (--context->references == 0) gone(context);
  return LF_CL_SUCCESS;
}
API cl_int clGetContextInfo(cl_context context, cl_uint what, size_t capacity, void *out, size_t *needed) {
  if (what != LF_CL_CONTEXT_DEVICES) return INVALID_VALUE;
  return answer(context->devices, (size_t)context->count * sizeof(cl_device_id), capacity, out, needed);
}
API cl_command_queue clCreateCommandQueueWithProperties(cl_context context, cl_device_id device, const cl_ulong *properties,
                                                        cl_int *out_result) {
  (void)properties;
  if (!context || !device) REFUSE(INVALID_VALUE);
  cl_command_queue queue = make(sizeof *queue);
  *queue = (struct _cl_command_queue){context, device};
  context->references++;
  TELL(LF_CL_SUCCESS);
  return queue;
}
API cl_int clReleaseCommandQueue(cl_command_queue queue) {
  if (!queue) return INVALID_COMMAND_QUEUE;
  clReleaseContext(queue->context);
  gone(queue);
  return LF_CL_SUCCESS;
}
API cl_int clGetCommandQueueInfo(cl_command_queue queue, cl_uint what, size_t capacity, void *out, size_t *needed) {
  if (what == LF_CL_QUEUE_CONTEXT) return answer(&queue->context, sizeof queue->context, capacity, out, needed);
  if (what == LF_CL_QUEUE_DEVICE) return answer(&queue->device, sizeof queue->device, capacity, out, needed);
  return INVALID_VALUE;
}
API cl_int clFlush(cl_command_queue queue) { return queue ? LF_CL_SUCCESS : INVALID_COMMAND_QUEUE; }
API cl_int clFinish(cl_command_queue queue) { return clFlush(queue); }

/* ---- memory ---- */

static cl_mem new_mem(cl_context context, size_t size) {
  cl_mem mem = make(sizeof *mem);
  mem->context = context;
  mem->size = size;
  mem->references = 1;
  context->references++;
  return mem;
}
API cl_mem clCreateBuffer(cl_context context, cl_bitfield flags, size_t size, void *host, cl_int *out_result) {
  if (!context || host || !(flags & LF_CL_MEM_READ_WRITE)) REFUSE(INVALID_VALUE);
  if (size == 0) REFUSE(INVALID_BUFFER_SIZE);
  cl_mem mem = new_mem(context, size);
  mem->bytes = calloc(1, size);
  TELL(LF_CL_SUCCESS);
  return mem;
}
/* Takes the descriptor over when it succeeds, as the real one does. */
API cl_mem clCreateBufferWithProperties(cl_context context, const cl_mem_properties *properties, cl_bitfield flags,
                                        size_t size, void *host, cl_int *out_result) {
  uint64_t header[2]; /* the file's size, and where the memory begins */
  if (!context || host || !(flags & LF_CL_MEM_READ_WRITE)) REFUSE(INVALID_VALUE);
  if (properties[0] != LF_CL_MEMORY_OPAQUE_FD || properties[2] != LF_CL_DEVICE_HANDLE_LIST || properties[4] != 0)
    REFUSE(INVALID_PROPERTY);
  int fd = (int)properties[1];
  if (pread(fd, header, sizeof header, 0) != sizeof header || header[1] + size > header[0]) REFUSE(INVALID_BUFFER_SIZE);
  char *map = mmap(NULL, header[0], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) REFUSE(LF_CL_MEM_OBJECT_ALLOCATION_FAILURE);
  close(fd);
  cl_mem mem = new_mem(context, size);
  mem->map = map;
  mem->mapped = header[0];
  mem->bytes = map + header[1];
  mem->external = 1;
  TELL(LF_CL_SUCCESS);
  return mem;
}
API cl_mem clCreateSubBuffer(cl_mem whole, cl_bitfield flags, cl_uint type, const void *info, cl_int *out_result) {
  const lf_cl_region *region = info;
  if (!whole || whole->whole) REFUSE(INVALID_MEM_OBJECT);
  if (!(flags & LF_CL_MEM_READ_WRITE) || type != LF_CL_BUFFER_CREATE_TYPE_REGION || !region) REFUSE(INVALID_VALUE);
  if (region->size == 0) REFUSE(INVALID_BUFFER_SIZE);
  if (region->origin > whole->size || region->size > whole->size - region->origin) REFUSE(INVALID_VALUE);
  if (region->origin % ALIGNMENT) REFUSE(MISALIGNED);
  cl_mem mem = new_mem(whole->context, region->size);
  mem->whole = whole;
  mem->bytes = whole->bytes + region->origin;
  whole->references++;
  TELL(LF_CL_SUCCESS);
  return mem;
}
API cl_int clReleaseMemObject(cl_mem mem) {
  if (!mem) return INVALID_MEM_OBJECT;
  if (--mem->references > 0) return LF_CL_SUCCESS;
  if (mem->whole) clReleaseMemObject(mem->whole);
  else if (mem->map) munmap(mem->map, mem->mapped);
  else free(mem->bytes);
  clReleaseContext(mem->context);
  gone(mem);
  return LF_CL_SUCCESS;
}
API cl_int clGetMemObjectInfo(cl_mem mem, cl_uint what, size_t capacity, void *out, size_t *needed) {
  if (what == LF_CL_MEM_SIZE) return answer(&mem->size, sizeof mem->size, capacity, out, needed);
  if (what == LF_CL_MEM_CONTEXT) return answer(&mem->context, sizeof mem->context, capacity, out, needed);
  return INVALID_VALUE;
}

/* ---- commands: everything is done at once ---- */

static cl_int usable(cl_command_queue queue, cl_mem mem, size_t offset, size_t size) {
  if (!queue) return INVALID_COMMAND_QUEUE;
  if (!mem) return INVALID_MEM_OBJECT;
  if (mem->context != queue->context) return INVALID_CONTEXT;
  const struct _cl_mem *whole = mem->whole ? mem->whole : mem;
  if (whole->external && !whole->acquired) return INVALID_OPERATION;
  return size == 0 || offset > mem->size || size > mem->size - offset ? INVALID_VALUE : LF_CL_SUCCESS;
}
static cl_int finish(cl_int result, cl_event *event) {
  if (result == LF_CL_SUCCESS && event) *event = make(sizeof **event);
  return result;
}
API cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem mem, cl_uint blocking, size_t offset, size_t size, void *to,
                               cl_uint waits, const cl_event *before, cl_event *event) {
  (void)blocking, (void)waits, (void)before;
  cl_int result = usable(queue, mem, offset, size);
  if (result == LF_CL_SUCCESS) memcpy(to, mem->bytes + offset, size);
  return finish(result, event);
}
API cl_int clEnqueueWriteBuffer(cl_command_queue queue, cl_mem mem, cl_uint blocking, size_t offset, size_t size,
                                const void *from, cl_uint waits, const cl_event *before, cl_event *event) {
  (void)blocking, (void)waits, (void)before;
  cl_int result = usable(queue, mem, offset, size);
  if (result == LF_CL_SUCCESS) memcpy(mem->bytes + offset, from, size);
  return finish(result, event);
}
API cl_int clEnqueueFillBuffer(cl_command_queue queue, cl_mem mem, const void *pattern, size_t length, size_t offset,
                               size_t size, cl_uint waits, const cl_event *before, cl_event *event) {
  (void)waits, (void)before;
  cl_int result = usable(queue, mem, offset, size);
  if (result == LF_CL_SUCCESS && (length == 0 || size % length)) result = INVALID_VALUE;
  for (size_t at = 0; result == LF_CL_SUCCESS && at < size; at += length) memcpy(mem->bytes + offset + at, pattern, length);
  return finish(result, event);
}
API cl_int clEnqueueCopyBuffer(cl_command_queue queue, cl_mem from, cl_mem to, size_t at, size_t to_at, size_t size,
                               cl_uint waits, const cl_event *before, cl_event *event) {
  (void)waits, (void)before;
  cl_int result = usable(queue, from, at, size);
  if (result == LF_CL_SUCCESS) result = usable(queue, to, to_at, size);
  if (result == LF_CL_SUCCESS) memmove(to->bytes + to_at, from->bytes + at, size);
  return finish(result, event);
}
static cl_int own(cl_command_queue queue, cl_uint count, const cl_mem *list, int change, cl_event *event) {
  if (!queue) return INVALID_COMMAND_QUEUE;
  if (count == 0 || !list) return INVALID_VALUE;
  /* True for a buffer made from an OS handle, false for a sub-buffer. */
  for (cl_uint i = 0; i < count; i++)
    if (!list[i]->external || list[i]->acquired + change < 0) return INVALID_MEM_OBJECT;
  for (cl_uint i = 0; i < count; i++) list[i]->acquired += change;
  return finish(LF_CL_SUCCESS, event);
}
static cl_int acquire(cl_command_queue queue, cl_uint count, const cl_mem *list, cl_uint waits, const cl_event *before,
                      cl_event *event) {
  (void)waits, (void)before;
  return own(queue, count, list, 1, event);
}
static cl_int release(cl_command_queue queue, cl_uint count, const cl_mem *list, cl_uint waits, const cl_event *before,
                      cl_event *event) {
  (void)waits, (void)before;
  return own(queue, count, list, -1, event);
}
API cl_int clGetEventInfo(cl_event event, cl_uint what, size_t capacity, void *out, size_t *needed) {
  const cl_int complete = LF_CL_COMPLETE;
  if (!event || what != LF_CL_EVENT_COMMAND_EXECUTION_STATUS) return INVALID_VALUE;
  return answer(&complete, sizeof complete, capacity, out, needed);
}
API cl_int clReleaseEvent(cl_event event) {
  if (!event) return INVALID_VALUE;
  gone(event);
  return LF_CL_SUCCESS;
}
API void *clGetExtensionFunctionAddressForPlatform(cl_platform_id of, const char *name) {
  if (of != &platform) return NULL;
  if (strcmp(name, "clEnqueueAcquireExternalMemObjectsKHR") == 0) return (void *)(uintptr_t)acquire;
  if (strcmp(name, "clEnqueueReleaseExternalMemObjectsKHR") == 0) return (void *)(uintptr_t)release;
  return NULL;
}
