/* Memory objects: checks arguments, allocates by strategy, makes the handle. */
#include "abi/device.h"
#include "abi/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/handle.h"
#include "base/status.h"
#include "base/whole.h"
#include "cuda/cuda.h"
#include "gpu/external.h"
#include "host/host_memory.h"

#define SIZE_LIMIT 4294967296.0

typedef struct {
  lf_host_block block; /* all zero for GPU memory */
  lf_gpu_memory *gpu;  /* or NULL */
  uint64_t size; /* bytes requested; the block has whole pages */
  int32_t strategy;
} memory;

/* Pages that CUDA fails to unregister are never freed: CUDA would keep their address registered for other pages. */
static void free_pages(lf_host_block *block) {
  if (block->pinned_by == LF_PINNED_BY_CUDA && lf_cuda_host_unregister(block->segment.address) < 0) return;
  lf_host_free(block);
}

/* Frees pinned pages when the work that uses them has ended. */
static void unpinned(void *context) {
  memory *m = context;
  free_pages(&m->block);
  free(m);
}

static void destroy(void *object) {
  memory *m = object;
  if (m->strategy == LF_MEMORY_GPU_PINNED && m->gpu) {
    lf_gpu_memory_free(m->gpu, unpinned, m);
    return;
  }
  if (m->strategy == LF_MEMORY_SHARED) lf_segment_close(&m->block.segment);
  else if (m->strategy == LF_MEMORY_GPU) lf_gpu_memory_free(m->gpu, NULL, NULL);
  else free_pages(&m->block);
  free(m);
}

/* Takes ownership of the block and the GPU memory, also when it fails. Returns the handle. */
static int32_t make(int32_t strategy, uint64_t size, lf_host_block *block, lf_gpu_memory *gpu) {
  memory *m = malloc(sizeof *m);
  if (!m) {
    if (gpu) lf_gpu_memory_free(gpu, NULL, NULL); /* no work has used it yet */
    if (strategy == LF_MEMORY_SHARED) lf_segment_close(&block->segment);
    else if (strategy != LF_MEMORY_GPU) free_pages(block);
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "%zu bytes for a memory object", sizeof *m);
  }
  m->block = *block;
  m->gpu = gpu;
  m->size = size;
  m->strategy = strategy;
  int32_t handle = lf_handle_make(LF_KIND_MEMORY, m, destroy);
  if (handle < 0) destroy(m);
  return handle;
}

/* An imported segment may end within its last page, which is mapped as a whole. */
static size_t page_count(const lf_segment *segment) {
  return (segment->size + segment->page_bytes - 1) / segment->page_bytes;
}

static int32_t describe(int32_t handle, uint64_t size, int32_t strategy, const lf_host_block *block,
                        lf_memory_info *out) {
  out->address = (uint64_t)(uintptr_t)block->segment.address;
  out->size = size;
  out->allocated = page_count(&block->segment) * block->segment.page_bytes;
  out->page_bytes = block->segment.page_bytes;
  out->handle = handle;
  out->strategy = strategy;
  out->numa_node = block->numa_node;
  out->hugetlb = block->hugetlb;
  out->pinned_by = block->pinned_by;
  return LF_OK;
}

/* Whether `size` is a number of bytes; the device checks it against its limits. */
static int whole_gpu_size(double size) { return size >= 1 && lf_whole(size); }

static int whole_size(double size) { return size >= 1 && size <= SIZE_LIMIT && lf_whole(size); }

int32_t lf_memory_allocate(int32_t strategy, double size, int32_t numa_node, lf_memory_info *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the memory's description");
  if (!whole_size(size)) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a memory of %g bytes", size);
  lf_host_block block = {.segment = {.os = -1}, .numa_node = -1};
  int32_t status;
  switch (strategy) {
    case LF_MEMORY_STANDARD: status = lf_host_standard((size_t)size, &block); break;
    case LF_MEMORY_NUMA: status = lf_host_numa((size_t)size, numa_node, &block); break;
    case LF_MEMORY_HUGEPAGES: status = lf_host_hugepages((size_t)size, &block); break;
    case LF_MEMORY_SHARED: status = lf_segment_create((size_t)size, &block.segment); break;
    default: return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory strategy %d", strategy);
  }
  if (status < 0) return status;
  int32_t handle = make(strategy, (uint64_t)size, &block, NULL);
  return handle < 0 ? handle : describe(handle, (uint64_t)size, strategy, &block, out);
}

