/* What is different on Windows: hostile messages in a named pipe, handles put into the peer, a peer that is killed. */
#include "ipc/link_win32.h"

#include "base/handle.h"
#include "base/monotonic.h"
#include "host/segment.h"
#include "test.h"

typedef struct {
  uint32_t magic;
  uint16_t version;
  uint16_t kind;
  uint32_t length;
  uint32_t handles;
  int64_t os[2];
} header;

static const header good = {0x574c464cu, LF_WIRE_VERSION, LF_KIND_FIRST_FREE, 0, 0, {0, 0}};

static HANDLE own_process(void) {
  HANDLE process = OpenProcess(LF_PEER_RIGHTS, FALSE, GetCurrentProcessId());
  CHECK(process != NULL);
  return process;
}

/* Both ends of a pipe as links have them. */
static void pipe_pair(HANDLE ends[2]) {
  static unsigned count;
  wchar_t name[64];
  swprintf(name, 64, L"\\\\.\\pipe\\lf-test-%lu-%u", GetCurrentProcessId(), count++);
  ends[0] = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
                             1, 64 << 10, 64 << 10, 0, NULL);
  CHECK(ends[0] != INVALID_HANDLE_VALUE);
  ends[1] = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
  CHECK(ends[1] != INVALID_HANDLE_VALUE);
  DWORD mode = PIPE_READMODE_MESSAGE;
  CHECK(SetNamedPipeHandleState(ends[1], &mode, NULL, NULL));
}

static lf_link *link_over(HANDLE pipe) {
  lf_link *link;
  CHECK_OK(lf_link_adopt(pipe, own_process(), GetCurrentProcessId(), &link));
  return link;
}

static void link_pair(lf_link *links[2]) {
  HANDLE ends[2];
  pipe_pair(ends);
  for (int i = 0; i < 2; i++) links[i] = link_over(ends[i]);
}

static void write_raw(HANDLE pipe, const void *bytes, DWORD size) {
  OVERLAPPED call = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
  DWORD written = 0;
  CHECK(call.hEvent != NULL);
  CHECK(WriteFile(pipe, bytes, size, NULL, &call) || GetLastError() == ERROR_IO_PENDING);
  CHECK(GetOverlappedResult(pipe, &call, &written, TRUE));
  CHECK_EQ(written, size);
  CloseHandle(call.hEvent);
}

/* How many handles there are to the object behind `handle`, in all processes. */
__declspec(dllimport) LONG NTAPI NtQueryObject(HANDLE, int, void *, ULONG, ULONG *);
static ULONG handles_to(HANDLE handle) {
  struct {
    ULONG attributes, access, handle_count, pointer_count, reserved[10];
  } info;
  CHECK(NtQueryObject(handle, 0, &info, sizeof info, NULL) >= 0);
  return info.handle_count;
}

/* The link's status for one message, which later receives keep. */
static int32_t verdict(const void *bytes, DWORD size) {
  HANDLE ends[2];
  pipe_pair(ends);
  lf_link *link = link_over(ends[0]);
  write_raw(ends[1], bytes, size);
  lf_message *message;
  int32_t status = lf_link_take(link, &message);
  if (status < 0) {
    write_raw(ends[1], &good, sizeof good);
    CHECK_EQ(lf_link_take(link, &message), status);
  }
  lf_link_release(link);
  CloseHandle(ends[1]);
  return status;
}

static void malformed_messages(void) {
  static char huge[sizeof(header) + LF_LINK_MESSAGE_MAX + 1];
  header h = good;
  CHECK_EQ(verdict(&h, sizeof h), 1);
  CHECK_EQ(verdict(&h, 7), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(verdict(&h, sizeof h - 1), LF_ECORRUPT_SEGMENT);
  h.magic++;
  CHECK_EQ(verdict(&h, sizeof h), LF_ECORRUPT_SEGMENT);
  h = good;
  h.version++;
  CHECK_EQ(verdict(&h, sizeof h), LF_EWIRE_VERSION_MISMATCH);
  CHECK_EQ(verdict(&h, 8), LF_EWIRE_VERSION_MISMATCH);
  h = good;
  h.length = 1;
  CHECK_EQ(verdict(&h, sizeof h), LF_ECORRUPT_SEGMENT);
  h.length = UINT32_MAX;
  CHECK_EQ(verdict(&h, sizeof h), LF_ECORRUPT_SEGMENT);
  h = good;
  h.length = LF_LINK_MESSAGE_MAX + 1;
  memcpy(huge, &h, sizeof h);
  CHECK_EQ(verdict(huge, sizeof huge), LF_ECORRUPT_SEGMENT);
  h.length = LF_LINK_MESSAGE_MAX;
  memcpy(huge, &h, sizeof h);
  CHECK_EQ(verdict(huge, sizeof huge - 1), 1);
}

static void forged_handles(void) {
  HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
  CHECK(event != NULL);
  const int64_t forged[] = {0, -1, -2, INT64_MIN, INT64_MAX, 0x7ffffffc, (int64_t)1 << 40};
  for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
    header h = good;
    h.handles = 1;
    h.os[0] = forged[i];
    CHECK_EQ(verdict(&h, sizeof h), LF_ECORRUPT_SEGMENT);
    h.kind = LF_KIND_EVENT_FD;
    h.handles = 2;
    h.os[0] = lf_os_of(event);
    h.os[1] = forged[i];
    CHECK_EQ(verdict(&h, sizeof h), LF_ECORRUPT_SEGMENT);
  }
  header h = good;
  h.handles = 2;
  h.os[0] = h.os[1] = lf_os_of(event);
  CHECK_EQ(verdict(&h, sizeof h), LF_ECORRUPT_SEGMENT);
  h.kind = LF_KIND_EVENT_FD;
  h.handles = 1;
  CHECK_EQ(verdict(&h, sizeof h), LF_ECORRUPT_SEGMENT);
  CHECK_EQ(handles_to(event), 1); /* a refused message's handles are not closed: they may be anybody's */
  CloseHandle(event);
}

