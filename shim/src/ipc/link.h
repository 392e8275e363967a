/*
 * The connection to one peer of the same user: messages with OS handles, an event fd that wakes the peer, and its
 * liveness. The kernel tells of the peer's death by an end of file, so no keepalive is needed, and a stopped peer does
 * not count as dead. A link is counted: the handle of TypeScript is one owner, the end of a ring another.
 */
#ifndef LF_LINK_H
#define LF_LINK_H

#include <stdint.h>

#include "lavaflow.h"

typedef struct lf_link lf_link;

/* Kinds of messages: those below LF_KIND_FIRST_FREE are the shim's, the rest the handshake's in TypeScript. */
enum {
  LF_KIND_EVENT_FD = 1,
  LF_KIND_SEGMENT = 2,
  LF_KIND_REGION = 3,
  LF_KIND_DROP = 4,
  LF_KIND_TIMELINE = 5,
  LF_KIND_FIRST_FREE = 16
};

typedef struct {
  uint32_t kind;
  uint32_t length;
  int64_t os; /* an OS handle that came with the message and is the receiver's, or -1 */
  uint8_t data[LF_LINK_MESSAGE_MAX];
} lf_message;

/* Sends a message without blocking: 1, LF_FULL, PEER_DIED, SYSTEM. The OS handle `os` (-1: none) is duplicated into the
 * peer; the caller keeps its own. TIMEOUT when the peer stops reading within a message. */
int32_t lf_link_put(lf_link *link, uint32_t kind, const void *data, uint32_t length, int64_t os);

/* Receives a message: 1 with *out, which points into the link until the next call; LF_EMPTY; PEER_DIED at the end of
 * the connection; WIRE_VERSION_MISMATCH, CORRUPT_SEGMENT, SYSTEM. A caller that keeps the message's OS handle sets it
 * to -1; otherwise the next call closes it. */
int32_t lf_link_take(lf_link *link, lf_message **out);

/* Notifies the peer's event. When the peer is gone, lf_link_known_gone tells so afterwards. */
void lf_link_notify(lf_link *link);

/* Blocks until the peer notifies or dies: 1, or LF_TIMEOUT. Consumes the notifications. */
int32_t lf_link_sleep(lf_link *link, uint64_t timeout_ns);

/* Whether the peer is known to be gone. Makes no system call. */
int lf_link_known_gone(const lf_link *link);

/* Whether the peer is alive. Asks the kernel, unless the peer is known to be gone. */
int lf_link_peer_alive(lf_link *link);

/* Ends the connection for the peer and wakes it. Other owners may still have the link. */
void lf_link_hang_up(lf_link *link);

/* 1 when `message`, the peer's first one, brought the events of this side; else 0. */
int lf_link_take_events(lf_link *link, lf_message *message);

/* A descriptor that becomes readable when the peer notifies or exits, owned by the caller. */
int32_t lf_link_copy_event_fd(lf_link *link, int64_t *out);
/* As lf_link_peer_pid (lavaflow.h). */
int32_t lf_link_pid(lf_link *link);

lf_link *lf_link_retain(lf_link *link);
void lf_link_release(lf_link *link);

/*
 * When an end that never waits asks the kernel for the peer's liveness. That is a system call, so it is made every
 * LF_PACE_ASK_NS, however often the end is used. The clock is read once in LF_PACE_STEP_MAX uses; at each use if uses
 * are further apart than LF_PACE_SLOW_NS.
 */
typedef struct {
  uint32_t left, step; /* uses until the next read of the clock, and between two reads */
  uint64_t read, asked;
} lf_pace;

#define LF_PACE_START ((lf_pace){.left = 1, .step = 1})
#define LF_PACE_STEP_MAX 16u
#define LF_PACE_SLOW_NS ((uint64_t)2000000)
#define LF_PACE_ASK_NS ((uint64_t)20000000)

int lf_pace_poll(lf_pace *pace);
static inline int lf_pace_due(lf_pace *pace) {
  return __builtin_expect(--pace->left == 0, 0) && lf_pace_poll(pace);
}

#endif
