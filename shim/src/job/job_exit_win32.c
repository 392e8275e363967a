/* Here a process that ends has stopped its other threads before anything else is called: the job's thread, which alone
 * could leave MPI, is gone by then. */
#include "base/status.h"
#include "lavaflow.h"

int32_t lf_job_close_at_exit(double timeout_ms) {
  if (timeout_ms >= 0 && timeout_ms <= 1e9) return LF_OK;
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a timeout of %g ms", timeout_ms);
}
