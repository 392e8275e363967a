/* A library after it gave up: no call reaches it any more. */
#include "mpi/mpi.h"

#pragma clang diagnostic ignored "-Wunused-parameter"

enum { DEAD = 1 };
#define LF_DEAD(name, arguments) static int dead_##name arguments { return DEAD; }
LF_MPI_FUNCTIONS(LF_DEAD)
#undef LF_DEAD

const lf_mpi *lf_mpi_dead(const lf_mpi *mpi) {
  static lf_mpi dead;
  dead = *mpi;
#define LF_DEAD(name, arguments) dead.name = dead_##name;
  LF_MPI_FUNCTIONS(LF_DEAD)
#undef LF_DEAD
  return &dead;
}
