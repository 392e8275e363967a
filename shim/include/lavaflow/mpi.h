#ifndef LAVAFLOW_MPI_H
#define LAVAFLOW_MPI_H

#include "lavaflow/status.h"

/* ---- mpi: a Message Passing Interface library that is opened at run time ---- */

enum { LF_MPI_STANDARD_ABI = 0, LF_MPI_OPEN_MPI = 1, LF_MPI_MPICH = 2, LF_MPI_MICROSOFT = 3 };

typedef struct {
  char implementation[64]; /* "Open MPI", "MPICH", "Intel MPI", ... */
  char version[64];        /* of the library, as it says it */
  char library[384];       /* the file it was loaded from */
  int32_t kind;            /* LF_MPI_...: which handles and structs it has */
  int32_t standard;        /* the MPI standard that it follows: version * 100 + subversion */
} lf_mpi_info;

/* Opens the library: the one that LAVA_FLOW_MPI names ("off": none), else the one of the launcher that started this
 * process, else the first of the usual names. MPI is not initialised. MPI_UNAVAILABLE with the reason of each place. */
LF_API int32_t lf_mpi_describe(lf_mpi_info *out);

/* ---- launch: what started this process ---- */

/* NONE: no launcher's variables. RANK: this process may come to MPI as a rank. PLAIN: variables that are not this process's
 * to use, or of no use. */
enum { LF_LAUNCH_NONE = 0, LF_LAUNCH_RANK = 1, LF_LAUNCH_PLAIN = 2 };

typedef struct {
  int32_t standing; /* LF_LAUNCH_... */
  int32_t rank;     /* as the launcher says, to all processes of the rank; -1: not said */
  int32_t size;     /* of the job; 0: not said */
  int32_t open_mpi; /* 1: the launcher is Open MPI's own */
  char job[128];    /* the launcher's or scheduler's name of the job, the same in all processes of it on this host; "" for none */
  char reason[384]; /* PLAIN: a clause that says why, after "this process" */
} lf_launch_info;

/* Examined once a process: MPI is not touched. `directory` is the runtime directory (0 bytes: none). A process that is a
 * rank stays the only one of that rank on this host, as far as the others ask the same. */
LF_API int32_t lf_launch_examine(const char *directory, uint32_t directory_bytes, lf_launch_info *out);

#endif
