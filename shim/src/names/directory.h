/*
 * The job's directory: who seeks which name in which role, and which ranks published which keys. What is known of a
 * name or a key is kept by one rank, its home, which everybody finds by a hash: nothing is broadcast, and a rank's
 * share grows with what is registered and not with the size of the job. Everything here is under the job's lock.
 *
 *   directory.c   the object, and what all of these use
 *   shard.c       the home of names: roles, matches
 *   resolve.c     this process's own roles
 *   lookup.c      published keys, and questions for them: both sides
 *   mail_link.c   the link between two that were matched
 */
#ifndef LF_DIRECTORY_H
#define LF_DIRECTORY_H

#include "base/table.h"
#include "job/control.h"

/* Names, keys and texts have 1 to this many bytes. */
#define LF_KEY_MAX 255u
/* So many entries of one rank are kept at one home: more than a rank has handles for. */
#define LF_ENTRIES_MAX 65536u

typedef struct lf_seeker lf_seeker;

typedef struct lf_directory lf_directory;

/* The parts, in the order in which they end. Each is there once it has something. */
enum { LF_PART_LINKS, LF_PART_SEEKS, LF_PART_LOOKUPS, LF_PART_NAMES, LF_DIRECTORY_PARTS };

/* What one of them does under the lock. NULL: nothing. */
typedef struct {
  int (*round)(lf_directory *d, uint64_t now); /* LF_MOVED or 0 */
  void (*over)(lf_directory *d);   /* this process leaves: what it has open is given back, and can only be closed */
  void (*forget)(lf_directory *d); /* MPI is gone: what is kept for others goes */
} lf_directory_part;

struct lf_directory {
  lf_job_end end;
  lf_job *job;
  /* this rank as a home */
  lf_table names;
  lf_table keys;
  lf_table ranks;    /* how many entries each rank has here */
  lf_seeker *asked;  /* holders that have to say whether they are still there */
  uint64_t matches;  /* so many were made: the number of the last one */
  /* this process's own, by their ids and keys */
  lf_table seeks;
  lf_table lookups;
  lf_table links;
  int (*expects)(const lf_directory *d, uint32_t seek_id, uint64_t match); /* see lf_mail_link_begin; NULL: nothing */
  struct lf_mail_link *closing; /* links that were closed with messages for a peer that does not know them yet */
  uint32_t last_id;
  uint32_t awaited; /* how many of them wait for something */
  int over; /* for this process: what is still open can only be closed */
  char reason[256];
  const lf_directory_part *parts[LF_DIRECTORY_PARTS];
};

/* Made when it is first needed. Under the lock; NULL with the failure recorded: no memory. */
lf_directory *lf_directory_of(lf_job *job);
/* The job's directory, with the job's lock taken; NULL with the failure recorded, and nothing taken. */
lf_directory *lf_directory_enter(void);
/* For what was made before: takes the lock, which goes on working when the job is over. */
static inline void lf_directory_lock(lf_directory *d) { lf_job_lock(d->job); }
static inline void lf_directory_leave(lf_directory *d) { lf_job_unlock(d->job); }
/* Records that the job is over: MPI_FAILED. */
int32_t lf_directory_over(const lf_directory *d);

uint64_t lf_directory_hash(const void *bytes, uint32_t length);
int lf_directory_home(const lf_directory *d, uint64_t hash);
/* An id that nothing in `table` has. */
uint32_t lf_directory_id(lf_directory *d, const lf_table *table);

/* As lf_control_post, for what this process says of its own: the more it has going on at once, the longer a word waits for
 * others, so that thousands of names are tens of messages; with few it does not wait. */
int32_t lf_directory_post(lf_directory *d, int rank, lf_word word, const void *data, uint32_t length);
/* For a word that nobody waits for. */
int32_t lf_directory_post_slowly(lf_directory *d, int rank, lf_word word, const void *data, uint32_t length);

/* A rank's next entry at this home: LF_OK, SYSTEM when it has too many, HOST_OUT_OF_MEMORY. */
int32_t lf_directory_admit(lf_directory *d, int rank);
void lf_directory_dismiss(lf_directory *d, int rank);

/* ---- words, as they lie in mail; every machine of build.zig is little-endian ---- */

typedef struct {
  uint32_t id; /* the seek's, unique among those of its rank */
  uint8_t role;
  uint8_t name_bytes;
  uint16_t reserved;
  uint64_t place; /* hash of the seeker's */
} lf_word_seek; /* and the name. The same id once more: its last match came to nothing, it looks again */

/* SETTLE, LEAVE, HOLD, HELD */
typedef struct {
  uint32_t id;
  uint32_t held; /* HELD: 1 or 0; then the holder's processor name */
  uint64_t name; /* its hash */
} lf_word_role;

typedef struct {
  uint32_t id;
  int32_t rank;      /* the other one, */
  uint32_t other_id; /* and its seek */
  uint32_t reserved;
  uint64_t match;
} lf_word_match;

typedef struct {
  uint32_t id;
  int32_t rank;   /* who has the role, */
  int32_t status; /* NAME_IN_USE; or why the home could not take the seeker in */
} lf_word_taken; /* and the holder's processor name */

/* ---- handlers of the control channel ---- */

/* SEEK, SETTLE, LEAVE and HELD, for the home of names. */
void lf_shard_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);
/* MATCH, TAKEN and HOLD, for one who seeks. */
void lf_seek_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);
/* PUBLISH, LOOKUP and FOUND. */
void lf_lookup_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);

#endif
