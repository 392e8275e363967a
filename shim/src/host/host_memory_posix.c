#include "host/host_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/library.h"
#include "base/once.h"
#include "base/status.h"
#include "host/backing.h"
#include "host/memory_limit.h"
#include "host/text_posix.h"

#if defined(__linux__)
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#endif

static char *map(size_t size, int flags) {
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

/* Allocates every page now: 0, or -1 with errno. */
static int populate(char *address, size_t size, size_t page) {
#if defined(__linux__)
  if (madvise(address, size, MADV_POPULATE_WRITE) == 0) return 0;
  if (errno != EINVAL) return -1;
#endif
  for (size_t at = 0; at < size; at += page) ((volatile char *)address)[at] = 0;
  return 0;
}

static int32_t no_memory(const char *api, int error, size_t size) {
  return lf_fail_errno(LF_EHOST_OUT_OF_MEMORY, api, error, "%zu bytes of memory", size);
}

static int32_t describe(lf_host_block *out, char *address, size_t size, size_t page) {
  out->segment.address = address;
  out->segment.size = size;
  out->segment.page_bytes = page;
  return LF_OK;
}

static void unmap(void *address, void *size) { munmap(address, (size_t)(uintptr_t)size); }

void lf_host_free(lf_host_block *block) {
  lf_backing_free(block->segment.address, unmap, (void *)(uintptr_t)block->segment.size);
}

int32_t lf_host_standard(size_t size, lf_host_block *out) {
  size_t page = lf_page_bytes(), bytes = lf_whole_pages(size, page);
  int32_t status = lf_memory_limit_check(bytes);
  if (status < 0) return status;
  char *address = map(bytes, 0);
  if (address == MAP_FAILED) return no_memory("mmap", errno, bytes);
  if (populate(address, bytes, page) != 0) {
    status = no_memory("madvise(MADV_POPULATE_WRITE)", errno, bytes);
    munmap(address, bytes);
    return status;
  }
  return describe(out, address, bytes, page);
}

int32_t lf_host_commit(void *address, size_t size) {
  size_t page = lf_page_bytes(), before = (uintptr_t)address & (page - 1);
  if (populate((char *)address - before, lf_whole_pages(size + before, page), page) == 0) return LF_OK;
  return no_memory("madvise(MADV_POPULATE_WRITE)", errno, size);
}

int lf_host_decommit(void *address, size_t size) {
#if defined(__linux__)
  size_t page = lf_page_bytes(), over = (uintptr_t)address & (page - 1), skip = over ? page - over : 0;
  return skip >= size || madvise((char *)address + skip, size - skip, MADV_DONTNEED) == 0;
#else
  (void)address, (void)size; /* such systems page out idle memory by themselves */
  return 0;
#endif
}

#if defined(__linux__)

/* Bytes of the entry `name` of a meminfo file, which is in kB; 0 when the file lacks it. */
static uint64_t meminfo(const char *text, const char *name) { return lf_text_number(text, name) * 1024; }

/* ---- NUMA ---- */

#define NODES_MAX 1024 /* the greatest number that kernels are built for (CONFIG_NODES_SHIFT 10) */
#define BITS (8 * sizeof(unsigned long)) /* of a word of mbind's node mask */
#define MPOL_BIND 2

static struct {
  int (*numa_available)(void);
  long (*mbind)(void *address, unsigned long size, int mode, const unsigned long *nodes, unsigned long node_count,
                unsigned flags);
} numa;

static char numa_missing[256]; /* why NUMA memory is unavailable, or "" */

static void open_numa(void) {
  static const char *const libraries[] = {"libnuma.so.1", NULL};
  static const char *const names[] = {"numa_available", "mbind", NULL}; /* in the order of `numa` */
  char why[200];
  void *library = lf_library_open(libraries, why, sizeof why);
  const char *missing = library ? lf_library_symbols(library, names, (void **)&numa) : NULL;
  if (!library) snprintf(numa_missing, sizeof numa_missing, "libnuma is not installed: %s", why);
  else if (missing) snprintf(numa_missing, sizeof numa_missing, "libnuma.so.1 has no %s", missing);
  else if (numa.numa_available() < 0)
    snprintf(numa_missing, sizeof numa_missing, "this kernel has no NUMA support, or a sandbox forbids it");
}

int32_t lf_numa_viable(void) {
  static lf_once once = LF_ONCE;
  lf_once_run(&once, open_numa);
  if (!numa_missing[0]) return 1;
  lf_fail(LF_ENUMA_NODE_NOT_FOUND, "dlopen(libnuma.so.1)", 0, "%s", numa_missing);
  return 0;
}

/* HOST_OUT_OF_MEMORY when the node has less than `size` bytes available. A process that touches a page bound to a full
 * node is killed, so the limit is checked before. */
static int32_t check_node_limit(size_t size, int32_t node) {
  if (size < (1u << 20)) return LF_OK; /* small blocks are not worth the read of a file */
  char path[64], text[4096];
  snprintf(path, sizeof path, "/sys/devices/system/node/node%d/meminfo", node);
  /* hidden by a sandbox: only the machine's limit is known */
  if (!*lf_text_read(path, text, sizeof text)) return LF_OK;
  uint64_t available = meminfo(text, "MemFree:") + meminfo(text, "Inactive(file):");
  if (size <= available) return LF_OK;
  return lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "%zu bytes asked for, %" PRIu64 " available on NUMA node %d", size,
                 available, node);
}

