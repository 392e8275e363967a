/* What the rendezvous on POSIX systems and the link share: sockets. */
#ifndef LF_LINK_POSIX_H
#define LF_LINK_POSIX_H

#include <sys/socket.h>

#include "ipc/link.h"

/* A child process that is started between socket() and fcntl() would inherit the socket, and keep its peer from seeing
 * this process die: closed on exec from the first moment, where the system can do that. */
#if !defined(SOCK_CLOEXEC)
#define SOCK_CLOEXEC 0
#endif

/* Non-blocking, closed on exec, no SIGPIPE. -1 with errno. */
int lf_socket_prepare(int fd);

/* Takes both sockets over, unless it fails. `bell` -1: it comes as the first message. */
int32_t lf_link_adopt(int socket, int bell, lf_link **out);

/* Takes the bell out of the peer's first message; -1 when it is not there. */
int lf_link_take_bell(lf_link *link, lf_message *message);

#endif
