/* lavaflow/rx.h: the handle is looked up and the arguments are checked here, and the end's transport does the rest. */
#include "abi/rx.h"

#include <string.h>

#include "base/status.h"

#define LF_FIND_RX(rx, handle) \
  lf_rx *rx = lf_handle_get(LF_KIND_RX, handle); \
  if (__builtin_expect(!rx, 0)) return lf_handle_stale(LF_KIND_RX, handle)

static void thread_ended(void *object) {
  lf_rx *rx = object;
  rx->ops->close(rx, 1);
}

int32_t lf_rx_handle(lf_rx *rx) {
  int32_t handle = lf_handle_make(LF_KIND_RX, rx, thread_ended);
  if (handle < 0) rx->ops->close(rx, 0);
  return handle;
}

int32_t lf_rx_refuse(int32_t handle) {
  LF_FIND_RX(rx, handle);
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "consumer 0x%x has another transport", (unsigned)handle);
}

int32_t lf_rx_receive(int32_t handle, lf_frame *out) {
  LF_FIND_RX(rx, handle);
  if (__builtin_expect(!out, 0)) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the frame");
  return rx->ops->receive(rx, out);
}

/* Of `each` nanoseconds, at most 2^62 in all. */
static inline uint64_t nanoseconds(double time, double each) {
  double all = time * each;
  return all < 4611686018427387904.0 ? (uint64_t)all : (uint64_t)1 << 62;
}

int32_t lf_rx_receive_wait(int32_t handle, double timeout_ms, double spin_us, lf_frame *out) {
  LF_FIND_RX(rx, handle);
  if (!out || !(timeout_ms >= 0) || !(spin_us >= 0))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a wait of %f ms that spins for %f us", timeout_ms, spin_us);
  return rx->ops->receive_wait(rx, nanoseconds(timeout_ms, 1e6), nanoseconds(spin_us, 1e3), out);
}

int32_t lf_rx_release(int32_t handle, uint32_t token) {
  LF_FIND_RX(rx, handle);
  return rx->ops->release(rx, token);
}

int32_t lf_rx_region(int32_t handle, uint32_t region, lf_region_info *out) {
  LF_FIND_RX(rx, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", region);
  return rx->ops->region(rx, region, out);
}

int32_t lf_rx_retire(int32_t handle, uint32_t region) {
  LF_FIND_RX(rx, handle);
  return rx->ops->retire(rx, region);
}

int32_t lf_rx_arm(int32_t handle) {
  LF_FIND_RX(rx, handle);
  return rx->ops->arm(rx);
}

int32_t lf_rx_event_fd(int32_t handle, int64_t *out) {
  LF_FIND_RX(rx, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the descriptor");
  return rx->ops->event_fd(rx, out);
}

int32_t lf_rx_stats(int32_t handle, lf_end_stats *out) {
  LF_FIND_RX(rx, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the statistics");
  memset(out, 0, sizeof *out);
  rx->ops->stats(rx, out);
  return LF_OK;
}

int32_t lf_rx_close(int32_t handle) {
  lf_rx *rx = lf_handle_take(LF_KIND_RX, handle);
  if (!rx) return lf_handle_stale(LF_KIND_RX, handle);
  rx->ops->close(rx, 0);
  return LF_OK;
}
