#include "base/thread.h"

#include <stdlib.h>

#include "base/win32.h"

/* Bytes. The compilers of GPU drivers expect the stack of a main thread. */
#define STACK_BYTES ((SIZE_T)8 << 20)

#if !defined(CREATE_WAITABLE_TIMER_HIGH_RESOLUTION)
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 2
#endif

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG bytes); /* RtlGenRandom, under the name that advapi32 exports */

static HANDLE new_timer(void) {
  /* Before Windows 10 1803 timers have a resolution of 15 ms. */
  HANDLE timer = CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS);
  return timer ? timer : CreateWaitableTimerExW(NULL, NULL, 0, TIMER_ALL_ACCESS);
}

static void set_timer(HANDLE timer, uint64_t ns) {
  LARGE_INTEGER due = {.QuadPart = -(LONGLONG)(ns / 100 + 1)};
  SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE);
}

int32_t lf_sleeper_open(lf_sleeper *s) {
  s->woken = CreateEventW(NULL, FALSE, FALSE, NULL);
  s->timer = new_timer();
  if (s->woken && s->timer) return LF_OK;
  return lf_fail_win32(LF_ESYSTEM, "CreateEventW", GetLastError(), "a sleeper");
}

int lf_sleeper_sleep(lf_sleeper *s, uint64_t ns) {
  HANDLE both[2] = {s->woken, s->timer};
  set_timer(s->timer, ns);
  return WaitForMultipleObjects(2, both, FALSE, INFINITE) == WAIT_OBJECT_0;
}

void lf_sleeper_wake(lf_sleeper *s) { SetEvent(s->woken); }

typedef struct {
  void (*body)(void *given);
  void *given;
} start;

static DWORD WINAPI run(LPVOID given) {
  start s = *(start *)given;
  free(given);
  s.body(s.given);
  return 0;
}

int32_t lf_thread_start(void (*body)(void *given), void *given) {
  start *s = malloc(sizeof *s);
  if (!s) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "the start of a thread");
  *s = (start){body, given};
  HANDLE thread = CreateThread(NULL, STACK_BYTES, run, s, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
  if (thread) {
    CloseHandle(thread);
    return LF_OK;
  }
  free(s);
  return lf_fail_win32(LF_ESYSTEM, "CreateThread", GetLastError(), "a thread of the shim");
}

void lf_thread_yield(void) { SwitchToThread(); }

void lf_thread_nap(uint64_t ns) {
  HANDLE timer = new_timer();
  if (!timer) {
    Sleep(1);
    return;
  }
  set_timer(timer, ns);
  WaitForSingleObject(timer, INFINITE);
  CloseHandle(timer);
}

uint64_t lf_thread_used(void) { return 0; }

int32_t lf_random(uint8_t *out, size_t bytes) {
  if (SystemFunction036(out, (ULONG)bytes)) return LF_OK;
  return lf_fail_win32(LF_ESYSTEM, "RtlGenRandom", GetLastError(), "%zu random bytes", bytes);
}
