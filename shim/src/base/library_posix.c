#include "base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

void *lf_library_open(const char *const *names, char *why, size_t why_bytes) {
  size_t used = 0;
  *why = 0;
  for (; *names; names++) {
    void *library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
    const char *words = dlerror();
    if (!words) words = "";
    /* Most systems name the file in their message. A statically linked musl, which loads no library, does not. */
    int named = strstr(words, *names) != NULL;
    int wrote = snprintf(why + used, why_bytes - used, "%s%s%s%s", used ? "; " : "", named ? "" : *names,
                         named ? "" : ": ", words);
    if (wrote > 0) used += (size_t)wrote < why_bytes - used ? (size_t)wrote : why_bytes - used - 1;
  }
  return NULL;
}

void *lf_library_symbol(void *library, const char *name) { return dlsym(library, name); }

const char *lf_library_symbols(void *library, const char *const *names, void **table) {
  for (; *names; names++, table++)
    if (!(*table = dlsym(library, *names))) return *names;
  return NULL;
}
