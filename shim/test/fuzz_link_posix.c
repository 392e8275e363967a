/* Messages that a hostile peer sends: what brings the ring, and what announces regions and drops them. */
#include "fuzz_posix.h"

/* As link_posix.c has it: a message that was not spoilt has to be understood. */
typedef struct {
  uint32_t magic;
  uint16_t version, kind;
  uint32_t length, handles;
} wire_head;

typedef struct {
  wire_head head;
  union {
    uint64_t size;
    lf_region_message region;
    lf_drop_message drop;
    lf_timeline_message timeline;
    uint8_t bytes[96];
  } body;
} wire_message;

static wire_message message_of(uint32_t kind, uint32_t length, int with_handle) {
  wire_message m;
  memset(&m, 0, sizeof m);
  m.head = (wire_head){0x574c464cu, LF_WIRE_VERSION, (uint16_t)kind, length, with_handle != 0};
  return m;
}

static wire_message region_message(lf_region_message region) {
  wire_message m = message_of(LF_KIND_REGION, sizeof region, 1);
  m.body.region = region;
  return m;
}

static void write_raw(const channel *c, const void *from, size_t size, int fd) {
  struct iovec part = {(void *)(uintptr_t)from, size};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  CHECK_EQ(sendmsg(c->socket, &message, 0), size);
}

#define GOOD_BYTES 8192u

/* Descriptors that a peer may pass. Only the first is valid: a sealed segment of GOOD_BYTES. */
static int descriptors[16];
static uint32_t descriptor_count;

#if defined(__linux__)
static int new_memfd(size_t size, unsigned flags, int seals) {
  int fd = memfd_create("lava-flow", MFD_CLOEXEC | flags);
  CHECK(fd >= 0);
  CHECK_EQ(ftruncate(fd, (off_t)size), 0);
  if (seals) CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
  return fd;
}
#endif

