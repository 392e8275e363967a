/* Initialization that a process runs once. */
#ifndef LF_ONCE_H
#define LF_ONCE_H

#if defined(_WIN32)
#include "base/win32.h"
typedef INIT_ONCE lf_once;
#define LF_ONCE INIT_ONCE_STATIC_INIT
#else
#include <pthread.h>
typedef pthread_once_t lf_once;
#define LF_ONCE PTHREAD_ONCE_INIT
#endif

/* Runs `open` once in the process, on the first thread that calls. Other threads wait until it has returned. */
void lf_once_run(lf_once *once, void (*open)(void));

#endif
