/*
 * The sending end of a channel, as every transport implements it. A transport's own struct begins with an lf_tx. The
 * functions are those of lavaflow/tx.h, which abi/tx.c calls with the object of a handle and with checked pointers.
 */
#ifndef LF_TX_H
#define LF_TX_H

#include "lavaflow.h"

typedef struct lf_tx lf_tx;

typedef struct {
  int32_t (*send)(lf_tx *tx, const void *data, uint32_t length);
  int32_t (*loan)(lf_tx *tx, double length, lf_loan *out);
  int32_t (*commit)(lf_tx *tx, uint32_t block, double length);
  int32_t (*abort)(lf_tx *tx, uint32_t block);
  int32_t (*reserve)(lf_tx *tx);
  int32_t (*commit_inline)(lf_tx *tx, const void *data, uint32_t length);
  int32_t (*abort_inline)(lf_tx *tx);
  int32_t (*region)(lf_tx *tx, uint32_t region, lf_region_info *out);
  int32_t (*retirable)(lf_tx *tx, uint32_t *out);
  int32_t (*retire)(lf_tx *tx, uint32_t region);
  int32_t (*arm)(lf_tx *tx, int32_t until);
  int32_t (*event_fd)(lf_tx *tx, int64_t *out);
  void (*stats)(lf_tx *tx, lf_end_stats *out); /* `out` is zero */
  /* Frees the end. `died` 1: its thread ended with the end open, and the peer finds it dead, as it would a process. */
  void (*close)(lf_tx *tx, int died);
} lf_tx_ops;

struct lf_tx {
  const lf_tx_ops *ops;
};

#endif
