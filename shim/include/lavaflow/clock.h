#ifndef LAVAFLOW_CLOCK_H
#define LAVAFLOW_CLOCK_H

#include "lavaflow/status.h"

/* ---- a hybrid logical clock: eight bytes, aligned and 0 at first, that threads may share ---- */

/* A stamp greater than all that the clock gave or saw: microseconds since 1970 in out[0], the logical counter in out[1].
 * `wall` is the time of day in microseconds; below 0: the system's. */
LF_API int32_t lf_clock_tick(void *word, double wall, double *out);
/* The same, and greater than the stamp of another clock. CLOCK_DRIFT, with the clock as it was, where that is more than
 * `max_drift` microseconds ahead of the wall. */
LF_API int32_t lf_clock_update(void *word, double wall, double physical, double logical, double max_drift, double *out);

#endif
