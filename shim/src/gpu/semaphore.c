#include "gpu/semaphore.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/status.h"
#include "gpu/external.h"

static const char *words(int32_t kind) { return kind == LF_SEMAPHORE_TIMELINE ? "timeline" : "binary"; }

static lf_external_kind external_kind(int32_t kind) {
  return kind == LF_SEMAPHORE_TIMELINE ? LF_EXTERNAL_IS_TIMELINE : LF_EXTERNAL_IS_BINARY;
}

static int32_t check_kind(lf_device *device, int32_t kind) {
  if (kind != LF_SEMAPHORE_TIMELINE && kind != LF_SEMAPHORE_BINARY)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "semaphore kind %d", kind);
  if (kind == LF_SEMAPHORE_TIMELINE ? device->info.external_timeline : device->info.external_semaphore)
    return lf_device_check(device);
  return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "the driver of %s does not share %s semaphores",
                 device->info.name, words(kind));
}

static int32_t create(lf_device *device, int32_t kind, lf_semaphore **out) {
  lf_semaphore *s = calloc(1, sizeof *s);
  if (!s) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for a semaphore", sizeof *s);
  VkExportSemaphoreCreateInfo exported = {.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
                                          .handleTypes = LF_EXTERNAL_SEMAPHORE};
  VkSemaphoreTypeCreateInfo type = {
      .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
      .pNext = &exported,
      .semaphoreType = kind == LF_SEMAPHORE_TIMELINE ? VK_SEMAPHORE_TYPE_TIMELINE : VK_SEMAPHORE_TYPE_BINARY};
  VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
  VkResult result = device->vk.CreateSemaphore(device->device, &info, NULL, &s->semaphore);
  if (result != VK_SUCCESS) {
    free(s);
    return lf_device_fail(device, LF_EGPU_OUT_OF_MEMORY, "vkCreateSemaphore", result, "a %s semaphore", words(kind));
  }
  s->device = lf_device_retain(device);
  s->kind = kind;
  s->owners = s->references = 1;
  s->os = -1;
  *out = s;
  return LF_OK;
}

int32_t lf_semaphore_make(lf_device *device, int32_t kind, lf_semaphore **out) {
  int32_t status = check_kind(device, kind);
  return status < 0 ? status : create(device, kind, out);
}

int32_t lf_semaphore_share(lf_semaphore *s, int64_t *out) {
  int32_t status = lf_external_export_semaphore(s->device, s->semaphore, &s->os, out);
  if (status == LF_OK) lf_external_learn(s->device, external_kind(s->kind), *out);
  return status;
}

/* Learns the kind of file of this device's handles from a semaphore that it exports. LF_OK. */
static int32_t learn(lf_device *device, int32_t kind) {
  if (device->exported_kinds[external_kind(kind)]) return LF_OK;
  lf_semaphore *sample;
  int64_t os;
  int32_t status = create(device, kind, &sample);
  if (status < 0) return status;
  status = lf_semaphore_share(sample, &os);
  lf_semaphore_release(sample);
  return status < 0 ? status : lf_os_handle_close(os);
}

int32_t lf_semaphore_attach(lf_device *device, int32_t kind, int64_t os, lf_semaphore **out) {
  lf_external_file file;
  int32_t status = lf_external_open(os, &file);
  if (status < 0) return status;
  lf_semaphore *s = NULL;
  status = check_kind(device, kind);
  if (status == LF_OK) status = learn(device, kind);
  if (status == LF_OK) status = lf_external_check(device, external_kind(kind), os, -1);
  if (status == LF_OK) status = create(device, kind, &s);
  if (status == LF_OK) {
    VkResult result = lf_external_import_semaphore(device, s->semaphore, os);
    if (result != VK_SUCCESS)
      status = lf_device_fail(device, LF_EEXTERNAL_HANDLE_MISMATCH, "vkImportSemaphore", result,
                              "OS handle %" PRId64 " as a %s semaphore of %s", os, words(kind), device->info.name);
  }
  if (status < 0) {
    status = lf_external_refuse(lf_external_same(os, &file) ? os : -1);
    if (s) lf_semaphore_release(s);
    return status;
  }
  lf_external_taken(os);
  *out = s;
  return LF_OK;
}

int32_t lf_semaphore_handle_of(VkSemaphore timeline, lf_device *device, int64_t *out) {
  int32_t status = check_kind(device, LF_SEMAPHORE_TIMELINE);
  if (status == LF_OK) status = lf_external_export_semaphore(device, timeline, &device->timeline_os, out);
  if (status == LF_OK) lf_external_learn(device, LF_EXTERNAL_IS_TIMELINE, *out);
  return status;
}

/* ---- references ---- */

void lf_semaphore_keep(lf_semaphore *s) { s->references++; }

void lf_semaphore_drop(lf_semaphore *s) {
  if (--s->references) return;
  lf_external_drop(&s->os);
  s->device->vk.DestroySemaphore(s->device->device, s->semaphore, NULL);
  free(s);
}

lf_semaphore *lf_semaphore_retain(lf_semaphore *s) {
  s->owners++;
  s->references++;
  return s;
}

void lf_semaphore_release(lf_semaphore *s) {
  lf_device *device = s->device;
  int last = --s->owners == 0;
  lf_semaphore_drop(s);
  if (last) lf_device_release(device);
}

/* ---- timelines ---- */

VkResult lf_semaphore_counter(lf_semaphore *s, uint64_t *out) {
  return s->device->vk.GetSemaphoreCounterValue(s->device->device, s->semaphore, out);
}

int lf_semaphore_reached(lf_semaphore *s, uint64_t value) {
  uint64_t now;
  VkResult result = lf_semaphore_counter(s, &now);
  if (result == VK_ERROR_DEVICE_LOST) s->device->lost = 1;
  return result == VK_SUCCESS && now >= value;
}

void lf_semaphore_abandon(lf_semaphore *s) {
  uint64_t now;
  if (s->kind != LF_SEMAPHORE_TIMELINE || lf_semaphore_counter(s, &now) != VK_SUCCESS || now >= s->awaited) return;
  VkSemaphoreSignalInfo info = {
      .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = s->semaphore, .value = s->awaited};
  VkResult result = s->device->vk.SignalSemaphore(s->device->device, &info);
  if (result == VK_ERROR_DEVICE_LOST) s->device->lost = 1;
}
