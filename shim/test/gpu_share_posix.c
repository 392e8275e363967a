/* Memory and semaphores of a GPU as descriptors: within a process, between two, and other descriptors that a peer may
 * pass. */
#include <sys/socket.h>
#include <sys/stat.h>

#include "process_posix.h"
#include "queues.h"

#define SIZE 100000

static uint8_t uuids[2 * LF_UUID_BYTES];

static void name_device(void) {
  memcpy(uuids, gpu->info.device_uuid, LF_UUID_BYTES);
  memcpy(uuids + LF_UUID_BYTES, gpu->info.driver_uuid, LF_UUID_BYTES);
}

static lf_memory_info allocate(double size, int host_visible) {
  lf_memory_info info;
  CHECK_EQ(lf_memory_allocate_gpu(device, size, host_visible, &info), LF_OK);
  return info;
}

static int export(int32_t memory) {
  int64_t os;
  CHECK_EQ(lf_memory_export(memory, &os), LF_OK);
  CHECK(os >= 0 && fcntl((int)os, F_GETFD) & FD_CLOEXEC);
  return (int)os;
}

static lf_memory_info import(int fd, double size, uint64_t allocation, int host_visible) {
  lf_memory_info info;
  CHECK_EQ(lf_memory_import_gpu(device, fd, size, (double)allocation, host_visible, uuids, &info), LF_OK);
  return info;
}

static void *bytes_at(lf_memory_info info) { return (void *)(uintptr_t)info.address; }

static void same_bytes(void) {
  lf_memory_info mine = allocate(SIZE, 1), theirs = import(export(mine.handle), SIZE, mine.allocated, 1);
  CHECK(mine.address != theirs.address);
  CHECK_EQ(theirs.size, SIZE);
  CHECK_EQ(theirs.allocated, mine.allocated);
  test_fill(bytes_at(mine), SIZE, 1);
  CHECK_EQ(test_differs(bytes_at(theirs), SIZE, 1), SIZE);
  test_fill(bytes_at(theirs), SIZE, 2);
  CHECK_EQ(test_differs(bytes_at(mine), SIZE, 2), SIZE);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
  CHECK_EQ(test_differs(bytes_at(theirs), SIZE, 2), SIZE); /* lives while any process has it */
  CHECK_EQ(lf_memory_close(theirs.handle), LF_OK);
}

static void same_bytes_on_the_gpu(void) {
  lf_memory_info mine = allocate(SIZE, 0);
  int fd = export(mine.handle);
  double allocated;
  CHECK_EQ(lf_memory_allocated(mine.handle, &allocated), LF_OK);
  lf_memory_info theirs = import(fd, SIZE, (uint64_t)allocated, 0);
  CHECK_EQ(mine.address, 0);
  CHECK_EQ(theirs.address, 0);
  uint8_t *data = bytes_of(SIZE, 3);
  wait_for(write_all(mine.handle, 0, data, SIZE));
  check_bytes(theirs.handle, 0, data, SIZE);
  free(data);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
  CHECK_EQ(lf_memory_close(theirs.handle), LF_OK);
}

/* Imported memory is exported to a third process, where the driver supports it. */
static void passed_on(void) {
  lf_memory_info mine = allocate(SIZE, 1), theirs = import(export(mine.handle), SIZE, mine.allocated, 1);
  int64_t os;
  if (!gpu->reexport) {
    CHECK_EQ(lf_memory_export(theirs.handle, &os), LF_EEXTERNAL_MEMORY_UNSUPPORTED);
  } else {
    lf_memory_info third = import(export(theirs.handle), SIZE, mine.allocated, 1);
    test_fill(bytes_at(third), SIZE, 4);
    CHECK_EQ(test_differs(bytes_at(mine), SIZE, 4), SIZE);
    CHECK_EQ(lf_memory_close(third.handle), LF_OK);
  }
  CHECK_EQ(lf_memory_close(theirs.handle), LF_OK);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
}

/* ---- refusals, which all close the descriptor ---- */

static void refuse(int32_t code, int fd, double size, double allocation, const uint8_t *ids) {
  lf_memory_info info;
  int before = test_open_descriptors(), was_open = fcntl(fd, F_GETFD) >= 0;
  CHECK_EQ(lf_memory_import_gpu(device, fd, size, allocation, 1, ids, &info), code);
  CHECK_EQ(test_open_descriptors(), before - was_open);
  /* A refused import has no other effect: one driver refuses later allocations of that size. */
  for (int host_visible = 0; host_visible < 2; host_visible++)
    CHECK_EQ(lf_memory_close(allocate(20.0 * SIZE, host_visible).handle), LF_OK);
}

