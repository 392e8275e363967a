/*
 * A link is one end of a named pipe that carries whole messages, an event for each side, and a handle of the peer's
 * process. OS handles are duplicated into the peer before the message that names them is sent, so they outlive a sender
 * that dies. A peer could name any handle of this process, but it runs as the same user, who may close handles here
 * anyway.
 */
#include "base/status.h"
#include "ipc/link_win32.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x574c464cu /* "LFLW" */
#define HANDLES_MAX 2     /* the two events; every other message has at most one handle */
/* Messages that a closing link reads, for the handles in them. The pipe's buffer holds fewer. */
#define LEFT_OVER_MAX 4096

typedef struct {
  uint32_t magic;
  uint16_t version;
  uint16_t kind;
  uint32_t length;
  uint32_t handles;
  int64_t os[HANDLES_MAX]; /* in the receiver's process */
} header;

typedef struct {
  header head;
  uint8_t data[LF_LINK_MESSAGE_MAX];
} packet;

struct lf_link {
  _Atomic uint32_t owners;
  HANDLE pipe;
  HANDLE process;
  DWORD pid;
  HANDLE event;      /* set by the peer; NULL until it has arrived (accepting side) */
  HANDLE peer_event; /* set by this side */
  HANDLE done;      /* signalled when an overlapped call has ended */
  int gone;
  int32_t failed; /* the peer's stream is invalid: the status of all later receives */
  packet in, out;
  lf_message message;
};

int32_t lf_link_adopt(HANDLE pipe, HANDLE process, DWORD pid, lf_link **out) {
  lf_link *link = calloc(1, sizeof *link);
  if (!link) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a link of %zu bytes", sizeof *link);
  link->done = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (!link->done) {
    DWORD error = GetLastError();
    free(link);
    return lf_fail_win32(LF_ESYSTEM, "CreateEvent", error, "for a link to the peer");
  }
  atomic_init(&link->owners, 1);
  link->pipe = pipe;
  link->process = process;
  link->pid = pid;
  link->message.os = -1;
  *out = link;
  return LF_OK;
}

lf_link *lf_link_retain(lf_link *link) {
  atomic_fetch_add(&link->owners, 1);
  return link;
}

static int closed_pipe(DWORD error) {
  return error == ERROR_BROKEN_PIPE || error == ERROR_NO_DATA || error == ERROR_PIPE_NOT_CONNECTED;
}

static int process_ended(const lf_link *link) { return WaitForSingleObject(link->process, 0) == WAIT_OBJECT_0; }

static int32_t peer_gone(lf_link *link, const char *api, DWORD error) {
  link->gone = 1;
  return lf_fail_win32(LF_EPEER_DIED, api, error, "the peer ended the connection");
}

/* Ends an overlapped call without waiting: a call that is still pending is cancelled. */
static DWORD finish(lf_link *link, OVERLAPPED *call, BOOL done, DWORD *bytes) {
  DWORD error = done ? ERROR_SUCCESS : GetLastError();
  if (!done && error != ERROR_IO_PENDING) return error;
  if (!done) CancelIoEx(link->pipe, call);
  return GetOverlappedResult(link->pipe, call, bytes, TRUE) ? ERROR_SUCCESS : GetLastError();
}

/* ---- sending ---- */

static int32_t duplicate_into_peer(lf_link *link, HANDLE handle, int64_t *remote) {
  HANDLE copy;
  if (DuplicateHandle(GetCurrentProcess(), handle, link->process, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS)) {
    *remote = lf_os_of(copy);
    return LF_OK;
  }
  DWORD error = GetLastError();
  if (process_ended(link)) return peer_gone(link, "DuplicateHandle", error);
  return lf_fail_win32(LF_ESYSTEM, "DuplicateHandle", error, "handle %lld into the peer", (long long)lf_os_of(handle));
}

static void close_in_peer(lf_link *link, int64_t remote) {
  HANDLE copy;
  if (DuplicateHandle(link->process, lf_handle_of(remote), GetCurrentProcess(), &copy, 0, FALSE,
                      DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE))
    CloseHandle(copy);
}

