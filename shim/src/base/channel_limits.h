/* What a channel may have, whichever transport carries it. */
#ifndef LF_CHANNEL_LIMITS_H
#define LF_CHANNEL_LIMITS_H

#include <stdint.h>

#define LF_SLOTS_MIN 2u
#define LF_SLOTS_MAX 65536u

/* More than any driver gives at once. */
#define LF_GPU_BYTES_MAX ((uint64_t)1 << 48)

#endif