static void other_device(void) {
  lf_memory_info mine = allocate(SIZE, 1);
  for (int byte = 0; byte < 2 * LF_UUID_BYTES; byte += 5) {
    uint8_t other[sizeof uuids];
    memcpy(other, uuids, sizeof other);
    other[byte] ^= 1;
    refuse(LF_EEXTERNAL_HANDLE_MISMATCH, export(mine.handle), SIZE, (double)mine.allocated, other);
  }
  refuse(LF_EINVALID_ARGUMENT, export(mine.handle), SIZE, (double)mine.allocated, NULL);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
}

static void no_descriptor(void) {
  lf_memory_info info;
  static const int64_t never[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 32};
  for (size_t i = 0; i < sizeof never / sizeof *never; i++)
    CHECK_EQ(lf_memory_import_gpu(device, never[i], SIZE, SIZE, 1, uuids, &info), LF_EINVALID_ARGUMENT);
  refuse(LF_ECLOSED, 1000, SIZE, SIZE, uuids);
}

/* The first import owns the descriptor: a second import of its number must not use a file that was opened since. */
static void imported_twice(void) {
  lf_memory_info mine = allocate(SIZE, 1);
  int fd = export(mine.handle), spare = dup(fd);
  CHECK(spare >= 0);
  lf_memory_info first = import(fd, SIZE, mine.allocated, 1), second = import(spare, SIZE, mine.allocated, 1);
  if (fcntl(fd, F_GETFD) < 0) refuse(LF_ECLOSED, fd, SIZE, (double)mine.allocated, uuids);
  test_fill(bytes_at(first), SIZE, 9);
  CHECK_EQ(test_differs(bytes_at(second), SIZE, 9), SIZE);
  CHECK_EQ(lf_memory_close(first.handle), LF_OK);
  CHECK_EQ(lf_memory_close(second.handle), LF_OK);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
}

static void wrong_sizes(void) {
  lf_memory_info mine = allocate(SIZE, 1);
  double allocation = (double)mine.allocated;
  refuse(LF_EEXTERNAL_HANDLE_MISMATCH, export(mine.handle), SIZE, allocation - 1, uuids);
  refuse(LF_EEXTERNAL_HANDLE_MISMATCH, export(mine.handle), SIZE, allocation * 2, uuids);
  refuse(LF_EEXTERNAL_HANDLE_MISMATCH, export(mine.handle), 10.0 * SIZE, allocation, uuids);
  refuse(LF_EEXTERNAL_HANDLE_MISMATCH, export(mine.handle), 1, allocation, uuids);
  refuse(LF_EINVALID_ARGUMENT, export(mine.handle), 0, allocation, uuids);
  refuse(LF_EINVALID_ARGUMENT, export(mine.handle), SIZE, 0.5, uuids);
  refuse(LF_EGPU_OUT_OF_MEMORY, export(mine.handle), gpu->info.allocation_max * 2, allocation, uuids);
  /* Both sizes are of memory that could be, and the one behind the descriptor is smaller: only the driver, or the file,
   * can tell. */
  lf_memory_info large = allocate(10 * SIZE, 1);
  refuse(LF_EEXTERNAL_HANDLE_MISMATCH, export(mine.handle), 10 * SIZE, (double)large.allocated, uuids);
  CHECK_EQ(lf_memory_close(large.handle), LF_OK);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
}

