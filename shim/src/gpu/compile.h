/*
 * Compiles of shaders. One takes a driver from a tenth of a millisecond to minutes, so each runs on a thread of the
 * shim, and the caller's thread goes on.
 */
#ifndef LF_COMPILE_H
#define LF_COMPILE_H

#include <stdint.h>

/* Compiles that run at the same time; the others wait. Each takes a processor and up to 8 MiB of stack, and the runtime
 * needs processors too. */
#define LF_COMPILES_MAX 4

/* The first member of a struct that has a compile. */
typedef struct lf_compile lf_compile;
struct lf_compile {
  void (*run)(lf_compile *compile);
  lf_compile *next;
};

/* Calls `run` once, on another thread; `run` may free the compile. After an error `run` is not called. LF_OK, SYSTEM,
 * HOST_OUT_OF_MEMORY. */
int32_t lf_compile_start(lf_compile *compile);
/* The number of compile threads. Callable on any thread. */
uint32_t lf_compile_threads(void);

#endif
