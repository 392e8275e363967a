/* Threads of the shim, sleepers, random bytes (thread_posix.c, thread_win32.c). */
#ifndef LF_THREAD_H
#define LF_THREAD_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
typedef struct {
  void *woken, *timer; /* an auto-reset event, a waitable timer */
} lf_sleeper;
#else
#include <pthread.h>
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int woken;
} lf_sleeper;
#endif

/* Initializes a sleeper for one sleeping thread. LF_OK, SYSTEM. */
int32_t lf_sleeper_open(lf_sleeper *sleeper);
/* Blocks until the sleeper is woken: 1; also when it was woken before this call. 0 after `ns`. */
int lf_sleeper_sleep(lf_sleeper *sleeper, uint64_t ns);
/* Wakes the sleeper. Callable on any thread. */
void lf_sleeper_wake(lf_sleeper *sleeper);

/* Calls `body` on a detached thread, with all signals blocked and, on Linux, the finest timer slack. LF_OK, SYSTEM,
 * HOST_OUT_OF_MEMORY. */
int32_t lf_thread_start(void (*body)(void *given), void *given);
/* Yields the processor to another runnable thread. */
void lf_thread_yield(void);
/* Tells the processor that the caller is in a spin loop. */
static inline void lf_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}
/* Sleeps for at least `ns`. */
void lf_thread_nap(uint64_t ns);
/* Nanoseconds of processor time that this thread has used; 0 on systems that do not measure it closely enough. */
uint64_t lf_thread_used(void);

/* A number, not 0, that no other live thread has. */
static inline uintptr_t lf_thread_self(void) {
#if defined(_WIN32)
  uintptr_t self; /* the thread environment block */
  __asm__("mov %%gs:0x30, %0" : "=r"(self));
  return self;
#elif defined(__linux__) && defined(__x86_64__)
  uintptr_t self;
  __asm__("mov %%fs:0, %0" : "=r"(self));
  return self;
#else
  return (uintptr_t)pthread_self();
#endif
}

/* Fills `out` with random bytes of the system. LF_OK, SYSTEM. */
int32_t lf_random(uint8_t *out, size_t bytes);

#endif
