/*
 * OS handles of the driver's memory and semaphores: descriptors, on Windows HANDLEs. A handle of another process is
 * checked before the driver gets it, because drivers accept invalid handles.
 */
#ifndef LF_EXTERNAL_H
#define LF_EXTERNAL_H

#include "gpu/device.h"

#if defined(_WIN32)
#define LF_EXTERNAL_MEMORY VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_WIN32_BIT
#define LF_EXTERNAL_SEMAPHORE VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_WIN32_BIT
#define LF_EXTERNAL_MEMORY_EXTENSION "VK_KHR_external_memory_win32"
#define LF_EXTERNAL_SEMAPHORE_EXTENSION "VK_KHR_external_semaphore_win32"
#else
#define LF_EXTERNAL_MEMORY VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT
#define LF_EXTERNAL_SEMAPHORE VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT
#define LF_EXTERNAL_MEMORY_EXTENSION "VK_KHR_external_memory_fd"
#define LF_EXTERNAL_SEMAPHORE_EXTENSION "VK_KHR_external_semaphore_fd"
#endif

/* The kind of an exported object: the index in lf_device.exported_kinds. */
typedef enum { LF_EXTERNAL_IS_MEMORY, LF_EXTERNAL_IS_TIMELINE, LF_EXTERNAL_IS_BINARY } lf_external_kind;

/* The identity of a descriptor's file; unused on Windows. */
typedef struct {
  uint64_t device, inode;
} lf_external_file;

/* LF_OK when `os` is an open handle of this process; else INVALID_ARGUMENT or CLOSED. */
int32_t lf_external_open(int64_t os, lf_external_file *out);
/* Whether `os` is still open and the same file. After a failed import a handle stays open, by Vulkan's specification,
 * but some drivers close it: then another thread may have reused its number. */
int lf_external_same(int64_t os, const lf_external_file *file);
/* Learns the kind of file of the device's handles from `os`, which the device exported. */
void lf_external_learn(lf_device *device, lf_external_kind kind, int64_t os);
/* LF_OK; EXTERNAL_HANDLE_MISMATCH unless `os` is of the kind of file that this device exports, which must have been
 * learnt. `sample` (or -1) is a handle of memory of the same size, newly exported: a regular file must begin as it
 * does. */
int32_t lf_external_check(const lf_device *device, lf_external_kind kind, int64_t os, int64_t sample);

/* Whether this process can open one more handle; if not, *limit is the process's limit. */
int lf_external_left(uint64_t *limit);

/* For the pNext of VkMemoryAllocateInfo. */
typedef union {
  VkImportMemoryFdInfoKHR fd;
  VkImportMemoryWin32HandleInfoKHR win32;
} lf_import_info;
const void *lf_external_import_info(int64_t os, lf_import_info *out);
/* The driver has taken the handle: it owns a descriptor; a HANDLE is closed here. */
void lf_external_taken(int64_t os);

/* A new handle at each call. `kept` is the object's first handle (-1 initially), which lf_external_drop closes: Windows
 * exports one handle per object, which is duplicated. LF_OK, SYSTEM. */
int32_t lf_external_export_memory(lf_device *device, VkDeviceMemory memory, int64_t *kept, int64_t *out);
int32_t lf_external_export_semaphore(lf_device *device, VkSemaphore semaphore, int64_t *kept, int64_t *out);
void lf_external_drop(int64_t *kept);
VkResult lf_external_import_semaphore(lf_device *device, VkSemaphore semaphore, int64_t os);

/* Closes `os` (-1: none) after a failure. That failure stays recorded; returns its code. */
int32_t lf_external_refuse(int64_t os);

#endif
