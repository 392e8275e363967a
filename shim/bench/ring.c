/*
 * The shim's ring driven from C in the way TypeScript drives it: the difference between the two is the cost of the
 * language. Two processes connect; the first sends, the second receives. The latency bench uses both directions.
 */
#include "bench.h"
#include "lavaflow.h"

#define BATCH 100
#define SINGLE(count) ((count) / 10) /* round trips that are measured one by one */
#define WINDOW 102400 /* a whole number of the other batches too */

typedef struct {
  char directory[64];
  uint32_t slots, length;
  uint64_t count;
  double *samples;
} task;

static int32_t need(int32_t status, const char *what) {
  if (status >= 0) return status;
  lf_status failure;
  lf_status_last(&failure);
  fprintf(stderr, "%s: %d %s\n", what, status, failure.text);
  exit(1);
}

static int32_t rendezvous(const task *t, const char *name, int32_t role) {
  uint32_t directory = (uint32_t)strlen(t->directory), length = (uint32_t)strlen(name);
  return need(lf_rendezvous_open(t->directory, directory, name, length, role, NULL, 0), "open");
}

static int32_t open_end(const task *t, int32_t link, int32_t role) {
  int fenced = !lf_membarrier_viable();
  if (role == LF_ROLE_PRODUCER) return need(lf_shm_tx_open(link, t->slots, fenced), "producer");
  int32_t end = LF_EMPTY;
  while (end == LF_EMPTY) end = need(lf_shm_rx_open(link, fenced), "consumer");
  return end;
}

/* Meets the other side under a name and opens this side's end of the ring. */
static int32_t connect_peer(const task *t, const char *name, int32_t role) {
  int32_t listener = rendezvous(t, name, role), link = 0;
  while (!link) link = need(lf_rendezvous_poll(listener), "poll");
  lf_rendezvous_close(listener);
  return open_end(t, link, role);
}

static inline void send_one(int32_t producer, uint8_t *payload, uint32_t length, uint64_t number) {
  memcpy(payload, &number, sizeof number);
  while (need(lf_tx_send(producer, payload, length), "send") == LF_FULL) bench_relax();
}

static inline void receive_one(int32_t consumer, uint64_t expected) {
  lf_frame frame;
  int32_t length = need(lf_rx_receive_wait(consumer, 10000, 1e9, &frame), "receive");
  uint64_t number = ~expected;
  if (length <= LF_INLINE_MAX) memcpy(&number, frame.payload, sizeof number);
  if (number != expected) {
    fprintf(stderr, "message %llu of length %d where %llu was due\n", (unsigned long long)number, length,
            (unsigned long long)expected);
    exit(1);
  }
  need(lf_rx_release(consumer, 0), "release");
}

/* ---- latency ---- */

static void echo(void *argument) {
  task *t = argument;
  uint8_t payload[LF_INLINE_MAX] = {0};
  int32_t from = connect_peer(t, "there", LF_ROLE_CONSUMER), to = connect_peer(t, "back", LF_ROLE_PRODUCER);
  for (uint64_t i = 0; i < t->count + SINGLE(t->count); i++) {
    receive_one(from, i);
    send_one(to, payload, t->length, i);
  }
  need(lf_rx_close(from), "close");
}

static void latency(char **argv, task *t) {
  pid_t child = bench_fork(argv, echo, t);
  uint8_t payload[LF_INLINE_MAX] = {0};
  int32_t to = connect_peer(t, "there", LF_ROLE_PRODUCER), from = connect_peer(t, "back", LF_ROLE_CONSUMER);
  uint64_t at = 0;
  size_t batches = t->count / BATCH, singles = SINGLE(t->count), warm = batches / 10;
  for (size_t sample = 0; sample < batches + singles; sample++) {
    int trips = sample < batches ? BATCH : 1;
    uint64_t start = bench_now();
    for (int i = 0; i < trips; i++, at++) {
      send_one(to, payload, t->length, at);
      receive_one(from, at);
    }
    t->samples[sample] = (double)(bench_now() - start) / trips / 2;
  }
  bench_join(child);
  double *single = t->samples + batches;
  bench_print_latency("latency-c", t->samples + warm, batches - warm, single, singles, "{");
}

/* ---- throughput ---- */

static void flood(void *argument) {
  task *t = argument;
  uint8_t payload[LF_INLINE_MAX] = {0};
  int32_t to = connect_peer(t, "flood", LF_ROLE_PRODUCER), from = connect_peer(t, "done", LF_ROLE_CONSUMER);
  for (uint64_t i = 0; i < t->count; i++) send_one(to, payload, t->length, i);
  receive_one(from, 0);
}

