/* What the rendezvous on Windows and the link share: one end of a named pipe. */
#ifndef LF_LINK_WIN32_H
#define LF_LINK_WIN32_H

#include "base/win32.h"
#include "ipc/link.h"

/* Takes both handles over, unless it fails. `pipe` is overlapped and reads whole messages; `process` is the peer, with
 * the rights LF_PEER_RIGHTS. */
int32_t lf_link_adopt(HANDLE pipe, HANDLE process, DWORD pid, lf_link **out);

#define LF_PEER_RIGHTS (SYNCHRONIZE | PROCESS_DUP_HANDLE | PROCESS_QUERY_LIMITED_INFORMATION)

/* Makes the bells of both sides and sends the peer its handles of them: 1, LF_FULL, PEER_DIED, SYSTEM. */
int32_t lf_link_offer_events(lf_link *link);

/* 1 when `message` brought the bells. */
int lf_link_has_events(const lf_link *link, const lf_message *message);

#endif
