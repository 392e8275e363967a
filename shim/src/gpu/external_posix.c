#include "gpu/external.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

int32_t lf_external_open(int64_t os, lf_external_file *out) {
  struct stat s;
  if (os < 0 || os > INT_MAX) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%" PRId64 " is no descriptor", os);
  if (fstat((int)os, &s) != 0)
    return lf_fail_errno(LF_ECLOSED, "fstat", errno, "descriptor %" PRId64 " (an import takes its descriptor over)",
                         os);
  *out = (lf_external_file){(uint64_t)s.st_dev, (uint64_t)s.st_ino};
  return LF_OK;
}

int lf_external_same(int64_t os, const lf_external_file *file) {
  struct stat s;
  return fstat((int)os, &s) == 0 && (uint64_t)s.st_dev == file->device && (uint64_t)s.st_ino == file->inode;
}

/* The kind of a driver's handles: one device node, or regular files of one file system. Never 0. */
static uint64_t kind_of(const struct stat *s) {
  int node = S_ISCHR(s->st_mode) || S_ISBLK(s->st_mode);
  return (uint64_t)(s->st_mode & S_IFMT) << 40 | 1ull << 39 | (uint64_t)(node ? s->st_rdev : s->st_dev);
}

void lf_external_learn(lf_device *device, lf_external_kind kind, int64_t os) {
  struct stat s;
  if (!device->exported_kinds[kind] && fstat((int)os, &s) == 0) device->exported_kinds[kind] = kind_of(&s);
}

/* The memory of a software GPU is a file that begins with a header of the driver's. The driver trusts the header, so it
 * must equal the header of memory of this size. A file that is too short, or can be shrunk, would kill this process
 * with SIGBUS. */
static int32_t check_file(int fd, const struct stat *s, int sample) {
  struct stat wanted;
  unsigned char theirs[4096] = {0}, ours[4096] = {0};
  if (fstat(sample, &wanted) != 0 || pread(sample, ours, sizeof ours, 0) < 0)
    return lf_fail_errno(LF_ESYSTEM, "pread", errno, "descriptor %d, of memory of this process", sample);
  if (s->st_size != wanted.st_size)
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0,
                   "descriptor %d has %" PRId64 " bytes, and memory of this size has %" PRId64, fd, (int64_t)s->st_size,
                   (int64_t)wanted.st_size);
#if defined(__linux__)
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK))
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "descriptor %d is a file that its owner can still shrink", fd);
#endif
  /* The sample is zero behind the driver's header. */
  size_t words = sizeof ours;
  while (words && !ours[words - 1]) words--;
  if (pread(fd, theirs, sizeof theirs, 0) < 0 || memcmp(theirs, ours, words) != 0)
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "descriptor %d does not begin as memory of the driver does",
                   fd);
  return LF_OK;
}

static int32_t check_fd(const lf_device *device, lf_external_kind kind, int fd, int64_t sample) {
  struct stat s;
  if (fstat(fd, &s) != 0) return lf_fail_errno(LF_ECLOSED, "fstat", errno, "descriptor %d", fd);
  if (kind_of(&s) != device->exported_kinds[kind])
    return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0,
                   "descriptor %d (mode %o, device 0x%" PRIx64 ") is not of the kind that %s exports", fd,
                   (unsigned)s.st_mode, (uint64_t)s.st_rdev, device->info.name);
  return sample >= 0 && S_ISREG(s.st_mode) ? check_file(fd, &s, (int)sample) : LF_OK;
}

int32_t lf_external_check(const lf_device *device, lf_external_kind kind, int64_t os, int64_t sample) {
  return check_fd(device, kind, (int)os, sample);
}

int lf_external_left(uint64_t *limit) {
  int fd = open("/", O_RDONLY | O_CLOEXEC);
  *limit = 0;
  if (fd >= 0) close(fd);
  else if (errno == EMFILE || errno == ENFILE) {
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &most) == 0) *limit = (uint64_t)most.rlim_cur;
    return 0;
  }
  return 1;
}

const void *lf_external_import_info(int64_t os, lf_import_info *out) {
  out->fd = (VkImportMemoryFdInfoKHR){.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
                                      .handleType = LF_EXTERNAL_MEMORY,
                                      .fd = (int)os};
  return &out->fd;
}

void lf_external_taken(int64_t os) { (void)os; }

/* Drivers differ in whether a new descriptor is closed on exec, and some report success without a descriptor. */
static int32_t exported(int fd, int64_t *out) {
  if (fd < 0) return lf_fail(LF_ESYSTEM, "", 0, "the driver says that it exported, and gave no descriptor");
  int flags = fcntl(fd, F_GETFD);
  if (flags >= 0 && !(flags & FD_CLOEXEC)) fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
  *out = fd;
  return LF_OK;
}

int32_t lf_external_export_memory(lf_device *device, VkDeviceMemory memory, int64_t *kept, int64_t *out) {
  (void)kept;
  VkMemoryGetFdInfoKHR info = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, .memory = memory, .handleType = LF_EXTERNAL_MEMORY};
  int fd;
  VkResult result = device->vk.GetMemoryFdKHR(device->device, &info, &fd);
  if (result != VK_SUCCESS)
    return lf_device_fail(device, LF_ESYSTEM, "vkGetMemoryFdKHR", result, "a descriptor of GPU memory");
  return exported(fd, out);
}

int32_t lf_external_export_semaphore(lf_device *device, VkSemaphore semaphore, int64_t *kept, int64_t *out) {
  (void)kept;
  VkSemaphoreGetFdInfoKHR info = {
      .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR, .semaphore = semaphore,
      .handleType = LF_EXTERNAL_SEMAPHORE};
  int fd;
  VkResult result = device->vk.GetSemaphoreFdKHR(device->device, &info, &fd);
  if (result != VK_SUCCESS)
    return lf_device_fail(device, LF_ESYSTEM, "vkGetSemaphoreFdKHR", result, "a descriptor of a semaphore");
  return exported(fd, out);
}

void lf_external_drop(int64_t *kept) { *kept = -1; }

VkResult lf_external_import_semaphore(lf_device *device, VkSemaphore semaphore, int64_t os) {
  VkImportSemaphoreFdInfoKHR info = {.sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
                                     .semaphore = semaphore,
                                     .handleType = LF_EXTERNAL_SEMAPHORE,
                                     .fd = (int)os};
  return device->vk.ImportSemaphoreFdKHR(device->device, &info);
}
