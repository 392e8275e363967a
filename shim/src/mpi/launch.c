#include "mpi/launch.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
