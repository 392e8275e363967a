#ifndef LF_UUID_H
#define LF_UUID_H

#include "lavaflow.h"

/* A UUID as 32 hexadecimal digits. */
typedef struct {
  char text[2 * LF_UUID_BYTES + 1];
} lf_uuid_text;
lf_uuid_text lf_uuid_print(const uint8_t *uuid);

#endif
