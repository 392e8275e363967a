/*
 * What CUDA's own copies reach: from and to pinned host memory, on one GPU, and from one GPU to another. libcuda is opened
 * at run time; the GPU is the one with the UUID that Vulkan gave.
 */
#include <dlfcn.h>

#include "bench.h"

typedef int32_t cu_result;
typedef int32_t cu_device;
typedef uint64_t cu_pointer;
typedef struct cu_context_ *cu_context;
typedef struct cu_stream_ *cu_stream;

static struct {
  cu_result (*init)(unsigned flags);
  cu_result (*error_name)(cu_result result, const char **out);
  cu_result (*device_count)(int *out);
  cu_result (*device_get)(cu_device *out, int index);
  cu_result (*device_uuid)(uint8_t *out, cu_device device);
  cu_result (*context_retain)(cu_context *out, cu_device device);
  cu_result (*context_set)(cu_context context);
  cu_result (*can_access)(int *out, cu_device device, cu_device peer);
  cu_result (*enable_access)(cu_context peer, unsigned flags);
  cu_result (*allocate)(cu_pointer *out, size_t bytes);
  cu_result (*allocate_host)(void **out, size_t bytes, unsigned flags);
  cu_result (*stream_create)(cu_stream *out, unsigned flags);
  cu_result (*stream_synchronize)(cu_stream stream);
  cu_result (*upload)(cu_pointer to, const void *from, size_t bytes, cu_stream stream);
  cu_result (*download)(void *to, cu_pointer from, size_t bytes, cu_stream stream);
  cu_result (*copy)(cu_pointer to, cu_pointer from, size_t bytes, cu_stream stream);
  cu_result (*copy_peer)(cu_pointer to, cu_context at, cu_pointer from, cu_context of, size_t bytes, cu_stream stream);
} cu;

/* In the order of the table above. */
static const char *const NAMES[] = {
    "cuInit", "cuGetErrorName", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetUuid_v2", "cuDevicePrimaryCtxRetain",
    "cuCtxSetCurrent", "cuDeviceCanAccessPeer", "cuCtxEnablePeerAccess", "cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamCreate",
    "cuStreamSynchronize", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoDAsync_v2", "cuMemcpyPeerAsync",
};
_Static_assert(sizeof NAMES / sizeof *NAMES == sizeof cu / sizeof(void *), "a name for each function");

static void check(cu_result result, const char *what) {
  if (result == 0) return;
  const char *name = NULL;
  if (cu.error_name) cu.error_name(result, &name);
  fprintf(stderr, "%s: %s (%d)\n", what, name ? name : "?", result);
  exit(1);
}

static void load(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    void *symbol = dlsym(library, NAMES[i]);
    if (!symbol) {
      fprintf(stderr, "libcuda has no %s\n", NAMES[i]);
      exit(1);
    }
    memcpy((char *)&cu + i * sizeof symbol, &symbol, sizeof symbol);
  }
  check(cu.init(0), "cuInit");
}

static cu_device device_of(const char *uuid) {
  int count;
  check(cu.device_count(&count), "cuDeviceGetCount");
  for (int i = 0; i < count; i++) {
    cu_device device;
    uint8_t bytes[16];
    char text[33];
    check(cu.device_get(&device, i), "cuDeviceGet");
    check(cu.device_uuid(bytes, device), "cuDeviceGetUuid_v2");
    for (int at = 0; at < 16; at++) snprintf(text + 2 * at, 3, "%02x", bytes[at]);
    if (strcmp(text, uuid) == 0) return device;
  }
  fprintf(stderr, "CUDA has no GPU with the UUID %s\n", uuid);
  exit(1);
}

static cu_context context_of(cu_device device) {
  cu_context context;
  check(cu.context_retain(&context, device), "cuDevicePrimaryCtxRetain");
  check(cu.context_set(context), "cuCtxSetCurrent");
  return context;
}

static cu_pointer gpu_memory(size_t bytes) {
  cu_pointer found;
  check(cu.allocate(&found, bytes), "cuMemAlloc_v2");
  return found;
}

static void *host_memory(size_t bytes) {
  void *found;
  check(cu.allocate_host(&found, bytes, 0), "cuMemHostAlloc");
  memset(found, 1, bytes);
  return found;
}

typedef enum { UPLOAD, DOWNLOAD, COPY, PEER, KINDS } kind;

int main(int argc, char **argv) {
  if (argc != 7 && argc != 8) return bench_usage(0, 1, "gpu_cuda CPU CPU upload|download|copy|peer BYTES COUNT UUID [UUID]");
  static const char *const names[KINDS] = {"upload", "download", "copy", "peer"};
  int which = 0;
  while (which < KINDS && strcmp(argv[3], names[which]) != 0) which++;
  size_t bytes = (size_t)atoll(argv[4]), count = (size_t)atoll(argv[5]), warm = count / 5 + 1;
  double *samples = calloc(count ? count : 1, sizeof *samples);
  if (which == KINDS || !bytes || !count || !samples || (which == PEER) != (argc == 8))
    return bench_usage(0, 1, "a kind, a size, a count, and a second UUID for peer");
  alarm(BENCH_LIMIT_S);
  bench_pin(argv[1]);
  load();
  cu_device device = device_of(argv[6]), other = which == PEER ? device_of(argv[7]) : device;
  cu_context there = NULL;
  cu_pointer target = 0;
  if (which == PEER) {
    there = context_of(other);
    target = gpu_memory(bytes);
  }
  cu_context here = context_of(device);
  cu_pointer source = gpu_memory(bytes);
  if (which == COPY) target = gpu_memory(bytes);
  void *host = which < COPY ? host_memory(bytes) : NULL;
  int access = 0;
  if (which == PEER) check(cu.can_access(&access, device, other), "cuDeviceCanAccessPeer");
  if (access) check(cu.enable_access(there, 0), "cuCtxEnablePeerAccess");
  cu_stream stream;
  check(cu.stream_create(&stream, 1), "cuStreamCreate"); /* 1: not ordered with the default stream */

  for (size_t i = 0; i < warm + count; i++) {
    uint64_t start = bench_now();
    switch ((kind)which) {
      case UPLOAD: check(cu.upload(source, host, bytes, stream), "cuMemcpyHtoDAsync_v2"); break;
      case DOWNLOAD: check(cu.download(host, source, bytes, stream), "cuMemcpyDtoHAsync_v2"); break;
      case COPY: check(cu.copy(target, source, bytes, stream), "cuMemcpyDtoDAsync_v2"); break;
      default: check(cu.copy_peer(target, there, source, here, bytes, stream), "cuMemcpyPeerAsync"); break;
    }
    check(cu.stream_synchronize(stream), "cuStreamSynchronize");
    if (i >= warm) samples[i - warm] = (double)bytes / (double)(bench_now() - start);
  }
  bench_print("cuda", samples, count, 0.01, "{");
  printf(",\"access\":%d}\n", access);
  return 0;
}
