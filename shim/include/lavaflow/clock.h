#ifndef LAVAFLOW_CLOCK_H
#define LAVAFLOW_CLOCK_H

#include "lavaflow/status.h"

/* ---- clock: a hybrid logical clock is 8 bytes, aligned and initially 0, which threads may share ---- */

/* Takes a stamp greater than all that the clock returned or merged: microseconds since 1970 in out[0], the logical
 * counter in out[1]. `wall` is the realtime clock in microseconds; below 0: the system's is read. LF_OK,
 * INVALID_ARGUMENT. */
LF_API int32_t lf_clock_tick(void *word, double wall, double *out);
/* Merges the stamp of another clock, and takes a stamp greater than that, too. LF_OK; CLOCK_DRIFT, with the clock
 * unchanged, when that stamp is more than `max_drift` microseconds ahead of the realtime clock. */
LF_API int32_t lf_clock_update(void *word, double wall, double physical, double logical, double max_drift, double *out);

#endif
