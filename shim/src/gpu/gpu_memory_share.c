/* Export of GPU memory to other processes, and import from them. An importer can map all of an allocation, so a part is
 * moved into an allocation of its own before its export. */
#include <inttypes.h>

#include "base/status.h"
#include "gpu/allocation.h"
#include "gpu/copier.h"
#include "gpu/external.h"
#include "gpu/queue.h"

/* ---- export ---- */

/* Exchanges the allocations of `m` and `own`. */
static void exchange(lf_gpu_memory *m, lf_gpu_memory *own) {
  lf_gpu_memory part = *m;
  m->buffer = own->buffer, own->buffer = part.buffer;
  m->memory = own->memory, own->memory = part.memory;
  m->bytes = own->bytes, own->bytes = part.bytes;
  m->allocation = own->allocation, own->allocation = part.allocation;
  m->local = own->local, own->local = part.local;
  m->start = own->start, own->start = part.start;
  m->block = own->block, own->block = part.block;
  m->range = own->range, own->range = part.range;
}

int32_t lf_gpu_memory_move_out(lf_gpu_memory *m) {
  lf_device *device = m->device;
  if (!m->block) return LF_OK;
  if (m->address)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
                   "this memory was made for this process alone: it is not shared");
  lf_gpu_memory *own;
  int32_t status = lf_gpu_memory_allocate_own(device, m->size, 0, &own);
  if (status < 0) return status;
  VkCommandBuffer commands;
  status = lf_queue_begin(device, 1, &commands);
  if (status == LF_OK) {
    uint64_t value;
    const lf_range from = {m, 0, m->size}, to = {own, 0, m->size};
    /* The allocation may have been used before: its rest is zeroed, so that no importer sees old bytes. */
    if (own->bytes > m->size) {
      const uint64_t rest = m->size & ~(uint64_t)3;
      device->vk.CmdFillBuffer(commands, own->buffer, rest, own->bytes - rest, 0);
      lf_queue_barrier(device);
    }
    lf_copier_record(device, commands, &from, &to);
    status = lf_queue_use(device, m);
    if (status == LF_OK) status = lf_queue_use(device, own);
    if (status < 0) lf_queue_drop(device);
    else status = lf_queue_end(device, &value);
    if (status == 1) {
      m->moved_at = value;
      exchange(m, own);
      status = LF_OK;
    }
  }
  lf_gpu_memory_free(own, NULL, NULL);
  return status;
}

int32_t lf_gpu_memory_export(lf_gpu_memory *m, int64_t *out) {
  lf_device *device = m->device;
  if (m->pinned)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
                   "pinned memory belongs to this process alone: it is not shared");
  if (m->unshared)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
                   "this memory was made for this process alone: it is not shared");
  if (m->imported && !device->reexport)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "the driver of %s does not export what was imported",
                   device->info.name);
  int32_t status = lf_device_check(device);
  if (status == LF_OK) status = lf_gpu_memory_move_out(m);
  if (status == LF_OK) status = lf_external_export_memory(device, m->memory, &m->os, out);
  if (status != LF_OK) return status;
  m->exported = 1;
  lf_external_learn(device, LF_EXTERNAL_IS_MEMORY, *out);
  return LF_OK;
}

/* The limit of the library for any work on a GPU. */
#define MOVE_LIMIT_NS ((uint64_t)30 * 1000 * 1000 * 1000)

static int32_t wait_until(lf_gpu_memory *m, uint64_t value) {
  int32_t status = lf_queue_wait(m->device, value, MOVE_LIMIT_NS);
  if (status != LF_TIMEOUT) return status < 0 ? status : LF_OK;
  return lf_fail(LF_ETIMEOUT, "", 0,
                 "the first export of %" PRIu64 " bytes copies them, and the work before that on %s did not end within 30 s",
                 m->size, m->device->info.name);
}

int32_t lf_gpu_memory_export_wait(lf_gpu_memory *m, int64_t *out) {
  int32_t status = lf_gpu_memory_move_out(m);
  while (status == LF_FULL) {
    double needed;
    lf_queue_full(m->device, &needed);
    status = wait_until(m, (uint64_t)needed);
    if (status == LF_OK) status = lf_gpu_memory_move_out(m);
  }
  if (status == LF_OK && m->moved_at > lf_queue_seen(m->device)) status = wait_until(m, m->moved_at);
  return status < 0 ? status : lf_gpu_memory_export(m, out);
}

