/* What started this process, as TypeScript asks for it: the launcher, or the program itself where it initialised
 * MPI. */
#include <stdio.h>
#include <string.h>

#include "base/once.h"
#include "base/status.h"
#include "job/job.h"
#include "mpi/launch.h"

#define PATH_BYTES 4096

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
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the launch's description was given");
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
