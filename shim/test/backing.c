/* Memory that backs ArrayBuffers: unmapped once, by its last release. */
#include <stdatomic.h>

#include "host/backing.h"
#include "host/host_memory.h"

#include "test.h"

#define THREADS 4
#define ROUNDS (TEST_TSAN ? 2000 : 20000)

static _Alignas(64) char memories[8][64];
static _Atomic int unmapped[8];

static void unmap(void *base, void *context) {
  int i = (int)(((char *)base - memories[0]) / 64);
  CHECK(base == memories[i] && context == &unmapped[i]);
  atomic_fetch_add(&unmapped[i], 1);
}

static void at_once_if_it_is_not_held(void) {
  lf_backing_free(memories[0], unmap, &unmapped[0]);
  CHECK_EQ(unmapped[0], 1);
  CHECK_OK(lf_backing_retain(memories[0], NULL));
  CHECK(lf_backing_held(memories[0]));
  CHECK_OK(lf_backing_release(memories[0]));
  CHECK(!lf_backing_held(memories[0]));
  CHECK_EQ(unmapped[0], 1);
  lf_backing_free(memories[0], unmap, &unmapped[0]);
  CHECK_EQ(unmapped[0], 2);
}

static void with_the_last_hold(void) {
  uint64_t deallocator = 0;
  CHECK_OK(lf_backing_retain(memories[1], &deallocator));
  CHECK_OK(lf_backing_retain(memories[1], NULL));
  CHECK_OK(lf_backing_retain(memories[2], NULL));
  lf_backing_free(memories[1], unmap, &unmapped[1]);
  lf_backing_free(memories[2], unmap, &unmapped[2]);
  CHECK_EQ(unmapped[1], 0);
  CHECK_OK(lf_backing_release(memories[1]));
  CHECK_EQ(unmapped[1], 0);
  void (*deallocate)(void *, void *) = (void (*)(void *, void *))(uintptr_t)deallocator;
  deallocate(memories[1] + 8, memories[1]);
  CHECK_EQ(unmapped[1], 1);
  CHECK_EQ(unmapped[2], 0);
  CHECK_OK(lf_backing_release(memories[2]));
  CHECK_EQ(unmapped[2], 1);
}

static void wrong_calls(void) {
  CHECK_EQ(lf_backing_release(memories[3]), LF_ECLOSED);
  CHECK_EQ(lf_backing_release(NULL), LF_ECLOSED);
  CHECK_EQ(lf_backing_retain(NULL, NULL), LF_EINVALID_ARGUMENT);
}

/* The pages themselves, of each kind that has some. */
static void pages_stay(void) {
  for (int32_t strategy = LF_MEMORY_STANDARD; strategy <= LF_MEMORY_SHARED; strategy++) {
    lf_memory_info info;
    if (lf_memory_allocate(strategy, 5000, 0, &info) < 0) continue; /* not of this machine */
    char *bytes = (char *)(uintptr_t)info.address;
    CHECK_OK(lf_backing_retain(bytes, NULL));
    bytes[4999] = 77;
    CHECK_OK(lf_memory_close(info.handle));
    CHECK_EQ(bytes[4999], 77);
    CHECK_OK(lf_backing_release(bytes));
  }
}

/* Several threads hold and release memory that one of them frees repeatedly. */
static _Atomic int turn;

static void share(void *argument) {
  int free_it = *(int *)argument;
  for (int i = 0; i < ROUNDS; i++) {
    for (int m = 4; m < 8; m++) CHECK_OK(lf_backing_retain(memories[m], NULL));
    if (free_it) {
      int m = 4 + i % 4;
      lf_backing_free(memories[m], unmap, &unmapped[m]);
      atomic_fetch_add(&turn, 1);
    }
    for (int m = 4; m < 8; m++) CHECK_OK(lf_backing_release(memories[m]));
  }
}

static void threads_share_it(void) {
  test_thread threads[THREADS];
  int free_it[THREADS] = {1};
  for (int i = 0; i < THREADS; i++) test_start(&threads[i], share, &free_it[i]);
  for (int i = 0; i < THREADS; i++) test_join(&threads[i]);
  for (int m = 4; m < 8; m++) {
    CHECK(!lf_backing_held(memories[m]));
    CHECK(unmapped[m] >= 1 && unmapped[m] <= turn);
  }
}

int main(void) {
  RUN(at_once_if_it_is_not_held);
  RUN(with_the_last_hold);
  RUN(wrong_calls);
  RUN(pages_stay);
  RUN(threads_share_it);
  return 0;
}