int32_t lf_host_numa(size_t size, int32_t node, lf_host_block *out) {
  if (!lf_numa_viable()) return LF_ENUMA_NODE_NOT_FOUND;
  unsigned here;
  if (node < 0) node = syscall(SYS_getcpu, NULL, &here, NULL) == 0 ? (int32_t)here : 0;
  if (node >= NODES_MAX) return lf_fail(LF_ENUMA_NODE_NOT_FOUND, "", 0, "there is no NUMA node %d", node);
  size_t page = lf_page_bytes(), bytes = lf_whole_pages(size, page);
  int32_t status = lf_memory_limit_check(bytes);
  if (status == LF_OK) status = check_node_limit(bytes, node);
  if (status < 0) return status;

  char *address = map(bytes, 0);
  if (address == MAP_FAILED) return no_memory("mmap", errno, bytes);
  unsigned long nodes[NODES_MAX / BITS] = {0};
  nodes[(size_t)node / BITS] = 1ul << ((size_t)node % BITS);
  /* The kernel reads one bit less than the given count. */
  if (numa.mbind(address, bytes, MPOL_BIND, nodes, NODES_MAX + 1, 0) != 0) {
    int error = errno;
    status = lf_fail_errno(error == EINVAL ? LF_ENUMA_NODE_NOT_FOUND : LF_ESYSTEM, "mbind", error,
                           "NUMA node %d has no memory for this process", node);
  } else if (populate(address, bytes, page) != 0) {
    status = no_memory("madvise(MADV_POPULATE_WRITE)", errno, bytes);
  } else {
    out->numa_node = node;
    return describe(out, address, bytes, page);
  }
  munmap(address, bytes);
  return status;
}

int32_t lf_host_nodes(const void *address, size_t stride, uint32_t count, int32_t *out) {
  const void *pages[256];
  for (uint32_t done = 0; done < count;) {
    uint32_t some = count - done < 256 ? count - done : 256;
    for (uint32_t i = 0; i < some; i++) pages[i] = (const char *)address + (done + i) * stride;
    if (syscall(SYS_move_pages, 0, (unsigned long)some, pages, NULL, out + done, 0) != 0)
      return lf_fail_errno(LF_ESYSTEM, "move_pages", errno, "the NUMA nodes of %u pages", count);
    done += some;
  }
  return LF_OK;
}

/* ---- huge pages ---- */

/* The kernel's page sizes do not change while it runs, so each is read once. 0: the kernel has no such pages. */
static size_t hugetlb_bytes(void) {
  static _Atomic size_t known = 1;
  size_t size = atomic_load(&known);
  if (size == 1) {
    char text[4096];
    size = (size_t)meminfo(lf_text_read("/proc/meminfo", text, sizeof text), "Hugepagesize:");
    atomic_store(&known, size);
  }
  return size;
}

static size_t transparent_bytes(void) {
  static _Atomic size_t known = 1;
  size_t size = atomic_load(&known);
  if (size == 1) {
    char text[64];
    size = strtoull(lf_text_read("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text, sizeof text), NULL, 10);
    atomic_store(&known, size);
  }
  return size;
}

/* Bytes of the block that are in huge pages, by smaps of the mappings that contain the block. Slow: the kernel walks
 * all mappings of the process. */
static size_t huge_part_by_smaps(const char *address, size_t size) {
  FILE *file = fopen("/proc/self/smaps", "re");
  if (!file) return 0;
  char line[512];
  int inside = 0;
  uint64_t mapped = 0, huge = 0, from, to, kilobytes;
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2) {
      inside = from < (uintptr_t)address + size && to > (uintptr_t)address;
      if (inside) mapped += to - from;
    } else if (inside && sscanf(line, "AnonHugePages: %" SCNu64, &kilobytes) == 1) {
      huge += kilobytes * 1024;
    }
  }
  fclose(file);
  /* The kernel may have merged the block with an adjacent mapping: each byte that is in no huge page may be the
   * block's. */
  size_t missing = mapped > huge ? (size_t)(mapped - huge) : 0;
  return missing < size ? size - missing : 0;
}

/* PAGEMAP_SCAN of Linux 6.7, which <linux/fs.h> of older systems lacks. */
typedef struct {
  uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages, inverted, mask, any_of, returned;
} scan_request;
typedef struct {
  uint64_t start, end, categories;
} scan_region;
#define SCAN _IOWR('f', 16, scan_request)
#define SCAN_HUGE ((uint64_t)1 << 6)

