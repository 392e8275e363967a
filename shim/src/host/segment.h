/* A segment: memory that another process can map, identified by an OS handle (a descriptor, on Windows a HANDLE). */
#ifndef LF_SEGMENT_H
#define LF_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  void *address;
  size_t size;       /* mapped bytes, whole pages */
  size_t page_bytes; /* the size of its pages, as far as the system tells */
  int64_t os;        /* the OS handle, or -1 */
} lf_segment;

/* Creates and maps a segment of fixed size and allocates its pages. LF_OK, HOST_OUT_OF_MEMORY, SYSTEM, INVALID_ARGUMENT
 * for a size of 0. */
int32_t lf_segment_create(size_t size, lf_segment *out);

/* Maps `size` bytes of a peer's segment. The caller keeps `os`. CORRUPT_SEGMENT when the segment is smaller than
 * `size`, or when its owner could still shrink it: a read could then kill this process. */
int32_t lf_segment_attach(int64_t os, size_t size, lf_segment *out);

/* Unmaps the segment once no ArrayBuffer shows it, and closes its OS handle. The struct may be all zero. */
void lf_segment_close(lf_segment *segment);

/* Returns the whole pages of a part of a segment to the system, for all processes that map it; their bytes are then
 * zero. 1, or 0 on systems that cannot. */
int lf_segment_decommit(void *address, size_t size);

/* A duplicate of an OS handle, which the caller owns. LF_OK, SYSTEM. */
int32_t lf_os_handle_duplicate(int64_t os, int64_t *out);

/* Bytes of a base page. */
size_t lf_page_bytes(void);
/* `size` rounded up to whole pages of `page` bytes, a power of two. */
static inline size_t lf_whole_pages(size_t size, size_t page) { return (size + page - 1) & ~(page - 1); }

#endif