/* Compares `os` with a handle that this device exports. The kind of file is learnt once. The memory of a software GPU
 * is a file, which must begin as one of the same size does. */
static int32_t check_handle(lf_gpu_memory *m, int64_t os) {
  lf_device *device = m->device;
  int software = device->info.type == LF_GPU_CPU;
  if (!software && device->exported_kinds[LF_EXTERNAL_IS_MEMORY])
    return lf_external_check(device, LF_EXTERNAL_IS_MEMORY, os, -1);
  lf_gpu_memory *like;
  int64_t sample;
  uint64_t bytes = software ? m->bytes : lf_block_bytes(device, 1);
  int32_t status = lf_gpu_memory_allocate_new(device, bytes, bytes, m->host_visible, &like);
  if (status < 0) return status;
  status = lf_gpu_memory_export(like, &sample);
  if (status == LF_OK) {
    status = lf_external_check(device, LF_EXTERNAL_IS_MEMORY, os, software ? sample : -1);
    if (lf_os_handle_close(sample) < 0 && status == LF_OK) status = lf_status_code();
  }
  lf_gpu_memory_free(like, NULL, NULL);
  return status;
}

static int32_t import_allocation(lf_gpu_memory *m, int64_t os, uint64_t allocation) {
  lf_device *device = m->device;
  if (m->allocation != allocation)
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0,
                   "memory of %" PRIu64 " bytes has an allocation of %" PRIu64 " here, and the one imported has %" PRIu64,
                   m->size, m->allocation, allocation);
  int32_t status = check_handle(m, os);
  if (status < 0) return status;
  lf_import_info import;
  const char *api;
  const void *chain = lf_external_import_info(os, &import);
  /* Mesa's software driver re-exports memory only if its import says so. Hardware drivers are not told: NVIDIA's (580)
   * would report an import and allocate new memory instead, and re-exports imported memory anyway. */
  VkExportMemoryAllocateInfo again = {.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
                                      .pNext = chain,
                                      .handleTypes = LF_EXTERNAL_MEMORY};
  if (device->reexport && device->info.type == LF_GPU_CPU) chain = &again;
  uint32_t type = lf_allocation_type(device, m->bytes, m->host_visible);
  VkResult result = lf_allocation_bind(m, type, 1, chain, &api);
  if (result == VK_SUCCESS) return LF_OK;
  /* An import allocates nothing: a driver may answer "out of memory" to a handle of another kind. */
  return lf_device_fail(device, LF_EEXTERNAL_HANDLE_MISMATCH, api, result,
                        "OS handle %" PRId64 " as %" PRIu64 " bytes of %s", os, allocation, device->info.name);
}

/* Allocates and frees a block after a failed import. Once NVIDIA's driver (580) has refused an import of some size, it
 * refuses each allocation of at least that size until memory of that heap is freed: a peer's bad handle would cost this
 * process its GPU. */
static void clear_refusal(lf_device *device, int host_visible) {
  lf_status first;
  lf_gpu_memory *any;
  lf_status_last(&first);
  uint64_t bytes = lf_block_bytes(device, 1);
  if (lf_gpu_memory_allocate_new(device, bytes, bytes, host_visible, &any) == LF_OK) {
    lf_gpu_memory_destroy(any);
    lf_device_release(device);
  }
  lf_fail(first.code, first.api, first.native_status, "%s", first.text);
}

int32_t lf_gpu_memory_import(lf_device *device, int64_t os, uint64_t size, uint64_t allocation, int host_visible,
                             lf_gpu_memory **out) {
  lf_external_file file;
  int32_t status = lf_external_open(os, &file);
  if (status < 0) return status;
  lf_gpu_memory *m = NULL;
  status = lf_allocation_check_size(device, size);
  if (status == LF_OK) status = lf_allocation_begin(device, size, lf_block_bytes_imported(device, size, allocation),
                                                    LF_EXTERNAL_MEMORY, &m);
  if (status == LF_OK) {
    m->imported = 1;
    m->host_visible = host_visible != 0;
    status = import_allocation(m, os, allocation);
    /* Once memory was allocated, the driver has taken the descriptor, even if the bind failed. */
    if (m->memory) lf_external_taken(os);
    if (m->memory || !lf_external_same(os, &file)) os = -1;
  }
  if (status == LF_OK && host_visible) status = lf_allocation_map(m);
  if (status == LF_OK) return lf_allocation_end(m, out);
  status = lf_external_refuse(os);
  if (m) lf_gpu_memory_destroy(m);
  clear_refusal(device, host_visible);
  return status;
}