/* Whatever the bytes are: a message or a refusal, never a wait, a crash or a read past the end. */
static void random_messages(void) {
  test_random random = {test_seed()};
  for (uint64_t i = 0, count = test_number("LAVA_FLOW_FUZZ", 2000); i < count; i++) {
    struct {
      header head;
      uint8_t data[256];
    } message = {.head = good};
    uint32_t length = (uint32_t)test_below(&random, sizeof message.data);
    message.head.length = length;
    test_fill(message.data, length, test_next(&random));
    for (uint64_t flips = test_below(&random, 4); flips--;)
      ((uint8_t *)&message)[test_below(&random, offsetof(header, os))] = (uint8_t)test_next(&random);
    int32_t status = verdict(&message, (DWORD)(sizeof message.head + length - test_below(&random, 2)));
    CHECK(status == 1 || status == LF_ECORRUPT_SEGMENT || status == LF_EWIRE_VERSION_MISMATCH);
  }
}

static void handles_come_across(void) {
  lf_link *links[2];
  link_pair(links);
  lf_segment mine, theirs;
  lf_message *message;
  CHECK_OK(lf_segment_create(100000, &mine));
  CHECK_EQ(lf_link_put(links[0], LF_KIND_REGION, "abc", 3, mine.os), 1);
  CHECK_EQ(lf_link_take(links[1], &message), 1);
  CHECK_EQ(message->length, 3);
  CHECK(message->os > 0 && message->os != mine.os);
  CHECK_OK(lf_segment_attach(message->os, mine.size, &theirs));
  memset(mine.address, 42, mine.size);
  CHECK_EQ(((char *)theirs.address)[mine.size - 1], 42);
  CHECK_EQ(handles_to(lf_handle_of(mine.os)), 2);
  CHECK_EQ(lf_link_take(links[1], &message), LF_EMPTY); /* closes the handle that was not taken */
  CHECK_EQ(handles_to(lf_handle_of(mine.os)), 1);
  lf_segment_close(&theirs);
  lf_segment_close(&mine);
  for (int i = 0; i < 2; i++) lf_link_release(links[i]);
}

/* A full pipe takes the handle back; a link that closes unread gives up what came with its messages. */
static void no_handle_is_left(void) {
  HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
  CHECK(event != NULL);
  for (int reader = 0; reader < 2; reader++) {
    lf_link *links[2];
    link_pair(links);
    int32_t status;
    ULONG sent = 0;
    while ((status = lf_link_put(links[!reader], LF_KIND_REGION, NULL, 0, lf_os_of(event))) == 1) sent++;
    CHECK_EQ(status, LF_FULL);
    CHECK(sent > 100);
    CHECK_EQ(handles_to(event), 1 + sent);
    lf_link_release(links[reader]);
    CHECK_EQ(handles_to(event), 1);
    CHECK_EQ(lf_link_put(links[!reader], LF_KIND_REGION, NULL, 0, lf_os_of(event)), LF_EPEER_DIED);
    CHECK_EQ(handles_to(event), 1);
    lf_link_release(links[!reader]);
  }
  CloseHandle(event);
}

static void notifies_through_the_events(void) {
  lf_link *links[2];
  link_pair(links);
  lf_message *message;
  CHECK_EQ(lf_link_offer_events(links[0]), 1);
  CHECK_EQ(lf_link_take(links[1], &message), 1);
  CHECK(lf_link_take_events(links[1], message));
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(lf_link_sleep(links[i], 0), LF_TIMEOUT);
    lf_link_notify(links[!i]);
    lf_link_notify(links[!i]);
    CHECK_EQ(lf_link_sleep(links[i], 10000000000u), 1);
    CHECK_EQ(lf_link_sleep(links[i], 0), LF_TIMEOUT);
  }
  /* The end of one side wakes the other. */
  lf_link_release(links[0]);
  CHECK_EQ(lf_link_sleep(links[1], 10000000000u), 1);
  CHECK_EQ(lf_link_peer_alive(links[1]), 0);
  lf_link_release(links[1]);
}

