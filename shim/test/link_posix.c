/* The connection to the peer. Includes link_posix.c for the header of a message, which a hostile peer may forge. */
#include "ipc/link_posix.c"
#include "abi/link.h"

#include <stddef.h>

#include "process_posix.h"
#include "test.h"

/* A link, and the raw socket of its peer. */
typedef struct {
  lf_link *link;
  int peer, event_fd;
} wire;

static wire open_wire(void) {
  int sockets[2], event_fds[2];
  wire w;
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, event_fds), 0);
  for (int i = 0; i < 2; i++) CHECK(lf_socket_prepare(sockets[i]) == 0 && lf_socket_prepare(event_fds[i]) == 0);
  CHECK_EQ(lf_link_adopt(sockets[0], event_fds[0], &w.link), LF_OK);
  w.peer = sockets[1];
  w.event_fd = event_fds[1];
  return w;
}

static void close_wire(wire *w) {
  lf_link_release(w->link);
  if (w->peer >= 0) close(w->peer);
  if (w->event_fd >= 0) close(w->event_fd);
}

static void open_links(lf_link **one, lf_link **other) {
  wire w = open_wire();
  *one = w.link;
  CHECK_EQ(lf_link_adopt(w.peer, w.event_fd, other), LF_OK);
}

/* Writes raw bytes and descriptors. */
static void write_raw(int socket, const void *bytes, size_t size, const int *fds, size_t count) {
  struct iovec part = {(void *)(uintptr_t)bytes, size};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int) * 8)];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count) {
    message.msg_control = control.space;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
  }
  CHECK_EQ(sendmsg(socket, &message, MSG_NOSIGNAL), size);
}

