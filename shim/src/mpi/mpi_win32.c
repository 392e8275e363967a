#include "mpi/mpi_library.h"

#include "base/win32.h"

const char *const *lf_mpi_names(lf_mpi_launcher launcher) {
  static const char *const anyone[] = {"mpi_abi.dll", "msmpi.dll", "impi.dll", NULL};
  static const char *const hydra[] = {"msmpi.dll", "impi.dll", "mpi_abi.dll", NULL};
  return launcher == LF_MPI_BY_HYDRA ? hydra : anyone;
}

int lf_mpi_is_loaded(const char *name) { return GetModuleHandleA(name) != NULL; }

/* A process on Windows has no symbols in common. */
void lf_mpi_share_symbols(const char *name) { (void)name; }

void lf_mpi_keeping_signals(void (*run)(void *given), void *given) { run(given); }

void lf_mpi_path(void *symbol, char *out, size_t bytes) {
  HMODULE module = NULL;
  DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  wchar_t wide[MAX_PATH];
  out[0] = 0;
  if (!GetModuleHandleExW(flags, (LPCWSTR)symbol, &module)) return;
  DWORD length = GetModuleFileNameW(module, wide, MAX_PATH);
  if (length == 0 || length == MAX_PATH) return;
  if (!WideCharToMultiByte(CP_UTF8, 0, wide, -1, out, (int)bytes, NULL, NULL)) out[0] = 0;
}

void lf_mpi_before_exit(void *symbol, void (*ask)(void)) {
  (void)symbol;
  (void)ask;
}

void lf_mpi_begins_to_finalise(void) {}
