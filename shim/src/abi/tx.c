/* lavaflow/tx.h: the handle is looked up and the arguments are checked here, and the end's transport does the rest. */
#include "abi/tx.h"

#include <string.h>

#include "base/status.h"

#define LF_FIND_TX(tx, handle) \
  lf_tx *tx = lf_handle_get(LF_KIND_TX, handle); \
  if (__builtin_expect(!tx, 0)) return lf_handle_stale(LF_KIND_TX, handle)

static void thread_ended(void *object) {
  lf_tx *tx = object;
  tx->ops->close(tx, 1);
}

int32_t lf_tx_handle(lf_tx *tx) {
  int32_t handle = lf_handle_make(LF_KIND_TX, tx, thread_ended);
  if (handle < 0) tx->ops->close(tx, 0);
  return handle;
}

int32_t lf_tx_refuse(int32_t handle) {
  LF_FIND_TX(tx, handle);
  return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "producer 0x%x has another transport", (unsigned)handle);
}

int32_t lf_tx_send(int32_t handle, const void *data, uint32_t length) {
  LF_FIND_TX(tx, handle);
  if (__builtin_expect(!data && length, 0))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a payload of %u bytes at no address", length);
  return tx->ops->send(tx, data, length);
}

int32_t lf_tx_loan(int32_t handle, double length, lf_loan *out) {
  LF_FIND_TX(tx, handle);
  if (!out || !(length >= 1 && length <= 4294967296.0))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a loan of %.0f bytes", length);
  return tx->ops->loan(tx, length, out);
}

int32_t lf_tx_commit(int32_t handle, uint32_t block, double length) {
  LF_FIND_TX(tx, handle);
  return tx->ops->commit(tx, block, length);
}

int32_t lf_tx_abort(int32_t handle, uint32_t block) {
  LF_FIND_TX(tx, handle);
  return tx->ops->abort(tx, block);
}

int32_t lf_tx_reserve(int32_t handle) {
  LF_FIND_TX(tx, handle);
  return tx->ops->reserve(tx);
}

int32_t lf_tx_commit_inline(int32_t handle, const void *data, uint32_t length) {
  LF_FIND_TX(tx, handle);
  if (length > LF_INLINE_MAX || (!data && length))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u bytes of a small loan", length);
  return tx->ops->commit_inline(tx, data, length);
}

int32_t lf_tx_abort_inline(int32_t handle) {
  LF_FIND_TX(tx, handle);
  return tx->ops->abort_inline(tx);
}

int32_t lf_tx_region(int32_t handle, uint32_t region, lf_region_info *out) {
  LF_FIND_TX(tx, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no region 0x%x", region);
  return tx->ops->region(tx, region, out);
}

int32_t lf_tx_retirable(int32_t handle, uint32_t *out) {
  LF_FIND_TX(tx, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the region");
  return tx->ops->retirable(tx, out);
}

int32_t lf_tx_retire(int32_t handle, uint32_t region) {
  LF_FIND_TX(tx, handle);
  return tx->ops->retire(tx, region);
}

int32_t lf_tx_arm(int32_t handle, int32_t until) {
  LF_FIND_TX(tx, handle);
  if (until < LF_UNTIL_CREDITS || until > LF_UNTIL_SENT)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "waiting until %d", until);
  return tx->ops->arm(tx, until);
}

int32_t lf_tx_event_fd(int32_t handle, int64_t *out) {
  LF_FIND_TX(tx, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the descriptor");
  return tx->ops->event_fd(tx, out);
}

int32_t lf_tx_stats(int32_t handle, lf_end_stats *out) {
  LF_FIND_TX(tx, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the statistics");
  memset(out, 0, sizeof *out);
  tx->ops->stats(tx, out);
  return LF_OK;
}

int32_t lf_tx_close(int32_t handle) {
  lf_tx *tx = lf_handle_take(LF_KIND_TX, handle);
  if (!tx) return lf_handle_stale(LF_KIND_TX, handle);
  tx->ops->close(tx, 0);
  return LF_OK;
}
