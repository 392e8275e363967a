/*
 * OS handles of the driver's memory and semaphores: descriptors, on Windows handles. What comes from another process is
 * looked at before the driver is, as drivers take more than they should.
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

/* What a handle may be of: the index of lf_device.exported_kinds. */
typedef enum { LF_EXTERNAL_IS_MEMORY, LF_EXTERNAL_IS_TIMELINE, LF_EXTERNAL_IS_BINARY } lf_external_kind;

/* Which file a descriptor is of; nothing on Windows. */
typedef struct {
  uint64_t device, inode;
} lf_external_file;

/* INVALID_ARGUMENT, or CLOSED, unless `os` is an open handle of this process. */
int32_t lf_external_open(int64_t os, lf_external_file *out);
/* Whether `os` is still open and the same. A failed import leaves it open, by the specification, but some drivers close
 * it, and then the number may be another thread's file by now. */
int lf_external_same(int64_t os, const lf_external_file *file);
/* Learns from `os`, which this device exported, what its handles look like. */
void lf_external_learn(lf_device *device, lf_external_kind kind, int64_t os);
/* EXTERNAL_HANDLE_MISMATCH unless `os` looks like what this device exports, which must have been learnt. `sample` (or -1)
 * is the handle of memory of the same size that was just made: a file must then be like its. */
int32_t lf_external_check(const lf_device *device, lf_external_kind kind, int64_t os, int64_t sample);

/* Whether this process can have one more handle; if not, how many it may have in `*limit`. */
int lf_external_left(uint64_t *limit);

/* For the pNext of VkMemoryAllocateInfo. */
typedef union {
  VkImportMemoryFdInfoKHR fd;
  VkImportMemoryWin32HandleInfoKHR win32;
} lf_import_info;
const void *lf_external_import_info(int64_t os, lf_import_info *out);
/* After the driver took the handle: a descriptor is now its own, a Windows handle is still ours to close. */
void lf_external_taken(int64_t os);

/* A new handle each time. `kept` is the object's own (-1 at first), to be closed with lf_external_drop: Windows gives out
 * one handle an object, which is duplicated. */
int32_t lf_external_export_memory(lf_device *device, VkDeviceMemory memory, int64_t *kept, int64_t *out);
int32_t lf_external_export_semaphore(lf_device *device, VkSemaphore semaphore, int64_t *kept, int64_t *out);
void lf_external_drop(int64_t *kept);
VkResult lf_external_import_semaphore(lf_device *device, VkSemaphore semaphore, int64_t os);

/* Closes `os` (-1: nothing) after a failure, which stays the one that is recorded, and whose code it returns. */
int32_t lf_external_refuse(int64_t os);

#endif
