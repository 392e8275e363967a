#ifndef LAVAFLOW_BOXES_H
#define LAVAFLOW_BOXES_H

#include "lavaflow/status.h"

/* ---- boxes: parts of arrays of two or three dimensions ---- */

/* What is copied from one array to another, in words of 4 bytes: x of them in a row, y rows, z planes. */
typedef struct {
  uint32_t source, target; /* the first word of each */
  uint32_t x, y, z;        /* 1 and up */
  uint32_t source_row, source_plane; /* from row to row, and from plane to plane */
  uint32_t target_row, target_plane;
} lf_box;

/* Copies all boxes. What one box writes, no box of the same call reads or writes. INVALID_ARGUMENT, with nothing written,
 * where one does not lie within the arrays, which begin at multiples of 4. */
LF_API int32_t lf_boxes_copy(void *target, double target_bytes, const void *source, double source_bytes,
                             const lf_box *boxes, uint32_t count);

#endif
