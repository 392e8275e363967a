/* The realtime clock. */
#ifndef LF_REALTIME_H
#define LF_REALTIME_H

#include <stdint.h>

/* Microseconds since 1970, UTC. The clock may be set back. */
uint64_t lf_realtime_micros(void);

#endif
