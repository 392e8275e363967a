/*
 * The job: MPI initialised, a communicator of its own, and a thread that progresses it.
 *
 * Every call of MPI here is under the job's lock. A thread of the user that sends a small frame takes an uncontended
 * lock and calls MPI itself. Other parts of the process that use MPI do not take the lock, so MPI_THREAD_MULTIPLE is
 * needed. All ends are in one list, and a round (lf_job_round) progresses each of them. The thread makes rounds:
 * without a pause while something is under way, then with pauses that grow up to 1 ms while a caller waits, and 10 ms
 * while none does. The pauses are longer on machines where waking up would take more than 1 % or 0.1 % of a processor.
 * While a thread of the user busy-polls, that thread makes the rounds.
 */
#ifndef LF_JOB_H
#define LF_JOB_H

#include <stdatomic.h>

#include "base/thread.h"
#include "mpi/mpi.h"

typedef struct lf_job_end lf_job_end;
struct lf_job_end {
  lf_job_end *next, *previous;
  /* Progresses the end, under the lock. LF_MOVED when something came or went, LF_BUSY while MPI has bytes under way
   * that only rounds move, else 0. May remove its own end and add others, but remove no other. */
  int (*round)(lf_job_end *end, uint64_t now);
  /* The last call, under the lock, with the end out of the list: this process leaves (`reason` NULL), or MPI is at
   * an end (`reason` is the text of later errors). The end may cancel its requests and post messages, and makes no
   * call of MPI afterwards. */
  void (*over)(lf_job_end *end, const char *reason);
};
enum { LF_MOVED = 1, LF_BUSY = 2 };

/* Tags on the communicator. 0 is the control channel's. Endpoint number `tag` has two: one for its messages in order, one
 * for the bytes of rendezvous frames. */
#define LF_TAG_CONTROL 0
#define LF_TAG_EAGER(tag) ((int)(1 + 2 * (tag)))
#define LF_TAG_RNDV(tag) ((int)(2 + 2 * (tag)))

/* Active messages of the control channel (control.h). */
typedef enum {
  LF_WORD_PING = 1,   /* asks for a sign of life; control_in.c answers with PONG */
  LF_WORD_PONG,
  LF_WORD_PUT,        /* names/lease_map.h: these six */
  LF_WORD_GET,
  LF_WORD_WATCH,
  LF_WORD_DELETE,
  LF_WORD_ASK,        /* does the owner still hold this entry? */
  LF_WORD_ENTRIES,    /* the answer to PUT, GET and WATCH */
  LF_WORD_CONNECTION, /* names/control_connection.c: a message of a connection */
  LF_WORD_DISCONNECT, /* it was closed */
  LF_WORD_CREDIT,     /* ep/: the receiver's counts of released frames, and whether it closed */
  LF_WORD_FINALIZE,   /* finalize.c: a rank leaves the job */
  LF_WORD_LOST,       /* liveness.c: the number of times that the receiver was out of reach for the sender */
  LF_WORDS            /* each is below this */
} lf_word;

typedef struct lf_job lf_job;
/* Handles one. `from` is the rank that sent it, `length` at most LF_WORD_MAX. `data` is unchecked. Under the lock. */
typedef void (*lf_word_handler)(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);

struct lf_job {
  const lf_mpi *mpi;
  lf_mpi_handle comm;
  lf_job_info info;
  uint32_t tags;  /* numbers of endpoints are below this: the MPI library limits tags */
  int over;       /* 1: no call of MPI any more. Under the lock */
  int said;       /* the ends' results of the last round */
  lf_job_end *ends;
  _Atomic uint32_t waiting;  /* the number of callers that wait for something to come */
  _Atomic uint32_t spinning; /* the number of threads that make rounds themselves now */
  _Alignas(128) _Atomic uintptr_t lock; /* 0, or the thread that holds it */
  _Atomic uint32_t starving; /* the number of threads that have waited long for the lock */
  const lf_word_handler *handlers; /* of the parts above the job, by lf_word */
  /* For a failure of MPI after which nothing can go on: all ends are over. Under the lock. */
  void (*broken)(lf_job *job, const char *api, int code, const char *what);
};

/* The job when MPI is ready for use here, else NULL with the failure recorded: MPI_UNAVAILABLE before lf_job_open has
 * said 1, MPI_FAILED when this process has left or MPI was finalised. */
lf_job *lf_job_get(void);
/* The same with the lock taken, and then checked again: for functions that have no end in the list. */
lf_job *lf_job_enter(void);

/* 1 when it was free. */
int lf_job_try_lock(lf_job *job);
#define LF_LOCK_NAP_NS 20000u /* nanoseconds between two tries after many have failed: less than a round takes */
/* `held`: another thread had it. */
void lf_job_lock_slowly(lf_job *job, int held);
static inline void lf_job_lock(lf_job *job) {
  uintptr_t none = 0;
  int held = !atomic_compare_exchange_strong_explicit(&job->lock, &none, lf_thread_self(), memory_order_acquire,
                                                      memory_order_relaxed);
  int starving = atomic_load_explicit(&job->starving, memory_order_relaxed) != 0;
  if (__builtin_expect(held | starving, 0)) lf_job_lock_slowly(job, held);
}
static inline void lf_job_unlock(lf_job *job) { atomic_store_explicit(&job->lock, 0, memory_order_release); }

