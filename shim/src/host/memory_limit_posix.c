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

#include "base/status.h"

#if defined(__linux__)
/* A whole small file of /proc or /sys; 0 when it can't be read. */
static size_t read_text(const char *path, char *out, size_t capacity) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  size_t used = 0;
  while (used + 1 < capacity) {
    ssize_t got = read(fd, out + used, capacity - 1 - used);
    if (got <= 0) break;
    used += (size_t)got;
  }
  close(fd);
  out[used] = 0;
  return used;
}

static uint64_t read_number(const char *path) {
  char text[64];
  if (!read_text(path, text, sizeof text)) return UINT64_MAX;
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  return end == text ? UINT64_MAX : value; /* "max" is no limit */
}

/* The number after `name` at the start of a line; 0 when there is none. */
static uint64_t statistic(const char *text, const char *name) {
  const char *found = strstr(text, name);
  return found ? strtoull(found + strlen(name), NULL, 10) : 0;
}

/* How a version of control groups names its files, and the statistics of what it would drop for lack of room. */
typedef struct {
  const char *root, *limit, *usage, *inactive, *active;
} group_files;
static const group_files version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                      "\ntotal_inactive_file ", "\ntotal_active_file "};
static const group_files version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "\ninactive_file ",
                                      "\nactive_file "};

/* What one group leaves for `size` bytes. Cached files make place, those in use with reluctance; they take long to ask
 * for, so only where it matters. */
static uint64_t room_of(const group_files *files, const char *path, uint64_t size) {
  char file[4200], text[8192];
  snprintf(file, sizeof file, "%s%s/%s", files->root, path, files->limit);
  uint64_t limit = read_number(file);
  snprintf(file, sizeof file, "%s%s/%s", files->root, path, files->usage);
  uint64_t now = limit == UINT64_MAX ? UINT64_MAX : read_number(file);
  if (now == UINT64_MAX) return UINT64_MAX;
  uint64_t left = limit > now ? limit - now : 0;
  if (left >= size) return left;
  snprintf(file, sizeof file, "%s%s/memory.stat", files->root, path);
  read_text(file, text, sizeof text);
  return left + statistic(text, files->inactive) + statistic(text, files->active) / 2;
}

/* The least that the control groups of this process leave, from its own up to the root; UINT64_MAX without a limit. */
static uint64_t group_room(uint64_t size) {
  char groups[4096];
  if (!read_text("/proc/self/cgroup", groups, sizeof groups)) return UINT64_MAX;
  uint64_t room = UINT64_MAX;
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
      uint64_t left = room_of(files, line, size);
      if (left < room) room = left;
      if (end == line) break;
      while (end > line && end[-1] != '/') *--end = 0;
    }
  }
  return room;
}

static uint64_t machine_room(void) {
  char text[4096];
  if (!read_text("/proc/meminfo", text, sizeof text)) return UINT64_MAX;
  char *found = strstr(text, "MemAvailable:");
  return found ? strtoull(found + 13, NULL, 10) * 1024 : UINT64_MAX;
}
#else
static uint64_t group_room(uint64_t size) {
  (void)size;
  return UINT64_MAX;
}
static uint64_t machine_room(void) {
  uint64_t total = 0;
  size_t length = sizeof total;
  return sysctlbyname("hw.memsize", &total, &length, NULL, 0) == 0 ? total : UINT64_MAX;
}
#endif

static uint64_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Asking costs as much as some dozens of pages. So an answer is good for a moment, and for a part of what it found:
 * others take memory too. */
#define ANSWER_MS 10
#define ANSWER_PART 8
/* Whoever is refused still has to run: to say so, to give something back. */
#define KEPT_FREE ((uint64_t)16 << 20)

int32_t lf_memory_limit_check(uint64_t size) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static uint64_t credit, until;
  uint64_t now = milliseconds();
  pthread_mutex_lock(&lock);
  int known = now < until && size <= credit;
  if (known) credit -= size;
  pthread_mutex_unlock(&lock);
  if (known) return LF_OK;

  uint64_t machine = machine_room(), group = group_room(size + KEPT_FREE);
  uint64_t room = machine < group ? machine : group;
  room = room > KEPT_FREE ? room - KEPT_FREE : 0;
  if (size > room)
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "%" PRIu64 " bytes asked for, %" PRIu64 " available in this %s", size,
                   room, group < machine ? "control group" : "machine");
  pthread_mutex_lock(&lock);
  credit = (room - size) / ANSWER_PART;
  until = now + ANSWER_MS;
  pthread_mutex_unlock(&lock);
  return LF_OK;
}
