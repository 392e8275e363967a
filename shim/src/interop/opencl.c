#include "interop/opencl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "base/once.h"
#include "base/status.h"
#include "base/uuid.h"

#if defined(_WIN32)
static const char *const library_names[] = {"OpenCL.dll", NULL};
#else
static const char *const library_names[] = {"libOpenCL.so.1", NULL};
#endif

#define DEVICE_TYPE_ALL 0xFFFFFFFFu
#define PLATFORMS_MAX 16u
#define DEVICES_MAX 64u

static lf_opencl_functions cl;
static int viable;
static char reason[400]; /* the devices, or why OpenCL can't be used */

static const char *name_of(cl_int result) {
  static const struct {
    cl_int result;
    const char *name;
  } names[] = {
      {-1, "CL_DEVICE_NOT_FOUND"},      {-2, "CL_DEVICE_NOT_AVAILABLE"},   {-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
      {-5, "CL_OUT_OF_RESOURCES"},      {-6, "CL_OUT_OF_HOST_MEMORY"},     {-30, "CL_INVALID_VALUE"},
      {-33, "CL_INVALID_DEVICE"},       {-34, "CL_INVALID_CONTEXT"},       {-36, "CL_INVALID_COMMAND_QUEUE"},
      {-38, "CL_INVALID_MEM_OBJECT"},   {-59, "CL_INVALID_OPERATION"},     {-61, "CL_INVALID_BUFFER_SIZE"},
      {-64, "CL_INVALID_PROPERTY"},     {-1001, "CL_PLATFORM_NOT_FOUND_KHR"}, {-1142, "CL_INVALID_SEMAPHORE_KHR"},
      {-13, "CL_MISALIGNED_SUB_BUFFER_OFFSET"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].result == result) return names[i].name;
  return "an OpenCL error";
}

int32_t lf_opencl_check(int32_t code, const char *api, cl_int result) {
  if (result == LF_CL_SUCCESS) return LF_OK;
  if (result == LF_CL_MEM_OBJECT_ALLOCATION_FAILURE || result == LF_CL_OUT_OF_RESOURCES) code = LF_EGPU_OUT_OF_MEMORY;
  if (result == LF_CL_OUT_OF_HOST_MEMORY) code = LF_EHOST_OUT_OF_MEMORY;
  return lf_fail(code, api, result, "%s failed: %s (%d)", api, name_of(result), result);
}

/* Lists up to DEVICES_MAX devices. Returns their number, or a failure. */
static int32_t list_devices(cl_device_id *devices) {
  cl_platform_id platforms[PLATFORMS_MAX];
  cl_uint platform_count = 0, count = 0;
  cl_int result = cl.clGetPlatformIDs(PLATFORMS_MAX, platforms, &platform_count);
  if (result == LF_CL_PLATFORM_NOT_FOUND) return 0;
  int32_t status = lf_opencl_check(LF_ESYSTEM, "clGetPlatformIDs", result);
  if (status < 0) return status;
  if (platform_count > PLATFORMS_MAX) platform_count = PLATFORMS_MAX;
  for (cl_uint i = 0; i < platform_count && count < DEVICES_MAX; i++) {
    cl_uint more = 0;
    result = cl.clGetDeviceIDs(platforms[i], DEVICE_TYPE_ALL, DEVICES_MAX - count, devices + count, &more);
    if (result == LF_CL_DEVICE_NOT_FOUND) continue;
    status = lf_opencl_check(LF_ESYSTEM, "clGetDeviceIDs", result);
    if (status < 0) return status;
    count += more < DEVICES_MAX - count ? more : DEVICES_MAX - count;
  }
  return (int32_t)count;
}

/* Whether the device has an extension: 1, 0, or a failure. */
static int32_t has_extension(cl_device_id device, const char *extension) {
  size_t bytes = 0;
  int32_t status =
      lf_opencl_check(LF_ESYSTEM, "clGetDeviceInfo", cl.clGetDeviceInfo(device, LF_CL_DEVICE_EXTENSIONS, 0, NULL,
                                                                        &bytes));
  if (status < 0) return status;
  char *all = calloc(1, bytes + 2);
  if (!all) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes for OpenCL's extensions", bytes + 2);
  status = lf_opencl_check(LF_ESYSTEM, "clGetDeviceInfo",
                          cl.clGetDeviceInfo(device, LF_CL_DEVICE_EXTENSIONS, bytes, all, NULL));
  size_t length = strlen(extension);
  for (const char *at = all; status == LF_OK && (at = strstr(at, extension)); at += length)
    if ((at == all || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0)) status = 1;
  free(all);
  return status;
}

static void open_opencl(void) {
  void *library = lf_library_find("LAVA_FLOW_OPENCL", library_names, reason, sizeof reason);
  if (!library) return;
#define LF_NAME(result, name, arguments) #name,
  static const char *const names[] = {LF_OPENCL_FUNCTIONS(LF_NAME) NULL};
#undef LF_NAME
  const char *missing = lf_library_symbols(library, names, (void **)&cl);
  if (missing) {
    snprintf(reason, sizeof reason, "OpenCL's library has no %s: one for OpenCL 3.0 is needed", missing);
    return;
  }
  cl_device_id devices[DEVICES_MAX];
  int32_t count = list_devices(devices);
  size_t used = 0;
  if (count == 0) snprintf(reason, sizeof reason, "OpenCL has no device here: its driver is not installed");
  for (int32_t i = 0; i < count; i++) {
    char name[128] = "";
    int32_t able = has_extension(devices[i], LF_CL_MEMORY_EXTENSION);
    if (able == 1) able = has_extension(devices[i], "cl_khr_device_uuid");
    if (able < 0 || cl.clGetDeviceInfo(devices[i], LF_CL_DEVICE_NAME, sizeof name - 1, name, NULL) != LF_CL_SUCCESS)
      snprintf(name, sizeof name, "device %d, which does not say its name,", i);
    if (able == 1) viable = 1;
    int wrote = snprintf(reason + used, sizeof reason - used, "%s%s has %s" LF_CL_MEMORY_EXTENSION, used ? "; " : "",
                         name,
                         able == 1 ? "" : "no usable ");
    if (wrote > 0 && (size_t)wrote < sizeof reason - used) used += (size_t)wrote;
  }
  if (count < 0) {
    lf_status last;
    lf_status_last(&last);
    snprintf(reason, sizeof reason, "%.*s", (int)sizeof reason - 1, last.text);
  }
}

static int opencl_is_open(void) {
  static lf_once once = LF_ONCE;
  lf_once_run(&once, open_opencl);
  return viable;
}

int32_t lf_opencl_viable(uint32_t capacity, char *why) {
  int open = opencl_is_open();
  return lf_status_viable(open, reason, capacity, why);
}

const lf_opencl_functions *lf_opencl_open(void) {
  if (opencl_is_open()) return &cl;
  lf_fail(LF_EBACKEND_UNAVAILABLE, "", 0, "OpenCL can't be used: %s", reason);
  return NULL;
}

int32_t lf_opencl_device_uuid(cl_device_id device, uint8_t *uuid) {
  int32_t tells = has_extension(device, "cl_khr_device_uuid");
  if (tells < 0) return tells;
  if (!tells)
    return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
                   "the OpenCL device does not tell its UUID (cl_khr_device_uuid)");
  return lf_opencl_check(LF_ESYSTEM, "clGetDeviceInfo",
                        cl.clGetDeviceInfo(device, LF_CL_DEVICE_UUID, LF_UUID_BYTES, uuid, NULL));
}

