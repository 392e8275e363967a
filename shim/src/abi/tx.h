/* Sending ends by their handles. */
#ifndef LF_ABI_TX_H
#define LF_ABI_TX_H

#include <stddef.h>

#include "base/handle.h"
#include "base/tx.h"

/* Gives the end a handle, which owns it. A failure closes the end. */
int32_t lf_tx_handle(lf_tx *tx);

/* Records that the handle is stale, or that the end is of another transport. */
int32_t lf_tx_refuse(int32_t handle);

/* The end of the transport with these functions, or NULL with the failure recorded. */
static inline void *lf_tx_get(int32_t handle, const lf_tx_ops *ops) {
  lf_tx *tx = lf_handle_get(LF_KIND_TX, handle);
  if (__builtin_expect(tx && tx->ops == ops, 1)) return tx;
  lf_tx_refuse(handle);
  return NULL;
}

#endif