/* All of these under the lock. */
void lf_job_add(lf_job *job, lf_job_end *end);
void lf_job_remove(lf_job *job, lf_job_end *end);
/* The control channel, the peers, then every end: their results, combined. 0 within another round, and when the job is
 * over. */
int lf_job_round(lf_job *job, uint64_t now);
/* Rounds until one moves nothing (at most 32). */
void lf_job_rounds(lf_job *job);

/* A caller waits from now on, or no longer. Without the lock. */
void lf_job_wait_begin(lf_job *job);
void lf_job_wait_end(lf_job *job);

/* ---- peer table: the ranks that this process has to do with, and whether they are alive (liveness.c) ---- */

typedef struct lf_peer lf_peer;
struct lf_peer {
  int rank;
  int dead;            /* 1: silent for too long, or its program has ended: its channels are over. Never 0 again */
  int silent;          /* 1: the rank is no shard of the lease map any more either. Never 0 again */
  int left;            /* 1: the rank has said so itself */
  int past;            /* 1: the rank was heard again, and is another peer since */
  uint32_t losses;     /* the number of times that the rank was out of reach for either side */
  uint32_t users;
  uint32_t vouched;    /* the number of users that know that the rank lives: its silence means nothing then */
  uint64_t heard;      /* when a message came from the rank, of any kind: its receiver writes this */
  uint64_t asked;      /* when the rank was last asked for a sign of life */
  uint32_t unanswered; /* the number of questions since the rank was heard */
  lf_peer *next;
};

/* Nanoseconds of silence, although asked ten times, after which a rank counts as dead. Its job's thread answers,
 * whatever its other threads do. A process that is stopped (SIGSTOP, a paused machine) for this time counts as dead
 * too. */
#define LF_PEER_SILENCE_NS ((uint64_t)10 * 1000000000)
/* The same, as LAVA_FLOW_PEER_SILENCE_MS or a test sets it. */
extern uint64_t lf_peer_silence;
/* The functions of the control channel that the peer table calls: lf_control_post, lf_control_forget,
 * lf_control_recall. */
typedef struct {
  int32_t (*post)(lf_job *job, int rank, lf_word word, const void *data, uint32_t length);
  void (*forget)(int rank);
  void (*recall)(int rank);
} lf_peer_calls;
/* The first call. */
void lf_peer_open(const lf_peer_calls *calls);
/* Reads that variable. INVALID_ARGUMENT. */
int32_t lf_peer_read_silence(void);

/* Under the lock. While it is retained, a silent rank is asked for signs of life. NULL with INVALID_ARGUMENT for a
 * rank that the job does not have, or HOST_OUT_OF_MEMORY. */
lf_peer *lf_peer_retain(lf_job *job, int rank);
void lf_peer_release(lf_job *job, lf_peer *peer);

/* A batch came from the rank. A rank that was out of reach is there again. */
void lf_peer_heard(lf_job *job, int rank, uint64_t now);
/* The rank said that its program has ended (`silent` 1: also its part of the job). Has no effect on a rank without a
 * peer. */
void lf_peer_left(int rank, int silent);
/* MPI says that the rank can't be reached. */
void lf_peer_lost(lf_job *job, int rank);
int lf_peer_is_silent(int rank);
/* A rank that was found dead, or -1. */
int lf_peer_any_dead(void);
void lf_peer_round(lf_job *job, uint64_t now);
/* Calls for each rank that is retained. */
void lf_peer_each(lf_job *job, void (*call)(lf_job *job, int rank));

/* ---- between job.c, job_start.c and finalize.c ---- */

/* Whether MPI is initialised in this process, here or by another part of the program. */
int lf_job_in_process(void);
/* As lf_job_open. `handlers`, which stay, have one for each lf_word that the job itself does not read. */
int32_t lf_job_begin(const lf_word_handler *handlers);
/* Initialises MPI and fills `job`, in the job's thread; may wait for other ranks for as long as MPI does. If another
 * part of this process finalises MPI, MPI calls `on_finalise` in that thread, and still works. */
int32_t lf_job_start(lf_job *job, void (*on_finalise)(void));
/* Whether MPI itself has begun, though not everything is agreed. Any thread. */
int lf_job_has_begun(void);
/* The ends are over, and no other comes. Under the lock. */
void lf_job_end_all(lf_job *job, const char *reason);

/* This process leaves. Under the lock, as the rest. */
void lf_finalize_begin(lf_job *job, int32_t status, uint64_t timeout_ns, uint64_t now);
/* After each round from then on: 0 to go on, LF_FINALIZE_DONE when nothing is left to do, LF_FINALIZE_MPI when MPI
 * is to be finalised as well. */
enum { LF_FINALIZE_DONE = 1, LF_FINALIZE_MPI = 2 };
int lf_finalize_step(lf_job *job, uint64_t now);
/* To a rank that takes this process's channels for open: says that they are not, once they are over. */
void lf_finalize_answer(lf_job *job, int rank);
/* Another part of this process finalises MPI: no rank has to wait for this one. */
void lf_finalize_by_host(lf_job *job);

#endif
