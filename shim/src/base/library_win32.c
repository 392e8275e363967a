#include "base/library.h"

#include <stdio.h>
#include <string.h>

#include "base/win32.h"

/* Never from the current directory: a bare name is searched in the system's folder and in the program's. */
static HMODULE load(const char *name) {
  wchar_t wide[1024];
  if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, wide, (int)(sizeof wide / sizeof *wide))) return NULL;
  DWORD flags = LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
  if (strpbrk(name, "/\\")) flags |= LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR;
  return LoadLibraryExW(wide, NULL, flags);
}

void *lf_library_open(const char *const *names, char *why, size_t why_bytes) {
  size_t used = 0;
  *why = 0;
  for (; *names; names++) {
    HMODULE library = load(*names);
    if (library) return (void *)library;
    lf_status status;
    lf_fail_win32(LF_ESYSTEM, "LoadLibraryEx", GetLastError(), "%s", *names);
    lf_status_last(&status);
    int wrote = snprintf(why + used, why_bytes - used, "%s%s", used ? "; " : "", status.text);
    if (wrote > 0) used += (size_t)wrote < why_bytes - used ? (size_t)wrote : why_bytes - used - 1;
  }
  return NULL;
}

void *lf_library_symbol(void *library, const char *name) {
  FARPROC found = GetProcAddress((HMODULE)library, name);
  void *symbol;
  memcpy(&symbol, &found, sizeof symbol);
  return symbol;
}

const char *lf_library_symbols(void *library, const char *const *names, void **table) {
  for (; *names; names++, table++)
    if (!(*table = lf_library_symbol(library, *names))) return *names;
  return NULL;
}