static int32_t put(lf_link *link, uint32_t kind, const void *data, uint32_t length, uint32_t count,
                   const HANDLE *handles) {
  header *head = &link->out.head;
  *head = (header){MAGIC, LF_WIRE_VERSION, (uint16_t)kind, length, 0, {0}};
  int32_t status = LF_OK;
  while (status == LF_OK && head->handles < count) {
    status = duplicate_into_peer(link, handles[head->handles], &head->os[head->handles]);
    if (status == LF_OK) head->handles++;
  }
  if (status == LF_OK) {
    if (length) memcpy(link->out.data, data, length);
    OVERLAPPED call = {.hEvent = link->done};
    DWORD written = 0;
    BOOL done = WriteFile(link->pipe, &link->out, (DWORD)sizeof *head + length, NULL, &call);
    DWORD error = finish(link, &call, done, &written);
    if (error == ERROR_SUCCESS) return 1;
    if (error == ERROR_OPERATION_ABORTED) status = LF_FULL;
    else if (closed_pipe(error)) status = peer_gone(link, "WriteFile", error);
    else status = lf_fail_win32(LF_ESYSTEM, "WriteFile", error, "to the peer");
  }
  while (head->handles) close_in_peer(link, head->os[--head->handles]);
  return status;
}

int32_t lf_link_put(lf_link *link, uint32_t kind, const void *data, uint32_t length, int64_t os) {
  if (length > LF_LINK_MESSAGE_MAX)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a message of %u bytes; %d is the most", length, LF_LINK_MESSAGE_MAX);
  HANDLE handle = lf_handle_of(os);
  return put(link, kind, data, length, os >= 0, &handle);
}

int32_t lf_link_offer_events(lf_link *link) {
  link->event = CreateEventW(NULL, FALSE, FALSE, NULL);
  link->peer_event = CreateEventW(NULL, FALSE, FALSE, NULL);
  if (!link->event || !link->peer_event)
    return lf_fail_win32(LF_ESYSTEM, "CreateEvent", GetLastError(), "the events of a link");
  HANDLE for_peer[HANDLES_MAX] = {link->peer_event, link->event};
  return put(link, LF_KIND_EVENT_FD, NULL, 0, HANDLES_MAX, for_peer);
}

/* ---- receiving ---- */

/* 1 with a message in link->in of *bytes bytes, 0 with none there, -1 with *error. */
static int read_packet(lf_link *link, DWORD *bytes, DWORD *error) {
  DWORD waiting = 0;
  if (!PeekNamedPipe(link->pipe, NULL, 0, NULL, &waiting, NULL)) {
    *error = GetLastError();
    return -1;
  }
  if (!waiting) return 0;
  OVERLAPPED call = {.hEvent = link->done};
  BOOL done = ReadFile(link->pipe, &link->in, sizeof link->in, NULL, &call);
  *error = finish(link, &call, done, bytes);
  if (*error == ERROR_OPERATION_ABORTED) return 0;
  return *error == ERROR_SUCCESS ? 1 : -1;
}

/* The defect of the message in link->in, or NULL. */
static const char *malformed(const lf_link *link, DWORD bytes) {
  const header *head = &link->in.head;
  if (bytes < sizeof *head) return "a message is too short";
  if (head->length > LF_LINK_MESSAGE_MAX || bytes != sizeof *head + head->length) return "a message's length is wrong";
  if (head->handles > (head->kind == LF_KIND_EVENT_FD ? HANDLES_MAX : 1)) return "too many handles";
  for (uint32_t i = 0; i < head->handles; i++) {
    DWORD flags;
    if (head->os[i] <= 0 || !GetHandleInformation(lf_handle_of(head->os[i]), &flags)) return "a handle that is none";
  }
  if (head->kind == LF_KIND_EVENT_FD && (head->handles != HANDLES_MAX || link->event)) return "unexpected events";
  return NULL;
}

static int32_t corrupt(lf_link *link, const char *what) {
  link->failed = LF_ECORRUPT_SEGMENT;
  return lf_fail(LF_ECORRUPT_SEGMENT, "ReadFile", 0, "the peer does not speak this protocol: %s", what);
}

static void close_message_handle(lf_link *link) {
  if (link->message.os > 0) CloseHandle(lf_handle_of(link->message.os));
  link->message.os = -1;
}

