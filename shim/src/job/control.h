/*
 * The control channel: active messages from rank to rank, none of them on the way of a frame. The messages for one rank
 * within one round are one batch, which is one MPI message: a thousand names opened at once cost tens of them. Receives
 * for any source are always posted. Everything here is under the job's lock.
 */
#ifndef LF_CONTROL_H
#define LF_CONTROL_H

#include "job/job.h"

/* The greatest number of bytes of a batch. Small enough that MPI sends it without a rendezvous of its own. */
#define LF_BATCH_BYTES 32768u
/* The greatest number of bytes of an active message: a message of a control connection, and its head. */
#define LF_WORD_MAX (LF_LINK_MESSAGE_MAX + 16u)

/* Puts a message into the batch for `rank`, which goes with the next round (also to this rank itself).
 * HOST_OUT_OF_MEMORY. */
int32_t lf_control_post(lf_job *job, int rank, lf_word word, const void *data, uint32_t length);
/* The same, for a message that may wait for others up to `patience_ns`. */
int32_t lf_control_post_within(lf_job *job, int rank, lf_word word, const void *data, uint32_t length,
                               uint64_t patience_ns);
/* The same, for a message that goes at once, with all that waits for that rank. */
int32_t lf_control_post_now(lf_job *job, int rank, lf_word word, const void *data, uint32_t length);

/* The handlers of the job itself. `from` is the sender, `length` at most LF_WORD_MAX; `data` is unchecked. All other
 * messages go to the handlers that lf_job_begin was given. */
void lf_finalize_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);
void lf_peer_word(lf_job *job, int from, const uint8_t *data, uint32_t length);

/* Called by the job: posts the receives; cancels them. */
int32_t lf_control_open(lf_job *job);
void lf_control_over(lf_job *job);
/* The two halves of a round: dispatches what arrived (control_in.c), and sends the batches. LF_MOVED, LF_BUSY or 0. */
int lf_control_dispatch(lf_job *job, uint64_t now);
int lf_control_flush(lf_job *job, uint64_t now);
/* Whether MPI has taken over all batches, but those for dead ranks. */
int lf_control_sent(lf_job *job);
/* When the first batch goes that waits for more messages, as of the last round; UINT64_MAX: none waits. */
uint64_t lf_control_due(void);
/* From now on no batch waits for more. */
void lf_control_hurry(void);
/* The rank is dead: drops the batches for it. */
void lf_control_forget(int rank);
/* The rank is alive again: later messages for it go, behind the batch that MPI still has. */
void lf_control_recall(int rank);

/* A batch begins with this number. Then each message has its head before it. */
#define LF_BATCH_MAGIC 0x4d464c4cu /* "LLFM" */
typedef struct {
  uint16_t kind;
  uint16_t length;
} lf_word_head;

/* The number of batches, since the process began. */
typedef struct {
  uint64_t sent, received;
  uint64_t dropped; /* came, and had no valid form */
  uint64_t waiting; /* not taken over by MPI yet */
} lf_control_counts;
lf_control_counts *lf_control_count(void);

#endif
