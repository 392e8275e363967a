/* The end of a named pipe of a link, for the rendezvous on Windows. */
#ifndef LF_LINK_WIN32_H
#define LF_LINK_WIN32_H

#include "base/win32.h"
#include "ipc/link.h"

/* Makes a link, which takes over both handles unless this fails. `pipe` is overlapped and reads whole messages.
 * `process` is the peer's, with LF_PEER_RIGHTS. LF_OK, HOST_OUT_OF_MEMORY, SYSTEM. */
int32_t lf_link_adopt(HANDLE pipe, HANDLE process, DWORD pid, lf_link **out);

#define LF_PEER_RIGHTS (SYNCHRONIZE | PROCESS_DUP_HANDLE | PROCESS_QUERY_LIMITED_INFORMATION)

/* Creates the events of both sides and sends the peer its handles of them. 1, LF_FULL, PEER_DIED, SYSTEM. */
int32_t lf_link_offer_events(lf_link *link);

#endif
