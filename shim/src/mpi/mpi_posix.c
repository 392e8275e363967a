#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>

#include "mpi/mpi_library.h"

/* The standard ABI comes first only where no launcher tells whose it should be: a machine may have one kind's launcher
 * and another kind's libmpi_abi (.so.1; MPICH 5.0 calls it .so.0). MPICH is libmpich.so.12 on Debian and libmpi.so.12
 * elsewhere, as are its kin. */
#if defined(__APPLE__)
#define ABI "libmpi_abi.1.dylib", "/opt/homebrew/lib/libmpi_abi.1.dylib"
#define OPEN_MPI "libmpi.40.dylib", "/opt/homebrew/lib/libmpi.40.dylib"
#define MPICH "libmpi.12.dylib", "/opt/homebrew/lib/libmpi.12.dylib"
#define ANY "libmpi.dylib"
#else
#define ABI "libmpi_abi.so.1", "libmpi_abi.so.0"
#define OPEN_MPI "libmpi.so.40"
#define MPICH "libmpich.so.12", "libmpi.so.12"
#define ANY "libmpi.so"
#endif

const char *const *lf_mpi_names(lf_mpi_launcher launcher) {
  static const char *const anyone[] = {ABI, OPEN_MPI, MPICH, ANY, NULL};
  static const char *const open_mpi[] = {OPEN_MPI, ABI, ANY, NULL};
  static const char *const hydra[] = {MPICH, ABI, ANY, NULL};
  if (launcher == LF_MPI_BY_OPEN_MPI) return open_mpi;
  return launcher == LF_MPI_BY_HYDRA ? hydra : anyone;
}

int lf_mpi_is_loaded(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
  if (library) dlclose(library);
  return library != NULL;
}

void lf_mpi_share_symbols(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  if (library) dlclose(library); /* this opening of it: it stays open by the first */
}

/* MPICH's launcher tells by SIGUSR1 that another rank died: that must not end this process. MPICH's own handler would have
 * the launcher asked for details, which fails the launcher where this process ends before it has answered. */
static void hear_of_death(int signal) { (void)signal; }

void lf_mpi_keeping_signals(void (*run)(void *given), void *given) {
  struct sigaction kept[NSIG], now;
  int known[NSIG];
  for (int i = 1; i < NSIG; i++) known[i] = sigaction(i, NULL, &kept[i]) == 0; /* not those of the C library */
  run(given);
  for (int i = 1; i < NSIG; i++) {
    if (!known[i] || sigaction(i, NULL, &now) != 0) continue;
    if (now.sa_handler == kept[i].sa_handler && now.sa_flags == kept[i].sa_flags) continue;
    if (i == SIGUSR1 && !(kept[i].sa_flags & SA_SIGINFO) && kept[i].sa_handler == SIG_DFL)
      kept[i] = (struct sigaction){.sa_handler = hear_of_death, .sa_flags = SA_RESTART};
    sigaction(i, &kept[i], NULL);
  }
}

void lf_mpi_path(void *symbol, char *out, size_t bytes) {
  Dl_info info;
  snprintf(out, bytes, "%s", dladdr(symbol, &info) && info.dli_fname ? info.dli_fname : "");
}
