/*
 * A CUDA driver without a GPU, for tests. Device memory is host memory, and an import maps the file that Mesa's
 * software Vulkan exports. (Its first two words are its size and the offset of the memory; the second word also
 * precedes the memory.) So Vulkan sees the writes of this CUDA, and the reverse. The driver counts open objects, tracks
 * the current context, refuses what the real one refuses, and fails on demand.
 *
 * FAKE_CUDA_UUIDS: the UUIDs of its devices, as hex, separated by commas. FAKE_CUDA_DRIVER: the 20 bytes that follow
 * the two words in Mesa's files, as hex: memory of cuMemCreate is then such a file, too.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda/cuda_api.h"

#define API __attribute__((visibility("default")))
enum { INVALID_VALUE = 1, NOT_INITIALIZED = 3, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_SUPPORTED = 801 };

#define DEVICES_MAX 4
#define STACK_MAX 16
#define RANGES_MAX 64
#define GRANULE 4096u

static struct {
  uint8_t uuid[16];
  int retained;
  int peer; /* 1: access to the others was switched on */
} devices[DEVICES_MAX];
static int device_count, initialized, fail_code, fail_after, pending, wrong_alias;
static char fail_name[64], order[8192];
static uintptr_t stack[STACK_MAX]; /* contexts: the device's number + 1 */
static int depth;

/* Device memory. */
typedef struct {
  char *base;
  size_t size, mapped;
  char *map;
  int device, fd; /* fd -1: can't be exported */
  int external;
} range;
static range ranges[RANGES_MAX];
static struct {
  int memory, mapped, stream, event, semaphore, pages, handle;
} live;

/* Each function begins with this: writes down its name, and fails where that was asked for. */
static int enter(const char *name) {
  if (strlen(order) + strlen(name) + 2 < sizeof order) strcat(strcat(order, name), " ");
  if (fail_code && strcmp(name, fail_name) == 0 && fail_after-- == 0) {
    int code = fail_code;
    fail_code = 0;
    return code;
  }
  return initialized || strcmp(name, "cuInit") == 0 ? LF_CU_SUCCESS : NOT_INITIALIZED;
}
#define ENTER() \
  do { \
    int refused = enter(__func__); \
    if (refused) return refused; \
  } while (0)
#define ENTER_IN_CONTEXT() \
  do { \
    ENTER(); \
    if (depth == 0 || stack[depth - 1] == 0) return INVALID_CONTEXT; \
  } while (0)

static int current(void) { return (int)stack[depth - 1] - 1; }

static size_t unhex(const char *text, uint8_t *out, size_t max) {
  size_t n = 0;
  for (unsigned byte; n < max && sscanf(text + 2 * n, "%2x", &byte) == 1; n++) out[n] = (uint8_t)byte;
  return n;
}

static range *range_at(CUdeviceptr pointer) {
  for (int i = 0; i < RANGES_MAX; i++)
    if (ranges[i].base && pointer >= (uintptr_t)ranges[i].base && pointer < (uintptr_t)ranges[i].base + ranges[i].size)
      return &ranges[i];
  return NULL;
}
static range *new_range(void) {
  for (int i = 0; i < RANGES_MAX; i++)
    if (!ranges[i].base) return &ranges[i];
  return NULL;
}
static int inside(CUdeviceptr pointer, size_t size) {
  const range *r = range_at(pointer);
  return r && size <= r->size - (pointer - (uintptr_t)r->base);
}

/* ---- what tests ask for ---- */

/* The next call of `name` but `after` fails with `code`. */
API void fake_fail(const char *name, int code, int after) {
  snprintf(fail_name, sizeof fail_name, "%s", name);
  fail_code = code;
  fail_after = after;
}
/* The number of polls before an event is ready. */
API void fake_pending(int times) { pending = times; }
/* Exported handles are of other memory from now on. */
API void fake_wrong_alias(int wrong) { wrong_alias = wrong; }
/* All objects that are open; contexts retained; a stack that is not as it was counts too. */
API int fake_open(void) {
  int sum = live.memory + live.mapped + live.stream + live.event + live.semaphore + live.pages + live.handle + depth;
  for (int i = 0; i < device_count; i++) sum += devices[i].retained;
  return sum;
}
API const char *fake_order(void) { return order; }
API void fake_forget(void) { order[0] = 0; }

