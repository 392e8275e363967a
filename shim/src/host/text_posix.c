#include "host/text_posix.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *lf_text_read(const char *path, char *out, size_t capacity) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t used = 0;
  while (fd >= 0 && used + 1 < capacity) {
    ssize_t got = read(fd, out + used, capacity - 1 - used);
    if (got <= 0) break;
    used += (size_t)got;
  }
  if (fd >= 0) close(fd);
  out[used] = 0;
  return out;
}

uint64_t lf_text_number(const char *text, const char *name) {
  const char *found = strstr(text, name);
  return found ? strtoull(found + strlen(name), NULL, 10) : 0;
}
