#include "room.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/sysinfo.h>
#else
#include <sys/sysctl.h>
#endif

#include "status.h"

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

/* What the control groups above this process leave, version 2 first; UINT64_MAX without a limit. */
static uint64_t group_room(void) {
  char groups[4096];
  if (!read_text("/proc/self/cgroup", groups, sizeof groups)) return UINT64_MAX;
  char *line = strstr(groups, "0::");
  uint64_t room = UINT64_MAX;
  if (line) {
    char path[2048];
    line += 3;
    line[strcspn(line, "\n")] = 0;
    if (strlen(line) + 64 > sizeof path) return room;
    for (;;) {
      char file[4200];
      snprintf(file, sizeof file, "/sys/fs/cgroup%s/memory.max", line);
      uint64_t limit = read_number(file);
      snprintf(file, sizeof file, "/sys/fs/cgroup%s/memory.current", line);
      uint64_t now = read_number(file);
      if (limit != UINT64_MAX && now != UINT64_MAX) {
        uint64_t left = limit > now ? limit - now : 0;
        if (left < room) room = left;
      }
      char *slash = strrchr(line, '/');
      if (!slash || slash == line) break;
      *slash = 0;
    }
    return room;
  }
  uint64_t limit = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  uint64_t now = read_number("/sys/fs/cgroup/memory/memory.usage_in_bytes");
  if (limit != UINT64_MAX && now != UINT64_MAX) room = limit > now ? limit - now : 0;
  return room;
}

static uint64_t machine_room(void) {
  char text[4096];
  if (!read_text("/proc/meminfo", text, sizeof text)) return UINT64_MAX;
  char *found = strstr(text, "MemAvailable:");
  return found ? strtoull(found + 13, NULL, 10) * 1024 : UINT64_MAX;
}
#else
static uint64_t group_room(void) { return UINT64_MAX; }
static uint64_t machine_room(void) {
  uint64_t total = 0;
  size_t length = sizeof total;
  return sysctlbyname("hw.memsize", &total, &length, NULL, 0) == 0 ? total : UINT64_MAX;
}
#endif

int32_t lf_room_for(uint64_t size) {
  /* Below this the answer would cost more than the memory. */
  if (size < (1u << 20)) return LF_OK;
#if defined(__linux__)
  /* One cheap call settles the common case on a machine without groups: far more is free than is asked for. */
  struct sysinfo info;
  if (size < (64u << 20) && sysinfo(&info) == 0 && (uint64_t)info.freeram * info.mem_unit / 4 > size) return LF_OK;
#endif
  uint64_t machine = machine_room(), group = group_room();
  uint64_t room = machine < group ? machine : group;
  if (size <= room) return LF_OK;
  return lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "%" PRIu64 " bytes asked for, %" PRIu64 " available in this %s", size,
                 room, group < machine ? "control group" : "machine");
}
