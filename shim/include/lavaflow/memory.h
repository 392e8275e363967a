#ifndef LAVAFLOW_MEMORY_H
#define LAVAFLOW_MEMORY_H

#include "lavaflow/status.h"

/* ---- memory: blocks of host and of GPU memory ---- */

enum {
  LF_MEMORY_STANDARD = 0,
  LF_MEMORY_NUMA = 1,
  LF_MEMORY_HUGEPAGES = 2,
  LF_MEMORY_SHARED = 3,
  LF_MEMORY_GPU = 4,
  LF_MEMORY_GPU_PINNED = 5
};

/* How a GPU reaches pinned memory. What CUDA pinned is plain memory to the device's queue. */
enum { LF_PINNED_BY_NONE = 0, LF_PINNED_BY_VULKAN = 1, LF_PINNED_BY_CUDA = 2 };

typedef struct {
  uint64_t address;    /* 0 for GPU memory that is not mapped */
  uint64_t size;       /* bytes the caller asked for */
  uint64_t allocated;  /* bytes really taken: whole pages, or what the GPU's driver says */
  uint64_t page_bytes; /* what the memory is made of: 4096, 2 MiB, ... */
  int32_t handle;
  int32_t strategy; /* LF_MEMORY_... */
  int32_t numa_node; /* the node it is bound to, or -1 */
  int32_t hugetlb;   /* 1: reserved huge pages; 0: none, or transparent ones where page_bytes says so */
  int32_t pinned_by; /* LF_PINNED_BY_... */
  uint32_t beyond_bar; /* 1: mapped GPU memory that is the host's only because of its size */
} lf_memory_info;

/* Zeroed memory. HOST_OUT_OF_MEMORY here, never a killed process later: all pages are taken before this returns.
 * `numa_node` counts for LF_MEMORY_NUMA only; -1 means the node of this thread's processor. */
LF_API int32_t lf_memory_allocate(int32_t strategy, double size, int32_t numa_node, lf_memory_info *out);
/* Takes ownership of the OS handle (also when it fails). */
LF_API int32_t lf_memory_import(int64_t os_handle, double size, lf_memory_info *out);
/* A new OS handle to a shared block or to GPU memory; the caller owns it. The first export of small GPU memory gives it an
 * allocation of its own: it copies the bytes behind all work before, and blocks until then. ETIMEOUT after 30 s. */
LF_API int32_t lf_memory_export(int32_t handle, int64_t *out);
/* The bytes that the driver allocated for GPU memory, or those of its block that it has; what an importer has to be told,
 * once it was exported. */
LF_API int32_t lf_memory_allocated(int32_t handle, double *out);
LF_API int32_t lf_memory_close(int32_t handle);
/* Holds the memory that begins at `base`, of whatever function here gave its address out: it stays mapped until as many
 * releases, whatever is closed. For an ArrayBuffer that will show it the release is the engine's: `deallocator` (may be NULL)
 * gets the address of void (*)(void *bytes, void *base), which it is to call once. On any thread. */
LF_API int32_t lf_backing_retain(void *base, uint64_t *deallocator);
LF_API int32_t lf_backing_release(void *base);
/* The NUMA node of each of the first `count` pages (of page_bytes), as the kernel reports it (negative: an errno). */
LF_API int32_t lf_memory_nodes(int32_t handle, uint32_t count, int32_t *out);
/* Closes an OS handle that no object owns. */
LF_API int32_t lf_os_handle_close(int64_t os_handle);
/* 1 when libnuma is here and the kernel has NUMA support; 0 when not, with the reason in lf_status_last. */
LF_API int32_t lf_numa_viable(void);

#endif
