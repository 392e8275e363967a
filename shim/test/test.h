/*
 * The harness of the C tests. Each test prints one line: "ok NAME", "skip NAME: reason" or "FAIL NAME: file:line: why".
 * The first failure ends the program: what follows it would run in an unknown state.
 */
#ifndef LF_TEST_H
#define LF_TEST_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lavaflow.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <direct.h>
#include <windows.h>
#else
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#endif

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif
#if !defined(TEST_TSAN)
#define TEST_TSAN 0
#endif

static const char *test_name = "start";
static int test_skipped;

__attribute__((noreturn, format(printf, 3, 4))) static inline void test_fail(const char *file, int line,
                                                                               const char *format, ...) {
  char why[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(why, sizeof why, format, args);
  va_end(args);
  lf_status last;
  lf_status_last(&last);
  printf("FAIL %s: %s:%d: %s (last failure of the shim: %d %s %s)\n", test_name, file, line, why, last.code, last.api,
         last.text);
  fflush(stdout);
  _Exit(1);
}

#define CHECK(condition) ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #condition))

#define CHECK_EQ(expression, wanted)                                                                     \
  do {                                                                                                   \
    long long test_got = (long long)(expression), test_wanted = (long long)(wanted);                     \
    if (test_got != test_wanted)                                                                         \
      test_fail(__FILE__, __LINE__, "%s is %lld, not %lld (%s)", #expression, test_got, test_wanted, #wanted); \
  } while (0)

/* A handle, or a value: anything that is no error. Evaluates to it. */
#define CHECK_OK(expression) test_ok((expression), #expression, __FILE__, __LINE__)
static inline int32_t test_ok(int32_t got, const char *expression, const char *file, int line) {
  if (got < 0) test_fail(file, line, "%s is %d", expression, got);
  return got;
}

#define RUN(test) test_run(#test, test)
static inline void test_run(const char *name, void (*test)(void)) {
  test_name = name;
  test_skipped = 0;
  test();
  if (!test_skipped) printf("ok %s\n", name);
  fflush(stdout);
}

/* Whether a test can run here. When not, says why; fails where LAVA_FLOW_REQUIRE lists the feature. */
static inline int test_requires(const char *feature, int available, const char *reason) {
  if (available) return 1;
  const char *required = getenv("LAVA_FLOW_REQUIRE");
  size_t length = strlen(feature);
  for (const char *at = required; at && *at;) {
    size_t item = strcspn(at, ",");
    if (item == length && memcmp(at, feature, length) == 0)
      test_fail(__FILE__, __LINE__, "LAVA_FLOW_REQUIRE lists %s: %s", feature, reason);
    at += item + (at[item] == ',');
  }
  test_skipped = 1;
  printf("skip %s: %s\n", test_name, reason);
  return 0;
}

/* ---- numbers ---- */

static inline uint64_t test_number(const char *variable, uint64_t otherwise) {
  const char *text = getenv(variable);
  return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

typedef struct {
  uint64_t state;
} test_random;

/* splitmix64 (S. Vigna, https://prng.di.unimi.it/splitmix64.c) */
static inline uint64_t test_next(test_random *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* 0 .. limit - 1 */
static inline uint64_t test_below(test_random *r, uint64_t limit) { return test_next(r) % limit; }

/* From LAVA_FLOW_SEED, else from the clock; printed, so that a failure can be had again. */
static inline uint64_t test_seed(void) {
  uint64_t seed = test_number("LAVA_FLOW_SEED", (uint64_t)time(NULL));
  printf("# LAVA_FLOW_SEED=%" PRIu64 "\n", seed);
  fflush(stdout);
  return seed;
}

/* The bytes that message `key` should have. */
static inline void test_fill(void *to, size_t size, uint64_t key) {
  test_random r = {key};
  unsigned char *out = to;
  for (size_t at = 0; at < size; at += 8) {
    uint64_t word = test_next(&r);
    memcpy(out + at, &word, size - at < 8 ? size - at : 8);
  }
}

/* The offset of the first byte that is not what message `key` should have; `size` when all are. */
static inline size_t test_differs(const void *from, size_t size, uint64_t key) {
  test_random r = {key};
  const unsigned char *in = from;
  for (size_t at = 0; at < size; at += 8) {
    uint64_t word = test_next(&r);
    if (memcmp(in + at, &word, size - at < 8 ? size - at : 8) != 0) return at;
  }
  return size;
}

/* ---- threads ---- */

typedef struct {
  void (*body)(void *argument);
  void *argument;
#if defined(_WIN32)
  HANDLE thread;
#else
  pthread_t thread;
#endif
} test_thread;

#if defined(_WIN32)
static inline DWORD WINAPI test_thread_main(LPVOID given) {
  test_thread *t = given;
  t->body(t->argument);
  return 0;
}
#else
static inline void *test_thread_main(void *given) {
  test_thread *t = given;
  t->body(t->argument);
  return NULL;
}
#endif

static inline void test_start(test_thread *t, void (*body)(void *argument), void *argument) {
  t->body = body;
  t->argument = argument;
#if defined(_WIN32)
  t->thread = CreateThread(NULL, 0, test_thread_main, t, 0, NULL);
  CHECK(t->thread != NULL);
#else
  CHECK_EQ(pthread_create(&t->thread, NULL, test_thread_main, t), 0);
#endif
}

static inline void test_join(test_thread *t) {
#if defined(_WIN32)
  CHECK_EQ(WaitForSingleObject(t->thread, INFINITE), WAIT_OBJECT_0);
  CloseHandle(t->thread);
#else
  CHECK_EQ(pthread_join(t->thread, NULL), 0);
#endif
}

static inline void test_yield(void) {
#if defined(_WIN32)
  SwitchToThread();
#else
  sched_yield();
#endif
}

/* ---- a directory of the test's own ---- */

static char test_directory_path[512];

static inline void test_directory_remove(void) {
  char file[600];
  snprintf(file, sizeof file, "%s/.lock", test_directory_path);
  remove(file);
#if defined(_WIN32)
  _rmdir(test_directory_path);
#else
  rmdir(test_directory_path);
#endif
}

/* Made on the first call, removed when the program ends well. */
static inline const char *test_directory(void) {
  if (*test_directory_path) return test_directory_path;
#if defined(_WIN32)
  char folder[MAX_PATH + 1];
  CHECK(GetTempPathA(sizeof folder, folder) > 0);
  snprintf(test_directory_path, sizeof test_directory_path, "%slf-test-%lu", folder, GetCurrentProcessId());
#else
  const char *folder = getenv("TMPDIR");
  snprintf(test_directory_path, sizeof test_directory_path, "%s/lf-test-XXXXXX", folder && *folder ? folder : "/tmp");
  CHECK(mkdtemp(test_directory_path) != NULL);
#endif
  atexit(test_directory_remove);
  return test_directory_path;
}

#endif
