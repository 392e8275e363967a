/* The directory of this process: its one object, the hashes of names, and what goes to other ranks. */
#include "names/directory.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

/* A word's patience: so long for each that waits besides it, from a few on, and this at most. */
#define PATIENCE_EACH_NS 10000u
#define PATIENCE_FROM 16u
#define PATIENCE_MAX_NS 5000000u

/* How many entries a rank has here. */
typedef struct {
  lf_table_node node;
  uint32_t entries;
} sender;

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
uint64_t lf_directory_hash(const void *bytes, uint32_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint8_t *at = bytes; length > 0; at++, length--) hash = (hash ^ *at) * 0x100000001b3u;
  return hash;
}

int lf_directory_home(const lf_directory *d, uint64_t hash) {
  return (int)((hash ^ hash >> 32) % (uint64_t)d->job->info.size);
}

uint32_t lf_directory_id(lf_directory *d, const lf_table *table) {
  do d->last_id++;
  while (d->last_id == 0 || lf_table_find(table, d->last_id));
  return d->last_id;
}

int32_t lf_directory_over(const lf_directory *d) { return lf_fail(LF_EMPI_FAILED, "", 0, "%s", d->reason); }

int32_t lf_directory_post_slowly(lf_directory *d, int rank, lf_word word, const void *data, uint32_t length) {
  return lf_control_post_within(d->job, rank, word, data, length, PATIENCE_MAX_NS);
}

int32_t lf_directory_post(lf_directory *d, int rank, lf_word word, const void *data, uint32_t length) {
  uint64_t patience = d->awaited < PATIENCE_FROM ? 0 : (uint64_t)d->awaited * PATIENCE_EACH_NS;
  if (patience > PATIENCE_MAX_NS) patience = PATIENCE_MAX_NS;
  return lf_control_post_within(d->job, rank, word, data, length, patience);
}

int32_t lf_directory_admit(lf_directory *d, int rank) {
  sender *s = (sender *)lf_table_find(&d->ranks, (uint64_t)rank);
  if (!s) {
    s = calloc(1, sizeof *s);
    if (!s) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "an entry of the job's directory");
    int32_t status = lf_table_add(&d->ranks, &s->node, (uint64_t)rank);
    if (status < 0) {
      free(s);
      return status;
    }
  }
  if (s->entries == LF_ENTRIES_MAX)
    return lf_fail(LF_ESYSTEM, "", 0, "rank %d has %u entries in this part of the job's directory, which is the limit",
                   rank, LF_ENTRIES_MAX);
  s->entries++;
  return LF_OK;
}

void lf_directory_dismiss(lf_directory *d, int rank) {
  sender *s = (sender *)lf_table_find(&d->ranks, (uint64_t)rank);
  if (--s->entries > 0) return;
  lf_table_remove(&d->ranks, &s->node);
  free(s);
}

/* ---- the job's side ---- */

static int round_of(lf_job_end *end, uint64_t now) {
  lf_directory *d = (lf_directory *)end;
  int said = 0;
  for (int i = 0; i < LF_DIRECTORY_PARTS; i++)
    if (d->parts[i] && d->parts[i]->round) said |= d->parts[i]->round(d, now);
  return said;
}

/* A process that leaves the job gives back what is its own, and stays the home of what others have here. */
static void over(lf_job_end *end, const char *reason) {
  lf_directory *d = (lf_directory *)end;
  d->over = 1;
  snprintf(d->reason, sizeof d->reason, "%s", reason ? reason : "this process has left the MPI job");
  for (int i = 0; i < LF_DIRECTORY_PARTS; i++)
    if (d->parts[i] && d->parts[i]->over) d->parts[i]->over(d);
  for (int i = 0; reason && i < LF_DIRECTORY_PARTS; i++)
    if (d->parts[i] && d->parts[i]->forget) d->parts[i]->forget(d);
}

/* The one of this process's job. It stays for as long as the process: handles that are closed after the end of the job
 * still look into it. */
static lf_directory *directory;

lf_directory *lf_directory_of(lf_job *job) {
  if (directory) return directory;
  lf_directory *d = calloc(1, sizeof *d);
  if (!d) {
    lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "the job's directory, %zu bytes", sizeof *d);
    return NULL;
  }
  d->job = job;
  d->end.round = round_of;
  d->end.over = over;
  lf_job_add(job, &d->end);
  return directory = d;
}

lf_directory *lf_directory_enter(void) {
  lf_job *job = lf_job_enter();
  if (!job) return NULL;
  lf_directory *d = lf_directory_of(job);
  if (d && !d->over) return d;
  if (d) lf_directory_over(d);
  lf_job_unlock(job);
  return NULL;
}