/* ---- the library, the devices, contexts ---- */

API CUresult cuInit(unsigned flags) {
  ENTER();
  const char *uuids = getenv("FAKE_CUDA_UUIDS");
  if (flags != 0 || !uuids) return INVALID_VALUE;
  for (device_count = 0; *uuids && device_count < DEVICES_MAX; device_count++) {
    if (unhex(uuids, devices[device_count].uuid, 16) != 16) return INVALID_VALUE;
    uuids += uuids[32] == ',' ? 33 : 32;
  }
  initialized = 1;
  return device_count > 0 ? LF_CU_SUCCESS : LF_CU_NO_DEVICE;
}
API CUresult cuDriverGetVersion(int *out) {
  ENTER();
  *out = 12040;
  return LF_CU_SUCCESS;
}
API CUresult cuGetErrorName(CUresult result, const char **out) {
  *out = result == LF_CU_OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_OF_THE_TEST";
  return LF_CU_SUCCESS;
}
API CUresult cuGetErrorString(CUresult result, const char **out) {
  (void)result;
  *out = "as the test wants it";
  return LF_CU_SUCCESS;
}
API CUresult cuDeviceGetCount(int *out) {
  ENTER();
  *out = device_count;
  return LF_CU_SUCCESS;
}
API CUresult cuDeviceGet(CUdevice *out, int ordinal) {
  ENTER();
  if (ordinal < 0 || ordinal >= device_count) return INVALID_VALUE;
  *out = ordinal;
  return LF_CU_SUCCESS;
}
API CUresult cuDeviceGetUuid(void *out, CUdevice device) {
  ENTER();
  memcpy(out, devices[device].uuid, 16);
  return LF_CU_SUCCESS;
}
API CUresult cuDeviceCanAccessPeer(int *out, CUdevice from, CUdevice to) {
  ENTER();
  *out = from != to;
  return LF_CU_SUCCESS;
}
API CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device) {
  ENTER();
  devices[device].retained++;
  *out = (CUcontext)(uintptr_t)(device + 1);
  return LF_CU_SUCCESS;
}
API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  ENTER();
  if (devices[device].retained == 0) return INVALID_CONTEXT;
  devices[device].retained--;
  return LF_CU_SUCCESS;
}
API CUresult cuCtxPushCurrent_v2(CUcontext context) {
  ENTER();
  if (depth == STACK_MAX || devices[(uintptr_t)context - 1].retained == 0) return INVALID_CONTEXT;
  stack[depth++] = (uintptr_t)context;
  return LF_CU_SUCCESS;
}
API CUresult cuCtxPopCurrent_v2(CUcontext *out) {
  ENTER();
  if (depth == 0) return INVALID_CONTEXT;
  *out = (CUcontext)stack[--depth];
  return LF_CU_SUCCESS;
}
API CUresult cuCtxSetCurrent(CUcontext context) {
  ENTER();
  if (depth == 0) depth = 1;
  stack[depth - 1] = (uintptr_t)context;
  if (!context) depth--;
  return LF_CU_SUCCESS;
}
API CUresult cuCtxGetCurrent(CUcontext *out) {
  ENTER();
  *out = depth ? (CUcontext)stack[depth - 1] : NULL;
  return LF_CU_SUCCESS;
}
API CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
  ENTER_IN_CONTEXT();
  if (flags != 0 || (uintptr_t)peer == stack[depth - 1]) return INVALID_VALUE;
  if (devices[current()].peer) return LF_CU_PEER_ACCESS_ALREADY_ENABLED;
  devices[current()].peer = 1;
  return LF_CU_SUCCESS;
}

/* ---- streams and events: everything is done at once ---- */

