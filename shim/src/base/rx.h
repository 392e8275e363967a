/*
 * The receiving end of a channel, as every transport implements it. A transport's own struct begins with an lf_rx. The
 * functions are those of lavaflow/rx.h, which abi/rx.c calls with the object of a handle and with checked pointers.
 */
#ifndef LF_RX_H
#define LF_RX_H

#include "lavaflow.h"

typedef struct lf_rx lf_rx;

typedef struct {
  int32_t (*receive)(lf_rx *rx, lf_frame *out);
  int32_t (*receive_wait)(lf_rx *rx, uint64_t timeout_ns, uint64_t spin_ns, lf_frame *out);
  int32_t (*release)(lf_rx *rx, uint32_t token);
  int32_t (*region)(lf_rx *rx, uint32_t region, lf_region_info *out);
  int32_t (*retire)(lf_rx *rx, uint32_t region);
  int32_t (*arm)(lf_rx *rx);
  int32_t (*event_fd)(lf_rx *rx, int64_t *out);
  void (*stats)(lf_rx *rx, lf_end_stats *out); /* `out` is zero */
  /* As of lf_tx_ops. */
  void (*close)(lf_rx *rx, int died);
} lf_rx_ops;

struct lf_rx {
  const lf_rx_ops *ops;
};

#endif
