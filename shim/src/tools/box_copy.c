/* Copies of boxes by the processor: ranges of arrays of two or three dimensions. */
#include <inttypes.h>
#include <string.h>

#include "base/status.h"
#include "base/whole.h"

/* The index behind a box's last word; UINT64_MAX when it overflows. */
static uint64_t end_of(uint32_t first, const lf_box *box, uint32_t row, uint32_t plane) {
  uint64_t planes = (uint64_t)(box->z - 1) * plane;
  uint64_t rows = (uint64_t)(box->y - 1) * row;
  return planes > UINT64_MAX / 2 || rows > UINT64_MAX / 4 ? UINT64_MAX : first + planes + rows + box->x;
}

static int32_t check(const lf_box *box, uint32_t index, uint64_t target_words, uint64_t source_words) {
  if (!box->x || !box->y || !box->z)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "box %u has %u x %u x %u words", index, box->x, box->y, box->z);
  uint64_t from = end_of(box->source, box, box->source_row, box->source_plane);
  uint64_t to = end_of(box->target, box, box->target_row, box->target_plane);
  if (from > source_words || to > target_words)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0,
                   "box %u reaches word %" PRIu64 " of %" PRIu64 " that are read, and %" PRIu64 " of %" PRIu64
                   " that are written",
                   index, from, source_words, to, target_words);
  return LF_OK;
}

/* Columns of one or two words are as common as rows. They are copied without a call per word, which would take longer
 * than the copy. */
static void copy_plane(uint32_t *to, const uint32_t *from, const lf_box *box) {
  const size_t down = box->target_row, along = box->source_row;
  if (box->x == 1) {
    for (uint32_t y = 0; y < box->y; y++) to[y * down] = from[y * along];
  } else if (box->x == 2) {
    for (uint32_t y = 0; y < box->y; y++) memcpy(to + y * down, from + y * along, 2 * sizeof *to);
  } else {
    for (uint32_t y = 0; y < box->y; y++) memcpy(to + y * down, from + y * along, box->x * sizeof *to);
  }
}

int32_t lf_boxes_copy(void *target, double target_bytes, const void *source, double source_bytes, const lf_box *boxes,
                      uint32_t count) {
  if (!target || !source || !boxes) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no target, no source or no boxes");
  if (!lf_whole(target_bytes) || !lf_whole(source_bytes))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%g bytes to write, %g to read", target_bytes, source_bytes);
  if ((uintptr_t)target % sizeof(uint32_t) || (uintptr_t)source % sizeof(uint32_t))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "arrays that do not begin at a multiple of 4");
  uint64_t target_words = (uint64_t)target_bytes / sizeof(uint32_t);
  uint64_t source_words = (uint64_t)source_bytes / sizeof(uint32_t);
  /* All boxes are checked before the first write. */
  for (uint32_t i = 0; i < count; i++) {
    int32_t status = check(&boxes[i], i, target_words, source_words);
    if (status < 0) return status;
  }
  for (uint32_t i = 0; i < count; i++) {
    const lf_box *box = &boxes[i];
    uint32_t *to = (uint32_t *)target + box->target;
    const uint32_t *from = (const uint32_t *)source + box->source;
    for (size_t z = 0; z < box->z; z++) copy_plane(to + z * box->target_plane, from + z * box->source_plane, box);
  }
  return LF_OK;
}