int32_t lf_memory_import(int64_t os_handle, double size, lf_memory_info *out) {
  lf_host_block block = {.segment = {.os = -1}, .numa_node = -1};
  int32_t status;
  if (!out) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the memory's description");
  else if (!whole_size(size)) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a memory of %g bytes", size);
  else status = lf_segment_attach(os_handle, (size_t)size, &block.segment);
  if (status < 0) return lf_external_refuse(os_handle);
  block.segment.os = os_handle;
  int32_t handle = make(LF_MEMORY_SHARED, (uint64_t)size, &block, NULL);
  return handle < 0 ? handle : describe(handle, (uint64_t)size, LF_MEMORY_SHARED, &block, out);
}

int32_t lf_memory_adopt(lf_segment *segment, uint64_t size) {
  lf_host_block block = {.segment = *segment, .numa_node = -1};
  memset(segment, 0, sizeof *segment);
  segment->os = -1;
  return make(LF_MEMORY_SHARED, size, &block, NULL);
}

const lf_segment *lf_memory_segment(int32_t handle, uint64_t *size) {
  memory *m = lf_handle_get(LF_KIND_MEMORY, handle);
  if (!m) {
    lf_handle_stale(LF_KIND_MEMORY, handle);
    return NULL;
  }
  if (m->strategy != LF_MEMORY_SHARED) {
    lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "memory 0x%x belongs to this process alone: it is not shared",
            (unsigned)handle);
    return NULL;
  }
  if (size) *size = m->size;
  return &m->block.segment;
}

/* ---- GPU memory ---- */

lf_gpu_memory *lf_memory_gpu(int32_t handle) {
  memory *m = lf_handle_get(LF_KIND_MEMORY, handle);
  if (m && m->gpu) return m->gpu;
  if (!m) lf_handle_stale(LF_KIND_MEMORY, handle);
  else lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory 0x%x is neither on a GPU nor pinned for one through Vulkan",
               (unsigned)handle);
  return NULL;
}

int32_t lf_memory_adopt_gpu(lf_gpu_memory *gpu) {
  lf_host_block none = {.segment = {.os = -1}, .numa_node = -1};
  return make(LF_MEMORY_GPU, gpu->size, &none, gpu);
}

static int32_t make_gpu_handle(lf_gpu_memory *gpu, lf_memory_info *out) {
  *out = (lf_memory_info){.address = (uint64_t)(uintptr_t)gpu->address,
                          .size = gpu->size,
                          .allocated = gpu->allocation,
                          .page_bytes = gpu->host_visible && gpu->local,
                          .strategy = LF_MEMORY_GPU,
                          .numa_node = -1,
                          .beyond_bar = gpu->host_visible && !gpu->local &&
                                           gpu->device->type_local_mapped != UINT32_MAX};
  out->handle = lf_memory_adopt_gpu(gpu);
  return out->handle < 0 ? out->handle : LF_OK;
}

enum kind { HIDDEN, VISIBLE, BAR };

static int32_t allocate_on_gpu(int32_t device_handle, double size, enum kind kind, lf_memory_info *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the memory's description");
  if (!whole_gpu_size(size)) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a GPU memory of %g bytes", size);
  lf_device *device = lf_device_get(device_handle);
  if (!device) return lf_status_code();
  lf_gpu_memory *gpu;
  int32_t status = kind == BAR ? lf_gpu_memory_allocate_bar(device, (uint64_t)size, &gpu)
                                  : lf_gpu_memory_allocate(device, (uint64_t)size, kind == VISIBLE, &gpu);
  return status < 0 ? status : make_gpu_handle(gpu, out);
}

int32_t lf_memory_allocate_gpu(int32_t device, double size, int32_t host_visible, lf_memory_info *out) {
  return allocate_on_gpu(device, size, host_visible ? VISIBLE : HIDDEN, out);
}

int32_t lf_memory_allocate_bar(int32_t device, double size, lf_memory_info *out) {
  return allocate_on_gpu(device, size, BAR, out);
}

int32_t lf_memory_import_gpu(int32_t device_handle, int64_t os_handle, double size, double allocation,
                             int32_t host_visible, const uint8_t *uuids, lf_memory_info *out) {
  int32_t status = LF_OK;
  lf_device *device = NULL;
  if (!out) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the memory's description");
  else if (!whole_gpu_size(size)) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a GPU memory of %g bytes", size);
  else if (!whole_gpu_size(allocation))
    status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "an allocation of %g bytes", allocation);
  else if (!uuids) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no UUIDs of the exporter's device and driver");
  else if (!(device = lf_device_get(device_handle))) status = lf_status_code();
  else status = lf_device_check_uuids(device, uuids);
  if (status < 0) return lf_external_refuse(os_handle);
  lf_gpu_memory *gpu;
  status = lf_gpu_memory_import(device, os_handle, (uint64_t)size, (uint64_t)allocation, host_visible != 0, &gpu);
  return status < 0 ? status : make_gpu_handle(gpu, out);
}