API CUresult cuStreamCreate(CUstream *out, unsigned flags) {
  ENTER_IN_CONTEXT();
  (void)flags;
  *out = (CUstream)(uintptr_t)stack[depth - 1];
  live.stream++;
  return LF_CU_SUCCESS;
}
API CUresult cuStreamDestroy_v2(CUstream stream) {
  ENTER_IN_CONTEXT();
  if (!stream) return INVALID_HANDLE;
  live.stream--;
  return LF_CU_SUCCESS;
}
API CUresult cuStreamSynchronize(CUstream stream) {
  ENTER_IN_CONTEXT();
  (void)stream;
  return LF_CU_SUCCESS;
}
API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  ENTER();
  return stream && event && flags == 0 ? LF_CU_SUCCESS : INVALID_HANDLE;
}
API CUresult cuEventCreate(CUevent *out, unsigned flags) {
  ENTER_IN_CONTEXT();
  (void)flags;
  *out = (CUevent)(uintptr_t)stack[depth - 1];
  live.event++;
  return LF_CU_SUCCESS;
}
API CUresult cuEventDestroy_v2(CUevent event) {
  ENTER_IN_CONTEXT();
  if (!event) return INVALID_HANDLE;
  live.event--;
  return LF_CU_SUCCESS;
}
/* An event and its stream are of one context. */
API CUresult cuEventRecord(CUevent event, CUstream stream) {
  ENTER_IN_CONTEXT();
  return (uintptr_t)event == (uintptr_t)stream && (uintptr_t)event == stack[depth - 1] ? LF_CU_SUCCESS : INVALID_HANDLE;
}
API CUresult cuEventQuery(CUevent event) {
  ENTER_IN_CONTEXT();
  if (!event) return INVALID_HANDLE;
  if (pending == 0) return LF_CU_SUCCESS;
  pending--;
  return LF_CU_NOT_READY;
}

/* ---- memory ---- */

API CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t size) {
  ENTER_IN_CONTEXT();
  range *r = new_range();
  if (!r || !(r->base = calloc(1, size))) return LF_CU_OUT_OF_MEMORY;
  *r = (range){.base = r->base, .size = size, .device = current(), .fd = -1};
  *out = (uintptr_t)r->base;
  return LF_CU_SUCCESS;
}
API CUresult cuMemFree_v2(CUdeviceptr pointer) {
  ENTER_IN_CONTEXT();
  range *r = range_at(pointer);
  if (!r || (uintptr_t)r->base != pointer || r->device != current()) return INVALID_VALUE;
  if (r->external) live.mapped--;
  else free(r->base);
  memset(r, 0, sizeof *r);
  return LF_CU_SUCCESS;
}
API CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr pointer) {
  ENTER_IN_CONTEXT();
  const range *r = range_at(pointer);
  if (!r) return INVALID_VALUE;
  *base = (uintptr_t)r->base;
  *size = r->size;
  return LF_CU_SUCCESS;
}
API CUresult cuPointerGetAttribute(void *out, int attribute, CUdeviceptr pointer) {
  ENTER();
  const range *r = range_at(pointer);
  if (!r) return INVALID_VALUE;
  *(int *)out = attribute == LF_CU_POINTER_DEVICE_ORDINAL ? r->device : LF_CU_MEMORYTYPE_DEVICE;
  return LF_CU_SUCCESS;
}
static CUresult copy(CUdeviceptr to, CUdeviceptr from, size_t size) {
  if (!inside(to, size) || !inside(from, size)) return INVALID_VALUE;
  memmove((void *)(uintptr_t)to, (const void *)(uintptr_t)from, size);
  return LF_CU_SUCCESS;
}
API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
  ENTER_IN_CONTEXT();
  (void)stream;
  return range_at(to) && range_at(from) && range_at(to)->device == range_at(from)->device ? copy(to, from, size)
                                                                                         : INVALID_VALUE;
}
API CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context,
                               size_t size, CUstream stream) {
  ENTER_IN_CONTEXT();
  (void)stream;
  const range *t = range_at(to), *f = range_at(from);
  if (!t || !f || (uintptr_t)to_context != (uintptr_t)t->device + 1 || (uintptr_t)from_context != (uintptr_t)f->device + 1)
    return INVALID_VALUE;
  return copy(to, from, size);
}
API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
  ENTER_IN_CONTEXT();
  (void)stream;
  if (!inside(to, size)) return INVALID_VALUE;
  memcpy((void *)(uintptr_t)to, from, size);
  return LF_CU_SUCCESS;
}
API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream stream) {
  ENTER_IN_CONTEXT();
  (void)stream;
  if (!inside(from, size)) return INVALID_VALUE;
  memcpy(to, (const void *)(uintptr_t)from, size);
  return LF_CU_SUCCESS;
}
API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
  return cuMemcpyHtoDAsync_v2(to, from, size, NULL);
}
API CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
  return cuMemcpyDtoHAsync_v2(to, from, size, NULL);
}
API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  ENTER_IN_CONTEXT();
  (void)stream;
  if (!inside(to, 4 * count)) return INVALID_VALUE;
  for (size_t i = 0; i < count; i++) memcpy((char *)(uintptr_t)to + 4 * i, &value, 4);
  return LF_CU_SUCCESS;
}
API CUresult cuMemHostRegister_v2(void *address, size_t bytes, unsigned flags) {
  ENTER_IN_CONTEXT();
  if (!address || bytes == 0 || flags != LF_CU_HOST_REGISTER_PORTABLE) return INVALID_VALUE;
  live.pages++;
  return LF_CU_SUCCESS;
}
API CUresult cuMemHostUnregister(void *address) {
  ENTER_IN_CONTEXT();
  if (!address || live.pages == 0) return INVALID_VALUE;
  live.pages--;
  return LF_CU_SUCCESS;
}

