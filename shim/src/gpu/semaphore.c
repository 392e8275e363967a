#include "gpu/semaphore.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/handle.h"
#include "base/status.h"
#include "gpu/external.h"
#include "gpu/queue.h"

/* What a double carries exactly. */
#define VALUE_MAX 9007199254740992.0

static const char *words(int32_t kind) { return kind == LF_SEMAPHORE_TIMELINE ? "timeline" : "binary"; }

static lf_external_kind external_kind(int32_t kind) {
  return kind == LF_SEMAPHORE_TIMELINE ? LF_EXTERNAL_IS_TIMELINE : LF_EXTERNAL_IS_BINARY;
}

static int32_t check_kind(lf_device *device, int32_t kind) {
  if (kind != LF_SEMAPHORE_TIMELINE && kind != LF_SEMAPHORE_BINARY)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "semaphore kind %d", kind);
  if (kind == LF_SEMAPHORE_TIMELINE ? device->info.external_timeline : device->info.external_semaphore)
    return lf_queue_check(device);
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

static int32_t export(lf_semaphore *s, int64_t *out) {
  int32_t status = lf_external_export_semaphore(s->device, s->semaphore, &s->os, out);
  if (status == LF_OK) lf_external_learn(s->device, external_kind(s->kind), *out);
  return status;
}

/* Looks at a handle of this device's own making, so that others can be told from it. */
static int32_t learn(lf_device *device, int32_t kind) {
  if (device->exported_kinds[external_kind(kind)]) return LF_OK;
  lf_semaphore *sample;
  int64_t os;
  int32_t status = create(device, kind, &sample);
  if (status < 0) return status;
  status = export(sample, &os);
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

/* ---- counting ---- */

void lf_semaphore_keep(lf_semaphore *s) { s->references++; }

void lf_semaphore_let_go(lf_semaphore *s) {
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
  lf_semaphore_let_go(s);
  if (last) lf_device_release(device);
}

/* ---- timelines ---- */

static VkResult value_of(lf_semaphore *s, uint64_t *out) {
  return s->device->vk.GetSemaphoreCounterValue(s->device->device, s->semaphore, out);
}

int lf_semaphore_reached(lf_semaphore *s, uint64_t value) {
  uint64_t now;
  VkResult result = value_of(s, &now);
  if (result == VK_ERROR_DEVICE_LOST) s->device->lost = 1;
  return result == VK_SUCCESS && now >= value;
}

void lf_semaphore_abandon(lf_semaphore *s) {
  uint64_t now;
  if (s->kind != LF_SEMAPHORE_TIMELINE || value_of(s, &now) != VK_SUCCESS || now >= s->awaited) return;
  VkSemaphoreSignalInfo info = {
      .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = s->semaphore, .value = s->awaited};
  VkResult result = s->device->vk.SignalSemaphore(s->device->device, &info);
  if (result == VK_ERROR_DEVICE_LOST) s->device->lost = 1;
}

/* ---- as TypeScript sees it ---- */

static void destroy(void *object) { lf_semaphore_release(object); }

static lf_semaphore *find(int32_t handle) {
  lf_semaphore *s = lf_handle_get(LF_KIND_SEMAPHORE, handle);
  if (!s) lf_handle_stale(LF_KIND_SEMAPHORE, handle);
  return s;
}

static int32_t hand_out(lf_semaphore *s) {
  int32_t handle = lf_handle_make(LF_KIND_SEMAPHORE, s, destroy);
  if (handle < 0) lf_semaphore_release(s);
  return handle;
}

int32_t lf_semaphore_create(int32_t device_handle, int32_t kind) {
  lf_device *device = lf_device_get(device_handle);
  if (!device) return lf_status_code();
  lf_semaphore *s;
  int32_t status = lf_semaphore_make(device, kind, &s);
  return status < 0 ? status : hand_out(s);
}

int32_t lf_semaphore_import(int32_t device_handle, int32_t kind, int64_t os, const uint8_t *uuids) {
  lf_device *device = lf_device_get(device_handle);
  int32_t status = LF_OK;
  if (!device) status = lf_status_code();
  else if (!uuids) status = lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no UUIDs of the exporter's device and driver");
  else status = lf_device_check_uuids(device, uuids);
  if (status < 0) return lf_external_refuse(os);
  lf_semaphore *s;
  status = lf_semaphore_attach(device, kind, os, &s);
  return status < 0 ? status : hand_out(s);
}

int32_t lf_semaphore_export(int32_t semaphore, int64_t *out) {
  lf_semaphore *s = find(semaphore);
  if (!s) return lf_status_code();
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the OS handle");
  int32_t status = lf_queue_check(s->device);
  return status < 0 ? status : export(s, out);
}

typedef int32_t (*operation)(lf_device *device, lf_semaphore *semaphore, uint64_t value);

/* A submission of nothing but the wait or the signal. */
static int32_t submit(int32_t semaphore, double value, double *queue_value, operation wait_or_signal) {
  lf_semaphore *s = find(semaphore);
  if (!s) return lf_status_code();
  if (!queue_value) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the queue's value");
  if (s->kind == LF_SEMAPHORE_BINARY) value = 0;
  else if (!(value >= 1 && value <= VALUE_MAX && value == (double)(uint64_t)value))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a timeline has values from 1 to 2^53, not %g", value);
  VkCommandBuffer commands;
  uint64_t reached;
  int32_t status = lf_queue_begin(s->device, 1, &commands);
  if (status == LF_FULL) return lf_queue_full(s->device, queue_value);
  if (status < 0) return status;
  status = wait_or_signal(s->device, s, (uint64_t)value);
  if (status < 0) {
    lf_queue_drop(s->device);
    return status;
  }
  status = lf_queue_end(s->device, &reached);
  if (status >= 0) *queue_value = (double)reached;
  return status;
}

int32_t lf_semaphore_signal(int32_t semaphore, double value, double *queue_value) {
  lf_semaphore *s = find(semaphore);
  uint64_t now = 0;
  if (s && s->kind == LF_SEMAPHORE_TIMELINE && value_of(s, &now) == VK_SUCCESS && value <= (double)now)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "the timeline is at %" PRIu64 ": it can't be signalled with %.0f", now,
                   value);
  return submit(semaphore, value, queue_value, lf_queue_signal);
}

int32_t lf_semaphore_wait(int32_t semaphore, double value, double *queue_value) {
  return submit(semaphore, value, queue_value, lf_queue_await);
}

int32_t lf_semaphore_value(int32_t semaphore, double *out) {
  lf_semaphore *s = find(semaphore);
  if (!s) return lf_status_code();
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the timeline's value");
  if (s->kind != LF_SEMAPHORE_TIMELINE)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a binary semaphore has no value");
  uint64_t now;
  VkResult result = value_of(s, &now);
  if (result != VK_SUCCESS)
    return lf_device_fail(s->device, LF_ESYSTEM, "vkGetSemaphoreCounterValue", result, "a timeline");
  *out = (double)now;
  return LF_OK;
}

int32_t lf_semaphore_close(int32_t semaphore) {
  lf_semaphore *s = lf_handle_take(LF_KIND_SEMAPHORE, semaphore);
  if (!s) return lf_handle_stale(LF_KIND_SEMAPHORE, semaphore);
  destroy(s);
  return LF_OK;
}
