/* Sockets as every part of the shim has them. */
#ifndef LF_SOCKET_POSIX_H
#define LF_SOCKET_POSIX_H

#include <sys/socket.h>

/* A child process that is started between socket() and fcntl() would inherit the socket, and keep its peer from seeing
 * this process die: closed on exec from the first moment, where the system can do that. */
#if !defined(SOCK_CLOEXEC)
#define SOCK_CLOEXEC 0
#endif

/* Non-blocking, closed on exec, no SIGPIPE. -1 with errno. */
int lf_socket_prepare(int fd);

#endif
