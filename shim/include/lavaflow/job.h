#ifndef LAVAFLOW_JOB_H
#define LAVAFLOW_JOB_H

#include "lavaflow/status.h"

/* ---- job: the processes that one launcher started together ----
 * A process has one job, for all threads. Ranks are those of MPI_COMM_WORLD. */

typedef struct {
  int32_t rank;
  int32_t size;
  int32_t node;      /* the lowest of the ranks that, as MPI says, share memory with this one */
  int32_t node_size; /* the number of those ranks */
  int32_t ours;      /* 1: initialised here; 0: by another part of this process, which also finalises MPI */
  int32_t reserved;
  uint8_t id[16];    /* random, the same on every rank */
  char processor[256]; /* MPI's name for the machine */
} lf_job_info;

enum { LF_JOB_NOTHING = 0, LF_JOB_RANKS = 1, LF_JOB_NETWORK = 2 };
/* The reason why lf_job_open is pending. LF_JOB_RANKS: other ranks have not initialised MPI. LF_JOB_NETWORK: they
 * have, and the first messages between the ranks do not arrive. */
LF_API int32_t lf_job_awaits(void);
/* Initialises MPI, on a thread of its own, once a process: LF_PENDING while other ranks have not initialised it,
 * then 1. MPI_UNAVAILABLE, MPI_FAILED, WIRE_VERSION_MISMATCH (naming a rank and host of another version). */
LF_API int32_t lf_job_open(void);
LF_API int32_t lf_job_describe(lf_job_info *out);
/* Leaves the job, with the status that this process exits with. Channels that are still open end as by death. Sends
 * the messages under way, waits for the other ranks while they live, then finalises MPI; not if `status` is not 0,
 * or a rank is known to be dead. Waits for at most `timeout_ms` of silence. 1 when MPI was finalised here, else 0;
 * TIMEOUT when MPI was not even initialised, MPI_FAILED. */
LF_API int32_t lf_job_close(int32_t status, double timeout_ms);
/* The same for status 0, at the exit of a process that has not left before (not on Windows). Once a process. */
LF_API int32_t lf_job_close_at_exit(double timeout_ms);
/* Ends all processes of the job, with the text on stderr. Returns only if there is no job, or MPI fails. */
LF_API int32_t lf_job_abort(int32_t status, const char *text, uint32_t text_bytes);

#endif
