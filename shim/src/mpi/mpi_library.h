/* What differs between systems when an MPI library is opened. */
#ifndef LF_MPI_LIBRARY_H
#define LF_MPI_LIBRARY_H

#include <stddef.h>

/* Who started this process, as far as its environment tells which library belongs to it. */
typedef enum { LF_MPI_BY_ANYONE, LF_MPI_BY_OPEN_MPI, LF_MPI_BY_HYDRA } lf_mpi_launcher;

/* Names of libraries in the order in which they are tried; NULL ends them. */
const char *const *lf_mpi_names(lf_mpi_launcher launcher);
/* Whether this process has opened it already. */
int lf_mpi_is_loaded(const char *name);
/* Open MPI's plugins expect to find its symbols everywhere in the process. For a library that is open. */
void lf_mpi_share_symbols(const char *name);
/* Runs it, and gives every signal back to whom it belonged before. Libraries take some for reports of crashes: UCX (of
 * MPICH) as soon as it is loaded, Open MPI when it is initialised. They belong to the program: the JavaScript engine has
 * uses for SIGSEGV, SIGBUS and others, in a WebAssembly trap for example. */
void lf_mpi_keeping_signals(void (*run)(void *given), void *given);
/* From now on `ask` is called when the library that has `symbol`, or one that was opened with it, is about to end the
 * process. Where it returns, the process ends. Linux only: elsewhere nothing is asked. */
void lf_mpi_before_exit(void *symbol, void (*ask)(void));
/* Another thread has called MPI_Finalize. From now on those libraries may destroy a lock that is held: MPICH keeps what a call
 * of the job's had locked when MPI_Finalize began, and aborts for it in the end. Linux only, after lf_mpi_before_exit. */
void lf_mpi_begins_to_finalise(void);
/* The file that `symbol` came from; "" where the system does not say. */
void lf_mpi_path(void *symbol, char *out, size_t bytes);

#endif