/* Selects the device that has the UUID and the extension. */
static int32_t pick(const cl_device_id *devices, int32_t count, const uint8_t *uuid, const char *extension,
                    cl_device_id *out) {
  int seen = 0;
  for (int32_t i = 0; i < count; i++) {
    uint8_t own[LF_UUID_BYTES];
    /* A device without a UUID is skipped. */
    if (lf_opencl_device_uuid(devices[i], own) < 0 || memcmp(own, uuid, LF_UUID_BYTES) != 0) continue;
    seen = 1;
    int32_t able = has_extension(devices[i], extension);
    if (able < 0) return able;
    if (!able) continue;
    *out = devices[i];
    return LF_OK;
  }
  if (seen) return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "the OpenCL device has no %s", extension);
  return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "none of %d OpenCL devices has the UUID %s", count,
                 lf_uuid_print(uuid).text);
}

static int32_t find_in_context(const uint8_t *uuid, const char *extension, lf_opencl_target *out) {
  cl_device_id devices[DEVICES_MAX];
  size_t bytes = 0;
  int32_t status =
      lf_opencl_check(LF_EINVALID_ARGUMENT, "clGetContextInfo",
                     cl.clGetContextInfo(out->context, LF_CL_CONTEXT_DEVICES, sizeof devices, devices, &bytes));
  out->devices = (int32_t)(bytes / sizeof *devices);
  if (status == LF_OK) status = pick(devices, out->devices, uuid, extension, &out->device);
  return status < 0 ? status : lf_opencl_check(LF_ESYSTEM, "clRetainContext", cl.clRetainContext(out->context));
}

static int32_t make_context(const uint8_t *uuid, const char *extension, lf_opencl_target *out) {
  cl_device_id devices[DEVICES_MAX];
  int32_t count = list_devices(devices);
  int32_t status = count < 0 ? count : pick(devices, count, uuid, extension, &out->device);
  if (status < 0) return status;
  cl_int result = LF_CL_SUCCESS;
  out->devices = 1;
  out->context = cl.clCreateContext(NULL, 1, &out->device, NULL, NULL, &result);
  return lf_opencl_check(LF_ESYSTEM, "clCreateContext", result);
}

int32_t lf_opencl_target_make(const uint8_t *uuid, uint64_t context, const char *extension, lf_opencl_target *out) {
  out->context = (cl_context)(uintptr_t)context;
  int32_t status = context ? find_in_context(uuid, extension, out) : make_context(uuid, extension, out);
  if (status < 0) return status;
  cl_int result = cl.clGetDeviceInfo(out->device, LF_CL_DEVICE_PLATFORM, sizeof out->platform, &out->platform, NULL);
  status = lf_opencl_check(LF_ESYSTEM, "clGetDeviceInfo", result);
  return status < 0 ? lf_opencl_target_release(out, status) : LF_OK;
}

int32_t lf_opencl_target_release(lf_opencl_target *target, int32_t status) {
  cl_int result = cl.clReleaseContext(target->context);
  return status < 0 ? status : lf_opencl_check(LF_ESYSTEM, "clReleaseContext", result);
}

int32_t lf_opencl_extension(cl_platform_id platform, const char *const *names, void **table) {
  for (; *names; names++, table++) {
    *table = cl.clGetExtensionFunctionAddressForPlatform(platform, *names);
    if (!*table) return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "the OpenCL driver has no %s", *names);
  }
  return LF_OK;
}
