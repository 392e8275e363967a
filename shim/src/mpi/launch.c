#include "mpi/launch.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "interop/interop.h"
#include "job/job.h"

#define PATH_BYTES 4096

const char *lf_launch_text(const char *variable) {
  const char *text = getenv(variable);
  return text && text[0] ? text : NULL;
}

int lf_launch_number(const char *variable) {
  const char *text = getenv(variable);
  if (!text || !isdigit((unsigned char)text[0])) return -1;
  unsigned long long number = strtoull(text, NULL, 10);
  return number <= INT32_MAX ? (int)number : -1;
}

/* ---- a job's name, for those that have no launcher or one that does not name it ---- */

/* The job of a batch system. Of a step of SLURM's there is more: each srun starts one. */
void lf_launch_name_batch_job(lf_launch *launch) {
  char *out = launch->job;
  size_t bytes = sizeof launch->job;
  static const char *const ids[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID"};
  static const char *const names[] = {"slurm", "pbs", "lsf", "flux"};
  static const char *const parts[] = {"SLURM_STEP_ID", NULL, "LSB_JOBINDEX", NULL};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    const char *id = lf_launch_text(ids[i]);
    if (!id) continue;
    const char *part = parts[i] ? lf_launch_text(parts[i]) : NULL;
    const char *cluster = i == 0 ? lf_launch_text("SLURM_CLUSTER_NAME") : NULL;
    snprintf(out, bytes, "%s:%s%s%s%s%s", names[i], id, part ? "." : "", part ? part : "", cluster ? "@" : "",
             cluster ? cluster : "");
    return;
  }
}

/* ---- the launcher ---- */

void lf_launch_read(lf_launch *out) {
  *out = (lf_launch){.rank = -1};
  const char *space = lf_launch_text("PMIX_NAMESPACE");
  int pmi_rank = lf_launch_number("PMI_RANK"), pmi_size = lf_launch_number("PMI_SIZE");
  out->open_mpi = lf_launch_number("OMPI_COMM_WORLD_SIZE") > 0;
  if (!out->open_mpi && pmi_rank >= 0 && pmi_size > 0) {
    out->protocol = LF_LAUNCHED_BY_PMI;
    out->rank = pmi_rank;
    out->size = pmi_size;
  } else if (out->open_mpi || lf_launch_number("PMIX_RANK") >= 0) {
    out->protocol = LF_LAUNCHED_BY_PMIX;
    int rank = lf_launch_number("OMPI_COMM_WORLD_RANK");
    int size = lf_launch_number(out->open_mpi ? "OMPI_COMM_WORLD_SIZE" : "SLURM_STEP_NUM_TASKS");
    out->rank = rank >= 0 ? rank : lf_launch_number("PMIX_RANK");
    out->size = size > 0 ? size : 0;
    /* Open MPI 4 numbers its namespaces by a hash of 16 bits; its second variable is random. */
    const char *random = lf_launch_text("OMPI_MCA_orte_precondition_transports");
    if (space) snprintf(out->job, sizeof out->job, "%s%s%s", space, random ? ":" : "", random ? random : "");
  }
}

/* A clause for a process with no rank's variables, which srun would have given them to. 0: it is no such one. */
static int lacks_pmi(char *why, size_t bytes) {
  int tasks = lf_launch_number("SLURM_STEP_NUM_TASKS");
  if (tasks <= 1 || lf_launch_number("SLURM_PROCID") < 0 || !lf_launch_text("SLURM_STEP_ID")) return 0;
  snprintf(why, bytes, "is one of %d tasks that srun started without PMI: MPI needs srun --mpi=pmix or --mpi=pmi2", tasks);
  return 1;
}

static int standing_of(lf_launch *launch, const char *directory, char *why, size_t bytes) {
  if (launch->protocol == LF_LAUNCHED_BY_NONE) return lacks_pmi(why, bytes) ? LF_LAUNCH_PLAIN : LF_LAUNCH_NONE;
  return lf_launch_owns(launch, directory, why, bytes) ? LF_LAUNCH_RANK : LF_LAUNCH_PLAIN;
}

/* ---- what is asked for ---- */

static lf_launch_info known;
static _Thread_local const char *given; /* the runtime directory, of the call that examines */

static void examine(void) {
  lf_launch launch;
  lf_launch_read(&launch);
  known.standing = standing_of(&launch, given, known.reason, sizeof known.reason);
  known.rank = launch.gone ? -1 : launch.rank;
  known.size = launch.gone ? 0 : launch.size;
  known.open_mpi = launch.open_mpi;
  if (launch.gone || launch.protocol == LF_LAUNCHED_BY_NONE) launch.job[0] = 0;
  if (!launch.job[0]) lf_launch_name_batch_job(&launch);
  memcpy(known.job, launch.job, sizeof known.job);
}

int32_t lf_launch_examine(const char *directory, uint32_t directory_bytes, lf_launch_info *out) {
  static lf_once once = LF_ONCE;
  char path[PATH_BYTES];
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for what started this process");
  /* A directory that can't be is refused, with its remedy, where the rendezvous is opened. */
  if (!directory || directory_bytes >= sizeof path || memchr(directory, 0, directory_bytes)) directory_bytes = 0;
  if (directory_bytes) memcpy(path, directory, directory_bytes);
  path[directory_bytes] = 0;
  given = path[0] ? path : NULL;
  lf_once_run(&once, examine);
  given = NULL;
  *out = known;
  if (out->standing == LF_LAUNCH_RANK || !lf_job_in_process()) return LF_OK;
  /* This program initialised MPI itself: then it is a rank, whatever the environment says. */
  out->standing = LF_LAUNCH_RANK;
  out->reason[0] = 0;
  return LF_OK;
}
