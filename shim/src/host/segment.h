/* A segment: memory that another process can map, known by an OS handle (a descriptor, on Windows a HANDLE). */
#ifndef LF_SEGMENT_H
#define LF_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  void *address;
  size_t size;       /* mapped bytes, whole pages */
  size_t page_bytes; /* the page size that backs it, as far as is known */
  int64_t os;        /* the OS handle, or -1 */
} lf_segment;

/* Makes, maps and reserves a segment that can't change its size any more. HOST_OUT_OF_MEMORY, SYSTEM. */
int32_t lf_segment_create(size_t size, lf_segment *out);

/* Maps `size` bytes of a peer's segment. Does not take `os` over. CORRUPT_SEGMENT when it is smaller than it should
 * be or its owner could still shrink it: reading it could then kill this process. */
int32_t lf_segment_attach(int64_t os, size_t size, lf_segment *out);

/* Unmaps once no ArrayBuffer shows it, and closes the OS handle where there is one. The segment may be all zero. */
void lf_segment_close(lf_segment *segment);

/* Gives the pages of a part of a segment back, for all that map it: its bytes are zeros then. 0 where the system can't. */
int lf_segment_give(void *address, size_t size);

int32_t lf_os_handle_duplicate(int64_t os, int64_t *out);

#endif
