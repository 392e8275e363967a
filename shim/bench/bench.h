/*
 * Shared by the C baselines. Each program measures one thing, prints one line of JSON and exits. Its two sides are two
 * processes, pinned to the processors in argv[1] and argv[2] ("-": not pinned).
 */
#ifndef LF_BENCH_H
#define LF_BENCH_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/prctl.h>
#include <signal.h>
#endif

/* A baseline that hangs must not hang the bench. */
#define BENCH_LIMIT_S 60

static inline uint64_t bench_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

_Noreturn static inline void bench_fail(const char *what) {
  perror(what);
  exit(1);
}

static inline void bench_pin(const char *cpu) {
  if (strcmp(cpu, "-") == 0) return;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(atoi(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) bench_fail("sched_setaffinity");
#endif
}

static inline void bench_relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

/* Memory that a forked child shares; its pages are there already. */
static inline void *bench_shared(size_t size) {
  void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) bench_fail("mmap");
  memset(found, 0, size);
  return found;
}

/* Runs `other` in a second process on the second processor; returns in the first, on the first. */
static inline pid_t bench_fork(char **argv, void (*other)(void *), void *argument) {
  alarm(BENCH_LIMIT_S);
  pid_t child = fork();
  if (child < 0) bench_fail("fork");
  if (child == 0) {
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    alarm(BENCH_LIMIT_S); /* not inherited */
    bench_pin(argv[2]);
    other(argument);
    _exit(0);
  }
  bench_pin(argv[1]);
  return child;
}

static inline void bench_join(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) {
    fprintf(stderr, "the second process failed (status 0x%x)\n", status);
    exit(1);
  }
}

static int bench_compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts the samples; the value that a share of `p` of them does not exceed (nearest rank). */
static inline double bench_percentile(double *samples, size_t count, double p) {
  qsort(samples, count, sizeof *samples, bench_compare);
  size_t rank = (size_t)(p * (double)count + 0.999999);
  return samples[rank < 1 ? 0 : rank > count ? count - 1 : rank - 1];
}

/* One member of the JSON line: "name":{"p50":…,"p99":…}. For rates the 99 % side is the slow one: `tail` 0.01. */
static inline void bench_print(const char *name, double *samples, size_t count, double tail, const char *before) {
  double p50 = bench_percentile(samples, count, 0.5), p99 = bench_percentile(samples, count, tail);
  printf("%s\"%s\":{\"p50\":%.3f,\"p99\":%.3f}", before, name, p50, p99);
}

/* The same for a latency: the median of means of many round trips, the tail of round trips that were measured
 * singly. */
static inline void bench_print_latency(const char *name, double *means, size_t count, double *single, size_t singles,
                                       const char *before) {
  double p50 = bench_percentile(means, count, 0.5), p99 = bench_percentile(single, singles, 0.99);
  printf("%s\"%s\":{\"p50\":%.3f,\"p99\":%.3f}", before, name, p50, p99);
}

static inline int bench_usage(int argc, int wanted, const char *words) {
  if (argc == wanted) return 0;
  fprintf(stderr, "usage: %s\n", words);
  return 2;
}

#endif