/* The sender runs on the first processor. Here that is the child, so the pins are swapped. */
static void throughput(char **argv, task *t) {
  char *swapped[] = {argv[0], argv[2], argv[1]};
  pid_t child = bench_fork(swapped, flood, t);
  uint8_t payload[LF_INLINE_MAX] = {0};
  int32_t from = connect_peer(t, "flood", LF_ROLE_CONSUMER), to = connect_peer(t, "done", LF_ROLE_PRODUCER);
  uint64_t at = 0;
  size_t windows = t->count / WINDOW, warm = windows / 10;
  for (size_t window = 0; window < windows; window++) {
    uint64_t start = bench_now();
    for (int i = 0; i < WINDOW; i++, at++) receive_one(from, at);
    t->samples[window] = (double)WINDOW * 1000 / (double)(bench_now() - start); /* millions a second */
  }
  send_one(to, payload, t->length, 0);
  bench_join(child);
  bench_print("throughput-c", t->samples + warm, windows - warm, 0.01, "{");
}

/* ---- what sending costs while the other process drains ---- */

#define SENDS 64

static void drain(void *argument) {
  task *t = argument;
  int32_t from = connect_peer(t, "drain", LF_ROLE_CONSUMER);
  for (uint64_t i = 0; i < t->count; i++) receive_one(from, i);
}

static void send(char **argv, task *t) {
  pid_t child = bench_fork(argv, drain, t);
  uint8_t payload[LF_INLINE_MAX] = {0};
  int32_t to = connect_peer(t, "drain", LF_ROLE_PRODUCER);
  lf_end_stats stats;
  uint64_t at = 0;
  size_t batches = t->count / SENDS, warm = batches / 10;
  for (size_t batch = 0; batch < batches; batch++) {
    do need(lf_tx_stats(to, &stats), "stats");
    while (stats.queued > SENDS);
    uint64_t start = bench_now();
    for (int i = 0; i < SENDS; i++, at++) send_one(to, payload, t->length, at);
    t->samples[batch] = (double)(bench_now() - start) / SENDS;
  }
  bench_join(child);
  bench_print("send-c", t->samples + warm, batches - warm, 0.99, "{");
}

/* ---- send and receive in one thread ---- */


static void push_pop(char **argv, task *t) {
  bench_pin(argv[1]);
  uint8_t payload[LF_INLINE_MAX] = {0};
  int32_t listener = rendezvous(t, "self", LF_ROLE_CONSUMER), caller = rendezvous(t, "self", LF_ROLE_PRODUCER);
  int32_t theirs = 0, mine = 0;
  while (!theirs || !mine) {
    if (!theirs) theirs = need(lf_rendezvous_poll(listener), "poll");
    if (!mine) mine = need(lf_rendezvous_poll(caller), "poll");
  }
  lf_rendezvous_close(listener);
  lf_rendezvous_close(caller);
  int32_t to = open_end(t, mine, LF_ROLE_PRODUCER), from = open_end(t, theirs, LF_ROLE_CONSUMER);
  uint64_t at = 0;
  size_t batches = t->count / BATCH, warm = batches / 10;
  for (size_t batch = 0; batch < batches; batch++) {
    uint64_t start = bench_now();
    for (int i = 0; i < BATCH; i++, at++) {
      send_one(to, payload, t->length, at);
      receive_one(from, at);
    }
    t->samples[batch] = (double)(bench_now() - start) / BATCH;
  }
  bench_print("push-pop-c", t->samples + warm, batches - warm, 0.99, "{");
}

int main(int argc, char **argv) {
  if (bench_usage(argc, 7, "ring CPU CPU latency|throughput|send|push-pop SLOTS LENGTH COUNT")) return 2;
  task t = {.slots = (uint32_t)atol(argv[4]), .length = (uint32_t)atol(argv[5]), .count = (uint64_t)atoll(argv[6])};
  if (t.length < sizeof(uint64_t) || t.length > LF_INLINE_MAX || t.count < WINDOW) {
    fprintf(stderr, "LENGTH from %zu to %d, COUNT from %d\n", sizeof(uint64_t), LF_INLINE_MAX, WINDOW);
    return 2;
  }
  alarm(BENCH_LIMIT_S);
  t.count = t.count / WINDOW * WINDOW;
  t.samples = calloc(t.count / SENDS + SINGLE(t.count) + 1, sizeof *t.samples);
  if (!t.samples) bench_fail("calloc");
  snprintf(t.directory, sizeof t.directory, "/tmp/lava-flow-bench-XXXXXX");
  if (!mkdtemp(t.directory)) bench_fail("mkdtemp");
  if (strcmp(argv[3], "latency") == 0) latency(argv, &t);
  else if (strcmp(argv[3], "throughput") == 0) throughput(argv, &t);
  else if (strcmp(argv[3], "send") == 0) send(argv, &t);
  else push_pop(argv, &t);
  puts("}");
  char lock[96];
  snprintf(lock, sizeof lock, "%s/.lock", t.directory);
  unlink(lock);
  rmdir(t.directory);
  return 0;
}
