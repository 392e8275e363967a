/* What the rendezvous on POSIX systems and the link share: sockets. */
#ifndef LF_LINK_POSIX_H
#define LF_LINK_POSIX_H

#include "host/socket_posix.h"
#include "ipc/link.h"

/* Takes both sockets over, unless it fails. `bell` -1: it comes as the first message. */
int32_t lf_link_adopt(int socket, int bell, lf_link **out);

/* Takes the bell out of the peer's first message; -1 when it is not there. */
int lf_link_take_event_fd(lf_link *link, lf_message *message);

#endif
