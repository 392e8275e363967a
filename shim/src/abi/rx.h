/* Receiving ends by their handles. */
#ifndef LF_ABI_RX_H
#define LF_ABI_RX_H

#include <stddef.h>

#include "base/handle.h"
#include "base/rx.h"

/* Gives the end a handle, which owns it. A failure closes the end. */
int32_t lf_rx_handle(lf_rx *rx);

/* Records that the handle is stale, or that the end is of another transport. */
int32_t lf_rx_refuse(int32_t handle);

/* The end of the transport with these functions, or NULL with the failure recorded. */
static inline void *lf_rx_get(int32_t handle, const lf_rx_ops *ops) {
  lf_rx *rx = lf_handle_get(LF_KIND_RX, handle);
  if (__builtin_expect(rx && rx->ops == ops, 1)) return rx;
  lf_rx_refuse(handle);
  return NULL;
}

#endif
