#ifndef LAVAFLOW_LINK_H
#define LAVAFLOW_LINK_H

#include "lavaflow/status.h"

/* ---- link: the connection to one peer: messages, OS handles, an event fd, and the peer's liveness ---- */

#define LF_LINK_MESSAGE_MAX 16384 /* bytes */

typedef struct {
  uint32_t kind;
  uint32_t length;
} lf_link_message;

/* Sends a message without blocking. 1; LF_FULL while the peer does not read; PEER_DIED, SYSTEM; INVALID_ARGUMENT for a
 * kind that is the shim's own. */
LF_API int32_t lf_link_send(int32_t link, uint32_t kind, const void *data, uint32_t length);
/* Receives a message into `data`, which has LF_LINK_MESSAGE_MAX bytes. 1, or LF_EMPTY; PEER_DIED when the peer is gone;
 * CORRUPT_SEGMENT, WIRE_VERSION_MISMATCH. */
LF_API int32_t lf_link_receive(int32_t link, void *data, lf_link_message *out);
/* The peer's process id, as the kernel reports it; 0 when it does not. */
LF_API int32_t lf_link_peer_pid(int32_t link);
/* 1 while the peer lives, else 0. */
LF_API int32_t lf_link_alive(int32_t link);
/* Closes the handle; an end that still uses the link keeps the connection. LF_OK. */
LF_API int32_t lf_link_close(int32_t link);

#endif
