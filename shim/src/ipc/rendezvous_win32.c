/*
 * Where two processes meet: a named pipe that only this user can open. The consumer makes it, the producer connects.
 * Each role is a pipe of one instance that nobody can open: the system gives it back the moment its process dies.
 * Nothing is put into the runtime directory here; like the user, it only sets names apart.
 */
#include "ipc/link_win32.h"

#include <aclapi.h>
#include <inttypes.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/handle.h"
#include "base/status.h"

#define NAME_MAX_BYTES 64
#define DIRECTORY_MAX_BYTES 32767
#define SID_TEXT 192 /* the longest SID has 184 characters */
#define PIPE_NAME_MAX 256 /* characters, by CreateNamedPipe */
#define PIPE_BUFFER (64u << 10)
/* Peers that one poll turns away at the most, so that a flood of them can't hold it up. */
#define ARRIVALS_MAX 16

typedef union {
  TOKEN_USER user;
  BYTE space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
} token_user;

typedef struct {
  int32_t role;
  HANDLE lock;     /* holds the role */
  HANDLE listener; /* consumer only: an instance that waits for a producer, or NULL */
  OVERLAPPED connect;
  int connecting;    /* `connect` is under way */
  int settled;
  lf_link *arriving; /* connected, its bells not here yet */
  uint32_t refused;
  int32_t last_uid;
  token_user me;
  char sid[SID_TEXT]; /* of this user */
  char name[NAME_MAX_BYTES + 1];
  wchar_t pipe[PIPE_NAME_MAX + 1];
} rendezvous;

/* ---- users ---- */

/* ERROR_SUCCESS, or why the user of the process can't be told. */
static DWORD user_of(HANDLE process, token_user *out) {
  HANDLE token;
  if (!OpenProcessToken(process, TOKEN_QUERY, &token)) return GetLastError();
  DWORD length, error = ERROR_SUCCESS;
  if (!GetTokenInformation(token, TokenUser, out, sizeof *out, &length)) error = GetLastError();
  CloseHandle(token);
  return error;
}

static int32_t learn_user(rendezvous *r) {
  DWORD error = user_of(GetCurrentProcess(), &r->me);
  if (error != ERROR_SUCCESS) return lf_fail_win32(LF_ESYSTEM, "GetTokenInformation", error, "this process's user");
  char *sid;
  if (!ConvertSidToStringSidA(r->me.user.User.Sid, &sid))
    return lf_fail_win32(LF_ESYSTEM, "ConvertSidToStringSid", GetLastError(), "this process's user");
  snprintf(r->sid, sizeof r->sid, "%s", sid);
  LocalFree(sid);
  return LF_OK;
}

/* The last number of a SID, which tells the users of one machine apart. */
static int32_t number_of(PSID sid) {
  return (int32_t)*GetSidSubAuthority(sid, (DWORD)(*GetSidSubAuthorityCount(sid) - 1));
}

/* ---- names ---- */

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash(uint64_t seed, const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) seed = (seed ^ (uint8_t)bytes[i]) * 0x100000001b3u;
  return seed;
}

/* Not every character may stand in a pipe's name, and names that differ in case only are one pipe to the system: the
 * hash sets them apart. */
static int32_t name_pipe(rendezvous *r, const char *directory, uint32_t directory_bytes, const char *scope,
                         uint32_t scope_bytes) {
  uint64_t sum = hash(0xcbf29ce484222325u, directory, directory_bytes);
  sum = hash(sum, r->name, strlen(r->name) + 1);
  sum = hash(sum, scope, scope_bytes);
  char text[PIPE_NAME_MAX * 2];
  int start = snprintf(text, sizeof text, "\\\\.\\pipe\\lava-flow-%s-", r->sid);
  snprintf(text + start, sizeof text - (size_t)start, "%s-%016" PRIx64, r->name, sum);
  for (char *at = text + start; *at; at++)
    if ((uint8_t)*at < ' ' || strchr("\"*:<>?|", *at)) *at = '_';
  int room = PIPE_NAME_MAX + 1 - (int)(sizeof ".producer" - 1);
  if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, r->pipe, room))
    return lf_fail_win32(LF_EINVALID_ARGUMENT, "MultiByteToWideChar", GetLastError(),
                         "a channel name that is not UTF-8, or too long with this user's id");
  return LF_OK;
}

/* ---- pipes ---- */

/* Any user may make a pipe of any name, before this process does and with room for its instance. So it counts only
 * when its owner is this user: then this user's descriptor guards it, and the instances that others of this user's
 * processes left or have there do no harm. (FILE_FLAG_FIRST_PIPE_INSTANCE would take those for strangers.) */
