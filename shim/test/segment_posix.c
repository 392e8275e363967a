/* Attacks of a peer on a segment, and a process without memory or descriptors. */
#include "host/segment.h"

#include <sys/stat.h>

#include "process_posix.h"
#include "test.h"

#if defined(__linux__)

static int memfd(size_t size, unsigned flags) {
  int fd = memfd_create("test", MFD_CLOEXEC | flags);
  CHECK(fd >= 0);
  CHECK_EQ(ftruncate(fd, (off_t)size), 0);
  return fd;
}

static void sealed(void) {
  lf_segment segment;
  CHECK_EQ(lf_segment_create(10000, &segment), LF_OK);
  int fd = (int)segment.os;
  CHECK(ftruncate(fd, 0) != 0 && errno == EPERM);
  CHECK(ftruncate(fd, 4096) != 0 && errno == EPERM);
  CHECK(ftruncate(fd, 1 << 20) != 0 && errno == EPERM);
  CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0 && errno == EPERM);
  CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  lf_segment_close(&segment);
}

static void unsealed_refused(void) {
  lf_segment attached;
  int open = memfd(8192, MFD_ALLOW_SEALING);
  CHECK_EQ(lf_segment_attach(open, 8192, &attached), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(fcntl(open, F_ADD_SEALS, F_SEAL_GROW), 0);
  CHECK_EQ(lf_segment_attach(open, 8192, &attached), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(fcntl(open, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  CHECK_EQ(lf_segment_attach(open, 8193, &attached), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(lf_segment_attach(open, 8192, &attached), LF_OK);
  lf_segment_close(&attached);
  close(open);

  int plain = memfd(8192, 0); /* can never be sealed */
  CHECK_EQ(lf_segment_attach(plain, 8192, &attached), LF_ECORRUPT_SEGMENT);
  close(plain);
}

/* A peer may pass any descriptor at all. */
static void other_descriptors_refused(void) {
  lf_segment attached;
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  int directory = open("/", O_RDONLY), null = open("/dev/null", O_RDWR);
  const int64_t bad[] = {ends[0], directory, null, 1000, -1, INT64_MAX, (int64_t)1 << 32};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(lf_segment_attach(bad[i], 1, &attached) < 0);
  int read_only = memfd(4096, MFD_ALLOW_SEALING);
  CHECK_EQ(fcntl(read_only, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE), 0);
  CHECK_EQ(lf_segment_attach(read_only, 4096, &attached), LF_ESYSTEM);
  CHECK(attached.address == NULL);
  close(read_only);
  close(ends[0]);
  close(ends[1]);
  close(directory);
  close(null);
}

static long address_space_pages(void) {
  FILE *file = fopen("/proc/self/statm", "re");
  CHECK(file != NULL);
  long pages = 0;
  CHECK_EQ(fscanf(file, "%ld", &pages), 1);
  fclose(file);
  return pages;
}

/* The address space that was reserved to align a large mapping is freed with it, also if its size is not whole
 * pages. */
static void address_space_comes_back(void) {
  size_t size = (5u << 20) + 100;
  long before = 0;
  for (int i = 0; i < 21; i++) {
    lf_segment mine, theirs;
    CHECK_EQ(lf_segment_create(size, &mine), LF_OK);
    CHECK_EQ(lf_segment_attach(mine.os, size, &theirs), LF_OK);
    lf_segment_close(&theirs);
    lf_segment_close(&mine);
    if (i == 0) before = address_space_pages();
  }
  CHECK((address_space_pages() - before) * sysconf(_SC_PAGESIZE) < 4 << 20);
}

/* All pages are allocated when create returns: a later lack of memory cannot affect them. */
static void pages_reserved(void) {
  lf_segment segment;
  size_t size = 3u << 20;
  CHECK_EQ(lf_segment_create(size, &segment), LF_OK);
  struct stat info;
  CHECK_EQ(fstat((int)segment.os, &info), 0);
  CHECK_EQ(info.st_blocks * 512, size);
  size_t pages = size / segment.page_bytes;
  unsigned char *resident = calloc(pages, 1);
  CHECK(resident != NULL);
  CHECK_EQ(mincore(segment.address, size, resident), 0);
  for (size_t i = 0; i < pages; i++) CHECK(resident[i] & 1);
  free(resident);
  lf_segment_close(&segment);
}

#endif

static void no_descriptors(void) {
  int before = test_open_descriptors();
  struct rlimit old = test_forbid_descriptors();
  for (int i = 0; i < 3; i++) {
    lf_segment segment;
    CHECK_EQ(lf_segment_create(4096, &segment), LF_ESYSTEM);
    lf_status last;
    CHECK_EQ(lf_status_last(&last), LF_OK);
    CHECK_EQ(last.native_status, EMFILE);
    CHECK(last.api[0] != 0);
  }
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  CHECK_EQ(test_open_descriptors(), before);
  lf_segment segment;
  CHECK_EQ(lf_segment_create(4096, &segment), LF_OK);
  lf_segment_close(&segment);
  CHECK_EQ(test_open_descriptors(), before);
}

static void shared_by_processes(void *given) {
  lf_segment *segment = given, attached;
  CHECK_EQ(lf_segment_attach(segment->os, 70000, &attached), LF_OK);
  CHECK_EQ(test_differs(attached.address, 70000, 11), 70000);
  test_fill(attached.address, 70000, 12);
  lf_segment_close(&attached);
}

static void two_processes(void) {
  lf_segment segment;
  CHECK_EQ(lf_segment_create(70000, &segment), LF_OK);
  test_fill(segment.address, 70000, 11);
  test_wait(test_spawn(shared_by_processes, &segment));
  CHECK_EQ(test_differs(segment.address, 70000, 12), 70000);
  lf_segment_close(&segment);
}

static void nothing_leaks(void) {
  int before = test_open_descriptors();
  for (int i = 0; i < 200; i++) {
    lf_segment mine, theirs;
    CHECK_EQ(lf_segment_create(4096u * (unsigned)(i + 1), &mine), LF_OK);
    CHECK_EQ(lf_segment_attach(mine.os, mine.size, &theirs), LF_OK);
    lf_segment_close(&theirs);
    lf_segment_close(&mine);
  }
  CHECK_EQ(test_open_descriptors(), before);
}

int main(void) {
#if defined(__linux__)
  RUN(sealed);
  RUN(unsealed_refused);
  RUN(other_descriptors_refused);
  RUN(address_space_comes_back);
  RUN(pages_reserved);
#endif
  RUN(no_descriptors);
  RUN(two_processes);
  RUN(nothing_leaks);
  return 0;
}
