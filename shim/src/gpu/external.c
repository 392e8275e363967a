#include "gpu/external.h"

#include "base/status.h"

int32_t lf_external_refuse(int64_t os) {
  lf_status first;
  lf_status_last(&first);
  /* The close may fail, too: the first failure stays the one that is reported. */
  if (os >= 0 && lf_os_handle_close(os) < 0)
    return lf_fail(first.code, first.api, first.native_status, "%s", first.text);
  return first.code;
}
