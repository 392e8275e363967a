/*
 * The connection to one peer of the same user: messages with OS handles, a bell that wakes the peer, and the kernel's
 * own word on whether it still lives (an end of file, so neither a heartbeat nor a stopped peer taken for dead).
 * A link is counted: the handle that TypeScript has is one owner, the ring's end that rings the bell another.
 */
#ifndef LF_LINK_H
#define LF_LINK_H

#include <stdint.h>

#include "lavaflow.h"

typedef struct lf_link lf_link;

/* Message kinds below this are the ring's own; the handshake in TypeScript uses the rest. */
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
  int64_t os; /* an OS handle that came along and is now the receiver's, or -1 */
  uint8_t data[LF_LINK_MESSAGE_MAX];
} lf_message;

/* 1 or LF_FULL. `os` -1: none. The handle is duplicated into the peer; the caller keeps its own. */
int32_t lf_link_put(lf_link *link, uint32_t kind, const void *data, uint32_t length, int64_t os);

/* 1 with *out pointing into the link until the next call, LF_EMPTY, PEER_DIED at the end of the connection,
 * WIRE_VERSION_MISMATCH, CORRUPT_SEGMENT. A handle in the message that the caller does not take (sets to -1) is
 * closed by the next call. */
int32_t lf_link_take(lf_link *link, lf_message **out);

/* Wakes the peer. A bell that rings already is enough; one whose peer is gone tells, and lf_link_peer_alive then knows. */
void lf_link_notify(lf_link *link);

/* Sleeps until the peer rings or dies: 1, or LF_TIMEOUT. Takes the rings. */
int32_t lf_link_sleep(lf_link *link, uint64_t timeout_ns);

/* Whether it is known already that the peer is gone; asks nobody. */
int lf_link_known_gone(const lf_link *link);

/* Asks the kernel, unless it is already known to be gone. */
int lf_link_peer_alive(lf_link *link);

/* The peer finds this side gone, though others here may still own the link. Wakes the peer. */
void lf_link_hang_up(lf_link *link);

/* As lf_link_event_fd and lf_link_peer_pid (lavaflow.h). */
int32_t lf_link_copy_event_fd(lf_link *link, int64_t *out);
int32_t lf_link_pid(lf_link *link);

/* Gives the link a handle, which becomes its owner (the link is released when that fails). */
int32_t lf_link_handle(lf_link *link);

lf_link *lf_link_retain(lf_link *link);
void lf_link_release(lf_link *link);

/*
 * When an end that never waits has to ask the kernel whether its peer lives: that is a system call, so it is asked every
 * 20 ms, however often the end is used; and the clock is read once in 16 uses, or with each where uses are far apart.
 */
typedef struct {
  uint32_t left, step; /* uses until the clock is read, and between two times */
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