static int same_file(int one, int other) {
  struct stat a, b;
  return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void messages(void) {
  lf_link *one, *other;
  open_links(&one, &other);
  static uint8_t bytes[LF_LINK_MESSAGE_MAX];
  static const uint32_t lengths[] = {0, 1, 15, 16, 17, 4095, 4096, LF_LINK_MESSAGE_MAX};
  lf_message *got;
  CHECK_EQ(lf_link_take(one, &got), LF_EMPTY);
  for (uint32_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    test_fill(bytes, lengths[i], i);
    CHECK_EQ(lf_link_put(one, 100 + i, lengths[i] ? bytes : NULL, lengths[i], -1), 1);
    CHECK_EQ(lf_link_put(other, 200 + i, bytes, lengths[i], -1), 1);
  }
  for (uint32_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    CHECK_EQ(lf_link_take(other, &got), 1);
    CHECK(got->kind == 100 + i && got->length == lengths[i] && got->os == -1);
    CHECK_EQ(test_differs(got->data, got->length, i), got->length);
    CHECK_EQ(lf_link_take(one, &got), 1);
    CHECK(got->kind == 200 + i && got->length == lengths[i]);
    CHECK_EQ(test_differs(got->data, got->length, i), got->length);
  }
  CHECK_EQ(lf_link_take(one, &got), LF_EMPTY);
  CHECK_EQ(lf_link_put(one, 100, bytes, LF_LINK_MESSAGE_MAX + 1, -1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_link_take(other, &got), LF_EMPTY);
  lf_link_release(one);
  lf_link_release(other);
}

static void handles(void) {
  int before = test_open_descriptors();
  lf_link *one, *other;
  open_links(&one, &other);
  int null = open("/dev/null", O_RDONLY);
  lf_message *got;
  for (int taken = 0; taken < 2; taken++) {
    CHECK_EQ(lf_link_put(one, 50, "x", 1, null), 1);
    CHECK_EQ(lf_link_put(one, 51, "y", 1, -1), 1);
    CHECK_EQ(lf_link_take(other, &got), 1);
    int fd = (int)got->os;
    CHECK(fd >= 0 && fd != null && same_file(fd, null));
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    if (taken) got->os = -1;
    int held = test_open_descriptors();
    CHECK_EQ(lf_link_take(other, &got), 1);
    CHECK(got->kind == 51 && got->os == -1);
    CHECK_EQ(test_open_descriptors(), taken ? held : held - 1); /* a handle that was not taken is closed by the next take */
    if (taken) close(fd);
  }
  CHECK_EQ(lf_link_put(one, 52, NULL, 0, null), 1);
  CHECK_EQ(lf_link_take(other, &got), 1);
  CHECK(got->os >= 0); /* left to the link */
  CHECK_EQ(lf_link_put(one, 53, NULL, 0, null), 1); /* left in the socket */
  close(null);
  lf_link_release(one);
  lf_link_release(other);
  CHECK_EQ(test_open_descriptors(), before);
}

/* A message may arrive in parts of any size, as from a stream. */
static void parts_of_any_size(void) {
  wire w = open_wire();
  struct {
    header head;
    char data[40];
  } sent = {{MAGIC, LF_WIRE_VERSION, 77, 40, 1}, {0}};
  test_fill(sent.data, sizeof sent.data, 5);
  int null = open("/dev/null", O_RDONLY);
  lf_message *got;
  for (int round = 0; round < 2; round++) {
    for (size_t at = 0; at < sizeof sent; at++) {
      write_raw(w.peer, (char *)&sent + at, 1, &null, at == 0);
      CHECK_EQ(lf_link_take(w.link, &got), at + 1 < sizeof sent ? LF_EMPTY : 1);
    }
    CHECK(got->kind == 77 && got->length == 40 && got->os >= 0 && same_file((int)got->os, null));
    CHECK_EQ(test_differs(got->data, 40, 5), 40);
  }
  write_raw(w.peer, &sent, 20, NULL, 0); /* and then the peer dies */
  close(w.peer);
  w.peer = -1;
  CHECK_EQ(lf_link_take(w.link, &got), LF_EPEER_DIED);
  close(null);
  close_wire(&w);
}

static void full(void) {
  lf_link *one, *other;
  open_links(&one, &other);
  uint8_t bytes[1000];
  lf_message *got;
  uint32_t sent = 0, received = 0;
  for (int round = 0; round < 3; round++) {
    for (;; sent++) {
      test_fill(bytes, sizeof bytes, sent);
      int32_t result = lf_link_put(one, 60, bytes, sizeof bytes, -1);
      if (result == LF_FULL) break;
      CHECK_EQ(result, 1);
      CHECK(sent < 1000000);
    }
    for (; lf_link_take(other, &got) == 1; received++) {
      CHECK_EQ(got->length, sizeof bytes);
      CHECK_EQ(test_differs(got->data, sizeof bytes, received), sizeof bytes);
    }
    CHECK_EQ(received, sent);
  }
  CHECK(sent > 3);
  lf_link_release(one);
  lf_link_release(other);
}

static void drains(void *given) {
  wire *w = given;
  lf_link *reader;
  CHECK_EQ(lf_link_adopt(w->peer, -1, &reader), LF_OK);
  for (uint32_t received = 0; received < 20;) {
    lf_message *got;
    int32_t result = CHECK_OK(lf_link_take(reader, &got));
    if (result == LF_EMPTY) {
      test_yield();
      continue;
    }
    CHECK_EQ(got->length, LF_LINK_MESSAGE_MAX);
    CHECK_EQ(test_differs(got->data, got->length, received), got->length);
    received++;
  }
  lf_link_release(reader);
}

/* If the system accepts only a part of a message, the link sends the rest, or nothing after it. */
static void torn_messages(void) {
  wire w = open_wire();
  int small = 1;
  CHECK_EQ(setsockopt(w.link->socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  static uint8_t bytes[LF_LINK_MESSAGE_MAX];
  test_thread reader;
  test_start(&reader, drains, &w);
  for (uint32_t sent = 0; sent < 20;) {
    test_fill(bytes, sizeof bytes, sent);
    int32_t result = CHECK_OK(lf_link_put(w.link, 61, bytes, sizeof bytes, -1));
    if (result == 1) sent++;
    else test_yield();
  }
  test_join(&reader);
  w.peer = -1;
  close_wire(&w);

  w = open_wire();
  CHECK_EQ(setsockopt(w.link->socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  CHECK_EQ(lf_link_put(w.link, 61, bytes, sizeof bytes, -1), LF_ETIMEOUT); /* no reader */
  CHECK_EQ(lf_link_put(w.link, 61, bytes, 1, -1), LF_ETIMEOUT);
  close_wire(&w);
}

static void peer_ends(void) {
  lf_link *one, *other;
  open_links(&one, &other);
  CHECK_EQ(lf_link_peer_alive(one), 1);
  CHECK_EQ(lf_link_put(other, 70, "last", 4, -1), 1);
  lf_link_release(other);
  CHECK_EQ(lf_link_peer_alive(one), 0);
  CHECK_EQ(lf_link_sleep(one, UINT64_C(60) * 1000000000), 1);
  lf_message *got;
  CHECK_EQ(lf_link_take(one, &got), 1); /* messages sent before the death arrive */
  CHECK(got->length == 4 && memcmp(got->data, "last", 4) == 0);
  CHECK_EQ(lf_link_take(one, &got), LF_EPEER_DIED);
  CHECK_EQ(lf_link_take(one, &got), LF_EPEER_DIED);
  CHECK_EQ(lf_link_put(one, 70, "x", 1, -1), LF_EPEER_DIED);
  lf_link_notify(one);
  CHECK_EQ(lf_link_peer_alive(one), 0);
  lf_link_release(one);
}

static void malformed(header head, int32_t wanted) {
  wire w = open_wire();
  lf_message *got;
  write_raw(w.peer, &head, sizeof head, NULL, 0);
  char more[64] = {0};
  write_raw(w.peer, more, sizeof more, NULL, 0);
  CHECK_EQ(lf_link_take(w.link, &got), wanted);
  CHECK_EQ(lf_link_take(w.link, &got), wanted); /* the status is kept */
  close_wire(&w);
}

static void malformed_heads(void) {
  malformed((header){0, LF_WIRE_VERSION, 20, 0, 0}, LF_ECORRUPT_SEGMENT);
  malformed((header){~MAGIC, LF_WIRE_VERSION, 20, 0, 0}, LF_ECORRUPT_SEGMENT);
  malformed((header){MAGIC, LF_WIRE_VERSION + 1, 20, 0, 0}, LF_EWIRE_VERSION_MISMATCH);
  malformed((header){MAGIC, 0, 20, UINT32_MAX, UINT32_MAX}, LF_EWIRE_VERSION_MISMATCH);
  malformed((header){MAGIC, LF_WIRE_VERSION, 20, LF_LINK_MESSAGE_MAX + 1, 0}, LF_ECORRUPT_SEGMENT);
  malformed((header){MAGIC, LF_WIRE_VERSION, 20, UINT32_MAX, 0}, LF_ECORRUPT_SEGMENT);
  malformed((header){MAGIC, LF_WIRE_VERSION, 20, 0, 2}, LF_ECORRUPT_SEGMENT);
  malformed((header){MAGIC, LF_WIRE_VERSION, 20, 0, UINT32_MAX}, LF_ECORRUPT_SEGMENT);
  malformed((header){MAGIC, LF_WIRE_VERSION, 20, 0, 1}, LF_ECORRUPT_SEGMENT); /* it promises a handle and has none */
}

/* More descriptors than the protocol allows: all are closed. */
static void too_many_handles(void) {
  int before = test_open_descriptors();
  wire w = open_wire();
  int null = open("/dev/null", O_RDONLY), fds[8];
  for (int i = 0; i < 8; i++) fds[i] = null;
  header head = {MAGIC, LF_WIRE_VERSION, 20, 8, 1};
  lf_message *got;
  int held = test_open_descriptors();
  for (size_t count = 2; count <= 8; count++) {
    write_raw(w.peer, &head, sizeof head, fds, count);
    write_raw(w.peer, "12345678", 8, fds, count); /* and with the data, where none belong */
    CHECK_EQ(lf_link_take(w.link, &got), 1);
    CHECK_EQ(test_open_descriptors(), held + 1);
  }
  close(null);
  close_wire(&w);
  CHECK_EQ(test_open_descriptors(), before);
}

/* The kernel drops a handle silently: the spare descriptor leaves an entry for one, and the loss of the second is
 * detected. */
static void descriptor_table_full(void) {
  lf_link *one, *other;
  open_links(&one, &other);
  int null = open("/dev/null", O_RDONLY);
  CHECK_EQ(lf_link_put(one, 80, NULL, 0, null), 1);
  CHECK_EQ(lf_link_put(one, 81, NULL, 0, null), 1);
  CHECK_EQ(lf_link_put(one, 82, NULL, 0, null), 1);
  struct rlimit old = test_forbid_descriptors();
  lf_message *got;
  CHECK_EQ(lf_link_take(other, &got), 1);
  int first = (int)got->os;
  CHECK(first >= 0 && same_file(first, null));
  got->os = -1;
  CHECK_EQ(lf_link_take(other, &got), LF_ESYSTEM);
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  CHECK_EQ(last.native_status, EMFILE);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  CHECK_EQ(lf_link_take(other, &got), 1); /* the stream keeps its framing */
  CHECK(got->kind == 82 && got->os >= 0);
  CHECK_EQ(lf_link_take(other, &got), LF_EMPTY);
  CHECK(other->spare >= 0);
  close(first);
  close(null);
  lf_link_release(one);
  lf_link_release(other);
}

static void notifies_through_the_event_fd(void) {
  lf_link *one, *other;
  open_links(&one, &other);
  CHECK_EQ(lf_link_sleep(one, 0), LF_TIMEOUT);
  lf_link_notify(other);
  CHECK_EQ(lf_link_sleep(one, 0), 1);
  CHECK_EQ(lf_link_sleep(one, 0), LF_TIMEOUT);
  for (int i = 0; i < 100000; i++) lf_link_notify(other); /* more than fit: none blocks, none fails */
  int naps = 0;
  while (lf_link_sleep(one, 0) == 1) CHECK(++naps < 100000);
  CHECK(naps >= 1);
  CHECK_EQ(lf_link_peer_alive(one), 1);
  lf_link_release(one);
  lf_link_release(other);
}

static void answers(void *given) {
  for (int i = 0; i < 5000; i++) {
    CHECK_EQ(lf_link_sleep(given, UINT64_C(60) * 1000000000), 1);
    lf_link_notify(given);
  }
}

static void event_fd_wakes_a_thread(void) {
  lf_link *one, *other;
  open_links(&one, &other);
  test_thread thread;
  test_start(&thread, answers, other);
  for (int i = 0; i < 5000; i++) {
    lf_link_notify(one);
    CHECK_EQ(lf_link_sleep(one, UINT64_C(60) * 1000000000), 1);
  }
  test_join(&thread);
  lf_link_release(one);
  lf_link_release(other);
}

/* An event fd that is always readable would keep this side from parking. */
static void event_fd_is_a_socket(void) {
  wire w = open_wire();
  int null = open("/dev/null", O_RDONLY), ends[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  lf_link *fresh;
  CHECK_EQ(lf_link_adopt(dup(w.peer), -1, &fresh), LF_OK);
  lf_message *got;
  CHECK_EQ(lf_link_put(w.link, LF_KIND_EVENT_FD, NULL, 0, null), 1);
  CHECK_EQ(lf_link_put(w.link, LF_KIND_EVENT_FD, NULL, 0, -1), 1);
  CHECK_EQ(lf_link_put(w.link, LF_KIND_SEGMENT, NULL, 0, ends[0]), 1);
  CHECK_EQ(lf_link_put(w.link, LF_KIND_EVENT_FD, NULL, 0, ends[0]), 1);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(lf_link_take(fresh, &got), 1);
    CHECK_EQ(lf_link_take_events(fresh, got), 0);
  }
  CHECK_EQ(lf_link_take(fresh, &got), 1);
  CHECK_EQ(lf_link_take_events(fresh, got), 1);
  CHECK(same_file(fresh->event_fd, ends[0]));
  lf_link_release(fresh);
  close_wire(&w);
  close(null);
  close(ends[0]);
  close(ends[1]);
}

/* The exported functions. */
static void arguments(void) {
  lf_link *one, *other;
  open_links(&one, &other);
  int32_t handle = CHECK_OK(lf_link_handle(one));
  char data[LF_LINK_MESSAGE_MAX];
  lf_link_message got;
  int64_t copy = -1;
  CHECK_EQ(lf_link_send(handle, LF_KIND_FIRST_FREE - 1, data, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_link_send(handle, 0x10000, data, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_link_send(handle, 16, NULL, 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_link_send(handle, 16, data, LF_LINK_MESSAGE_MAX + 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_link_receive(handle, NULL, &got), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_link_receive(handle, data, NULL), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_link_receive(handle, data, &got), LF_EMPTY);
  CHECK_EQ(lf_link_put(other, 40, "word", 4, -1), 1);
  CHECK_EQ(lf_link_receive(handle, data, &got), 1);
  CHECK(got.kind == 40 && got.length == 4 && memcmp(data, "word", 4) == 0);
  CHECK_EQ(lf_link_copy_event_fd(one, &copy), LF_OK);
  CHECK(same_file((int)copy, one->event_fd));
  CHECK_EQ(lf_link_alive(handle), 1);
  CHECK(lf_link_peer_pid(handle) == getpid());
  CHECK_EQ(lf_os_handle_close(copy), LF_OK);
  CHECK_EQ(lf_link_close(handle), LF_OK);
  CHECK_EQ(lf_link_close(handle), LF_ECLOSED);
  lf_link_release(other);
}

int main(void) {
  int before = test_open_descriptors();
  RUN(messages);
  RUN(handles);
  RUN(parts_of_any_size);
  RUN(full);
  RUN(torn_messages);
  RUN(peer_ends);
  RUN(malformed_heads);
  RUN(too_many_handles);
  RUN(descriptor_table_full);
  RUN(notifies_through_the_event_fd);
  RUN(event_fd_wakes_a_thread);
  RUN(event_fd_is_a_socket);
  RUN(arguments);
  CHECK_EQ(test_open_descriptors(), before);
  return 0;
}
