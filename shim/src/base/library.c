#include "base/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *lf_library_find(const char *variable, const char *const *names, char *why, size_t why_bytes) {
  const char *named = getenv(variable);
  if (!named || !named[0]) return lf_library_open(names, why, why_bytes);
  if (strcmp(named, "off") == 0) {
    snprintf(why, why_bytes, "%s is \"off\"", variable);
    return NULL;
  }
  const char *const only[] = {named, NULL};
  int wrote = snprintf(why, why_bytes, "%s: ", variable);
  if (wrote < 0 || (size_t)wrote >= why_bytes) wrote = 0;
  return lf_library_open(only, why + wrote, why_bytes - (size_t)wrote);
}
