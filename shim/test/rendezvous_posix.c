/* The rendezvous between processes: killed processes, other users, untrusted directories, other versions. */
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/monotonic.h"
#include "process_posix.h"
#include "rings.h"

#define OTHER_USER 65534

static const char *in_directory(const char *file) {
  static char path[600];
  snprintf(path, sizeof path, "%s/%s", test_directory(), file);
  return path;
}

static int exists(const char *file) {
  struct stat info;
  return lstat(in_directory(file), &info) == 0;
}

static int32_t open_role(const char *name, int32_t role) { return test_rendezvous(test_directory(), name, role); }

/* ---- bare sockets, for peers that do not keep to the rules ---- */

static struct sockaddr_un address_of(const char *file) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  CHECK(strlen(in_directory(file)) < sizeof address.sun_path);
  strcpy(address.sun_path, in_directory(file));
  return address;
}

static int connect_raw(const char *file) {
  struct sockaddr_un address = address_of(file);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static int bind_raw(const char *file) {
  struct sockaddr_un address = address_of(file);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

/* The header of a link's message. */
typedef struct {
  uint32_t magic;
  uint16_t version, kind;
  uint32_t length, handles;
} raw_head;
#define RAW_MAGIC 0x574c464cu

/* ---- processes ---- */

/* State that this process shares with a second one. */
typedef struct {
  _Atomic int step, ready, failed;
} shared_state;

static void wait_for(_Atomic int *value, int wanted) {
  for (uint64_t start = lf_now(); atomic_load(value) < wanted; test_yield()) CHECK(lf_now() - start < TEST_LIMIT_NS);
}

static void waits_as_consumer(void *given) {
  shared_state *b = given;
  int32_t mine = CHECK_OK(open_role("killed", LF_ROLE_CONSUMER));
  CHECK_EQ(lf_rendezvous_poll(mine), 0);
  atomic_store(&b->ready, 1);
  for (;;) pause();
}

static void waits_as_producer(void *given) {
  shared_state *b = given;
  int32_t mine = CHECK_OK(open_role("killed", LF_ROLE_PRODUCER));
  CHECK_EQ(lf_rendezvous_poll(mine), 0);
  atomic_store(&b->ready, 1);
  for (;;) pause();
}

static void killed_role_is_free(void) {
  shared_state *b = test_shared(sizeof *b);
  for (int32_t role = LF_ROLE_PRODUCER; role <= LF_ROLE_CONSUMER; role++) {
    for (int i = 0; i < 5; i++) {
      atomic_store(&b->ready, 0);
      pid_t pid = test_spawn(role == LF_ROLE_PRODUCER ? waits_as_producer : waits_as_consumer, b);
      wait_for(&b->ready, 1);
      CHECK_EQ(open_role("killed", role), LF_ENAME_IN_USE);
      test_kill(pid);
      int32_t mine = CHECK_OK(open_role("killed", role));
      CHECK_EQ(lf_rendezvous_close(mine), LF_OK);
    }
  }
  munmap(b, sizeof *b);
}

static void stale_socket_is_swept(void) {
  shared_state *b = test_shared(sizeof *b);
  int32_t alive = CHECK_OK(open_role("alive", LF_ROLE_CONSUMER));
  CHECK_EQ(lf_rendezvous_poll(alive), 0);
  for (int32_t role = LF_ROLE_PRODUCER; role <= LF_ROLE_CONSUMER; role++) {
    atomic_store(&b->ready, 0);
    pid_t pid = test_spawn(waits_as_consumer, b);
    wait_for(&b->ready, 1);
    int32_t before = CHECK_OK(open_role("before", role));
    CHECK(exists("killed.sock")); /* its consumer lives */
    test_kill(pid);
    int32_t producer = CHECK_OK(open_role("killed", LF_ROLE_PRODUCER));
    CHECK_EQ(lf_rendezvous_poll(producer), 0); /* no peer answers there */
    CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
    int32_t other = CHECK_OK(open_role("other", role)); /* any name will do */
    CHECK(!exists("killed.sock"));
    CHECK(exists("alive.sock"));
    CHECK_EQ(lf_rendezvous_close(other), LF_OK);
    CHECK_EQ(lf_rendezvous_close(before), LF_OK);
  }
  CHECK_EQ(lf_rendezvous_close(alive), LF_OK);
  CHECK(!exists("alive.sock"));
  munmap(b, sizeof *b);
}

static void connect_from_child(void *given) {
  int32_t role = *(int32_t *)given, mine = CHECK_OK(open_role("processes", role));
  int32_t link = test_connect_one(mine);
  lf_link_message message;
  char data[LF_LINK_MESSAGE_MAX];
  int32_t result = LF_EMPTY;
  while (result == LF_EMPTY) result = CHECK_OK(lf_link_receive(link, data, &message));
  CHECK_EQ(lf_link_send(link, 21, data, message.length), 1);
  while (lf_link_alive(link)) test_yield();
}

static void two_processes(void) {
  for (int32_t role = LF_ROLE_PRODUCER; role <= LF_ROLE_CONSUMER; role++) {
    int32_t theirs = 1 - role;
    pid_t pid = test_spawn(connect_from_child, &theirs);
    int32_t mine = CHECK_OK(open_role("processes", role)), link = test_connect_one(mine);
    CHECK_EQ(lf_link_send(link, 20, "echo", 4), 1);
    lf_link_message message;
    char data[LF_LINK_MESSAGE_MAX];
    int32_t result = LF_EMPTY;
    while (result == LF_EMPTY) result = CHECK_OK(lf_link_receive(link, data, &message));
    CHECK(message.kind == 21 && message.length == 4 && memcmp(data, "echo", 4) == 0);
    CHECK_EQ(lf_link_peer_pid(link), pid);
    CHECK_EQ(lf_link_close(link), LF_OK);
    CHECK_EQ(lf_rendezvous_close(mine), LF_OK);
    test_wait(pid);
  }
}

#define RACERS 6
static void races(void *given) {
  shared_state *b = given;
  wait_for(&b->step, 1);
  int32_t mine = open_role("race", LF_ROLE_CONSUMER);
  if (mine < 0) {
    CHECK_EQ(mine, LF_ENAME_IN_USE);
    atomic_fetch_add(&b->failed, 1);
  }
  atomic_fetch_add(&b->ready, 1);
  wait_for(&b->ready, RACERS); /* the holder keeps the role until all have tried */
}

static void one_of_many_gets_the_role(void) {
  shared_state *b = test_shared(sizeof *b);
  for (int round = 0; round < 10; round++) {
    memset(b, 0, sizeof *b);
    pid_t racers[RACERS];
    for (int i = 0; i < RACERS; i++) racers[i] = test_spawn(races, b);
    atomic_store(&b->step, 1);
    for (int i = 0; i < RACERS; i++) test_wait(racers[i]);
    CHECK_EQ(atomic_load(&b->failed), RACERS - 1);
  }
  munmap(b, sizeof *b);
}

typedef struct {
  int number;
} churner;

/* Opens a name whose socket looks like one that a killed consumer left, while the other processes sweep. */
static void churns(void *given) {
  churner *c = given;
  char name[32], file[64];
  snprintf(name, sizeof name, "churn-%d", c->number);
  snprintf(file, sizeof file, "%s.sock", name);
  for (int i = 0; i < 150; i++) {
    int stale = open(in_directory(file), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(stale >= 0);
    close(stale);
    int32_t mine = CHECK_OK(open_role(name, LF_ROLE_CONSUMER));
    CHECK_EQ(lf_rendezvous_poll(mine), 0);
    CHECK(exists(file));
    CHECK_EQ(lf_rendezvous_close(mine), LF_OK);
  }
}

/* A sweep in another process does not count as a consumer, and does not remove a live consumer's socket. */
static void sweeps_do_not_disturb(void) {
  churner churners[4];
  pid_t pids[4];
  for (int i = 0; i < 4; i++) {
    churners[i].number = i;
    pids[i] = test_spawn(churns, &churners[i]);
  }
  for (int i = 0; i < 4; i++) test_wait(pids[i]);
}

/* ---- directories ---- */

static int32_t open_in(const char *directory) {
  int32_t result = test_rendezvous(directory, "x", LF_ROLE_CONSUMER);
  if (result >= 0) CHECK_EQ(lf_rendezvous_close(result), LF_OK);
  return result >= 0 ? LF_OK : result;
}

static void directories(void) {
  char path[600], linked[600], file[600], deep[600];
  snprintf(path, sizeof path, "%s", in_directory("directory"));
  snprintf(linked, sizeof linked, "%s", in_directory("linked"));
  snprintf(file, sizeof file, "%s", in_directory("file"));
  snprintf(deep, sizeof deep, "%s", in_directory("none/directory"));
  mode_t mask = umask(0);
  CHECK_EQ(open_in(path), LF_OK); /* created when it is missing, for this user alone, whatever the umask */
  umask(mask);
  struct stat info;
  CHECK_EQ(stat(path, &info), 0);
  CHECK_EQ(info.st_mode & 07777, 0700);

  static const mode_t bad[] = {0777, 0770, 0702, 0720, 01777};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK_EQ(chmod(path, bad[i]), 0);
    CHECK_EQ(open_in(path), LF_EPERMISSION_DENIED);
  }
  CHECK_EQ(chmod(path, 0755), 0);
  CHECK_EQ(open_in(path), LF_OK); /* others may look, but not write */

  CHECK_EQ(symlink(path, linked), 0);
  CHECK_EQ(open_in(linked), LF_EPERMISSION_DENIED);
  CHECK_EQ(open_in(deep), LF_ESYSTEM);
  int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  close(fd);
  CHECK(open_in(file) < 0);
  unlink(file);
  unlink(linked);
  strcat(path, "/.lock");
  unlink(path);
  path[strlen(path) - 6] = 0;
  CHECK_EQ(rmdir(path), 0);
}

static void directory_of_another_user(void) {
  if (!test_requires("root", geteuid() == 0, "only root can give a directory to another user")) return;
  char path[600];
  snprintf(path, sizeof path, "%s", in_directory("foreign"));
  CHECK_EQ(mkdir(path, 0700), 0);
  CHECK_EQ(chown(path, OTHER_USER, (gid_t)-1), 0);
  CHECK_EQ(open_in(path), LF_EPERMISSION_DENIED);
  CHECK_EQ(rmdir(path), 0);
}

/* ---- other users ---- */

static void become_other_user(void) { CHECK(setgid(OTHER_USER) == 0 && setuid(OTHER_USER) == 0); }

static void connect_as_other_user(void *given) {
  (void)given;
  become_other_user();
  int fd = connect_raw("guarded.sock");
  raw_head head = {RAW_MAGIC, LF_WIRE_VERSION, LF_KIND_EVENT_FD, 0, 0};
  /* The consumer may have ended it before this is written. */
  ssize_t sent = send(fd, &head, sizeof head, MSG_NOSIGNAL);
  CHECK(sent == sizeof head || (sent < 0 && errno == EPIPE));
  char byte;
  CHECK(read(fd, &byte, 1) <= 0); /* without an answer */
}

static void consumer_refuses_other_users(void) {
  if (!test_requires("root", geteuid() == 0, "only root can become another user")) return;
  CHECK_EQ(chmod(test_directory(), 0711), 0);
  int32_t consumer = CHECK_OK(open_role("guarded", LF_ROLE_CONSUMER));
  CHECK_EQ(lf_rendezvous_poll(consumer), 0);
  CHECK_EQ(chmod(in_directory("guarded.sock"), 0666), 0);
  pid_t pids[3];
  for (int i = 0; i < 3; i++) pids[i] = test_spawn(connect_as_other_user, NULL);
  lf_rendezvous_info info = {0, 0};
  for (uint64_t start = lf_now(); info.refused < 3; test_yield()) {
    CHECK(lf_now() - start < TEST_LIMIT_NS);
    CHECK_EQ(lf_rendezvous_poll(consumer), 0);
    CHECK_EQ(lf_rendezvous_info_get(consumer, &info), LF_OK);
  }
  CHECK(info.refused == 3 && info.last_uid == OTHER_USER);
  for (int i = 0; i < 3; i++) test_wait(pids[i]);
  int32_t producer = CHECK_OK(open_role("guarded", LF_ROLE_PRODUCER)); /* a producer of this user still connects */
  int32_t link = 0, theirs = 0;
  while (!link || !theirs) {
    if (!theirs) theirs = CHECK_OK(lf_rendezvous_poll(producer));
    if (!link) link = CHECK_OK(lf_rendezvous_poll(consumer));
  }
  CHECK_EQ(lf_link_close(link), LF_OK);
  CHECK_EQ(lf_link_close(theirs), LF_OK);
  CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
  CHECK_EQ(lf_rendezvous_close(consumer), LF_OK);
  CHECK_EQ(chmod(test_directory(), 0700), 0);
}

static void listen_as_other_user(void *given) {
  shared_state *b = given;
  int fd = bind_raw("usurped.sock");
  become_other_user();
  CHECK_EQ(listen(fd, 4), 0);
  atomic_store(&b->ready, 1);
  int peer = accept(fd, NULL, NULL);
  CHECK(peer >= 0);
  char byte;
  CHECK_EQ(read(peer, &byte, 1), 0); /* the producer told it nothing */
}

static void producer_refuses_others(void) {
  if (!test_requires("root", geteuid() == 0, "only root can become another user")) return;
  shared_state *b = test_shared(sizeof *b);
  int32_t producer = CHECK_OK(open_role("usurped", LF_ROLE_PRODUCER));
  pid_t pid = test_spawn(listen_as_other_user, b);
  wait_for(&b->ready, 1);
  CHECK_EQ(lf_rendezvous_poll(producer), LF_EPERMISSION_DENIED);
  lf_rendezvous_info info;
  CHECK_EQ(lf_rendezvous_info_get(producer, &info), LF_OK);
  CHECK(info.refused == 1 && info.last_uid == OTHER_USER);
  test_wait(pid);
  CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
  unlink(in_directory("usurped.sock"));
  munmap(b, sizeof *b);
}

/* ---- other versions, and peers that make no sense ---- */

static void other_version(void) {
  int32_t consumer = CHECK_OK(open_role("version", LF_ROLE_CONSUMER));
  CHECK_EQ(lf_rendezvous_poll(consumer), 0);
  int fd = connect_raw("version.sock");
  raw_head head = {RAW_MAGIC, LF_WIRE_VERSION + 1, LF_KIND_EVENT_FD, 0, 0};
  CHECK_EQ(write(fd, &head, sizeof head), sizeof head);
  CHECK_EQ(lf_rendezvous_poll(consumer), LF_EWIRE_VERSION_MISMATCH);
  memset(&head, 0, sizeof head);
  CHECK_EQ(read(fd, &head, sizeof head), sizeof head); /* the other side learns it too */
  CHECK(head.magic == RAW_MAGIC && head.version == LF_WIRE_VERSION);
  close(fd);
  CHECK_EQ(lf_rendezvous_poll(consumer), 0);
  CHECK_EQ(lf_rendezvous_close(consumer), LF_OK);

  int listener = bind_raw("version.sock");
  CHECK_EQ(listen(listener, 4), 0);
  int32_t producer = CHECK_OK(open_role("version2", LF_ROLE_PRODUCER));
  CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
  CHECK(!exists("version.sock")); /* no process holds that role: swept */
  close(listener);
  producer = CHECK_OK(open_role("version", LF_ROLE_PRODUCER));
  listener = bind_raw("version.sock");
  CHECK_EQ(listen(listener, 4), 0);
  int32_t link = test_connect_one(producer);
  int peer = accept(listener, NULL, NULL);
  CHECK(peer >= 0);
  head = (raw_head){RAW_MAGIC, LF_WIRE_VERSION + 1, LF_KIND_FIRST_FREE, 0, 0};
  CHECK_EQ(write(peer, &head, sizeof head), sizeof head);
  close(peer);
  char data[LF_LINK_MESSAGE_MAX];
  lf_link_message message;
  CHECK_EQ(lf_link_receive(link, data, &message), LF_EWIRE_VERSION_MISMATCH);
  CHECK_EQ(lf_link_close(link), LF_OK);
  CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
  close(listener);
  unlink(in_directory("version.sock"));
}

/* Whatever arrives instead of an event fd, the wait goes on and the next peer is served. */
static void senseless_peers(void) {
  test_random random = {test_seed()};
  int32_t consumer = CHECK_OK(open_role("sense", LF_ROLE_CONSUMER));
  CHECK_EQ(lf_rendezvous_poll(consumer), 0);
  for (int i = 0; i < 200; i++) {
    int fd = connect_raw("sense.sock");
    uint8_t noise[200];
    size_t length = test_below(&random, sizeof noise);
    test_fill(noise, sizeof noise, test_next(&random));
    if (i % 3 == 1) {
      raw_head head = {RAW_MAGIC, LF_WIRE_VERSION, (uint16_t)test_below(&random, 20), (uint32_t)test_below(&random, 64), 0};
      memcpy(noise, &head, sizeof head);
    }
    if (i % 3) CHECK_EQ(write(fd, noise, length), length);
    CHECK_EQ(lf_rendezvous_poll(consumer), 0);
    close(fd);
    CHECK_EQ(lf_rendezvous_poll(consumer), 0);
  }
  int32_t producer = CHECK_OK(open_role("sense", LF_ROLE_PRODUCER));
  int32_t theirs = test_connect_one(producer), mine = test_connect_one(consumer);
  CHECK_EQ(lf_link_alive(theirs), 1);
  CHECK_EQ(lf_link_close(mine), LF_OK);
  CHECK_EQ(lf_link_close(theirs), LF_OK);
  CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
  CHECK_EQ(lf_rendezvous_close(consumer), LF_OK);
}

/* ---- descriptors ---- */

static void check_emfile(int32_t got) {
  lf_status last;
  CHECK_EQ(got, LF_ESYSTEM);
  CHECK_EQ(lf_status_last(&last), LF_OK);
  CHECK_EQ(last.native_status, EMFILE);
}

static void no_descriptors(void) {
  int before = test_open_descriptors();
  int32_t consumer = CHECK_OK(open_role("none", LF_ROLE_CONSUMER));
  int32_t producer = CHECK_OK(open_role("none", LF_ROLE_PRODUCER));
  struct rlimit old = test_forbid_descriptors();
  check_emfile(open_role("none2", LF_ROLE_CONSUMER));
  check_emfile(lf_rendezvous_poll(consumer));
  check_emfile(lf_rendezvous_poll(producer));
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  CHECK_EQ(lf_rendezvous_poll(consumer), 0);
  int32_t theirs = test_connect_one(producer);
  old = test_forbid_descriptors();
  check_emfile(lf_rendezvous_poll(consumer)); /* the poll cannot accept, and fails with EMFILE */
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  int32_t mine = test_connect_one(consumer); /* with a free descriptor, it can */
  CHECK_EQ(lf_link_close(theirs), LF_OK);
  CHECK_EQ(lf_link_close(mine), LF_OK);
  CHECK_EQ(lf_rendezvous_close(consumer), LF_OK);
  CHECK_EQ(lf_rendezvous_close(producer), LF_OK);
  CHECK_EQ(test_open_descriptors(), before);
}

int main(void) {
  int before = test_open_descriptors();
  RUN(two_processes);
  RUN(killed_role_is_free);
  RUN(stale_socket_is_swept);
  RUN(one_of_many_gets_the_role);
  RUN(sweeps_do_not_disturb);
  RUN(directories);
  RUN(directory_of_another_user);
  RUN(consumer_refuses_other_users);
  RUN(producer_refuses_others);
  RUN(other_version);
  RUN(senseless_peers);
  RUN(no_descriptors);
  CHECK_EQ(test_open_descriptors(), before);
  return 0;
}
