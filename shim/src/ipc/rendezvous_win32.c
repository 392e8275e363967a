/*
 * A rendezvous on a named pipe that only this user can open. The consumer creates it, the producer connects. Each role
 * is a pipe with one instance, which no process can open: the system frees it when its process dies. The runtime
 * directory has no files here; like the user, it only makes names different.
 */
#include "ipc/rendezvous_state.h"

#include <aclapi.h>
#include <inttypes.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

#define PIPE_BUFFER (64u << 10)
/* ---- users ---- */

/* Reads the user of a process: ERROR_SUCCESS, or the failure. */
static DWORD user_of(HANDLE process, lf_token_user *out) {
  HANDLE token;
  if (!OpenProcessToken(process, TOKEN_QUERY, &token)) return GetLastError();
  DWORD length, error = ERROR_SUCCESS;
  if (!GetTokenInformation(token, TokenUser, out, sizeof *out, &length)) error = GetLastError();
  CloseHandle(token);
  return error;
}

static int32_t learn_user(lf_rendezvous *r) {
  DWORD error = user_of(GetCurrentProcess(), &r->me);
  if (error != ERROR_SUCCESS) return lf_fail_win32(LF_ESYSTEM, "GetTokenInformation", error, "this process's user");
  char *sid;
  if (!ConvertSidToStringSidA(r->me.user.User.Sid, &sid))
    return lf_fail_win32(LF_ESYSTEM, "ConvertSidToStringSid", GetLastError(), "this process's user");
  snprintf(r->sid, sizeof r->sid, "%s", sid);
  LocalFree(sid);
  return LF_OK;
}

/* The last number of a SID, which is different for each user of a machine. */
static int32_t number_of(PSID sid) {
  return (int32_t)*GetSidSubAuthority(sid, (DWORD)(*GetSidSubAuthorityCount(sid) - 1));
}

/* ---- names ---- */

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash(uint64_t seed, const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) seed = (seed ^ (uint8_t)bytes[i]) * 0x100000001b3u;
  return seed;
}

/* Some characters are not allowed in a pipe's name, and names that differ only in case are one pipe. The hash makes
 * them different. */
static int32_t name_pipe(lf_rendezvous *r, const lf_rendezvous_key *key) {
  uint64_t sum = hash(0xcbf29ce484222325u, key->directory, key->directory_bytes);
  sum = hash(sum, r->name, strlen(r->name) + 1);
  sum = hash(sum, key->scope, key->scope_bytes);
  char text[LF_PIPE_NAME_MAX * 2];
  int start = snprintf(text, sizeof text, "\\\\.\\pipe\\lava-flow-%s-", r->sid);
  snprintf(text + start, sizeof text - (size_t)start, "%s-%016" PRIx64, r->name, sum);
  for (char *at = text + start; *at; at++)
    if ((uint8_t)*at < ' ' || strchr("\"*:<>?|", *at)) *at = '_';
  int capacity = LF_PIPE_NAME_MAX + 1 - (int)(sizeof ".producer" - 1);
  if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, r->pipe, capacity))
    return lf_fail_win32(LF_EINVALID_ARGUMENT, "MultiByteToWideChar", GetLastError(),
                         "a channel name that is not UTF-8, or too long with this user's id");
  return LF_OK;
}

/* ---- pipes ---- */

/* LF_OK when this user owns the pipe. Any user may have created a pipe of this name before this process, with instances
 * left for it. If this user owns the pipe, this user's descriptor guards it, and instances of this user's other
 * processes do no harm. FILE_FLAG_FIRST_PIPE_INSTANCE would refuse those, too. */
static int32_t check_owner(lf_rendezvous *r, HANDLE pipe) {
  PSID owner = NULL;
  PSECURITY_DESCRIPTOR descriptor = NULL;
  DWORD error =
      GetSecurityInfo(pipe, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL, NULL, NULL, &descriptor);
  if (error != ERROR_SUCCESS) return lf_fail_win32(LF_ESYSTEM, "GetSecurityInfo", error, "the pipe of \"%s\"", r->name);
  int mine = owner && EqualSid(owner, r->me.user.User.Sid);
  LocalFree(descriptor);
  return mine ? LF_OK
              : lf_fail(LF_EPERMISSION_DENIED, "GetSecurityInfo", 0, "the pipe of \"%s\" is another user's", r->name);
}

