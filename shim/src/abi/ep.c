/* lavaflow/ep.h: the endpoints of a channel over MPI by their handles. */
#include "abi/link.h"
#include "abi/rx.h"
#include "abi/tx.h"
#include "base/status.h"
#include "ep/rx.h"
#include "ep/tx.h"

#define LF_FIND_TX(tx, handle) \
  lf_ep_tx *tx = lf_tx_get(handle, &lf_ep_tx_ops); \
  if (!tx) return lf_status_code()
#define LF_FIND_RX(rx, handle) \
  lf_ep_rx *rx = lf_rx_get(handle, &lf_ep_rx_ops); \
  if (!rx) return lf_status_code()

/* ---- tx ---- */

int32_t lf_mpi_tx_open(int32_t rank, int32_t link, uint32_t slots, const char *who, uint32_t who_bytes,
                       uint32_t *tag) {
  if (!tag) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the tag");
  lf_link *found = link ? lf_link_get(link) : NULL;
  if (link && !found) return lf_status_code();
  lf_ep_tx *tx;
  int32_t status = lf_ep_tx_open(rank, found, slots, who, who_bytes, &tx);
  if (status < 0) return status;
  *tag = tx->tag;
  return lf_tx_handle(&tx->tx);
}

int32_t lf_mpi_tx_connect(int32_t handle, double address) {
  LF_FIND_TX(tx, handle);
  return lf_ep_tx_connect(tx, address);
}

int32_t lf_mpi_tx_send_coalesced(int32_t handle, const void *data, uint32_t length) {
  LF_FIND_TX(tx, handle);
  if (__builtin_expect(!data && length, 0))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a payload of %u bytes at no address", length);
  return lf_ep_tx_send_coalesced(tx, data, length);
}

int32_t lf_mpi_tx_flush(int32_t handle) {
  LF_FIND_TX(tx, handle);
  return lf_ep_tx_flush(tx);
}

int32_t lf_mpi_tx_send_zcopy(int32_t handle, const void *data, double length, double *ticket) {
  LF_FIND_TX(tx, handle);
  return lf_ep_tx_send_zcopy(tx, data, length, ticket);
}

int32_t lf_mpi_tx_begin_fragments(int32_t handle, double length) {
  LF_FIND_TX(tx, handle);
  return lf_ep_tx_begin_fragments(tx, length);
}

int32_t lf_mpi_tx_send_fragment(int32_t handle, const void *data, double length, double *ticket) {
  LF_FIND_TX(tx, handle);
  return lf_ep_tx_send_fragment(tx, data, length, ticket);
}

int32_t lf_mpi_tx_sent(int32_t handle, double *ticket) {
  LF_FIND_TX(tx, handle);
  return lf_ep_tx_sent(tx, ticket);
}

/* ---- rx ---- */

int32_t lf_mpi_rx_open(int32_t rank, int32_t link, uint32_t tag, uint32_t slots, int32_t fragments, const char *who,
                       uint32_t who_bytes) {
  lf_link *found = link ? lf_link_get(link) : NULL;
  if (link && !found) return lf_status_code();
  lf_ep_rx *rx;
  int32_t status = lf_ep_rx_open(rank, found, tag, slots, fragments, who, who_bytes, &rx);
  return status < 0 ? status : lf_rx_handle(&rx->rx);
}

int32_t lf_mpi_rx_ready(int32_t handle, double *address) {
  LF_FIND_RX(rx, handle);
  return lf_ep_rx_ready(rx, address);
}

int32_t lf_mpi_rx_receive_fragment(int32_t handle, void *data, double length, double *ticket) {
  LF_FIND_RX(rx, handle);
  return lf_ep_rx_receive_fragment(rx, data, length, ticket);
}

int32_t lf_mpi_rx_arrived(int32_t handle, double *ticket) {
  LF_FIND_RX(rx, handle);
  return lf_ep_rx_arrived(rx, ticket);
}

int32_t lf_mpi_rx_retirable(int32_t handle, uint32_t *out) {
  LF_FIND_RX(rx, handle);
  return lf_ep_rx_retirable(rx, out);
}
