/* Memory as objects: arguments checked, the strategy carried out, the handle made. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "memory_host.h"
#include "status.h"

#define SIZE_LIMIT 4294967296.0

typedef struct {
  lf_host_block block;
  uint64_t size; /* what was asked for; the block has whole pages */
  int32_t strategy;
} memory;

static void release(int32_t strategy, lf_host_block *block) {
  if (strategy == LF_MEMORY_SHARED) lf_segment_close(&block->segment);
  else lf_host_free(block);
}

static void destroy(void *object) {
  memory *m = object;
  release(m->strategy, &m->block);
  free(m);
}

/* Takes the block over, also when it fails. */
static int32_t make(int32_t strategy, uint64_t size, lf_host_block *block) {
  memory *m = malloc(sizeof *m);
  if (!m) {
    release(strategy, block);
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "%zu bytes for a memory object", sizeof *m);
  }
  m->block = *block;
  m->size = size;
  m->strategy = strategy;
  int32_t handle = lf_handle_make(LF_KIND_MEMORY, m, destroy);
  if (handle < 0) destroy(m);
  return handle;
}

/* A segment from elsewhere may end within its last page, which is there all the same. */
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
  return LF_OK;
}

static int whole_size(double size) { return size >= 1 && size <= SIZE_LIMIT && size == (double)(uint64_t)size; }

int32_t lf_memory_allocate(int32_t strategy, double size, int32_t numa_node, lf_memory_info *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the memory's description");
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
  int32_t handle = make(strategy, (uint64_t)size, &block);
  return handle < 0 ? handle : describe(handle, (uint64_t)size, strategy, &block, out);
}

int32_t lf_memory_import(int64_t os_handle, double size, lf_memory_info *out) {
  lf_host_block block = {.segment = {.os = -1}, .numa_node = -1};
  int32_t status;
  if (!out) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the memory's description");
  else if (!whole_size(size)) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a memory of %g bytes", size);
  else status = lf_segment_attach(os_handle, (size_t)size, &block.segment);
  if (status < 0) {
    lf_status kept;
    lf_status_last(&kept);
    if (os_handle >= 0) lf_os_handle_close(os_handle);
    /* Closing may fail in its own way; the first failure is the one to tell. */
    return lf_fail(kept.code, kept.api, kept.native_status, "%s", kept.text);
  }
  block.segment.os = os_handle;
  int32_t handle = make(LF_MEMORY_SHARED, (uint64_t)size, &block);
  return handle < 0 ? handle : describe(handle, (uint64_t)size, LF_MEMORY_SHARED, &block, out);
}

int32_t lf_memory_adopt(lf_segment *segment, uint64_t size) {
  lf_host_block block = {.segment = *segment, .numa_node = -1};
  memset(segment, 0, sizeof *segment);
  segment->os = -1;
  return make(LF_MEMORY_SHARED, size, &block);
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

int32_t lf_memory_export(int32_t handle, int64_t *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the OS handle");
  memory *m = lf_handle_get(LF_KIND_MEMORY, handle);
  if (!m) return lf_handle_stale(LF_KIND_MEMORY, handle);
  const lf_segment *segment = lf_memory_segment(handle, NULL);
  return segment ? lf_os_handle_duplicate(segment->os, out) : LF_EEXTERNAL_MEMORY_UNSUPPORTED;
}

int32_t lf_memory_nodes(int32_t handle, uint32_t count, int32_t *out) {
  memory *m = lf_handle_get(LF_KIND_MEMORY, handle);
  if (!m) return lf_handle_stale(LF_KIND_MEMORY, handle);
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
