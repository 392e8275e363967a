/* Sockets of a link, for the rendezvous on POSIX systems. */
#ifndef LF_LINK_POSIX_H
#define LF_LINK_POSIX_H

#include "host/socket_posix.h"
#include "ipc/link.h"

/* Makes a link, which takes over both sockets unless this fails. `event_fd` -1: it comes with the peer's first message.
 * LF_OK, HOST_OUT_OF_MEMORY, SYSTEM. */
int32_t lf_link_adopt(int socket, int event_fd, lf_link **out);

#endif