/* Pins the pages through CUDA, if it has the GPU, too. Vulkan has failed, with the failure that was recorded last. */
static int32_t pin_by_cuda(const lf_device *device, lf_host_block *block) {
  lf_status vulkan, cuda;
  lf_status_last(&vulkan);
  const uint8_t *uuid = device->info.device_uuid;
  if (lf_cuda_peer_viable(uuid, uuid) == 1 && lf_cuda_host_register(block->segment.address,
                                                                    block->segment.size) == LF_OK) {
    block->pinned_by = LF_PINNED_BY_CUDA;
    return LF_OK;
  }
  lf_status_last(&cuda);
  return lf_fail(LF_EGPU_PINNING_FAILED, vulkan.api, vulkan.native_status, "%.200s; through CUDA: %.200s", vulkan.text,
                 cuda.text);
}

int32_t lf_memory_allocate_pinned(int32_t device_handle, double size, lf_memory_info *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the memory's description");
  if (!whole_size(size)) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a memory of %g bytes", size);
  lf_device *device = lf_device_get(device_handle);
  if (!device) return lf_status_code();
  /* Pinned memory is a multiple of the driver's alignment, which is a multiple of the page size. */
  uint64_t alignment = device->host_import_alignment ? device->host_import_alignment : 1;
  uint64_t bytes = ((uint64_t)size + alignment - 1) / alignment * alignment;
  lf_host_block block = {.segment = {.os = -1}, .numa_node = -1};
  int32_t status = lf_host_standard((size_t)bytes, &block);
  if (status < 0) return status;
  lf_gpu_memory *gpu = NULL;
  status = lf_gpu_memory_pin(device, block.segment.address, block.segment.size, &gpu);
  if (status == LF_OK) {
    gpu->size = (uint64_t)size;
    block.pinned_by = LF_PINNED_BY_VULKAN;
  } else if (status == LF_EGPU_PINNING_FAILED) {
    status = pin_by_cuda(device, &block);
  }
  if (status < 0) {
    lf_host_free(&block);
    return status;
  }
  int32_t handle = make(LF_MEMORY_GPU_PINNED, (uint64_t)size, &block, gpu);
  return handle < 0 ? handle : describe(handle, (uint64_t)size, LF_MEMORY_GPU_PINNED, &block, out);
}

/* ---- any memory ---- */

int32_t lf_memory_export(int32_t handle, int64_t *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the OS handle");
  memory *m = lf_handle_get(LF_KIND_MEMORY, handle);
  if (!m) return lf_handle_stale(LF_KIND_MEMORY, handle);
  if (m->gpu) return lf_gpu_memory_export_wait(m->gpu, out);
  const lf_segment *segment = lf_memory_segment(handle, NULL);
  return segment ? lf_os_handle_duplicate(segment->os, out) : LF_EEXTERNAL_MEMORY_UNSUPPORTED;
}

int32_t lf_memory_allocated(int32_t handle, double *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the bytes");
  const lf_gpu_memory *gpu = lf_memory_gpu(handle);
  if (!gpu) return lf_status_code();
  *out = (double)gpu->allocation;
  return LF_OK;
}

int32_t lf_memory_nodes(int32_t handle, uint32_t count, int32_t *out) {
  memory *m = lf_handle_get(LF_KIND_MEMORY, handle);
  if (!m) return lf_handle_stale(LF_KIND_MEMORY, handle);
  if (m->strategy == LF_MEMORY_GPU)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "memory 0x%x is the GPU's: it is on no NUMA node", (unsigned)handle);
  const lf_segment *segment = &m->block.segment;
  if (!out || count == 0 || count > page_count(segment))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the nodes of %u pages, of %zu", count, page_count(segment));
  return lf_host_nodes(segment->address, segment->page_bytes, count, out);
}

int32_t lf_memory_close(int32_t handle) {
  memory *m = lf_handle_take(LF_KIND_MEMORY, handle);
  if (!m) return lf_handle_stale(LF_KIND_MEMORY, handle);
  destroy(m);
  return LF_OK;
}
