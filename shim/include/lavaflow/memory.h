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

/* The API that pinned the memory. The device's queue cannot use memory that CUDA pinned as GPU memory. */
enum { LF_PINNED_BY_NONE = 0, LF_PINNED_BY_VULKAN = 1, LF_PINNED_BY_CUDA = 2 };

typedef struct {
  uint64_t address;    /* 0 for GPU memory that is not mapped */
  uint64_t size;       /* bytes that the caller requested */
  uint64_t allocated;  /* bytes allocated: whole pages, or the allocation of the GPU's driver */
  uint64_t page_bytes; /* bytes of a page: 4096, 2 MiB, ... */
  int32_t handle;
  int32_t strategy; /* LF_MEMORY_... */
  int32_t numa_node; /* the NUMA node that the pages are bound to, or -1 */
  int32_t hugetlb;   /* 1: reserved huge pages; 0: base pages or transparent huge pages, see page_bytes */
  int32_t pinned_by; /* LF_PINNED_BY_... */
  uint32_t beyond_bar; /* 1: mapped GPU memory that is host memory, because the BAR is too small for it */
} lf_memory_info;

/* Allocates zeroed memory. All pages are allocated before this returns, so a lack of memory fails here and does not
 * kill the process later. `numa_node` is for LF_MEMORY_NUMA; -1 is the node of this thread's processor. LF_OK,
 * HOST_OUT_OF_MEMORY, NUMA_NODE_NOT_FOUND, HUGEPAGES_UNAVAILABLE, INVALID_ARGUMENT. */
LF_API int32_t lf_memory_allocate(int32_t strategy, double size, int32_t numa_node, lf_memory_info *out);
/* Maps `size` bytes of a shared block that another process exported. Takes ownership of the OS handle, also when it
 * fails. LF_OK, CORRUPT_SEGMENT, HOST_OUT_OF_MEMORY, SYSTEM, INVALID_ARGUMENT. */
LF_API int32_t lf_memory_import(int64_t os_handle, double size, lf_memory_info *out);
/* A new OS handle of a shared block or of GPU memory; the caller owns it. The first export of small GPU memory copies
 * its bytes into an allocation of its own, in the order of the queue, and blocks until the copy has ended. LF_OK,
 * EXTERNAL_MEMORY_UNSUPPORTED for memory of this process alone, TIMEOUT after 30 s. */
LF_API int32_t lf_memory_export(int32_t handle, int64_t *out);
/* Bytes of the driver's allocation for GPU memory, or of its part of a block. After an export, the importer needs this
 * value. LF_OK. */
LF_API int32_t lf_memory_allocated(int32_t handle, double *out);
/* Frees the memory once no GPU work uses it and no ArrayBuffer shows it. LF_OK. */
LF_API int32_t lf_memory_close(int32_t handle);
/* Holds the memory that begins at `base`, an address that a function of the shim returned: it stays mapped until each
 * hold is released, even if its handle is closed. For an ArrayBuffer the engine releases the hold: `deallocator` (may
 * be NULL) gets the address of a void (*)(void *bytes, void *base) that the engine calls once. Callable on any thread.
 * LF_OK, HOST_OUT_OF_MEMORY. */
LF_API int32_t lf_backing_retain(void *base, uint64_t *deallocator);
/* Releases one hold. Callable on any thread. LF_OK; CLOSED when the memory is not held. */
LF_API int32_t lf_backing_release(void *base);
/* Writes the NUMA node of each of the first `count` pages (of page_bytes), as the kernel reports it; a negative errno
 * for a page without a node. LF_OK, SYSTEM; INVALID_ARGUMENT for GPU memory. */
LF_API int32_t lf_memory_nodes(int32_t handle, uint32_t count, int32_t *out);
/* Closes an OS handle that no object owns. LF_OK, SYSTEM. */
LF_API int32_t lf_os_handle_close(int64_t os_handle);
/* 1 when memory can be bound to NUMA nodes (on Linux with libnuma); 0 when not, with the reason in lf_status_last. */
LF_API int32_t lf_numa_viable(void);

#endif
