/* Segments: two mappings share their bytes; invalid ones are refused. */
#include "host/segment.h"

#include "test.h"

static void create_and_close(void) {
  static const size_t sizes[] = {1, 4096, 4097, 65536, (2u << 20) - 1, 2u << 20, (2u << 20) + 1, 5u << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    lf_segment segment;
    CHECK_EQ(lf_segment_create(sizes[i], &segment), LF_OK);
    CHECK(segment.address != NULL && segment.os >= 0 && segment.page_bytes > 0);
    CHECK(segment.size >= sizes[i] && segment.size - sizes[i] < segment.page_bytes);
    CHECK_EQ(segment.size % segment.page_bytes, 0);
    const char *bytes = segment.address;
    for (size_t at = 0; at < segment.size; at += 509) CHECK_EQ(bytes[at], 0);
    test_fill(segment.address, segment.size, i);
    CHECK_EQ(test_differs(segment.address, segment.size, i), segment.size);
    lf_segment_close(&segment);
    CHECK(segment.address == NULL && segment.os == -1);
    lf_segment_close(&segment); /* nothing left to do */
  }
}

static void two_mappings(void) {
  static const size_t sizes[] = {100, 4096, 5000, (3u << 20) + 77};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    lf_segment mine, theirs;
    CHECK_EQ(lf_segment_create(sizes[i], &mine), LF_OK);
    CHECK_EQ(lf_segment_attach(mine.os, sizes[i], &theirs), LF_OK);
    CHECK(theirs.address != mine.address && theirs.os == -1);
    CHECK_EQ(theirs.size, sizes[i]);
    test_fill(mine.address, sizes[i], 1);
    CHECK_EQ(test_differs(theirs.address, sizes[i], 1), sizes[i]);
    lf_segment_close(&mine); /* the other mapping stays */
    CHECK_EQ(test_differs(theirs.address, sizes[i], 1), sizes[i]);
    test_fill(theirs.address, sizes[i], 2);
    CHECK_EQ(test_differs(theirs.address, sizes[i], 2), sizes[i]);
    lf_segment_close(&theirs);
  }
}

static void attach_refuses(void) {
  lf_segment segment, attached;
  CHECK_EQ(lf_segment_create(10000, &segment), LF_OK);
  CHECK_EQ(lf_segment_attach(segment.os, 0, &attached), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(lf_segment_attach(segment.os, segment.size + 1, &attached), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(lf_segment_attach(segment.os, SIZE_MAX, &attached), LF_ECORRUPT_SEGMENT);
  CHECK(attached.address == NULL);
  lf_segment_close(&segment);
}

static void bad_sizes(void) {
  lf_segment segment;
  CHECK_EQ(lf_segment_create(0, &segment), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_segment_create(SIZE_MAX, &segment), LF_EINVALID_ARGUMENT);
  /* More than any machine has: told at once, with both numbers. */
  CHECK_EQ(lf_segment_create((size_t)1 << 50, &segment), LF_EHOST_OUT_OF_MEMORY);
  CHECK(segment.address == NULL);
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  CHECK(strstr(last.text, "1125899906842624") != NULL);
}

static void duplicates(void) {
  lf_segment segment, again;
  CHECK_EQ(lf_segment_create(5000, &segment), LF_OK);
  int64_t copy = -1;
  CHECK_EQ(lf_os_handle_duplicate(segment.os, &copy), LF_OK);
  CHECK(copy >= 0 && copy != segment.os);
  test_fill(segment.address, 5000, 3);
  lf_segment_close(&segment);
  CHECK_EQ(lf_segment_attach(copy, 5000, &again), LF_OK);
  CHECK_EQ(test_differs(again.address, 5000, 3), 5000);
  lf_segment_close(&again);
  CHECK_EQ(lf_os_handle_close(copy), LF_OK);
  CHECK_EQ(lf_os_handle_close(-1), LF_EINVALID_ARGUMENT);
}

int main(void) {
  RUN(create_and_close);
  RUN(two_mappings);
  RUN(attach_refuses);
  RUN(bad_sizes);
  RUN(duplicates);
  return 0;
}
