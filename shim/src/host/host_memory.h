/*
 * What memory.c asks of the system: pages of this process alone. All of them are zero, and all are there when a
 * function returns: what does not fit is HOST_OUT_OF_MEMORY then, and not a dead process later. Sizes were checked by
 * the caller: 1 byte to 4 GiB.
 */
#ifndef LF_HOST_MEMORY_H
#define LF_HOST_MEMORY_H

#include "host/segment.h"
#include "lavaflow.h"

typedef struct {
  lf_segment segment; /* what is mapped; its OS handle stays -1 for memory of this process alone */
  int32_t numa_node;  /* the node it is bound to, or -1 */
  int32_t hugetlb;    /* 1: of the reserved huge pages */
  int32_t pinned_by;  /* LF_PINNED_BY_... */
} lf_host_block;

/* Base pages, wherever the system puts them. */
int32_t lf_host_standard(size_t size, lf_host_block *out);

/* Bound to `node`, or to the node of the processor that runs this thread when it is -1. NUMA_NODE_NOT_FOUND when there
 * is no such node, this process may not use it, or the system has no NUMA to speak of. */
int32_t lf_host_numa(size_t size, int32_t node, lf_host_block *out);

/* Huge pages from end to end (segment.page_bytes says how large), reserved ones before transparent ones; else
 * HUGEPAGES_UNAVAILABLE with the reason for each. */
int32_t lf_host_hugepages(size_t size, lf_host_block *out);

/* Room whose pages are not there yet: huge ones where there are any, which then are. lf_host_take takes them before they
 * are used; HOST_OUT_OF_MEMORY of either. For blocks so large that taking all of their pages at once takes long. */
int32_t lf_host_lazy(size_t size, lf_host_block *out);
int32_t lf_host_take(void *address, size_t size);
/* The reverse: the whole pages of the range go, and are zero when they are taken again. 1, or 0 where the system keeps them. */
int lf_host_give(void *address, size_t size);

/* Gives back a block of the functions above, once no ArrayBuffer shows it. */
void lf_host_free(lf_host_block *block);

/* Writes the node of each of `count` pages, `stride` bytes apart; a negative errno for a page that has none. */
int32_t lf_host_nodes(const void *address, size_t stride, uint32_t count, int32_t *out);

/* lf_numa_viable (lavaflow.h) is the system's too. */

#endif
