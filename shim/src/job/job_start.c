/* The job's beginning, in its thread: MPI initialised, or found initialised, and everything agreed that all ranks have
 * to agree on. The first message of all says the version, in a form that stays the same for good. */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "base/thread.h"
#include "job/control.h"
#include "job/job.h"
#include "mpi/launch.h"

#define HOST_BYTES 252

/* A rank's version and host, exchanged if versions differ. */
typedef struct {
  uint32_t version;
  char host[HOST_BYTES];
} introduction;

#define TRY(what, name, ...)                                                              \
  do {                                                                                    \
    int try_error = mpi->name(__VA_ARGS__);                                               \
    if (try_error != 0) return lf_mpi_fail(mpi, "MPI_" #name, try_error, "%s", what);     \
  } while (0)

/* ---- MPI itself ---- */

/* Open MPI speaks PMIx only. A launcher of another kind it takes for none, and below srun it ends the process. */
static int32_t fits_the_launcher(const lf_mpi *mpi) {
  lf_launch launch;
  lf_launch_read(&launch);
  if (launch.protocol != LF_LAUNCHED_BY_PMI || mpi->info.kind != LF_MPI_OPEN_MPI || lf_launch_text("PMIX_RANK"))
    return LF_OK;
  return lf_fail(LF_EMPI_UNAVAILABLE, "", 0,
                 "%s %s (%s) is not the library of the launcher, which speaks PMI (MPICH's mpirun, srun --mpi=pmi2): this "
                 "one needs PMIx (Open MPI's mpirun, srun --mpi=pmix)",
                 mpi->info.implementation, mpi->info.version, mpi->info.library);
}

static _Atomic int begun;

int lf_job_has_begun(void) { return atomic_load(&begun); }

static int32_t initialise(const lf_mpi *mpi, lf_job *job) {
  int initialised = 0, finalised = 0, level = 0;
  TRY("whether MPI is initialised", Initialized, &initialised);
  TRY("whether MPI was finalised", Finalized, &finalised);
  if (finalised)
    return lf_fail(LF_EMPI_FAILED, "MPI_Finalized", 0, "MPI was finalised in this process before it was needed here");
  if (initialised) {
    TRY("which threads may call MPI", Query_thread, &level);
    if (level >= mpi->thread_multiple) return LF_OK;
    return lf_fail(LF_EMPI_UNAVAILABLE, "MPI_Query_thread", level,
                   "this program initialised MPI for one thread at a time, and channels need one of their own: "
                   "initialise it with MPI_Init_thread and MPI_THREAD_MULTIPLE");
  }
  int32_t status = fits_the_launcher(mpi);
  if (status < 0) return status;
  lf_launch_used();
  /* Any part of the program may use MPI on a communicator of its own, and has no lock in common with the job's. */
  int error = mpi->Init_thread(NULL, NULL, mpi->thread_multiple, &level);
  if (error != 0)
    return lf_mpi_fail(mpi, "MPI_Init_thread", error, "%s %s", mpi->info.implementation, mpi->info.version);
  job->info.ours = 1;
  if (level < mpi->thread_multiple)
    return lf_fail(LF_EMPI_UNAVAILABLE, "MPI_Init_thread", level,
                   "%s %s lets one thread at a time call it here (level %d), and MPI_THREAD_MULTIPLE is needed: it was built "
                   "without, or a variable of its own limits it", mpi->info.implementation, mpi->info.version, level);
  TRY("errors that are returned", Comm_set_errhandler, mpi->comm_world, mpi->errors_return);
  TRY("errors that are returned", Comm_set_errhandler, mpi->comm_self, mpi->errors_return);
  return LF_OK;
}

static const char *launcher(void) {
  if (getenv("OMPI_COMM_WORLD_SIZE")) return "Open MPI's launcher";
  return getenv("PMI_SIZE") ? "a launcher of MPICH's kind" : "the launcher";
}

static int32_t read_world(const lf_mpi *mpi, lf_job *job) {
  TRY("this process's rank", Comm_rank, mpi->comm_world, &job->info.rank);
  TRY("the size of the job", Comm_size, mpi->comm_world, &job->info.size);
  int launched = 0;
  if (job->info.size == 1 && lf_mpi_launched(&launched) && launched > 1)
    return lf_fail(LF_EMPI_FAILED, "MPI_Comm_size", 1,
                   "%s started %d processes, but %s %s (%s) finds itself alone: it is not that launcher's library",
                   launcher(), launched, mpi->info.implementation, mpi->info.version, mpi->info.library);
  int length = 0;
  char name[1024] = "";
  TRY("the name of this machine", Get_processor_name, name, &length);
  snprintf(job->info.processor, sizeof job->info.processor, "%s", name);
  int *bound = NULL, known = 0;
  TRY("the highest tag", Comm_get_attr, mpi->comm_world, mpi->tag_ub, &bound, &known);
  int highest = known && bound ? *bound : 32767; /* what the standard promises */
  job->tags = (uint32_t)highest / 2;
  return LF_OK;
}

/* ---- what all ranks agree on ---- */

static int32_t name_the_other(const lf_mpi *mpi, lf_job *job) {
  size_t size = (size_t)job->info.size;
  introduction mine = {.version = LF_WIRE_VERSION}, *all = calloc(size, sizeof *all);
  snprintf(mine.host, sizeof mine.host, "%.*s", HOST_BYTES - 1, job->info.processor);
  if (!all) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "the versions of %zu ranks", size);
  int error = mpi->Allgather(&mine, sizeof mine, mpi->byte, all, sizeof mine, mpi->byte, job->comm);
  int32_t status = LF_EWIRE_VERSION_MISMATCH;
  if (error != 0) status = lf_mpi_fail(mpi, "MPI_Allgather", error, "the versions of %zu ranks", size);
  for (size_t i = 0; i < size && !error; i++) {
    if (all[i].version == LF_WIRE_VERSION) continue;
    all[i].host[HOST_BYTES - 1] = 0;
    status = lf_fail(LF_EWIRE_VERSION_MISMATCH, "", 0,
                     "rank %zu on %s has another version of lava-flow: it speaks version %u of the protocol, and rank "
                     "%d on %s version %d", i, all[i].host, all[i].version, job->info.rank, job->info.processor,
                     LF_WIRE_VERSION);
    break;
  }
  free(all);
  return status;
}

