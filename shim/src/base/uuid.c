#include "base/uuid.h"

#include <stdio.h>

lf_uuid_text lf_uuid_print(const uint8_t *uuid) {
  lf_uuid_text out;
  for (int i = 0; i < LF_UUID_BYTES; i++) snprintf(out.text + 2 * i, 3, "%02x", uuid[i]);
  return out;
}
