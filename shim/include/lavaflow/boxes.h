#ifndef LAVAFLOW_BOXES_H
#define LAVAFLOW_BOXES_H

#include "lavaflow/status.h"

/* ---- boxes: ranges of arrays of two or three dimensions ---- */

/* One copy from an array to another, in words of 4 bytes: x words per row, y rows, z planes. */
typedef struct {
  uint32_t source, target; /* index of the first word in each array */
  uint32_t x, y, z;        /* 1 and up */
  uint32_t source_row, source_plane; /* words from row to row, and from plane to plane */
  uint32_t target_row, target_plane;
} lf_box;

/* Copies all boxes. No box may read or write what another box of the call writes. Arrays begin at multiples of 4.
 * LF_OK; INVALID_ARGUMENT, with nothing written, when a box exceeds its arrays. */
LF_API int32_t lf_boxes_copy(void *target, double target_bytes, const void *source, double source_bytes,
                             const lf_box *boxes, uint32_t count);

#endif
