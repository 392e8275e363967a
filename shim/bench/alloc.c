/*
 * The bare system calls behind each kind of memory: map it, bind or advise it, take every page, write to its first and
 * last byte, give it back. Nothing is checked that a program could leave unchecked.
 */
#include <fcntl.h>

#include "bench.h"
#if defined(__linux__)
#include <sys/syscall.h>
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_HUGEPAGE
#define MADV_HUGEPAGE 14
#endif

#define HUGE ((size_t)2 << 20)
#define MPOL_BIND 2

static size_t whole(size_t size, size_t page) { return (size + page - 1) & ~(page - 1); }

static char *map(size_t size, int flags) {
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void take_pages(char *at, size_t size) {
  if (madvise(at, size, MADV_POPULATE_WRITE) != 0) memset(at, 0, size);
}

static void touch(char *at, size_t size) { ((volatile char *)at)[0] = ((volatile char *)at)[size - 1] = 1; }

static int standard(size_t size) {
  char *at = map(size, 0);
  if (at == MAP_FAILED) return 0;
  take_pages(at, size);
  touch(at, size);
  munmap(at, size);
  return 1;
}

#if defined(__linux__)

static int numa(size_t size) {
  char *at = map(size, 0);
  if (at == MAP_FAILED) return 0;
  unsigned cpu, node;
  syscall(SYS_getcpu, &cpu, &node, NULL);
  unsigned long nodes[16] = {0};
  nodes[node / 64] = 1ul << (node % 64);
  long bound = syscall(SYS_mbind, at, size, MPOL_BIND, nodes, 8 * sizeof nodes + 1, 0);
  take_pages(at, size);
  touch(at, size);
  munmap(at, size);
  return bound == 0;
}

static int hugetlb(size_t size) {
  size = whole(size, HUGE);
  char *at = map(size, MAP_HUGETLB);
  if (at == MAP_FAILED) return 0;
  take_pages(at, size);
  touch(at, size);
  munmap(at, size);
  return 1;
}

static int transparent(size_t size) {
  size = whole(size, HUGE);
  char *from = map(size + HUGE, 0); /* a huge page needs its alignment */
  if (from == MAP_FAILED) return 0;
  char *at = (char *)whole((size_t)from, HUGE);
  madvise(at, size, MADV_HUGEPAGE);
  take_pages(at, size);
  touch(at, size);
  munmap(from, size + HUGE);
  return 1;
}

static int hugepages(size_t size) {
  static int reserved = -1;
  if (reserved < 0) reserved = hugetlb(size);
  return reserved ? hugetlb(size) : transparent(size);
}

static int shared(size_t size) {
  int fd = (int)syscall(SYS_memfd_create, "bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, (off_t)size) != 0) return 0;
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return 0;
  size_t over = size >= HUGE ? HUGE : 0;
  char *from = mmap(NULL, size + over, over ? PROT_NONE : PROT_READ | PROT_WRITE,
                    over ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, over ? -1 : fd, 0);
  if (from == MAP_FAILED) return 0;
  char *at = from;
  if (over) {
    at = (char *)whole((size_t)from, HUGE);
    if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) return 0;
    madvise(at, size, MADV_HUGEPAGE);
  }
  take_pages(at, size);
  touch(at, size);
  munmap(from, size + over);
  close(fd);
  return 1;
}

#else

static int numa(size_t size) { return (void)size, 0; }
static int hugepages(size_t size) { return (void)size, 0; }

static int shared(size_t size) {
  char name[32];
  snprintf(name, sizeof name, "/lf-bench-%d", (int)getpid());
  int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd < 0) return 0;
  shm_unlink(name);
  char *at = ftruncate(fd, (off_t)size) == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (at == MAP_FAILED) return 0;
  memset(at, 0, size);
  touch(at, size);
  munmap(at, size);
  close(fd);
  return 1;
}

#endif

int main(int argc, char **argv) {
  if (bench_usage(argc, 6, "alloc CPU CPU standard|numa|hugepages|shared BYTES COUNT")) return 2;
  static const struct {
    const char *name;
    int (*run)(size_t);
  } kinds[] = {{"standard", standard}, {"numa", numa}, {"hugepages", hugepages}, {"shared", shared}};
  int (*kind)(size_t) = NULL;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(argv[3], kinds[i].name) == 0) kind = kinds[i].run;
  size_t size = (size_t)atoll(argv[4]), count = (size_t)atoll(argv[5]), warm = count / 10 + 1;
  double *samples = calloc(count ? count : 1, sizeof *samples);
  if (!kind || !size || !samples) return bench_usage(0, 1, "a kind, a size and a count");
  alarm(BENCH_LIMIT_S);
  bench_pin(argv[1]);
  for (size_t i = 0; i < warm + count; i++) {
    uint64_t start = bench_now();
    if (!kind(size)) bench_fail(argv[3]);
    if (i >= warm) samples[i - warm] = (double)(bench_now() - start) / 1000;
  }
  bench_print("bare", samples, count, 0.99, "{");
  puts("}");
  return 0;
}
