#include "host/memory_limit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if !defined(__linux__)
#include <sys/sysctl.h>
#endif

#include "base/monotonic.h"
#include "base/status.h"
#include "host/text_posix.h"

#if defined(__linux__)
static uint64_t read_number(const char *path) {
  char text[64];
  if (!*lf_text_read(path, text, sizeof text)) return UINT64_MAX;
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  return end == text ? UINT64_MAX : value; /* "max": no limit */
}

/* The file names of a version of control groups, and the names of the statistics of memory that the kernel can
 * reclaim. */
typedef struct {
  const char *root, *limit, *usage, *inactive, *active;
} group_files;
static const group_files version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                      "\ntotal_inactive_file ", "\ntotal_active_file "};
static const group_files version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "\ninactive_file ",
                                      "\nactive_file "};

/* Bytes that one group has left. Of cached files, inactive ones count in full and active ones by half, as the kernel
 * reclaims those with reluctance. Reading these statistics takes long, so they are read only if the limit itself leaves
 * less than `size`. */
static uint64_t available_in(const group_files *files, const char *path, uint64_t size) {
  char file[4200], text[8192];
  snprintf(file, sizeof file, "%s%s/%s", files->root, path, files->limit);
  uint64_t limit = read_number(file);
  snprintf(file, sizeof file, "%s%s/%s", files->root, path, files->usage);
  uint64_t now = limit == UINT64_MAX ? UINT64_MAX : read_number(file);
  if (now == UINT64_MAX) return UINT64_MAX;
  uint64_t left = limit > now ? limit - now : 0;
  if (left >= size) return left;
  snprintf(file, sizeof file, "%s%s/memory.stat", files->root, path);
  lf_text_read(file, text, sizeof text);
  return left + lf_text_number(text, files->inactive) + lf_text_number(text, files->active) / 2;
}

/* The least that the control groups of this process have left, from its own up to the root; UINT64_MAX without a
 * limit. */
static uint64_t available_in_groups(uint64_t size) {
  char groups[4096];
  if (!*lf_text_read("/proc/self/cgroup", groups, sizeof groups)) return UINT64_MAX;
  uint64_t available = UINT64_MAX;
  char *rest = groups;
  for (char *line; (line = strsep(&rest, "\n"));) { /* "id:controllers:path"; version 2 has no controllers here */
    strsep(&line, ":");
    char *controllers = strsep(&line, ":");
    if (!line) continue;
    const group_files *files = !*controllers ? &version_2 : strcmp(controllers, "memory") == 0 ? &version_1 : NULL;
    if (!files) continue;
    char *end = line + strlen(line);
    for (;;) {
      while (end > line && end[-1] == '/') *--end = 0;
      uint64_t left = available_in(files, line, size);
      if (left < available) available = left;
      if (end == line) break;
      while (end > line && end[-1] != '/') *--end = 0;
    }
  }
  return available;
}

static uint64_t available_in_machine(void) {
  char text[4096];
  if (!*lf_text_read("/proc/meminfo", text, sizeof text)) return UINT64_MAX;
  char *found = strstr(text, "MemAvailable:");
  return found ? strtoull(found + 13, NULL, 10) * 1024 : UINT64_MAX;
}
#else
static uint64_t available_in_groups(uint64_t size) {
  (void)size;
  return UINT64_MAX;
}
static uint64_t available_in_machine(void) {
  uint64_t total = 0;
  size_t length = sizeof total;
  return sysctlbyname("hw.memsize", &total, &length, NULL, 0) == 0 ? total : UINT64_MAX;
}
#endif

/* Reading the limits costs as much as allocating some dozens of pages. So a result is reused for ANSWER_MS, and for 1 /
 * ANSWER_PART of the bytes that were available: other processes allocate memory too. */
#define ANSWER_MS 10
#define ANSWER_PART 8
/* Bytes that are never given out, so that a process whose allocation failed can still report that and free memory. */
#define KEPT_FREE ((uint64_t)16 << 20)

int32_t lf_memory_limit_check(uint64_t size) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static uint64_t credit, until; /* bytes, and a time in ms */
  uint64_t now = lf_now() / 1000000;
  pthread_mutex_lock(&lock);
  int known = now < until && size <= credit;
  if (known) credit -= size;
  pthread_mutex_unlock(&lock);
  if (known) return LF_OK;

  uint64_t machine = available_in_machine(), group = available_in_groups(size + KEPT_FREE);
  uint64_t available = machine < group ? machine : group;
  available = available > KEPT_FREE ? available - KEPT_FREE : 0;
  if (size > available)
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "%" PRIu64 " bytes asked for, %" PRIu64 " available in this %s", size,
                   available, group < machine ? "control group" : "machine");
  pthread_mutex_lock(&lock);
  credit = (available - size) / ANSWER_PART;
  until = now + ANSWER_MS;
  pthread_mutex_unlock(&lock);
  return LF_OK;
}
