/* Boxes: against a copy word by word, and those that reach beyond an array write nothing. */
#include "test.h"

#define WORDS 4096

static uint32_t source[WORDS], target[WORDS], expected[WORDS];

static void refill(void) {
  for (uint32_t i = 0; i < WORDS; i++) {
    source[i] = i + 1;
    target[i] = expected[i] = 0;
  }
}

static int32_t copy(const lf_box *boxes, uint32_t count) {
  return lf_boxes_copy(target, sizeof target, source, sizeof source, boxes, count);
}

static void word_by_word(const lf_box *box) {
  for (uint32_t z = 0; z < box->z; z++)
    for (uint32_t y = 0; y < box->y; y++)
      for (uint32_t x = 0; x < box->x; x++)
        expected[box->target + z * box->target_plane + y * box->target_row + x] =
            source[box->source + z * box->source_plane + y * box->source_row + x];
}

/* An array of x * y * z words around a box, which begins somewhere in it. */
static uint32_t lay_out(test_random *random, const lf_box *box, uint32_t *row, uint32_t *plane) {
  *row = box->x + test_below(random, 6);
  *plane = *row * (box->y + test_below(random, 4));
  uint32_t reach = (box->z - 1) * *plane + (box->y - 1) * *row + box->x;
  return test_below(random, WORDS - reach + 1);
}

static void like_a_copy_word_by_word(void) {
  test_random random = {test_seed()};
  for (int round = 0; round < 20000; round++) {
    lf_box box = {.x = 1 + test_below(&random, 12), .y = 1 + test_below(&random, 9), .z = 1 + test_below(&random, 7)};
    box.source = lay_out(&random, &box, &box.source_row, &box.source_plane);
    box.target = lay_out(&random, &box, &box.target_row, &box.target_plane);
    refill();
    word_by_word(&box);
    CHECK_EQ(copy(&box, 1), LF_OK);
    CHECK(memcmp(target, expected, sizeof target) == 0);
  }
}

static void up_to_the_last_word(void) {
  refill();
  lf_box boxes[] = {{.source = WORDS - 3, .target = 0, .x = 3, .y = 1, .z = 1},
                    {.source = 0, .target = WORDS - 1, .x = 1, .y = 1, .z = 1},
                    {.source = 1, .target = 10, .x = 2, .y = 2, .z = 2, .source_row = 5, .source_plane = WORDS - 8,
                     .target_row = 2, .target_plane = 4}};
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) word_by_word(&boxes[i]);
  CHECK_EQ(copy(boxes, sizeof boxes / sizeof *boxes), LF_OK);
  CHECK(memcmp(target, expected, sizeof target) == 0);
  CHECK_EQ(copy(boxes, 0), LF_OK);
}

static void beyond(void) {
  static const lf_box wrong[] = {
      {.source = WORDS - 2, .x = 3, .y = 1, .z = 1},
      {.target = WORDS - 2, .x = 3, .y = 1, .z = 1},
      {.source = UINT32_MAX, .x = UINT32_MAX, .y = 1, .z = 1},
      {.x = 1, .y = UINT32_MAX, .z = 1, .source_row = UINT32_MAX},
      {.x = 1, .y = 1, .z = UINT32_MAX, .target_plane = UINT32_MAX},
      {.x = 1, .y = UINT32_MAX, .z = UINT32_MAX, .target_row = UINT32_MAX, .target_plane = UINT32_MAX},
      {.x = 4, .y = 2, .z = 1, .source_row = WORDS - 3},
      {.x = 0, .y = 1, .z = 1},
      {.x = 1, .y = 0, .z = 1},
      {.x = 1, .y = 1, .z = 0},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    refill();
    lf_box boxes[] = {{.x = 8, .y = 1, .z = 1}, wrong[i]};
    CHECK_EQ(copy(boxes, 2), LF_EINVALID_ARGUMENT);
    CHECK(memcmp(target, expected, sizeof target) == 0);
  }
}

static void arguments(void) {
  lf_box box = {.x = 1, .y = 1, .z = 1};
  CHECK_EQ(lf_boxes_copy(NULL, 4, source, 4, &box, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_boxes_copy(target, 4, NULL, 4, &box, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_boxes_copy(target, 4, source, 4, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_boxes_copy(target, 3, source, 4, &box, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_boxes_copy(target, 4, source, 0.5, &box, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_boxes_copy(target, -4, source, 4, &box, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_boxes_copy((char *)target + 1, 8, source, 8, &box, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_boxes_copy(target, 4, source, 4, &box, 1), LF_OK);
}

int main(void) {
  RUN(like_a_copy_word_by_word);
  RUN(up_to_the_last_word);
  RUN(beyond);
  RUN(arguments);
  return 0;
}
