/* The lock of the job, and the list of ends that its rounds call. */
#include "base/thread.h"
#include "job/job.h"

/* ---- the lock ---- */

#define SPINS 100   /* polls of a held lock before this thread yields: as long as a short call of MPI */
#define PATIENCE 20 /* turns of SPINS polls after which other threads let this one go first */
#define YIELDS 40   /* turns after which this thread sleeps between them instead of yielding */

static int is_held(lf_job *j) { return atomic_load_explicit(&j->lock, memory_order_relaxed) != 0; }

int lf_job_try_lock(lf_job *j) {
  uintptr_t none = 0;
  return !is_held(j) && atomic_compare_exchange_strong_explicit(&j->lock, &none, lf_thread_self(), memory_order_acquire,
                                                                memory_order_relaxed);
}

void lf_job_lock_slowly(lf_job *j, int held) {
  if (!held) {
    /* This thread has the lock, but another one has waited long, and would not get it from a thread that takes it
     * again. */
    lf_job_unlock(j);
    for (int i = 0; i < SPINS && !is_held(j) && atomic_load_explicit(&j->starving, memory_order_relaxed); i++)
      lf_relax();
    if (!is_held(j)) lf_thread_yield(); /* the other thread may need this processor */
  }
  for (int turn = 0;; turn++) {
    for (int i = 0; i < SPINS; i++) {
      if (lf_job_try_lock(j)) {
        if (turn > PATIENCE) atomic_fetch_sub(&j->starving, 1);
        return;
      }
      lf_relax();
    }
    if (turn == PATIENCE) atomic_fetch_add(&j->starving, 1);
    if (turn < YIELDS) lf_thread_yield();
    else lf_thread_nap(LF_LOCK_NAP_NS);
  }
}

/* ---- the ends ---- */

void lf_job_add(lf_job *j, lf_job_end *end) {
  end->previous = NULL;
  end->next = j->ends;
  if (end->next) end->next->previous = end;
  j->ends = end;
}

void lf_job_remove(lf_job *j, lf_job_end *end) {
  if (end->previous) end->previous->next = end->next;
  else if (j->ends == end) j->ends = end->next;
  if (end->next) end->next->previous = end->previous;
  end->next = end->previous = NULL;
}

void lf_job_end_all(lf_job *j, const char *reason) {
  for (lf_job_end *end; (end = j->ends);) {
    lf_job_remove(j, end);
    end->over(end, reason);
  }
}