/* Creates an instance of a pipe to which this user has `rights` (in SDDL), and no other user any. */
static int32_t make_pipe(lf_rendezvous *r, const wchar_t *name, DWORD access, DWORD type, DWORD instances,
                         const char *rights, HANDLE *out) {
  char descriptor[LF_SID_TEXT * 2 + 32];
  snprintf(descriptor, sizeof descriptor, "O:%sD:P(A;;%s;;;%s)", r->sid, rights, r->sid);
  SECURITY_ATTRIBUTES security = {.nLength = sizeof security};
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(descriptor, SDDL_REVISION_1, &security.lpSecurityDescriptor,
                                                            NULL))
    return lf_fail_win32(LF_ESYSTEM, "ConvertStringSecurityDescriptorToSecurityDescriptor", GetLastError(), "%s",
                         descriptor);
  HANDLE pipe = CreateNamedPipeW(name, access, type | PIPE_REJECT_REMOTE_CLIENTS, instances, PIPE_BUFFER, PIPE_BUFFER,
                                 0,
                                 &security);
  DWORD error = GetLastError();
  LocalFree(security.lpSecurityDescriptor);
  if (pipe == INVALID_HANDLE_VALUE) {
    if (error == ERROR_PIPE_BUSY)
      return lf_fail_win32(LF_ENAME_IN_USE, "CreateNamedPipe", error, "a running process is already the %s of \"%s\"",
                           r->role == LF_ROLE_PRODUCER ? "producer" : "consumer", r->name);
    return lf_fail_win32(error == ERROR_ACCESS_DENIED ? LF_EPERMISSION_DENIED : LF_ESYSTEM, "CreateNamedPipe", error,
                         "a pipe of \"%s\"", r->name);
  }
  int32_t status = check_owner(r, pipe);
  if (status < 0) CloseHandle(pipe);
  else *out = pipe;
  return status;
}

/* The right to write allows instances, of which the pipe has one. No process may read, so none can connect and keep the
 * pipe when its owner is gone. */
static int32_t take_role(lf_rendezvous *r) {
  wchar_t name[LF_PIPE_NAME_MAX + 1];
  wcscpy(name, r->pipe);
  wcscat(name, r->role == LF_ROLE_PRODUCER ? L".producer" : L".consumer");
  return make_pipe(r, name, PIPE_ACCESS_OUTBOUND, PIPE_TYPE_BYTE, 1, "GW", &r->lock);
}

/* ---- listening ---- */

void lf_rendezvous_stop_listening(lf_rendezvous *r) {
  if (r->connecting) {
    DWORD bytes;
    CancelIoEx(r->listener, &r->connect);
    GetOverlappedResult(r->listener, &r->connect, &bytes, TRUE); /* the system writes to `connect` until then */
    r->connecting = 0;
  }
  if (r->listener) CloseHandle(r->listener);
  r->listener = NULL;
}

void lf_rendezvous_leave(lf_rendezvous *r) {
  lf_rendezvous_stop_listening(r);
  if (r->connect.hEvent) CloseHandle(r->connect.hEvent);
  if (r->lock) CloseHandle(r->lock); /* gives the role back */
}

static int32_t listen_now(lf_rendezvous *r) {
  return make_pipe(r, r->pipe, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
                   PIPE_UNLIMITED_INSTANCES, "GA", &r->listener);
}

/* 1 when a producer has connected, else 0. */
static int32_t connected(lf_rendezvous *r) {
  DWORD bytes, error;
  if (r->connecting) {
    error = GetOverlappedResult(r->listener, &r->connect, &bytes, FALSE) ? ERROR_PIPE_CONNECTED : GetLastError();
  } else {
    error = ConnectNamedPipe(r->listener, &r->connect) ? ERROR_PIPE_CONNECTED : GetLastError();
    if (error == ERROR_IO_PENDING) error = ERROR_IO_INCOMPLETE;
  }
  r->connecting = error == ERROR_IO_INCOMPLETE;
  if (error == ERROR_PIPE_CONNECTED) return 1;
  if (error == ERROR_IO_INCOMPLETE) return 0;
  lf_rendezvous_stop_listening(r);
  /* A producer has connected and left; or the thread that began the wait has ended, and its wait with it. */
  if (error == ERROR_NO_DATA || error == ERROR_BROKEN_PIPE || error == ERROR_OPERATION_ABORTED) return 0;
  return lf_fail_win32(LF_ESYSTEM, "ConnectNamedPipe", error, "waiting for a peer of \"%s\"", r->name);
}

/* ---- the peer ---- */

static int32_t refuse(lf_rendezvous *r, const char *api, DWORD error, const char *why) {
  r->refused++;
  return lf_fail_win32(LF_EPERMISSION_DENIED, api, error, "the peer of \"%s\" %s", r->name, why);
}

/* Makes a link of a connected pipe, which it takes over unless it fails: PERMISSION_DENIED when the other end is
 * another user's, LF_EMPTY when it is gone already. */
