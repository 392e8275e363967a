#include "host/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "host/backing.h"
#include "host/memory_limit.h"

#if defined(__linux__)
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#endif

#define HUGE ((size_t)2 << 20)

size_t lf_page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Maps `size` bytes, which are whole pages. A mapping that huge pages can back must start at a multiple of HUGE:
 * address space for HUGE bytes more is reserved, and the mapping placed into it. */
static void *map(int fd, size_t size) {
  if (size < HUGE) return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *reserved = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  char *start = (char *)(((uintptr_t)reserved + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
  void *mapped = mmap(start, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  int error = errno;
  if (mapped == MAP_FAILED) {
    munmap(reserved, size + HUGE);
    errno = error;
    return MAP_FAILED;
  }
  if (start > reserved) munmap(reserved, (size_t)(start - reserved));
  munmap(start + size, (size_t)(reserved + size + HUGE - (start + size)));
  return mapped;
}

#if defined(__linux__)

static int open_anonymous(const char **api) {
  *api = "memfd_create";
  int fd = (int)syscall(SYS_memfd_create, "lava-flow", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = (int)syscall(SYS_memfd_create, "lava-flow", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return fd;
}

/* With these seals neither process can change the segment's size, and neither can remove the seals. */
static int seal(int fd) { return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL); }

/* Whether reads of a peer's segment are safe. No seal keeps a peer from punching holes. A base page is allocated again,
 * zeroed, when it is touched. A reserved huge page is not when all of them are in use: the touch raises SIGBUS. So
 * hugetlbfs is refused. */
static int sealed(int fd) {
  struct statfs system;
  int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstatfs(fd, &system) == 0 &&
         (uint32_t)system.f_type != HUGETLBFS_MAGIC;
}

/* Allocates the pages now. Populating through the mapping lets the kernel use huge pages, as MADV_HUGEPAGE advises. */
static int commit(int fd, void *address, size_t size) {
  if (madvise(address, size, MADV_POPULATE_WRITE) == 0) return 0;
  if (errno != EINVAL) return -1;
  int result; /* before Linux 5.14 */
  do result = fallocate(fd, 0, 0, (off_t)size);
  while (result != 0 && errno == EINTR);
  return result;
}

#else

/* Without memfd: a named object, unlinked before another process can learn its name. */
static int open_anonymous(const char **api) {
  static _Atomic unsigned count;
  *api = "shm_open";
  char name[32];
  for (int attempt = 0; attempt < 64; attempt++) {
    snprintf(name, sizeof name, "/lf-%d-%u", (int)getpid(), atomic_fetch_add(&count, 1));
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd >= 0) {
      shm_unlink(name);
      fcntl(fd, F_SETFD, FD_CLOEXEC);
      return fd;
    }
    if (errno != EEXIST) return -1;
  }
  return -1;
}

static int seal(int fd) {
  (void)fd;
  return 0;
}

/* macOS sets the size of such an object once and refuses to change it, so each is sealed. */
static int sealed(int fd) {
  (void)fd;
  return 1;
}

static int commit(int fd, void *address, size_t size) {
  (void)fd;
  size_t page = lf_page_bytes();
  for (size_t at = 0; at < size; at += page) ((volatile char *)address)[at] = 0;
  return 0;
}

#endif

int lf_segment_decommit(void *address, size_t size) {
#if defined(__linux__)
  size_t page = lf_page_bytes(), over = (uintptr_t)address & (page - 1), skip = over ? page - over : 0;
  return skip >= size || madvise((char *)address + skip, size - skip, MADV_REMOVE) == 0;
#else
  (void)address, (void)size;
  return 0;
#endif
}

int32_t lf_segment_create(size_t size, lf_segment *out) {
  memset(out, 0, sizeof *out);
  out->os = -1;
  size_t page = lf_page_bytes();
  if (size == 0 || size > SIZE_MAX - HUGE * 2)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a segment of %zu bytes", size);
  size_t whole = lf_whole_pages(size, page);
  int32_t status = lf_memory_limit_check(whole);
  if (status < 0) return status;

  const char *api;
  int fd = open_anonymous(&api);
  if (fd < 0) {
    int error = errno;
    if (error == EMFILE || error == ENFILE)
      return lf_fail_errno(LF_ESYSTEM, api, error, "no descriptor is left for shared memory");
    return lf_fail_errno(error == ENOMEM ? LF_EHOST_OUT_OF_MEMORY : LF_ESYSTEM, api, error, "shared memory of %zu bytes",
                         whole);
  }
  void *mapped = MAP_FAILED;
  api = "ftruncate";
  if (ftruncate(fd, (off_t)whole) != 0) goto failed;
  api = "fcntl(F_ADD_SEALS)";
  if (seal(fd) != 0) goto failed;
  api = "mmap";
  mapped = map(fd, whole);
  if (mapped == MAP_FAILED) goto failed;
  out->page_bytes = page;
#if defined(__linux__)
  if (whole >= HUGE) madvise(mapped, whole, MADV_HUGEPAGE); /* advice: the kernel may have no huge pages */
#endif
  api = "madvise(MADV_POPULATE_WRITE)";
  if (commit(fd, mapped, whole) != 0) goto failed;
  out->address = mapped;
  out->size = whole;
  out->os = fd;
  return LF_OK;

failed:;
  int error = errno;
  if (mapped != MAP_FAILED) munmap(mapped, whole);
  close(fd);
  int memory = error == ENOMEM || error == ENOSPC || error == EFAULT || error == EFBIG;
  return lf_fail_errno(memory ? LF_EHOST_OUT_OF_MEMORY : LF_ESYSTEM, api, error, "shared memory of %zu bytes", whole);
}

int32_t lf_segment_attach(int64_t os, size_t size, lf_segment *out) {
  memset(out, 0, sizeof *out);
  out->os = -1;
  if (os < 0 || os > INT_MAX) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "descriptor %lld", (long long)os);
  int fd = (int)os;
  /* The seal is checked first: a size that was read before it may have shrunk since. */
  if (!sealed(fd))
    return lf_fail(LF_ECORRUPT_SEGMENT, "fcntl(F_GET_SEALS)", 0,
                   "the peer's segment is not sealed, or of huge pages: it could lose its memory");
  struct stat info;
  if (fstat(fd, &info) != 0) return lf_fail_errno(LF_ESYSTEM, "fstat", errno, "the peer's segment");
  if (size == 0 || info.st_size < 0 || (uint64_t)info.st_size < size)
    return lf_fail(LF_ECORRUPT_SEGMENT, "fstat", 0, "the peer's segment has %lld bytes, and should have %zu",
                   (long long)info.st_size, size);
  size_t page = lf_page_bytes();
  void *mapped = map(fd, lf_whole_pages(size, page));
  if (mapped == MAP_FAILED) {
    int error = errno;
    return lf_fail_errno(error == ENOMEM ? LF_EHOST_OUT_OF_MEMORY : LF_ESYSTEM, "mmap", error,
                         "the peer's segment of %zu bytes", size);
  }
  out->address = mapped;
  out->size = size;
  out->page_bytes = page;
  return LF_OK;
}

static void unmap(void *address, void *size) { munmap(address, (size_t)(uintptr_t)size); }

void lf_segment_close(lf_segment *segment) {
  if (segment->address) lf_backing_free(segment->address, unmap, (void *)(uintptr_t)segment->size);
  if (segment->address && segment->os >= 0) close((int)segment->os);
  memset(segment, 0, sizeof *segment);
  segment->os = -1;
}

int32_t lf_os_handle_duplicate(int64_t os, int64_t *out) {
  int fd = fcntl((int)os, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return lf_fail_errno(LF_ESYSTEM, "fcntl(F_DUPFD_CLOEXEC)", errno, "no descriptor is left");
  *out = fd;
  return LF_OK;
}

int32_t lf_os_handle_close(int64_t os) {
  if (os < 0 || os > INT_MAX) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "descriptor %lld", (long long)os);
  if (close((int)os) != 0) return lf_fail_errno(LF_ESYSTEM, "close", errno, "descriptor %lld", (long long)os);
  return LF_OK;
}