#if defined(__linux__)
static int sealed_copy(int fd, off_t size) {
  int copy = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  CHECK(copy >= 0);
  CHECK_EQ(ftruncate(copy, size), 0);
  char bytes[4096] = {0};
  if (fd >= 0) CHECK_EQ(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
  CHECK_EQ(pwrite(copy, bytes, sizeof bytes, 0), sizeof bytes);
  CHECK_EQ(fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  return copy;
}

static void files_of_another_kind(void) {
  lf_memory_info mine = allocate(SIZE, 1);
  double allocation = (double)mine.allocated;
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  const int other_files[] = {open("/dev/null", O_RDWR | O_CLOEXEC), open("/", O_RDONLY | O_CLOEXEC),
                         open("/proc/self/exe", O_RDONLY | O_CLOEXEC), ends[0], ends[1],
                         socket(AF_UNIX, SOCK_STREAM, 0), sealed_copy(-1, 2 * SIZE)};
  for (size_t i = 0; i < sizeof other_files / sizeof *other_files; i++) {
    CHECK(other_files[i] >= 0);
    refuse(LF_EEXTERNAL_HANDLE_MISMATCH, other_files[i], SIZE, allocation, uuids);
  }
  int unsealed = memfd_create("test", MFD_CLOEXEC);
  CHECK(unsealed >= 0);
  CHECK_EQ(ftruncate(unsealed, 2 * SIZE), 0);
  refuse(LF_EEXTERNAL_HANDLE_MISMATCH, unsealed, SIZE, allocation, uuids);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
}

/* lavapipe's memory is a file that begins with its size and the offset where the memory begins (os_memory_fd.c of
 * Mesa): a peer can write there what it likes. */
static void forged_file(void) {
  if (!strstr(gpu->info.driver, "llvmpipe")) {
    printf("skip %s: not the driver whose files these are\n", test_name);
    test_skipped = 1;
    return;
  }
  lf_memory_info mine = allocate(SIZE, 1);
  int real = export(mine.handle);
  struct stat s;
  CHECK_EQ(fstat(real, &s), 0);
  lf_memory_info info;
  int faithful = sealed_copy(real, s.st_size);
  CHECK_EQ(lf_memory_import_gpu(device, faithful, SIZE, (double)mine.allocated, 1, uuids, &info), LF_OK);
  CHECK_EQ(lf_memory_close(info.handle), LF_OK);
  static const uint64_t offsets[] = {0x8000, 0x100000, (uint64_t)1 << 40};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    uint64_t header[2];
    int forged = sealed_copy(real, s.st_size);
    CHECK_EQ(pread(forged, header, sizeof header, 0), sizeof header);
    header[1] = offsets[i];
    CHECK_EQ(pwrite(forged, header, sizeof header, 0), sizeof header);
    refuse(LF_EEXTERNAL_HANDLE_MISMATCH, forged, SIZE, (double)mine.allocated, uuids);
  }
  close(real);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
}
#endif

static void descriptors_come_back(void) {
  lf_memory_info warm = allocate(SIZE, 1);
  lf_memory_info first = import(export(warm.handle), SIZE, warm.allocated, 1);
  CHECK_EQ(lf_memory_close(first.handle), LF_OK);
  CHECK_EQ(lf_memory_close(warm.handle), LF_OK);
  lf_block_cache_empty(gpu);
  int before = test_open_descriptors();
  for (int round = 0; round < 1000; round++) {
    lf_memory_info mine = allocate(SIZE + round, 1), theirs;
    theirs = import(export(mine.handle), SIZE + round, mine.allocated, 1);
    *(int *)bytes_at(mine) = round;
    CHECK_EQ(*(int *)bytes_at(theirs), round);
    CHECK_EQ(lf_memory_close(round & 1 ? mine.handle : theirs.handle), LF_OK);
    CHECK_EQ(lf_memory_close(round & 1 ? theirs.handle : mine.handle), LF_OK);
  }
  CHECK_EQ(test_open_descriptors(), before);
}

/* ---- between processes ---- */

typedef struct {
  uint64_t allocation;
  uint64_t key;
} offer;

static int ends[2];
static pid_t child;

static void give(int socket, int fd, offer o) {
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec part = {&o, sizeof o};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  CHECK_EQ(sendmsg(socket, &message, 0), sizeof o);
  close(fd);
}

static int take(int socket, offer *o) {
  int fd;
  char control[CMSG_SPACE(sizeof fd)];
  struct iovec part = {o, sizeof *o};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  CHECK_EQ(recvmsg(socket, &message, 0), sizeof *o);
  CHECK(CMSG_FIRSTHDR(&message) != NULL);
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

/* Imports the memory, checks its bytes, answers in them, and holds the memory until the exporter has closed it and says
 * so. */
static void importer(void *argument) {
  (void)argument;
  test_name = "importer";
  close(ends[0]);
  if (!queue_open()) return;
  name_device();
  offer o;
  char done;
  int fd = take(ends[1], &o); /* which fills the offer */
  lf_memory_info theirs = import(fd, SIZE, o.allocation, 1);
  CHECK_EQ(test_differs(bytes_at(theirs), SIZE, o.key), SIZE);
  test_fill(bytes_at(theirs), SIZE, o.key + 1);
  CHECK_EQ(write(ends[1], "1", 1), 1);
  CHECK_EQ(read(ends[1], &done, 1), 1);
  CHECK_EQ(test_differs(bytes_at(theirs), SIZE, o.key + 1), SIZE); /* the exporter has closed it */
  CHECK_EQ(lf_memory_close(theirs.handle), LF_OK);
  queue_shut();
}

static void another_process(void) {
  lf_memory_info mine = allocate(SIZE, 1);
  test_fill(bytes_at(mine), SIZE, 77);
  give(ends[0], export(mine.handle), (offer){mine.allocated, 77});
  char answer;
  CHECK_EQ(read(ends[0], &answer, 1), 1);
  CHECK_EQ(test_differs(bytes_at(mine), SIZE, 78), SIZE);
  CHECK_EQ(lf_memory_close(mine.handle), LF_OK);
  CHECK_EQ(write(ends[0], "1", 1), 1);
  test_wait(child);
}

/* ---- semaphores ---- */

static void timelines(void) {
  int32_t made = lf_semaphore_create(device, LF_SEMAPHORE_TIMELINE);
  if (!gpu->info.external_timeline) {
    CHECK_EQ(made, LF_EEXTERNAL_MEMORY_UNSUPPORTED);
    test_requires("gpu-timeline", 0, "the driver does not share timeline semaphores");
    return;
  }
  CHECK_OK(made);
  int64_t os;
  double value, queue_value;
  CHECK_EQ(lf_semaphore_export(made, &os), LF_OK);
  int32_t attached = CHECK_OK(lf_semaphore_import(device, LF_SEMAPHORE_TIMELINE, os, uuids));
  CHECK_EQ(lf_semaphore_value(attached, &value), LF_OK);
  CHECK_EQ(value, 0);
  CHECK_EQ(lf_semaphore_signal(made, 5, &queue_value), 1);
  wait_for(queue_value);
  CHECK_EQ(lf_semaphore_value(attached, &value), LF_OK);
  CHECK_EQ(value, 5);
  CHECK_EQ(lf_semaphore_signal(attached, 5, &queue_value), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_semaphore_wait(attached, 5, &queue_value), 1);
  wait_for(queue_value);
  CHECK_EQ(lf_semaphore_export(made, &os), LF_OK);
  uint8_t other[sizeof uuids] = {1};
  CHECK_EQ(lf_semaphore_import(device, LF_SEMAPHORE_TIMELINE, os, other), LF_EEXTERNAL_HANDLE_MISMATCH);
  CHECK(fcntl((int)os, F_GETFD) < 0);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  CHECK_EQ(lf_semaphore_import(device, LF_SEMAPHORE_TIMELINE, null, uuids), LF_EEXTERNAL_HANDLE_MISMATCH);
  CHECK_EQ(lf_semaphore_import(device, LF_SEMAPHORE_TIMELINE, 1000, uuids), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_close(made), LF_OK);
  CHECK_EQ(lf_semaphore_close(attached), LF_OK);
}

/* The exporter of a timeline has died: work that waits for the timeline goes on. */
static void abandoned(void) {
  lf_semaphore *theirs = timeline_of();
  double value = block_on(theirs, 7);
  CHECK_EQ(lf_queue_reached(device, value, 0), 0);
  lf_semaphore_abandon(theirs);
  wait_for(value);
  CHECK(lf_semaphore_reached(theirs, 7));
  timeline_gone(theirs);
}

static void bad_semaphores(void) {
  double value;
  int64_t os;
  CHECK_EQ(lf_semaphore_create(device, 2), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_semaphore_create(vulkan, LF_SEMAPHORE_TIMELINE), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_export(device, &os), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_signal(device, 1, &value), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_wait(device, 1, &value), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_value(device, &value), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_close(device), LF_ECLOSED);
  int before = test_open_descriptors();
  CHECK(lf_semaphore_import(device, LF_SEMAPHORE_TIMELINE, dup(0), NULL) < 0);
  CHECK_EQ(test_open_descriptors(), before);
}

int main(void) {
  /* A process that is forked after a driver was opened has the driver without its threads. */
  CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  if (!TEST_TSAN) child = test_spawn(importer, NULL);
  close(ends[1]);
  if (!queue_open()) return 0;
  name_device();
  RUN(another_process);
  RUN(same_bytes);
  RUN(same_bytes_on_the_gpu);
  RUN(passed_on);
  RUN(other_device);
  RUN(no_descriptor);
  RUN(imported_twice);
  RUN(wrong_sizes);
#if defined(__linux__)
  RUN(files_of_another_kind);
  RUN(forged_file);
#endif
  RUN(descriptors_come_back);
  RUN(timelines);
  RUN(abandoned);
  RUN(bad_semaphores);
  queue_shut();
  RUN(silent_validation);
  return 0;
}
