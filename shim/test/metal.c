/* Metal on a system without it, and its functions with invalid arguments. test/kernel/metal.test.ts tests them over a
 * stand-in. */
#include "test.h"

static void nothing_is_there(void) {
  char why[256] = "";
  int32_t viable = CHECK_OK(lf_metal_viable(sizeof why, why));
  CHECK(why[0] != 0);
  CHECK_EQ(lf_metal_viable(0, why), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_metal_viable(sizeof why, NULL), LF_EINVALID_ARGUMENT);
  if (viable) return; /* on a Mac */
  CHECK_EQ(lf_metal_open(), LF_EBACKEND_UNAVAILABLE);
  lf_status last;
  lf_status_last(&last);
  CHECK(strstr(last.text, why) != NULL);
}

static void no_handle_is_one(void) {
  lf_metal_info info;
  lf_step step = {0};
  uint64_t address;
  double value;
  const uint8_t sized[1] = {0};
  for (int32_t handle = -1; handle <= 1; handle++) {
    CHECK_EQ(lf_metal_describe(handle, &info), LF_ECLOSED);
    CHECK_EQ(lf_metal_close(handle), LF_ECLOSED);
    CHECK_EQ(lf_metal_memory_create(handle, 4, 1, &address), LF_ECLOSED);
    CHECK_EQ(lf_metal_memory_close(handle), LF_ECLOSED);
    CHECK_EQ(lf_metal_pipeline_create(handle, "x", 1, 1, 1, 0, sized, 1), LF_ECLOSED);
    CHECK_EQ(lf_metal_pipeline_close(handle), LF_ECLOSED);
    CHECK_EQ(lf_metal_steps(handle, &handle, 1, &step, 1, &value), LF_ECLOSED);
    CHECK_EQ(lf_metal_reached(handle, 1, 0), LF_ECLOSED);
  }
}

int main(void) {
  RUN(nothing_is_there);
  RUN(no_handle_is_one);
  return 0;
}
