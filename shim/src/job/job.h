/*
 * The job: MPI initialised, a communicator of our own, and a thread that keeps things moving while nobody else does.
 *
 * Whoever calls MPI here holds the job's lock: a thread of the user that sends a small frame takes an uncontended lock
 * and calls MPI itself. Others in the process that use MPI know nothing of that lock, so MPI_THREAD_MULTIPLE is asked for. Everything that waits is in one list of ends; a
 * round (lf_job_round) lets each of them look after its requests. The thread makes rounds: closely while something is
 * awaited or under way, ever more rarely when nothing happens: up to 1 ms apart while somebody waits, 10 ms when nobody
 * does, or more where waking up is so dear that it would take more than 1 % or 0.1 % of a processor. A thread of the
 * user that spins makes its own, and the thread keeps away meanwhile.
 */
#ifndef LF_JOB_H
#define LF_JOB_H

#include <stdatomic.h>

#include "base/thread.h"
#include "mpi/mpi.h"

typedef struct lf_job_end lf_job_end;
struct lf_job_end {
  lf_job_end *next, *previous;
  /* One look, under the lock. LF_MOVED when something came or went, LF_BUSY while bytes of MPI are under way that
   * nothing but rounds moves on, else 0. May remove its own end, and add others, but remove no other. */
  int (*round)(lf_job_end *end, uint64_t now);
  /* The last call, under the lock, with the end out of the list: this process ends (`reason` NULL), or MPI is at an end
   * (`reason` is then what to say). It may cancel its requests and post mail; after it, it makes no call of MPI. */
  void (*over)(lf_job_end *end, const char *reason);
};
enum { LF_MOVED = 1, LF_BUSY = 2 };

/* Tags on the communicator: 0 is mail; a lane has two. */
#define LF_TAG_CONTROL 0
#define LF_TAG_LANE(lane) ((int)(1 + 2 * (lane)))
#define LF_TAG_BULK(lane) ((int)(2 + 2 * (lane)))

/* Active messages of the control channel (control.h). */
typedef enum {
  LF_WORD_PING = 1,  /* are you there? control.c answers */
  LF_WORD_PONG,
  LF_WORD_PUT,        /* names/lease_map.h: these six */
  LF_WORD_GET,
  LF_WORD_WATCH,
  LF_WORD_DELETE,
  LF_WORD_ASK,        /* does the owner still hold this entry? */
  LF_WORD_ENTRIES,    /* the answer to PUT, GET and WATCH */
  LF_WORD_CONNECTION, /* names/control_connection.c: a message of a connection */
  LF_WORD_DISCONNECT, /* it was closed */
  LF_WORD_CREDIT,    /* sender.c: what the receiver released, and whether it closed */
  LF_WORD_FINALIZE,   /* finalize.c: ranks that leave the job */
  LF_WORD_LOST,      /* liveness.c: how often the receiver was out of reach for the sender */
  LF_WORDS           /* each is below this */
} lf_word;

typedef struct lf_job lf_job;
/* Reads one. `from` is the rank that sent it, `length` at most LF_WORD_MAX. The peer wrote `data`, which may be wrong in any
 * way. Under the lock. */
typedef void (*lf_word_handler)(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);

struct lf_job {
  const lf_mpi *mpi;
  lf_mpi_handle comm;
  lf_job_info info;
  uint32_t lanes; /* a lane's number is below this: what the library allows for tags */
  int over;       /* 1: no call of MPI any more. Under the lock */
  int said;       /* what the ends said in the last round */
  lf_job_end *ends;
  _Atomic uint32_t waiting;  /* how many wait for something to come */
  _Atomic uint32_t spinning; /* how many threads make rounds themselves now */
  _Alignas(128) _Atomic uintptr_t lock; /* 0, or the thread that holds it */
  _Atomic uint32_t starving; /* how many have waited long for the lock */
  const lf_word_handler *handlers; /* of the parts above the job, by lf_word */
  /* MPI fails in a way that nothing can go on after: all ends are over. Under the lock. */
  void (*broken)(lf_job *job, const char *api, int code, const char *what);
};

/* The job when MPI is ready for use here, else NULL with the failure recorded: MPI_UNAVAILABLE before lf_job_open has
 * said 1, MPI_FAILED when this process has left or MPI was finalised. */
lf_job *lf_job_get(void);
/* The same with the lock taken, and then looked at again: for functions that have no end which would know. */
lf_job *lf_job_enter(void);

/* 1 when it was free. */
int lf_job_try_lock(lf_job *job);
#define LF_LOCK_NAP_NS 20000u /* between two tries, where one has failed often */
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
/* Mail, peers, then every end: what they said, combined. 0 within another round, and when the job is over. */
int lf_job_round(lf_job *job, uint64_t now);
/* Rounds until one moves nothing (at most 32). */
void lf_job_settle(lf_job *job);