static int32_t adopt(lf_rendezvous *r, HANDLE pipe, lf_link **out) {
  ULONG pid = 0;
  int server = r->role == LF_ROLE_CONSUMER;
  if (!(server ? GetNamedPipeClientProcessId(pipe, &pid) : GetNamedPipeServerProcessId(pipe, &pid))) {
    DWORD error = GetLastError();
    if (error == ERROR_PIPE_NOT_CONNECTED || error == ERROR_BROKEN_PIPE) return LF_EMPTY;
    return lf_fail_win32(LF_ESYSTEM, server ? "GetNamedPipeClientProcessId" : "GetNamedPipeServerProcessId", error,
                         "the peer of \"%s\"", r->name);
  }
  HANDLE process = OpenProcess(LF_PEER_RIGHTS, FALSE, pid);
  if (!process) {
    DWORD error = GetLastError();
    if (error == ERROR_INVALID_PARAMETER) return LF_EMPTY; /* the process has ended */
    return refuse(r, "OpenProcess", error, "can't be opened by this process");
  }
  lf_token_user peer;
  int32_t status = LF_OK;
  DWORD error = user_of(process, &peer);
  if (error != ERROR_SUCCESS) {
    status = refuse(r, "OpenProcessToken", error, "does not tell its user");
  } else if (!EqualSid(peer.user.User.Sid, r->me.user.User.Sid)) {
    r->last_uid = number_of(peer.user.User.Sid);
    status = refuse(r, "GetTokenInformation", ERROR_ACCESS_DENIED, "runs as another user");
  } else if (!PeekNamedPipe(pipe, NULL, 0, NULL, NULL, NULL)) {
    status = LF_EMPTY; /* while it was connected, its id could not be reused */
  } else {
    status = lf_link_adopt(pipe, process, pid, out);
  }
  if (status != LF_OK) CloseHandle(process);
  return status;
}

/* ---- the steps of a poll ---- */

int32_t lf_rendezvous_begin(lf_rendezvous *r, const lf_rendezvous_key *key) {
  int32_t status = learn_user(r);
  if (status == LF_OK) status = name_pipe(r, key);
  if (status == LF_OK && !(r->connect.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)))
    status = lf_fail_win32(LF_ESYSTEM, "CreateEvent", GetLastError(), "for the rendezvous of \"%s\"", r->name);
  return status == LF_OK ? take_role(r) : status;
}

int32_t lf_rendezvous_refresh(lf_rendezvous *r) {
  (void)r;
  return 1;
}

int32_t lf_rendezvous_accept(lf_rendezvous *r) {
  int32_t status = r->listener ? LF_OK : listen_now(r);
  if (status == LF_OK) status = connected(r);
  if (status <= 0) return status;
  HANDLE pipe = r->listener;
  r->listener = NULL;
  status = adopt(r, pipe, &r->arriving);
  if (status == LF_OK) return 1;
  CloseHandle(pipe);
  /* A process of another user is refused. It cannot make this process fail. */
  return status == LF_EMPTY || status == LF_EPERMISSION_DENIED ? 1 : status;
}

int32_t lf_rendezvous_dial(lf_rendezvous *r, lf_link **out) {
  /* Any process may serve the pipe until its user was checked, so it must not impersonate this process. */
  HANDLE pipe = CreateFileW(r->pipe, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
  if (pipe == INVALID_HANDLE_VALUE) {
    DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PIPE_BUSY) return LF_EMPTY;
    return lf_fail_win32(error == ERROR_ACCESS_DENIED ? LF_EPERMISSION_DENIED : LF_ESYSTEM, "CreateFile", error,
                         "the pipe of \"%s\"", r->name);
  }
  DWORD mode = PIPE_READMODE_MESSAGE;
  int32_t status;
  if (!SetNamedPipeHandleState(pipe, &mode, NULL, NULL)) {
    DWORD error = GetLastError();
    status = error == ERROR_PIPE_NOT_CONNECTED || error == ERROR_BROKEN_PIPE
                 ? LF_EMPTY
                 : lf_fail_win32(LF_ESYSTEM, "SetNamedPipeHandleState", error, "the pipe of \"%s\"", r->name);
  } else {
    status = adopt(r, pipe, out);
  }
  if (status == LF_OK) return lf_link_offer_events(*out);
  CloseHandle(pipe);
  return status;
}

/* ---- notes, for which a pipe has no memory ---- */

void lf_role_met(const lf_rendezvous *r) { (void)r; }

void lf_rendezvous_write_note(lf_rendezvous *r, const char *call_site, uint32_t bytes) {
  (void)r, (void)call_site, (void)bytes;
}

int32_t lf_rendezvous_holder(const char *directory, uint32_t directory_bytes, const char *name, uint32_t name_bytes,
                             int32_t role, const char *scope, uint32_t scope_bytes, lf_role_holder *out) {
  (void)directory;
  (void)directory_bytes;
  (void)name;
  (void)name_bytes;
  (void)role;
  (void)scope;
  (void)scope_bytes;
  return out ? LF_EMPTY : lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the holder");
}
