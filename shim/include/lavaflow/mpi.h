#ifndef LAVAFLOW_MPI_H
#define LAVAFLOW_MPI_H

#include "lavaflow/status.h"

/* ---- mpi: a Message Passing Interface library that is opened at run time ---- */

enum { LF_MPI_STANDARD_ABI = 0, LF_MPI_OPEN_MPI = 1, LF_MPI_MPICH = 2, LF_MPI_MICROSOFT = 3 };

typedef struct {
  char implementation[64]; /* "Open MPI", "MPICH", "Intel MPI", ... */
  char version[64];        /* of the library, as the library says */
  char library[384];       /* the library's file */
  int32_t kind;            /* LF_MPI_...: the form of its handles and structs */
  int32_t standard;        /* of MPI: version * 100 + subversion */
} lf_mpi_info;

/* Opens the library that LAVA_FLOW_MPI names ("off": none), else the library of the launcher that started this
 * process, else the first of the usual names. Does not initialise MPI. MPI_UNAVAILABLE with the reason of each
 * library. */
LF_API int32_t lf_mpi_describe(lf_mpi_info *out);

/* ---- launch: the launcher that started this process ---- */

/* NONE: no launcher's variables. RANK: this process may initialise MPI as a rank. PLAIN: the variables are another
 * process's, or of no use. */
enum { LF_LAUNCH_NONE = 0, LF_LAUNCH_RANK = 1, LF_LAUNCH_PLAIN = 2 };

typedef struct {
  int32_t standing; /* LF_LAUNCH_... */
  int32_t rank;     /* as the launcher says, to all processes of the rank; -1: unknown */
  int32_t size;     /* of the job; 0: unknown */
  int32_t open_mpi; /* 1: the launcher is Open MPI's own */
  char job[128];    /* the launcher's or scheduler's name of the job, the same in all processes of it on this host; "" for none */
  char reason[384]; /* PLAIN: a clause that says why, after "this process" */
} lf_launch_info;

/* Examined once a process, without a call of MPI. `directory` is the runtime directory (0 bytes: none). A process
 * that is a rank stays the only one of that rank on this host, if the other processes call this function too. */
LF_API int32_t lf_launch_examine(const char *directory, uint32_t directory_bytes, lf_launch_info *out);

#endif