/* Somebody waits from now on, or no longer. Without the lock. */
void lf_job_wait_begin(lf_job *job);
void lf_job_wait_end(lf_job *job);

/* ---- peers: ranks that this process has to do with, and whether they live (liveness.c) ---- */

typedef struct lf_peer lf_peer;
struct lf_peer {
  int rank;
  int dead;            /* 1: silent for too long, or its program has ended: channels to it are over. It stays so */
  int silent;          /* 1: it does not even keep its part of the directory any more. It stays so */
  int left;            /* 1: it has said so itself */
  int past;            /* 1: it was heard again, and is another peer since */
  uint32_t losses;     /* how often it was out of reach for either side */
  uint32_t users;
  uint32_t vouched;    /* how many know from elsewhere that it lives: its silence means nothing then */
  uint64_t heard;      /* when a message came from it, of any kind: whoever receives one writes this */
  uint64_t asked;      /* when it was last asked for a sign of life */
  uint32_t unanswered; /* how often, since it was heard */
  lf_peer *next;
};

/* How long a rank may be silent, though asked ten times, until it counts as dead. Its job's thread answers, whatever
 * its other threads do; a process that is stopped (SIGSTOP, a paused machine) for so long counts as dead too. */
#define LF_PEER_SILENCE_NS ((uint64_t)10 * 1000000000)
/* The same, as LAVA_FLOW_PEER_SILENCE_MS says, or a test. */
extern uint64_t lf_peer_silence;
/* What peers use of the control channel: as lf_control_post, lf_control_forget and lf_control_recall. */
typedef struct {
  int32_t (*post)(lf_job *job, int rank, lf_word word, const void *data, uint32_t length);
  void (*forget)(int rank);
  void (*recall)(int rank);
} lf_peer_calls;
/* Before all others. */
void lf_peer_open(const lf_peer_calls *calls);
/* Reads that variable. INVALID_ARGUMENT. */
int32_t lf_peer_read_silence(void);

/* Under the lock. As long as it is retained, the rank is asked for signs of life where it is silent. NULL with
 * INVALID_ARGUMENT for a rank that there is not, or HOST_OUT_OF_MEMORY. */
lf_peer *lf_peer_retain(lf_job *job, int rank);
void lf_peer_release(lf_job *job, lf_peer *peer);

/* A letter came from the rank. One that was out of reach is there again. */
void lf_peer_heard(lf_job *job, int rank, uint64_t now);
/* The rank said that its program has ended (`silent` 1: its part of the job, too). Counts where somebody retains it. */
void lf_peer_left(int rank, int silent);
/* MPI says that it can't be reached. */
void lf_peer_lost(lf_job *job, int rank);
int lf_peer_is_silent(int rank);
/* A rank that was found dead, or -1. */
int lf_peer_any_dead(void);
void lf_peer_round(lf_job *job, uint64_t now);
/* Calls for each rank that somebody retains. */
void lf_peer_each(lf_job *job, void (*call)(lf_job *job, int rank));

/* ---- between job.c, job_start.c and finalize.c ---- */

/* Whether MPI is initialised in this process, here or by somebody else. */
int lf_job_in_process(void);
/* As lf_job_open. `handlers`, which stay, have one for each lf_word that the job itself does not read. */
int32_t lf_job_begin(const lf_word_handler *handlers);
/* Initialises MPI and fills `job`, in the job's thread; may wait for other ranks for as long as MPI does. Where another part
 * of this process finalises MPI, MPI calls `on_finalise` in that thread, and still works. */
int32_t lf_job_start(lf_job *job, void (*on_finalise)(void));
/* Whether MPI itself has begun, though not everything is agreed. Any thread. */
int lf_job_has_begun(void);
/* The ends are over, and no other comes. Under the lock. */
void lf_job_end_all(lf_job *job, const char *reason);

/* This process leaves. Under the lock, as the rest. */
void lf_finalize_begin(lf_job *job, int32_t status, uint64_t timeout_ns, uint64_t now);
/* After each round from then on: 0 to go on, LF_FINALIZE_DONE when nothing is left to do, LF_FINALIZE_MPI when MPI is to be
 * finalised as well. */
enum { LF_FINALIZE_DONE = 1, LF_FINALIZE_MPI = 2 };
int lf_finalize_step(lf_job *job, uint64_t now);
/* To one that takes this process's channels for open: says that they are not, once that is so. */
void lf_finalize_answer(lf_job *job, int rank);
/* MPI is finalised by somebody else in this process: nobody has to wait for this rank. */
void lf_finalize_by_host(lf_job *job);

#endif