/* ---- a second process ---- */

static int32_t open_and_poll(const char *directory, const char *name, int32_t role) {
  return lf_rendezvous_open(directory, (uint32_t)strlen(directory), name, (uint32_t)strlen(name), role, NULL, 0);
}

static int32_t poll_for_link(int32_t rendezvous) {
  int32_t link;
  uint64_t end = lf_now() + 30000000000u;
  while ((link = CHECK_OK(lf_rendezvous_poll(rendezvous))) == 0) {
    CHECK(lf_now() < end);
    test_yield();
  }
  return link;
}

enum { MESSAGES = 500 };

/* The producer that is killed: it commits its messages, the last ones in a region, and dies with everything open. */
static int child(const char *directory) {
  int32_t rendezvous = CHECK_OK(open_and_poll(directory, "killed", LF_ROLE_PRODUCER));
  int32_t producer = CHECK_OK(lf_shm_tx_open(poll_for_link(rendezvous), 1024, 1));
  static char payload[5000];
  for (int i = 0; i < MESSAGES; i++) {
    uint32_t size = i < MESSAGES / 2 ? 100 : sizeof payload;
    test_fill(payload, size, (uint64_t)i);
    CHECK_EQ(lf_tx_send(producer, payload, size), 1);
  }
  TerminateProcess(GetCurrentProcess(), 9);
  return 1;
}

static void peer_is_killed(void) {
  int32_t rendezvous = CHECK_OK(open_and_poll(test_directory(), "killed", LF_ROLE_CONSUMER));
  char command[2 * MAX_PATH + 64], program[MAX_PATH];
  CHECK(GetModuleFileNameA(NULL, program, sizeof program) > 0);
  snprintf(command, sizeof command, "\"%s\" \"%s\"", program, test_directory());
  STARTUPINFOA start = {.cb = sizeof start};
  PROCESS_INFORMATION process;
  CHECK(CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &start, &process));
  int32_t link = poll_for_link(rendezvous), consumer;
  CHECK_EQ(lf_link_peer_pid(link), process.dwProcessId);
  while ((consumer = CHECK_OK(lf_shm_rx_open(link, 1))) == LF_EMPTY) test_yield();
  CHECK_EQ(WaitForSingleObject(process.hProcess, 30000), WAIT_OBJECT_0);

  lf_frame frame;
  for (int i = 0; i < MESSAGES; i++) {
    int32_t got = CHECK_OK(lf_rx_receive_wait(consumer, 30000, 0, &frame));
    const char *bytes = (const char *)frame.payload;
    size_t size = (size_t)got;
    if (got == LF_REGION) {
      lf_region_info region;
      CHECK_OK(lf_rx_region(consumer, frame.region, &region));
      bytes = (const char *)(uintptr_t)region.address + (size_t)frame.offset;
      size = (size_t)frame.length;
    }
    CHECK_EQ(size, i < MESSAGES / 2 ? 100 : 5000);
    CHECK_EQ(test_differs(bytes, size, (uint64_t)i), size);
    CHECK_OK(lf_rx_release(consumer, got == LF_REGION ? frame.token : 0));
  }
  CHECK_EQ(lf_rx_receive_wait(consumer, 30000, 0, &frame), LF_EPEER_DIED);
  CHECK_EQ(lf_link_alive(link), 0);
  /* Its role came back with it, though this side still holds the other end of its pipe. */
  int32_t next = CHECK_OK(open_and_poll(test_directory(), "killed", LF_ROLE_PRODUCER));
  CHECK_OK(lf_rendezvous_poll(rendezvous)); /* listens again */
  int32_t again = poll_for_link(next);
  CHECK_EQ(lf_link_alive(again), 1);
  CHECK_OK(lf_link_close(again));
  CHECK_OK(lf_rendezvous_close(next));
  CHECK_OK(lf_rx_close(consumer));
  CHECK_OK(lf_link_close(link));
  CHECK_OK(lf_rendezvous_close(rendezvous));
  CloseHandle(process.hThread);
  CloseHandle(process.hProcess);
}

int main(int count, char **arguments) {
  if (count == 2) return child(arguments[1]);
  RUN(malformed_messages);
  RUN(forged_handles);
  RUN(random_messages);
  RUN(handles_come_across);
  RUN(no_handle_is_left);
  RUN(notifies_through_the_events);
  RUN(peer_is_killed);
  return 0;
}
