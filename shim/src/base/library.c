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
  return lf_library_open(only, why, why_bytes);
}
