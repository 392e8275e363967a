/* Two ends connect under a name: in any order, many at once, one of each role. */
#include "base/monotonic.h"
#include "rings.h"

/* Checks that two links are the ends of one connection, in both directions. */
static void check_connected(int32_t one, int32_t other, uint32_t word) {
  uint32_t bytes[LF_LINK_MESSAGE_MAX / 4];
  for (int direction = 0; direction < 2; direction++) {
    lf_link_message message = {0, 0};
    CHECK_EQ(lf_link_send(direction ? one : other, 20, &word, sizeof word), 1);
    int32_t result = LF_EMPTY;
    for (uint64_t start = lf_now(); result == LF_EMPTY; test_yield()) {
      CHECK(lf_now() - start < TEST_LIMIT_NS);
      result = CHECK_OK(lf_link_receive(direction ? other : one, bytes, &message));
    }
    CHECK(message.kind == 20 && message.length == sizeof word && bytes[0] == word);
  }
  CHECK_EQ(lf_link_alive(one), 1);
  CHECK_EQ(lf_link_alive(other), 1);
}

static void close_both(int32_t one, int32_t other) {
  CHECK_EQ(lf_link_close(one), LF_OK);
  CHECK_EQ(lf_link_close(other), LF_OK);
}

/* Polls both in turn until they are connected. */
static void connect_both(int32_t first, int32_t second, int32_t *first_link, int32_t *second_link) {
  *first_link = *second_link = 0;
  for (uint64_t start = lf_now(); !*first_link || !*second_link; test_yield()) {
    CHECK(lf_now() - start < TEST_LIMIT_NS);
    if (!*first_link) *first_link = CHECK_OK(lf_rendezvous_poll(first));
    if (!*second_link) *second_link = CHECK_OK(lf_rendezvous_poll(second));
  }
}

static void either_comes_first(void) {
  for (int32_t first = LF_ROLE_PRODUCER; first <= LF_ROLE_CONSUMER; first++) {
    int32_t early = CHECK_OK(test_rendezvous(test_directory(), "order", first));
    for (int i = 0; i < 10; i++) CHECK_EQ(lf_rendezvous_poll(early), 0);
    int32_t late = CHECK_OK(test_rendezvous(test_directory(), "order", 1 - first));
    int32_t one, other;
    connect_both(early, late, &one, &other);
    check_connected(one, other, 7);
    close_both(one, other);
    CHECK_EQ(lf_rendezvous_close(early), LF_OK);
    CHECK_EQ(lf_rendezvous_close(late), LF_OK);
  }
}

#define NAMES 40
static void many_names(void) {
  int32_t producers[NAMES], consumers[NAMES], one[NAMES], other[NAMES];
  char name[16];
  for (int i = 0; i < NAMES; i++) {
    snprintf(name, sizeof name, "many-%d", i);
    producers[i] = CHECK_OK(test_rendezvous(test_directory(), name, LF_ROLE_PRODUCER));
    snprintf(name, sizeof name, "many-%d", NAMES - 1 - i);
    consumers[NAMES - 1 - i] = CHECK_OK(test_rendezvous(test_directory(), name, LF_ROLE_CONSUMER));
  }
  for (int i = NAMES - 1; i >= 0; i--) connect_both(producers[i], consumers[i], &one[i], &other[i]);
  for (int i = 0; i < NAMES; i++) check_connected(one[i], other[i], (uint32_t)i);
  for (int i = 0; i < NAMES; i++) {
    close_both(one[i], other[i]);
    CHECK_EQ(lf_rendezvous_close(producers[i]), LF_OK);
    CHECK_EQ(lf_rendezvous_close(consumers[i]), LF_OK);
  }
}

static void finds_it_in_use(void *role) {
  CHECK_EQ(test_rendezvous(test_directory(), "taken", *(int32_t *)role), LF_ENAME_IN_USE);
}

static void name_in_use(void) {
  for (int32_t role = LF_ROLE_PRODUCER; role <= LF_ROLE_CONSUMER; role++) {
    int32_t mine = CHECK_OK(test_rendezvous(test_directory(), "taken", role));
    finds_it_in_use(&role);
    test_thread thread;
    test_start(&thread, finds_it_in_use, &role);
    test_join(&thread);
    int32_t other = CHECK_OK(test_rendezvous(test_directory(), "taken2", role)); /* another name is free */
    CHECK_EQ(lf_rendezvous_close(other), LF_OK);
    CHECK_EQ(lf_rendezvous_stop(mine), LF_OK);
    finds_it_in_use(&role); /* stopped, and still the holder */
    CHECK_EQ(lf_rendezvous_close(mine), LF_OK);
    int32_t again = CHECK_OK(test_rendezvous(test_directory(), "taken", role));
    CHECK_EQ(lf_rendezvous_close(again), LF_OK);
  }
}

static void opens_and_ends(void *role) {
  int32_t mine = CHECK_OK(test_rendezvous(test_directory(), "worker", *(int32_t *)role));
  CHECK_EQ(lf_rendezvous_poll(mine), 0);
}

static void thread_end_frees_the_role(void) {
  for (int32_t role = LF_ROLE_PRODUCER; role <= LF_ROLE_CONSUMER; role++) {
    test_thread thread;
    test_start(&thread, opens_and_ends, &role);
    test_join(&thread);
    int32_t mine = CHECK_OK(test_rendezvous(test_directory(), "worker", role));
    CHECK_EQ(lf_rendezvous_close(mine), LF_OK);
  }
}