/* ANDed over all ranks, a number and its complement are complements still only if all have the same number. */
static int32_t compare_versions(const lf_mpi *mpi, lf_job *job) {
  const uint32_t mine[2] = {LF_WIRE_VERSION, ~(uint32_t)LF_WIRE_VERSION};
  uint32_t all[2] = {0};
  TRY("comparing versions", Allreduce, mine, all, sizeof mine, mpi->byte, mpi->band, job->comm);
  return all[0] == (uint32_t)~all[1] ? LF_OK : name_the_other(mpi, job);
}

static int32_t find_node(const lf_mpi *mpi, lf_job *job) {
  lf_mpi_handle node = 0;
  TRY("the ranks that share this memory", Comm_split_type, job->comm, mpi->comm_type_shared, job->info.rank,
      mpi->info_null, &node);
  job->info.node = job->info.rank;
  TRY("how many share this memory", Comm_size, node, &job->info.node_size);
  TRY("the first of those that share this memory", Bcast, &job->info.node, sizeof job->info.node, mpi->byte, 0, node);
  TRY("the ranks that share this memory", Comm_free, &node);
  return LF_OK;
}

static int32_t agree_on_id(const lf_mpi *mpi, lf_job *job) {
  uint8_t said[1 + sizeof job->info.id] = {0}; /* whether rank 0 has one, and it */
  if (job->info.rank == 0) said[0] = lf_random(said + 1, sizeof job->info.id) == LF_OK;
  TRY("the job's id", Bcast, said, sizeof said, mpi->byte, 0, job->comm);
  if (!said[0]) return lf_fail(LF_ESYSTEM, "", 0, "rank 0 of the job has no random number for its id");
  memcpy(job->info.id, said + 1, sizeof job->info.id);
  return LF_OK;
}

/* ---- MPI_Finalize by another part of the program ----
 * MPI_Finalize first frees MPI_COMM_SELF, which calls on_finalise; MPI still works then. */

static void (*tell_finalise)(void);

static int on_finalise(lf_mpi_handle comm, int key, void *value, void *extra) {
  (void)comm;
  (void)key;
  (void)value;
  (void)extra;
  tell_finalise();
  return 0;
}

static int32_t hear_of_finalise(const lf_mpi *mpi) {
  int key = 0;
  TRY("a key for MPI_COMM_SELF", Comm_create_keyval, lf_mpi_copy_none, on_finalise, &key, NULL);
  TRY("a key of MPI_COMM_SELF", Comm_set_attr, mpi->comm_self, key, NULL);
  return LF_OK;
}

int32_t lf_job_start(lf_job *job, void (*finalises)(void)) {
  tell_finalise = finalises;
  const lf_mpi *mpi = lf_mpi_load();
  if (!mpi) return lf_status_code();
  job->mpi = mpi;
  int32_t status = initialise(mpi, job);
  if (status == LF_OK) status = read_world(mpi, job);
  if (status < 0) return status;
  atomic_store(&begun, 1);
  TRY("a communicator of lava-flow's own", Comm_dup, mpi->comm_world, &job->comm);
  TRY("errors that are returned", Comm_set_errhandler, job->comm, mpi->errors_return);
  status = compare_versions(mpi, job);
  if (status == LF_OK) status = find_node(mpi, job);
  if (status == LF_OK) status = agree_on_id(mpi, job);
  if (status == LF_OK) status = hear_of_finalise(mpi);
  if (status == LF_OK) status = lf_control_open(job);
  return status;
}
