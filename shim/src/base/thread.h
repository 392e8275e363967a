/* What the shim's threads need of the system: a start without signals, a sleep until they are woken, random bytes.
 * The functions are in thread_posix.c and thread_win32.c. */
#ifndef LF_THREAD_H
#define LF_THREAD_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
typedef struct {
  void *woken, *timer; /* an event that resets itself, a timer */
} lf_sleeper;
#else
#include <pthread.h>
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int woken;
} lf_sleeper;
#endif

/* For one that sleeps. SYSTEM. */
int32_t lf_sleeper_open(lf_sleeper *sleeper);
/* 1 when it was woken, also before it came here; 0 when `ns` have passed. */
int lf_sleeper_sleep(lf_sleeper *sleeper, uint64_t ns);
/* Any thread. */
void lf_sleeper_wake(lf_sleeper *sleeper);

/* Calls `body` on a thread that is never joined, with all signals blocked and the system's finest timer. SYSTEM. */
int32_t lf_thread_start(void (*body)(void *given), void *given);
/* Gives way to whoever wants this processor. */
void lf_thread_yield(void);
/* Tells the processor that this is a spin. */
static inline void lf_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}
/* Sleeps for about so long. */
void lf_thread_nap(uint64_t ns);
/* Processor time that this thread has used, in ns; 0 where the system does not know it closely enough. */
uint64_t lf_thread_used(void);

/* A number, not 0, that no other thread has while this one lives. */
static inline uintptr_t lf_thread_self(void) {
#if defined(_WIN32)
  uintptr_t self; /* its block of the system's */
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

/* SYSTEM. */
int32_t lf_random(uint8_t *out, size_t bytes);

#endif