/* ---- memory that is shared: Mesa's files ---- */

typedef struct {
  uint64_t size, offset;
  uint8_t driver[24];
} file_header;

static char *map_file(int fd, uint64_t bytes, file_header *header) {
  if (pread(fd, header, sizeof *header, 0) != sizeof *header || header->offset + bytes > header->size) return NULL;
  char *map = mmap(NULL, header->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return map == MAP_FAILED ? NULL : map;
}

typedef struct {
  char *map;
  file_header header;
  uint64_t size;
} external_memory;

/* Takes the descriptor over when it succeeds, as the real one does. */
API CUresult cuImportExternalMemory(CUexternalMemory *out, const lf_cu_memory_handle *handle) {
  ENTER_IN_CONTEXT();
  if (handle->type != LF_CU_MEMORY_OPAQUE_FD || handle->flags != LF_CU_MEMORY_DEDICATED) return INVALID_VALUE;
  external_memory *memory = calloc(1, sizeof *memory);
  if (!memory) return LF_CU_OUT_OF_MEMORY;
  memory->size = handle->size;
  memory->map = map_file(handle->handle.fd, handle->size, &memory->header);
  if (!memory->map) {
    free(memory);
    return INVALID_VALUE;
  }
  close(handle->handle.fd);
  live.memory++;
  *out = (CUexternalMemory)memory;
  return LF_CU_SUCCESS;
}
API CUresult cuExternalMemoryGetMappedBuffer(CUdeviceptr *out, CUexternalMemory external,
                                             const lf_cu_mapped_buffer *buffer) {
  ENTER_IN_CONTEXT();
  external_memory *memory = (external_memory *)external;
  range *r = new_range();
  if (!r || buffer->flags != 0 || buffer->offset + buffer->size > memory->size) return INVALID_VALUE;
  *r = (range){.base = memory->map + memory->header.offset + buffer->offset, .size = buffer->size, .device = current(),
               .fd = -1, .external = 1};
  live.mapped++;
  *out = (uintptr_t)r->base;
  return LF_CU_SUCCESS;
}
API CUresult cuDestroyExternalMemory(CUexternalMemory external) {
  ENTER_IN_CONTEXT();
  external_memory *memory = (external_memory *)external;
  munmap(memory->map, memory->header.size);
  free(memory);
  live.memory--;
  return LF_CU_SUCCESS;
}

/* Memory made for export: all of cuMemCreate, cuMemAddressReserve, cuMemMap and cuMemSetAccess in one. */
API CUresult fake_create_exportable(CUdeviceptr *out, size_t size) {
  file_header header = {.size = GRANULE + size + 40, .offset = GRANULE};
  const char *driver = getenv("FAKE_CUDA_DRIVER");
  range *r = new_range();
  int fd = memfd_create("fake_cuda", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (!r || fd < 0 || !driver || unhex(driver, header.driver, 20) != 20) return INVALID_VALUE;
  if (ftruncate(fd, (off_t)header.size) != 0 || pwrite(fd, &header, sizeof header, 0) != sizeof header ||
      pwrite(fd, &header.offset, 8, GRANULE - 8) != 8 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
    return LF_CU_OUT_OF_MEMORY;
  char *map = map_file(fd, size, &header);
  if (!map) return LF_CU_OUT_OF_MEMORY;
  *r = (range){.base = map + header.offset, .size = size, .map = map, .mapped = header.size, .device = current(), .fd = fd};
  *out = (uintptr_t)r->base;
  return LF_CU_SUCCESS;
}
API CUresult fake_free_exportable(CUdeviceptr pointer) {
  range *r = range_at(pointer);
  if (!r || !r->map) return INVALID_VALUE;
  munmap(r->map, r->mapped);
  close(r->fd);
  memset(r, 0, sizeof *r);
  return LF_CU_SUCCESS;
}
API CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *address) {
  ENTER();
  const range *r = range_at((uintptr_t)address);
  if (!r || r->fd < 0) return INVALID_VALUE;
  live.handle++;
  *out = (uintptr_t)r->base;
  return LF_CU_SUCCESS;
}
API CUresult cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle, int type,
                                          unsigned long long flags) {
  ENTER();
  const range *r = range_at(handle);
  if (!r || type != LF_CU_SHAREABLE_POSIX_FD || flags != 0) return INVALID_VALUE;
  int fd = dup(r->fd);
  if (wrong_alias) {
    CUdeviceptr other;
    if (fake_create_exportable(&other, r->size) != LF_CU_SUCCESS) return LF_CU_OUT_OF_MEMORY;
    dup2(range_at(other)->fd, fd);
    fake_free_exportable(other);
  }
  *(int *)out = fd;
  return fd < 0 ? LF_CU_OUT_OF_MEMORY : LF_CU_SUCCESS;
}
/* Addresses of their own for memory: this driver has none, and says so with its first word. */
#define NOT_SUPPORTED 801
API CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *out, void *os, int type) {
  (void)out, (void)os, (void)type;
  return NOT_SUPPORTED;
}
API CUresult cuMemAddressReserve(CUdeviceptr *out, size_t size, size_t alignment, CUdeviceptr at,
                                 unsigned long long flags) {
  (void)out, (void)size, (void)alignment, (void)at, (void)flags;
  return NOT_SUPPORTED;
}
API CUresult cuMemAddressFree(CUdeviceptr at, size_t size) {
  (void)at, (void)size;
  return NOT_SUPPORTED;
}
API CUresult cuMemMap(CUdeviceptr at, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                      unsigned long long flags) {
  (void)at, (void)size, (void)offset, (void)handle, (void)flags;
  return NOT_SUPPORTED;
}
API CUresult cuMemUnmap(CUdeviceptr at, size_t size) {
  (void)at, (void)size;
  return NOT_SUPPORTED;
}
API CUresult cuMemSetAccess(CUdeviceptr at, size_t size, const void *access, size_t count) {
  (void)at, (void)size, (void)access, (void)count;
  return NOT_SUPPORTED;
}
API CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  ENTER();
  if (!handle) return INVALID_VALUE;
  live.handle--;
  return LF_CU_SUCCESS;
}

/* ---- semaphores: Mesa's software Vulkan shares none ---- */

API CUresult cuImportExternalSemaphore(CUexternalSemaphore *out, const lf_cu_semaphore_handle *handle) {
  ENTER_IN_CONTEXT();
  (void)out, (void)handle;
  return NOT_SUPPORTED;
}
API CUresult cuSignalExternalSemaphoresAsync(const CUexternalSemaphore *semaphores, const lf_cu_semaphore_params *params,
                                             unsigned count, CUstream stream) {
  ENTER_IN_CONTEXT();
  (void)semaphores, (void)params, (void)count, (void)stream;
  return NOT_SUPPORTED;
}
API CUresult cuWaitExternalSemaphoresAsync(const CUexternalSemaphore *semaphores, const lf_cu_semaphore_params *params,
                                           unsigned count, CUstream stream) {
  ENTER_IN_CONTEXT();
  (void)semaphores, (void)params, (void)count, (void)stream;
  return NOT_SUPPORTED;
}
API CUresult cuDestroyExternalSemaphore(CUexternalSemaphore semaphore) {
  ENTER_IN_CONTEXT();
  (void)semaphore;
  return NOT_SUPPORTED;
}
