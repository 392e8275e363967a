#ifndef LAVAFLOW_LINK_H
#define LAVAFLOW_LINK_H

#include "lavaflow/status.h"

/* ---- link: the connection to one peer: messages, OS handles, a bell, and the proof that it lives ---- */

#define LF_LINK_MESSAGE_MAX 16384

typedef struct {
  uint32_t kind;
  uint32_t length;
} lf_link_message;

/* Returns 1, or LF_FULL when the peer does not read. */
LF_API int32_t lf_link_send(int32_t link, uint32_t kind, const void *data, uint32_t length);
/* Returns 1, or LF_EMPTY; PEER_DIED when the peer is gone. `data` has room for LF_LINK_MESSAGE_MAX bytes. */
LF_API int32_t lf_link_receive(int32_t link, void *data, lf_link_message *out);
/* A duplicate of the descriptor that becomes readable when the peer rings, and ends when the peer dies; the caller
 * owns it. LF_EMPTY where the system has no such thing: then poll. */
LF_API int32_t lf_link_event_fd(int32_t link, int64_t *out);
/* The user's process id of the peer as the kernel knows it; 0 where it does not say. */
LF_API int32_t lf_link_peer_pid(int32_t link);
/* 1 while the peer lives, else 0. */
LF_API int32_t lf_link_alive(int32_t link);
LF_API int32_t lf_link_close(int32_t link);

#endif