/* The kernel may ignore the advice to use huge pages without an error: only the page tables tell. */
static size_t huge_part(const char *address, size_t size) {
  scan_region region = {0};
  scan_request request = {
      .size = sizeof request,
      .start = (uintptr_t)address,
      .end = (uintptr_t)address + size,
      .regions = (uintptr_t)&region,
      .region_count = 1,
      .mask = SCAN_HUGE,
      .returned = SCAN_HUGE,
  };
  int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  int found = fd < 0 ? -1 : ioctl(fd, SCAN, &request);
  if (fd >= 0) close(fd);
  if (found < 0) return huge_part_by_smaps(address, size);
  return found == 0 ? 0 : (size_t)(region.end - region.start);
}

/* 1 with a block of reserved huge pages, else 0. mmap reserves them, but a control group or a node set may have fewer,
 * and touching a missing page raises SIGBUS. So MAP_POPULATE allocates them, which reports no failure, and mincore
 * checks each. */
static int hugetlb(size_t size, lf_host_block *out) {
  size_t page = hugetlb_bytes();
  if (!page) return 0;
  size_t bytes = lf_whole_pages(size, page);
  char *address = map(bytes, MAP_HUGETLB | MAP_POPULATE);
  if (address == MAP_FAILED) return 0;
  for (size_t at = 0; at < bytes; at += page) {
    unsigned char there;
    if (mincore(address + at, 1, &there) == 0 && (there & 1)) continue;
    munmap(address, bytes);
    return 0;
  }
  out->hugetlb = 1;
  describe(out, address, bytes, page);
  return 1;
}

static char *map_aligned(size_t size, size_t alignment) {
  char *address = map(size, 0);
  if (address == MAP_FAILED || ((uintptr_t)address & (alignment - 1)) == 0) return address;
  munmap(address, size);
  address = map(size + alignment, 0);
  if (address == MAP_FAILED) return address;
  size_t before = (alignment - ((uintptr_t)address & (alignment - 1))) & (alignment - 1);
  if (before) munmap(address, before);
  if (before < alignment) munmap(address + before + size, alignment - before);
  return address + before;
}

int32_t lf_host_hugepages(size_t size, lf_host_block *out) {
  if (hugetlb(size, out)) return LF_OK;
  size_t page = transparent_bytes();
  if (!page)
    return lf_fail(LF_EHUGEPAGES_UNAVAILABLE, "", 0,
                   "%zu bytes: too few reserved huge pages are free, and this kernel has no transparent ones", size);
  size_t bytes = lf_whole_pages(size, page);
  int32_t status = lf_memory_limit_check(bytes);
  if (status < 0) return status;
  char *address = map_aligned(bytes, page);
  if (address == MAP_FAILED) return no_memory("mmap", errno, bytes);
  madvise(address, bytes, MADV_HUGEPAGE); /* huge_part measures the effect */
  if (populate(address, bytes, page) != 0) {
    status = no_memory("madvise(MADV_POPULATE_WRITE)", errno, bytes);
    munmap(address, bytes);
    return status;
  }
  size_t huge = huge_part(address, bytes);
  if (huge == bytes) return describe(out, address, bytes, page);
  munmap(address, bytes);
  char text[64];
  lf_text_read("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
  if (strstr(text, "[never]"))
    return lf_fail(LF_EHUGEPAGES_UNAVAILABLE, "", 0,
                   "%zu bytes: too few reserved huge pages are free, and transparent ones are switched off", bytes);
  return lf_fail(LF_EHUGEPAGES_UNAVAILABLE, "madvise(MADV_HUGEPAGE)", 0,
                 "%zu bytes: too few reserved huge pages are free, and of transparent ones the kernel found only %zu "
                 "contiguous bytes",
                 bytes, huge);
}

int32_t lf_host_lazy(size_t size, lf_host_block *out) {
  if (hugetlb(size, out)) return LF_OK;
  size_t base = lf_page_bytes(), page = transparent_bytes(), bytes = lf_whole_pages(size, page ? page : base);
  int32_t status = lf_memory_limit_check(bytes);
  if (status < 0) return status;
  char *address = map_aligned(bytes, page ? page : base);
  if (address == MAP_FAILED) return no_memory("mmap", errno, bytes);
  if (page) madvise(address, bytes, MADV_HUGEPAGE);
  return describe(out, address, bytes, base);
}

#else

int32_t lf_host_lazy(size_t size, lf_host_block *out) { return lf_host_standard(size, out); }

int32_t lf_numa_viable(void) {
  lf_fail(LF_ENUMA_NODE_NOT_FOUND, "", 0, "this system does not let a process choose a NUMA node");
  return 0;
}

int32_t lf_host_numa(size_t size, int32_t node, lf_host_block *out) {
  (void)size, (void)node, (void)out;
  lf_numa_viable();
  return LF_ENUMA_NODE_NOT_FOUND;
}

int32_t lf_host_nodes(const void *address, size_t stride, uint32_t count, int32_t *out) {
  (void)address, (void)stride, (void)count, (void)out;
  return lf_fail(LF_ENUMA_NODE_NOT_FOUND, "", 0, "this system does not say where pages are");
}

int32_t lf_host_hugepages(size_t size, lf_host_block *out) {
  (void)size, (void)out;
  return lf_fail(LF_EHUGEPAGES_UNAVAILABLE, "", 0, "this system offers no huge pages to ask for");
}

#endif
