/* A lock with a static initializer, for tables that all threads share. */
#ifndef LF_LOCK_H
#define LF_LOCK_H

#if defined(_WIN32)
#include <windows.h>
typedef SRWLOCK lf_lock;
#define LF_LOCK_FREE SRWLOCK_INIT
static inline void lf_lock_take(lf_lock *lock) { AcquireSRWLockExclusive(lock); }
static inline void lf_lock_give(lf_lock *lock) { ReleaseSRWLockExclusive(lock); }
#else
#include <pthread.h>
typedef pthread_mutex_t lf_lock;
#define LF_LOCK_FREE PTHREAD_MUTEX_INITIALIZER
static inline void lf_lock_take(lf_lock *lock) { pthread_mutex_lock(lock); }
static inline void lf_lock_give(lf_lock *lock) { pthread_mutex_unlock(lock); }
#endif

#endif
