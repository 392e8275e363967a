/*
 * What started this process, as its environment says it: a launcher's variables name a rank, and every process that the
 * rank starts inherits them. Only one process may come to MPI as that rank. A second one would end the job (PMIx), or wait
 * for answers that go to the first.
 */
#ifndef LF_LAUNCH_H
#define LF_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include "lavaflow.h"

/* Whose protocol the variables are of. */
typedef enum { LF_LAUNCHED_BY_NONE, LF_LAUNCHED_BY_PMIX, LF_LAUNCHED_BY_PMI } lf_launcher_protocol;

typedef struct {
  lf_launcher_protocol protocol;
  int open_mpi; /* the variables are those of Open MPI's own launcher */
  int rank;     /* -1: not said */
  int size;     /* 0: not said */
  int gone;     /* the launcher does not run any more */
  char job[128];
} lf_launch;

/* Reads the variables. */
void lf_launch_read(lf_launch *out);
/* A variable's value, or NULL where it is missing or empty; the count that it begins with, or -1. */
const char *lf_launch_text(const char *variable);
int lf_launch_number(const char *variable);

/* Gives the launch the name of the batch system's job; none where there is no batch system. */
void lf_launch_name_batch_job(lf_launch *launch);

/* Whether the launcher's connection is this process's own: 1; else 0 with a clause that says why not, after "this process".
 * Sets `gone`, and `job` where the environment has no name for it. `directory` is the runtime directory (NULL: none), in
 * which the claim to the rank is held until this process ends. */
int lf_launch_owns(lf_launch *launch, const char *directory, char *why, size_t bytes);
/* MPI is about to use the connection: no later program may, as far as that can be told. */
void lf_launch_used(void);

#endif