static int32_t check_owner(rendezvous *r, HANDLE pipe) {
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

/* An instance of a pipe that this user has the `rights` to, in the words of SDDL, and nobody else any. */
static int32_t make_pipe(rendezvous *r, const wchar_t *name, DWORD access, DWORD type, DWORD instances,
                         const char *rights, HANDLE *out) {
  char descriptor[SID_TEXT * 2 + 32];
  snprintf(descriptor, sizeof descriptor, "O:%sD:P(A;;%s;;;%s)", r->sid, rights, r->sid);
  SECURITY_ATTRIBUTES security = {.nLength = sizeof security};
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(descriptor, SDDL_REVISION_1, &security.lpSecurityDescriptor,
                                                            NULL))
    return lf_fail_win32(LF_ESYSTEM, "ConvertStringSecurityDescriptorToSecurityDescriptor", GetLastError(), "%s",
                         descriptor);
  HANDLE pipe = CreateNamedPipeW(name, access, type | PIPE_REJECT_REMOTE_CLIENTS, instances, PIPE_BUFFER, PIPE_BUFFER, 0,
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

/* The right to write makes instances, of which there is one; nobody can read, so nobody can connect and keep the pipe
 * when its process is gone. */
static int32_t take_role(rendezvous *r) {
  wchar_t name[PIPE_NAME_MAX + 1];
  wcscpy(name, r->pipe);
  wcscat(name, r->role == LF_ROLE_PRODUCER ? L".producer" : L".consumer");
  return make_pipe(r, name, PIPE_ACCESS_OUTBOUND, PIPE_TYPE_BYTE, 1, "GW", &r->lock);
}

/* ---- listening ---- */

static void stop_listening(rendezvous *r) {
  if (r->connecting) {
    DWORD bytes;
    CancelIoEx(r->listener, &r->connect);
    GetOverlappedResult(r->listener, &r->connect, &bytes, TRUE); /* its memory is the system's until then */
    r->connecting = 0;
  }
  if (r->listener) CloseHandle(r->listener);
  r->listener = NULL;
}

static void destroy(void *object) {
  rendezvous *r = object;
  stop_listening(r);
  lf_link_release(r->arriving);
  if (r->connect.hEvent) CloseHandle(r->connect.hEvent);
  if (r->lock) CloseHandle(r->lock); /* gives the role back */
  free(r);
}

static int32_t listen_now(rendezvous *r) {
  return make_pipe(r, r->pipe, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
                   PIPE_UNLIMITED_INSTANCES, "GA", &r->listener);
}

/* 1 when a producer has connected, 0 while none has. */
static int32_t connected(rendezvous *r) {
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
  stop_listening(r);
  /* A producer that came and went; or the thread that began to wait is gone, and its wait with it. */
  if (error == ERROR_NO_DATA || error == ERROR_BROKEN_PIPE || error == ERROR_OPERATION_ABORTED) return 0;
  return lf_fail_win32(LF_ESYSTEM, "ConnectNamedPipe", error, "waiting for a peer of \"%s\"", r->name);
}

/* ---- the peer ---- */

static int32_t refuse(rendezvous *r, const char *api, DWORD error, const char *why) {
  r->refused++;
  return lf_fail_win32(LF_EPERMISSION_DENIED, api, error, "the peer of \"%s\" %s", r->name, why);
}

/* A link over a connected pipe, which it takes over unless it fails: PERMISSION_DENIED when the other end is not this
 * user's, LF_EMPTY when it is gone already. */
static int32_t adopt(rendezvous *r, HANDLE pipe, lf_link **out) {
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
    if (error == ERROR_INVALID_PARAMETER) return LF_EMPTY; /* no such process any more */
    return refuse(r, "OpenProcess", error, "can't be opened by this process");
  }
  token_user peer;
  int32_t status = LF_OK;
  DWORD error = user_of(process, &peer);
  if (error != ERROR_SUCCESS) {
    status = refuse(r, "OpenProcessToken", error, "does not tell its user");
  } else if (!EqualSid(peer.user.User.Sid, r->me.user.User.Sid)) {
    r->last_uid = number_of(peer.user.User.Sid);
    status = refuse(r, "GetTokenInformation", ERROR_ACCESS_DENIED, "runs as another user");
  } else if (!PeekNamedPipe(pipe, NULL, 0, NULL, NULL, NULL)) {
    status = LF_EMPTY; /* while it was connected, its id could not become another process's */
  } else {
    status = lf_link_adopt(pipe, process, pid, out);
  }
  if (status != LF_OK) CloseHandle(process);
  return status;
}

static int32_t poll_consumer(rendezvous *r) {
  for (int i = 0; !r->arriving; i++) {
    int32_t status = LF_OK;
    if (!r->listener) status = listen_now(r);
    if (status == LF_OK) status = connected(r);
    if (status <= 0) return status;
    HANDLE pipe = r->listener;
    r->listener = NULL;
    status = adopt(r, pipe, &r->arriving);
    if (status == LF_OK) break;
    CloseHandle(pipe);
    /* Somebody else's process can't make this one fail: it is turned away, and the wait goes on. */
    if (status != LF_EMPTY && status != LF_EPERMISSION_DENIED) return status;
    if (i == ARRIVALS_MAX) return LF_OK;
  }
  lf_message *message;
  int32_t status = lf_link_take(r->arriving, &message);
  if (status == LF_EMPTY) return LF_OK;
  lf_link *link = r->arriving;
  r->arriving = NULL;
  if (status == 1 && lf_link_has_events(link, message)) return lf_link_handle(link);
  /* A peer of another version learns ours from the head of any message, as this process learned its. */
  if (status == LF_EWIRE_VERSION_MISMATCH) lf_link_put(link, LF_KIND_FIRST_FREE, NULL, 0, -1);
  lf_link_release(link);
  return status == LF_EWIRE_VERSION_MISMATCH ? status : LF_OK;
}

static int32_t poll_producer(rendezvous *r) {
  /* The server of the pipe may be anybody until it was looked at, so it gets no token of this process. */
  HANDLE pipe = CreateFileW(r->pipe, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
  if (pipe == INVALID_HANDLE_VALUE) {
    DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PIPE_BUSY) return LF_OK;
    return lf_fail_win32(error == ERROR_ACCESS_DENIED ? LF_EPERMISSION_DENIED : LF_ESYSTEM, "CreateFile", error,
                         "the pipe of \"%s\"", r->name);
  }
  DWORD mode = PIPE_READMODE_MESSAGE;
  lf_link *link = NULL;
  int32_t status;
  if (!SetNamedPipeHandleState(pipe, &mode, NULL, NULL)) {
    DWORD error = GetLastError();
    status = error == ERROR_PIPE_NOT_CONNECTED || error == ERROR_BROKEN_PIPE
                 ? LF_EMPTY
                 : lf_fail_win32(LF_ESYSTEM, "SetNamedPipeHandleState", error, "the pipe of \"%s\"", r->name);
  } else {
    status = adopt(r, pipe, &link);
  }
  if (status != LF_OK) {
    CloseHandle(pipe);
    return status == LF_EMPTY ? LF_OK : status;
  }
  status = lf_link_offer_events(link);
  if (status == 1) return lf_link_handle(link);
  lf_link_release(link);
  return status == LF_EPEER_DIED || status == LF_FULL ? LF_OK : status;
}

/* ---- what TypeScript calls ---- */

int32_t lf_rendezvous_open(const char *directory, uint32_t directory_bytes, const char *name, uint32_t name_bytes,
                           int32_t role, const char *scope, uint32_t scope_bytes) {
  if (!directory || !name || directory_bytes == 0 || directory_bytes > DIRECTORY_MAX_BYTES ||
      memchr(directory, 0, directory_bytes))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a runtime directory of %u bytes", directory_bytes);
  if (name_bytes == 0 || name_bytes > NAME_MAX_BYTES || memchr(name, 0, name_bytes) || memchr(name, '/', name_bytes) ||
      memchr(name, '\\', name_bytes))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a channel name has 1 to %d bytes and no slash, backslash or NUL",
                   NAME_MAX_BYTES);
  if (role != LF_ROLE_PRODUCER && role != LF_ROLE_CONSUMER)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "role %d", role);
  if (scope_bytes > LF_SCOPE_MAX || (scope_bytes && !scope))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a scope has up to %d bytes", LF_SCOPE_MAX);
  rendezvous *r = calloc(1, sizeof *r);
  if (!r) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a rendezvous of %zu bytes", sizeof *r);
  r->role = role;
  memcpy(r->name, name, name_bytes);
  int32_t status = learn_user(r);
  if (status == LF_OK) status = name_pipe(r, directory, directory_bytes, scope, scope_bytes);
  if (status == LF_OK && !(r->connect.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)))
    status = lf_fail_win32(LF_ESYSTEM, "CreateEvent", GetLastError(), "for the rendezvous of \"%s\"", r->name);
  if (status == LF_OK) status = take_role(r);
  if (status == LF_OK) status = lf_handle_make(LF_KIND_RENDEZVOUS, r, destroy);
  if (status < 0) destroy(r);
  return status;
}

int32_t lf_rendezvous_poll(int32_t handle) {
  rendezvous *r = lf_handle_get(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  if (r->settled) return LF_OK;
  return r->role == LF_ROLE_CONSUMER ? poll_consumer(r) : poll_producer(r);
}

int32_t lf_rendezvous_stop(int32_t handle) {
  rendezvous *r = lf_handle_get(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  r->settled = 1;
  stop_listening(r);
  return LF_OK;
}

int32_t lf_rendezvous_info_get(int32_t handle, lf_rendezvous_info *out) {
  rendezvous *r = lf_handle_get(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the information");
  out->refused = r->refused;
  out->last_uid = r->last_uid;
  return LF_OK;
}

int32_t lf_rendezvous_close(int32_t handle) {
  rendezvous *r = lf_handle_take(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  destroy(r);
  return LF_OK;
}

/* A role is a pipe, which has no room for a note. */
int32_t lf_rendezvous_note(int32_t handle, const char *call_site, uint32_t bytes) {
  if (!lf_handle_get(LF_KIND_RENDEZVOUS, handle)) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  if (!call_site || bytes > LF_CALL_SITE_MAX_BYTES)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a call site of %u bytes", bytes);
  return LF_OK;
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