/* Either side starts again under the same name, while the other still waits or waits again. */
static void restart(void) {
  int32_t consumer = CHECK_OK(test_rendezvous(test_directory(), "again", LF_ROLE_CONSUMER));
  for (uint32_t i = 0; i < 5; i++) {
    int32_t producer = CHECK_OK(test_rendezvous(test_directory(), "again", LF_ROLE_PRODUCER)), one, other;
    connect_both(producer, consumer, &one, &other);
    check_connected(one, other, i);
    close_both(one, other);
    CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
  }
  CHECK_EQ(lf_rendezvous_close(consumer), LF_OK);
  int32_t producer = CHECK_OK(test_rendezvous(test_directory(), "again", LF_ROLE_PRODUCER));
  for (uint32_t i = 0; i < 5; i++) {
    CHECK_EQ(lf_rendezvous_poll(producer), 0);
    int32_t one, other;
    consumer = CHECK_OK(test_rendezvous(test_directory(), "again", LF_ROLE_CONSUMER));
    connect_both(producer, consumer, &one, &other);
    check_connected(one, other, i);
    close_both(one, other);
    CHECK_EQ(lf_rendezvous_close(consumer), LF_OK);
  }
  CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
}

/* After a stop no peer finds this side, also when it polls. */
static void settled(void) {
  int32_t consumer = CHECK_OK(test_rendezvous(test_directory(), "settled", LF_ROLE_CONSUMER));
  CHECK_EQ(lf_rendezvous_poll(consumer), 0);
  CHECK_EQ(lf_rendezvous_stop(consumer), LF_OK);
  CHECK_EQ(lf_rendezvous_stop(consumer), LF_OK);
  int32_t producer = CHECK_OK(test_rendezvous(test_directory(), "settled", LF_ROLE_PRODUCER));
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(lf_rendezvous_poll(consumer), 0);
    CHECK_EQ(lf_rendezvous_poll(producer), 0);
  }
  CHECK_EQ(lf_rendezvous_close(consumer), LF_OK);
  CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
}

static int32_t open_bytes(const char *name, uint32_t length) {
  const char *directory = test_directory();
  return lf_rendezvous_open(directory, (uint32_t)strlen(directory), name, length, LF_ROLE_CONSUMER, NULL, 0);
}

static void names(void) {
  char longest[65];
  memset(longest, 'n', sizeof longest);
  static const struct {
    const char *bytes;
    uint32_t length;
  } bad[] = {{"", 0}, {"a/b", 3}, {"/", 1}, {"a\\b", 3}, {"a\0b", 3}, {"\0", 1}, {NULL, 1}, {"..\\x", 4}, {"../x", 4}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_EQ(open_bytes(bad[i].bytes, bad[i].length), LF_EINVALID_ARGUMENT);
  CHECK_EQ(open_bytes(longest, 65), LF_EINVALID_ARGUMENT);
  CHECK_EQ(open_bytes(longest, UINT32_MAX), LF_EINVALID_ARGUMENT);

  static const char *const good[] = {"a", ".", "..", ".lock", "a.sock", "two words", "gr\xc3\xbc\xc3\x9f", "%s%n", "*?"};
  for (size_t i = 0; i <= sizeof good / sizeof *good; i++) {
    int last = i == sizeof good / sizeof *good;
    uint32_t length = last ? 64 : (uint32_t)strlen(good[i]);
    const char *name = last ? longest : good[i];
    int32_t consumer = CHECK_OK(open_bytes(name, length));
    const char *directory = test_directory();
    int32_t producer = CHECK_OK(
        lf_rendezvous_open(directory, (uint32_t)strlen(directory), name, length, LF_ROLE_PRODUCER, NULL, 0));
    int32_t one, other;
    connect_both(consumer, producer, &one, &other);
    close_both(one, other);
    CHECK_EQ(lf_rendezvous_close(consumer), LF_OK);
    CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
  }
}

static void bad_arguments(void) {
  const char *directory = test_directory();
  uint32_t length = (uint32_t)strlen(directory);
  CHECK_EQ(lf_rendezvous_open(NULL, 3, "x", 1, 0, NULL, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rendezvous_open(directory, 0, "x", 1, 0, NULL, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rendezvous_open("a\0b", 3, "x", 1, 0, NULL, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rendezvous_open(directory, UINT32_MAX, "x", 1, 0, NULL, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rendezvous_open(directory, length, "x", 1, 2, NULL, 0), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_rendezvous_open(directory, length, "x", 1, -1, NULL, 0), LF_EINVALID_ARGUMENT);
  int32_t mine = CHECK_OK(test_rendezvous(directory, "x", LF_ROLE_CONSUMER));
  CHECK_EQ(lf_rendezvous_info_get(mine, NULL), LF_EINVALID_ARGUMENT);
  lf_rendezvous_info info = {9, 9};
  CHECK_EQ(lf_rendezvous_info_get(mine, &info), LF_OK);
  CHECK_EQ(info.refused, 0);
  CHECK_EQ(lf_rendezvous_close(mine), LF_OK);
  CHECK_EQ(lf_rendezvous_close(mine), LF_ECLOSED);
}

int main(void) {
  RUN(either_comes_first);
  RUN(many_names);
  RUN(name_in_use);
  RUN(thread_end_frees_the_role);
  RUN(restart);
  RUN(settled);
  RUN(names);
  RUN(bad_arguments);
  return 0;
}
