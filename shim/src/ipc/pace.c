/* How often an end polls its peer's liveness. */
#include "base/monotonic.h"
#include "ipc/link.h"

int lf_pace_poll(lf_pace *pace) {
  uint64_t now = lf_now_coarse();
  uint32_t twice = pace->step * 2;
  pace->step = now - pace->read >= LF_PACE_SLOW_NS ? 1 : twice < LF_PACE_STEP_MAX ? twice : LF_PACE_STEP_MAX;
  pace->left = pace->step;
  pace->read = now;
  if (now - pace->asked < LF_PACE_ASK_NS) return 0;
  pace->asked = now;
  return 1;
}
