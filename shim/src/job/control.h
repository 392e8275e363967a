/*
 * Mail: short words from rank to rank, none of them on the way of a frame. What goes to one rank within one round goes
 * in one message of MPI, so that a thousand names opened at once cost tens of messages. Receives for any source are
 * always posted. Everything here is under the job's lock.
 */
#ifndef LF_CONTROL_H
#define LF_CONTROL_H

#include "job/job.h"

/* One message of MPI has up to this many bytes of words. */
#define LF_BATCH_BYTES 32768u
/* One word has up to this many (a link's message, and where it goes). */
#define LF_WORD_MAX (LF_LINK_MESSAGE_MAX + 16u)

/* Puts a word into what goes to `rank` with the next round (also to this rank itself). HOST_OUT_OF_MEMORY. */
int32_t lf_control_post(lf_job *job, int rank, lf_word word, const void *data, uint32_t length);
/* Like it, for one that may wait for others up to `patience_ns`: more of them go in one message then. */
int32_t lf_control_post_within(lf_job *job, int rank, lf_word word, const void *data, uint32_t length,
                            uint64_t patience_ns);
/* Like it, for one that goes out at once, with all that waits for that rank. */
int32_t lf_control_post_now(lf_job *job, int rank, lf_word word, const void *data, uint32_t length);

/* Those that the job itself reads: `from` is who sent it, `length` at most LF_WORD_MAX; what is in `data` is the peer's
 * word, and may be wrong in any way. The others go to the handlers that lf_job_begin was given. */
void lf_finalize_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);
void lf_peer_word(lf_job *job, int from, const uint8_t *data, uint32_t length);

/* Called by the job: posts the receives; takes them back. */
int32_t lf_control_open(lf_job *job);
void lf_control_over(lf_job *job);
/* The two halves of a round: hands out what came (control_in.c), and sends what waits. LF_MOVED, LF_BUSY or 0. */
int lf_control_dispatch(lf_job *job, uint64_t now);
int lf_control_flush(lf_job *job, uint64_t now);
/* Whether everything that was posted has been taken over by MPI, but for what dead ranks don't take. */
int lf_control_sent(lf_job *job);
/* When the first of those goes that wait for others in one message, as of the last round; UINT64_MAX: none waits. */
uint64_t lf_control_due(void);
/* From now on none waits for others. */
void lf_control_hurry(void);
/* The rank is dead: drops what waits for it. */
void lf_control_forget(int rank);
/* It lives again: what is posted for it from now on goes, behind the letter that MPI still has. */
void lf_control_recall(int rank);

/* A letter, one message of MPI, begins with this number. Then each word has its head before it. */
#define LF_BATCH_MAGIC 0x4d464c4cu /* "LLFM" */
typedef struct {
  uint16_t kind;
  uint16_t length;
} lf_word_head;

/* Letters, so far. */
typedef struct {
  uint64_t sent, received;
  uint64_t dropped; /* came, and were not what a letter can be */
  uint64_t waiting; /* not taken over by MPI yet */
} lf_control_counts;
lf_control_counts *lf_control_count(void);

#endif