int32_t lf_link_take(lf_link *link, lf_message **out) {
  if (link->failed) return lf_fail(link->failed, "", 0, "an earlier message of the peer could not be read");
  close_message_handle(link);
  DWORD bytes = 0, error = 0;
  int got = read_packet(link, &bytes, &error);
  if (got == 0) return LF_EMPTY;
  if (got < 0) {
    if (closed_pipe(error)) return peer_gone(link, "ReadFile", error);
    if (error == ERROR_MORE_DATA) return corrupt(link, "a message is too long");
    return lf_fail_win32(LF_ESYSTEM, "ReadFile", error, "from the peer");
  }
  const header *head = &link->in.head;
  if (bytes < offsetof(header, kind) || head->magic != MAGIC) return corrupt(link, "no magic number");
  if (head->version != LF_WIRE_VERSION) {
    link->failed = LF_EWIRE_VERSION_MISMATCH;
    return lf_fail(LF_EWIRE_VERSION_MISMATCH, "", 0, "the peer speaks wire version %u, this process version %u",
                   head->version, LF_WIRE_VERSION);
  }
  const char *wrong = malformed(link, bytes);
  if (wrong) return corrupt(link, wrong);
  if (head->kind == LF_KIND_EVENT_FD) {
    link->event = lf_handle_of(head->os[0]);
    link->peer_event = lf_handle_of(head->os[1]);
  } else if (head->handles) {
    link->message.os = head->os[0];
  }
  link->message.kind = head->kind;
  link->message.length = head->length;
  memcpy(link->message.data, link->in.data, head->length);
  *out = &link->message;
  return 1;
}

int lf_link_take_events(lf_link *link, lf_message *message) {
  return message->kind == LF_KIND_EVENT_FD && link->event;
}

/* Closes the handles of unread messages, which are open in this process already. */
static void close_left_over(lf_link *link) {
  DWORD bytes = 0, error = 0;
  for (int i = 0; i < LEFT_OVER_MAX && !link->failed && read_packet(link, &bytes, &error) == 1; i++) {
    const header *head = &link->in.head;
    if (bytes < sizeof *head || head->magic != MAGIC || head->version != LF_WIRE_VERSION || malformed(link, bytes))
      return;
    for (uint32_t k = 0; k < head->handles; k++) CloseHandle(lf_handle_of(head->os[k]));
  }
}

void lf_link_release(lf_link *link) {
  if (!link || atomic_fetch_sub(&link->owners, 1) != 1) return;
  close_message_handle(link);
  close_left_over(link);
  CloseHandle(link->pipe);
  /* A closed pipe does not wake a parked peer, so its event is set. */
  if (link->peer_event) {
    SetEvent(link->peer_event);
    CloseHandle(link->peer_event);
  }
  if (link->event) CloseHandle(link->event);
  CloseHandle(link->process);
  CloseHandle(link->done);
  free(link);
}

/* ---- events and liveness ---- */

void lf_link_notify(lf_link *link) {
  /* This fails only if the peer passed a handle that is not an event, and then only the peer misses notifications. */
  if (link->peer_event) SetEvent(link->peer_event);
}

/* The last owner's release closes the pipe and wakes the peer. Owners that are left end with the same thread. */
void lf_link_hang_up(lf_link *link) { link->gone = 1; }

int32_t lf_link_sleep(lf_link *link, uint64_t timeout_ns) {
  if (link->gone) return 1;
  HANDLE watched[2] = {link->event, link->process};
  uint64_t ms = timeout_ns / 1000000u + (timeout_ns % 1000000u != 0);
  DWORD result = WaitForMultipleObjects(2, watched, FALSE, ms < INFINITE ? (DWORD)ms : INFINITE - 1);
  if (result == WAIT_TIMEOUT) return LF_TIMEOUT;
  if (result == WAIT_FAILED)
    return lf_fail_win32(LF_ESYSTEM, "WaitForMultipleObjects", GetLastError(), "waiting for the peer");
  if (result == WAIT_OBJECT_0 + 1) link->gone = 1;
  return 1;
}

int lf_link_known_gone(const lf_link *link) { return link->gone; }

int lf_link_peer_alive(lf_link *link) {
  if (link->gone) return 0;
  if (process_ended(link) || !PeekNamedPipe(link->pipe, NULL, 0, NULL, NULL, NULL)) link->gone = 1;
  return !link->gone;
}

/* An event loop of sockets cannot watch an event. */
int32_t lf_link_copy_event_fd(lf_link *link, int64_t *out) {
  (void)link;
  *out = -1;
  return LF_EMPTY;
}

int32_t lf_link_pid(lf_link *link) { return (int32_t)link->pid; }
