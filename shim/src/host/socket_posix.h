/* Sockets with the flags that all parts of the shim use. */
#ifndef LF_SOCKET_POSIX_H
#define LF_SOCKET_POSIX_H

#include <sys/socket.h>

/* Sockets are closed on exec from their creation, where the system has the flag. A child started between socket() and
 * fcntl() would otherwise inherit the socket and hide the death of this process from the peer. */
#if !defined(SOCK_CLOEXEC)
#define SOCK_CLOEXEC 0
#endif

/* Makes the socket non-blocking, closed on exec and free of SIGPIPE. 0, or -1 with errno. */
int lf_socket_prepare(int fd);

#endif
