#include "base/once.h"

static BOOL CALLBACK run_once(PINIT_ONCE once, PVOID open, PVOID *context) {
  (void)once;
  (void)context;
  ((void (*)(void))open)();
  return TRUE;
}
void lf_once_run(lf_once *once, void (*open)(void)) { InitOnceExecuteOnce(once, run_once, (PVOID)open, NULL); }
