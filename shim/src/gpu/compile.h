/*
 * Compiles of shaders. A driver takes from a tenth of a millisecond to minutes for one, so each runs on a thread of the shim:
 * the caller's thread goes on.
 */
#ifndef LF_COMPILE_H
#define LF_COMPILE_H

#include <stdint.h>

/* Compiles that run at the same time; others wait for one of them to end. Each takes a processor and up to 8 MiB of stack, and
 * the runtime needs processors too. */
#define LF_COMPILES_MAX 4

/* What a compile is of has this as its first member. */
typedef struct lf_compile lf_compile;
struct lf_compile {
  void (*run)(lf_compile *compile);
  lf_compile *next;
};

/* Calls `run` once, on another thread; `run` may free the compile. After an error it is not called. SYSTEM,
 * HOST_OUT_OF_MEMORY. */
int32_t lf_compile_start(lf_compile *compile);
/* Threads that are in `run`, or come to it. Any thread may ask. */
uint32_t lf_compile_threads(void);

#endif
