/* Limits of a channel, the same for each transport. */
#ifndef LF_CHANNEL_LIMITS_H
#define LF_CHANNEL_LIMITS_H

#include <stdint.h>

#define LF_SLOTS_MIN 2u
#define LF_SLOTS_MAX 65536u

/* Bytes. Bounds the size of GPU memory that a peer announces; no driver allocates more at once. */
#define LF_GPU_BYTES_MAX ((uint64_t)1 << 48)

#endif
