/* A rendezvous on Windows: a named pipe for the role, and one to connect on. */
#ifndef LF_RENDEZVOUS_WIN32_H
#define LF_RENDEZVOUS_WIN32_H

#include "ipc/link_win32.h"
#include "ipc/rendezvous.h"

#define LF_DIRECTORY_MAX_BYTES 32767u /* of a path on Windows */
#define LF_SID_TEXT 192               /* bytes: the longest SID has 184 characters */
#define LF_PIPE_NAME_MAX 256          /* characters, by CreateNamedPipe */

typedef union {
  TOKEN_USER user;
  BYTE space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
} lf_token_user;

struct lf_rendezvous {
  int32_t role;
  int32_t handle;
  HANDLE lock;     /* holds the role */
  HANDLE listener; /* of a consumer that listens: an instance of the pipe; else NULL */
  OVERLAPPED connect;
  int connecting; /* `connect` is pending */
  int stopped;
  lf_link *arriving; /* connected, its events have not arrived */
  uint32_t refused;
  int32_t last_uid;
  lf_token_user me;
  char sid[LF_SID_TEXT]; /* of this user */
  char name[LF_NAME_MAX_BYTES + 1];
  wchar_t pipe[LF_PIPE_NAME_MAX + 1];
};

#endif
