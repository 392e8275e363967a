/*
 * Pages of this process alone. All bytes are zero, and all pages are allocated when a function returns, so that a lack
 * of memory is HOST_OUT_OF_MEMORY here and not a killed process later. The caller has checked the size: 1 byte to 4
 * GiB.
 */
#ifndef LF_HOST_MEMORY_H
#define LF_HOST_MEMORY_H

#include "host/segment.h"
#include "lavaflow.h"

typedef struct {
  lf_segment segment; /* the mapping; its OS handle stays -1 */
  int32_t numa_node;  /* the NUMA node that the pages are bound to, or -1 */
  int32_t hugetlb;    /* 1: reserved huge pages */
  int32_t pinned_by;  /* LF_PINNED_BY_... */
} lf_host_block;

/* Base pages, on any NUMA node. LF_OK, HOST_OUT_OF_MEMORY. */
int32_t lf_host_standard(size_t size, lf_host_block *out);

/* Pages bound to `node`; -1: to the node of this thread's processor. LF_OK, HOST_OUT_OF_MEMORY; NUMA_NODE_NOT_FOUND
 * when there is no such node, this process may not use it, or the system has no NUMA support. */
int32_t lf_host_numa(size_t size, int32_t node, lf_host_block *out);

/* Huge pages only (their size is segment.page_bytes): reserved ones if enough are free, else transparent ones. LF_OK,
 * HOST_OUT_OF_MEMORY; HUGEPAGES_UNAVAILABLE with the reason for each kind. */
int32_t lf_host_hugepages(size_t size, lf_host_block *out);

/* Address space whose pages are allocated later, for blocks so large that allocating all of their pages at once takes
 * long. Reserved huge pages are allocated at once, where they are available. The caller calls lf_host_commit before it
 * uses a range. LF_OK, HOST_OUT_OF_MEMORY. */
int32_t lf_host_lazy(size_t size, lf_host_block *out);
int32_t lf_host_commit(void *address, size_t size);
/* Returns the whole pages of a range to the system; after the next commit they are zero. 1, or 0 on systems that keep
 * the pages. */
int lf_host_decommit(void *address, size_t size);

/* Frees a block once no ArrayBuffer shows it. */
void lf_host_free(lf_host_block *block);

/* Writes the NUMA node of each of `count` pages, which are `stride` bytes apart; a negative errno for a page without a
 * node. LF_OK, SYSTEM. */
int32_t lf_host_nodes(const void *address, size_t stride, uint32_t count, int32_t *out);

/* host_memory_posix.c and host_memory_win32.c also define lf_numa_viable (lavaflow/memory.h). */

#endif
