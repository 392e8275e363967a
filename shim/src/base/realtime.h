/* The time of day. */
#ifndef LF_REALTIME_H
#define LF_REALTIME_H

#include <stdint.h>

/* Microseconds since 1970, UTC. It may be set back. */
uint64_t lf_realtime_micros(void);

#endif