static void open_descriptors(void) {
  lf_segment good;
  int ends[2], sockets[2], count = 0;
  CHECK_EQ(lf_segment_create(GOOD_BYTES, &good), LF_OK);
  CHECK_EQ(pipe(ends), 0);
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  descriptors[count++] = (int)good.os;
  munmap(good.address, good.size);
  descriptors[count++] = ends[0];
  descriptors[count++] = ends[1];
  descriptors[count++] = sockets[0];
  descriptors[count++] = sockets[1];
  descriptors[count++] = open("/", O_RDONLY);
  descriptors[count++] = open("/dev/null", O_RDWR);
#if defined(__linux__)
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptors[0]);
  descriptors[count++] = open(path, O_RDONLY); /* sealed, but can't be mapped for writing */
  descriptors[count++] = new_memfd(GOOD_BYTES, MFD_ALLOW_SEALING, 0);
  descriptors[count++] = new_memfd(GOOD_BYTES, MFD_ALLOW_SEALING, F_SEAL_GROW);
  descriptors[count++] = new_memfd(GOOD_BYTES, 0, 0);
  descriptors[count++] = new_memfd(GOOD_BYTES, MFD_ALLOW_SEALING, F_SEAL_SHRINK | F_SEAL_WRITE);
  descriptors[count++] = new_memfd(0, MFD_ALLOW_SEALING, F_SEAL_SHRINK);
  int huge = memfd_create("lava-flow", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB); /* not every kernel has it */
  if (huge >= 0 && ftruncate(huge, (off_t)2 << 20) == 0 && fcntl(huge, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
    descriptors[count++] = huge;
#endif
  for (int i = 0; i < count; i++) CHECK(descriptors[i] >= 0);
  descriptor_count = (uint32_t)count;
}

static void close_descriptors(void) {
  for (uint32_t i = 0; i < descriptor_count; i++) close(descriptors[i]);
}

static int wrong_descriptor(test_random *r) { return descriptors[1 + test_below(r, descriptor_count - 1)]; }

/* Reads the link, as every call does that may sleep. */
static int32_t read_messages(channel *c) {
  int32_t result = lf_rx_arm(c->consumer);
  consumer_status(c, result);
  return result;
}

/* In up to three pieces, between which the consumer looks. */
static void write_message(channel *c, test_random *r, const void *from, size_t size, int fd) {
  for (size_t at = 0; at < size; fd = -1) {
    size_t some = test_below(r, 2) ? size - at : 1 + test_below(r, size - at);
    write_raw(c, (const char *)from + at, some, fd);
    at += some;
    if (test_below(r, 2)) read_messages(c);
  }
}

typedef enum { VALID, MAYBE, INVALID } verdict;

/* Right in all but one thing, which the consumer has to refuse; or in all, and then it has to take it. Returns whether
 * the message is complete. */
static int hostile_message(channel *c, test_random *r) {
  static uint32_t next_region = 0x70000000;
  if (read_messages(c) < 0 || c->consumer_failed) return 0;
  lf_region_message add = {
      .region = ++next_region, .kind = (uint32_t)test_below(r, 2), .size = 1 + test_below(r, GOOD_BYTES)};
  lf_region_message known = some_region(c, r);
  lf_region_info info;
  int live = lf_rx_region(c->consumer, known.region, &info) == LF_OK;
  wire_message m = region_message(add);
  int fd = descriptors[0];
  verdict is = INVALID;
  size_t extra = 0;
  switch (test_below(r, 20)) {
    case 0: fd = -1; break;
    case 1: fd = -1, m.head.handles = 0; break;
    case 2: fd = wrong_descriptor(r); break;
    case 3: m.body.region.size = odd_value(r, GOOD_BYTES), is = MAYBE; break;
    case 4: m.body.region.size = GOOD_BYTES + 1 + test_below(r, 4096); break;
    case 5: m.body.region.region = known.region, is = live ? INVALID : MAYBE; break;
    case 6: m.head.length = (uint32_t)test_below(r, sizeof add); break;
    case 7: m.head.length = (uint32_t)sizeof add + 1 + (uint32_t)test_below(r, sizeof m.body - sizeof add); break;
    case 8:
      m.head.length = (uint32_t)odd_value(r, LF_LINK_MESSAGE_MAX), extra = test_below(r, sizeof any_bytes), is = MAYBE;
      break;
    case 9: m.head.length = LF_LINK_MESSAGE_MAX + 1 + (uint32_t)test_below(r, 4096); break;
    case 10: m.head.kind = (uint16_t)odd_value(r, LF_KIND_REGION), is = MAYBE; break;
    case 11: m.head.handles = 2 + (uint32_t)test_below(r, 4); break;
    case 12: m.head.version = (uint16_t)odd_value(r, LF_WIRE_VERSION), is = MAYBE; break;
    case 13: /* a region goes: at once, at some time, never */
      m = message_of(LF_KIND_DROP, sizeof m.body.drop, 0);
      m.body.drop = (lf_drop_message){known.region, 0, test_below(r, 2) ? test_below(r, 64) : odd_value(r, 0)};
      fd = -1, is = live ? MAYBE : INVALID;
      if (test_below(r, 4) == 0) m.head.length = (uint32_t)test_below(r, sizeof m.body.drop), is = INVALID;
      break;
    case 14: test_fill(&m, sizeof m, test_next(r)), is = MAYBE; break;
    case 15: /* this consumer uses no GPU */
      m.body.region.kind = LF_REGION_GPU, m.body.region.allocation = 1 << 20;
      break;
    case 16: m.body.region.kind = LF_REGION_GPU + 1 + (uint32_t)test_below(r, 9); break;
    case 17:
      if (test_below(r, 2)) m.body.region.host_visible = 1;
      else m.body.region.counter = (m.body.region.kind == LF_REGION_POOLED ? 1 : LF_COUNTERS) + test_below(r, 2);
      break;
    case 18:
      if (test_below(r, 2)) m.body.region.allocation = odd_value(r, 1) | 1;
      else m = message_of(LF_KIND_TIMELINE, sizeof m.body.timeline, 1);
      break;
    default: is = VALID;
  }
  uint32_t body = m.head.length <= sizeof m.body ? m.head.length : (uint32_t)sizeof m.body;
  write_message(c, r, &m, sizeof m.head + body, fd);
  if (extra) write_message(c, r, any_bytes, extra, -1);
  read_messages(c);
  if (is == INVALID) CHECK(c->consumer_failed);
  if (is != VALID) return m.head.length == body + extra;
  remember(c, &add);
  CHECK_EQ(lf_rx_region(c->consumer, add.region, &info), LF_OK);
  CHECK(info.size == (double)add.size && info.kind == add.kind && (info.memory != 0) == (add.kind == LF_REGION_HOST));
  seen.opened++;
  return 1;
}

static void link_messages(test_random *r) {
  channel c;
  open_channel(&c, r);
  c.link_is_hostile = 1;
  int whole = 1;
  for (int i = 0; i < 60; i++) {
    step(&c, r);
    if (test_below(r, 4) == 0) forge_message(&c, r);
    if (whole && !c.consumer_failed && test_below(r, 4) == 0) whole = hostile_message(&c, r);
  }
  close_channel(&c, r);
}

static void hostile_link(void) {
  open_descriptors();
  run_rounds("hostile_link", link_messages);
  CHECK_SEEN(seen.opened && seen.large && seen.retired && seen.consumer_failed);
  close_descriptors();
}

/* A message comes in any two pieces, with its descriptor, and is whole or not there. */
static void split_anywhere(test_random *r) {
  channel c;
  open_channel(&c, r);
  wire_message m = region_message((lf_region_message){.size = GOOD_BYTES});
  size_t size = sizeof m.head + sizeof m.body.region;
  for (size_t at = 1; at < size; at++) {
    lf_region_info info;
    m.body.region.region = (uint32_t)at;
    m.body.region.kind = at & 1;
    write_raw(&c, &m, at, descriptors[0]);
    CHECK_OK(read_messages(&c));
    CHECK_EQ(lf_rx_region(c.consumer, (uint32_t)at, &info), LF_EINVALID_ARGUMENT);
    write_raw(&c, (char *)&m + at, size - at, -1);
    CHECK_OK(read_messages(&c));
    CHECK_EQ(lf_rx_region(c.consumer, (uint32_t)at, &info), LF_OK);
  }
  write_raw(&c, &m, test_below(r, size) + 1, descriptors[0]); /* and then the peer is gone */
  close_channel(&c, r);
}

static void split_messages(void) {
  uint64_t all = round_count;
  round_count = all < 20 ? all : 20;
  open_descriptors();
  run_rounds("split_messages", split_anywhere);
  close_descriptors();
  round_count = all;
}

/* ---- hostile heads ---- */

static void works(channel *c) {
  lf_frame frame;
  CHECK_EQ(lf_tx_send(c->producer, any_bytes, 100), 1);
  CHECK_EQ(lf_tx_send(c->producer, any_bytes, 1000), 1);
  pass_on(c);
  for (int i = 0; i < 2; i++) {
    size_t length;
    int32_t result = lf_rx_receive(c->consumer, &frame);
    const void *at = test_payload(c->consumer, &frame, result, &length);
    CHECK(length == (i ? 1000 : 100) && memcmp(at, any_bytes, length) == 0);
    CHECK_EQ(lf_rx_release(c->consumer, test_token(&frame, result)), LF_OK);
  }
}

/* Either the head in the segment is spoilt or the message that brings it. The consumer opens only
 * when neither was changed. */
static void segment_head(test_random *r) {
  channel c;
  lf_message *message = open_producer(&c, r, 1);
  wire_message m = message_of(LF_KIND_SEGMENT, sizeof m.body.size, 1);
  m.body.size = c.segment.size;
  wire_message wanted = m;
  lf_ring_head *head = &c.ring->head, right = *head;
  int fd = (int)message->os;
  switch (test_below(r, 12)) {
    case 0: m.head.magic = (uint32_t)odd_value(r, m.head.magic); break;
    case 1: m.head.version = (uint16_t)odd_value(r, m.head.version); break;
    case 2: m.head.kind = (uint16_t)odd_value(r, m.head.kind); break;
    case 3: m.head.length = (uint32_t)test_below(r, 16); break;
    case 4: m.body.size = odd_value(r, m.body.size); break;
    case 5: fd = test_below(r, 2) ? wrong_descriptor(r) : descriptors[0]; break;
    case 6: test_fill(head, sizeof *head, test_next(r)); break;
    default: {
      uint32_t *word = (uint32_t *)head + test_below(r, sizeof *head / sizeof *word);
      *word = (uint32_t)odd_value(r, *word);
    }
  }
  int changed = fd != message->os || memcmp(&m, &wanted, sizeof m) != 0 || memcmp(head, &right, sizeof right) != 0;
  write_raw(&c, &m, sizeof m.head + (m.head.length <= sizeof m.body ? m.head.length : sizeof m.body), fd);
  int32_t result = lf_shm_rx_open(c.consumer_link, 1);
  if (!changed) {
    c.consumer = CHECK_OK(result);
    works(&c);
    seen.opened++;
  } else {
    CHECK(result == LF_ECORRUPT_SEGMENT || result == LF_EWIRE_VERSION_MISMATCH || result == LF_ESYSTEM);
    seen.refused++;
  }
  close_channel(&c, r);
}

static void hostile_head(void) {
  open_descriptors();
  run_rounds("hostile_head", segment_head);
  CHECK_SEEN(seen.opened && seen.refused);
  close_descriptors();
}

int main(void) {
  start_fuzzing(5000);
  RUN(hostile_head);
  RUN(split_messages);
  RUN(hostile_link);
  return 0;
}
