/*
 * The costs of a channel do not grow with the job: batches and memory, counted. Each rank has channels to the rank
 * after it and from the rank before it, and none with other ranks; the bounds are the same for any number of ranks,
 * four or more.
 */
#include <malloc.h>

#include "base/monotonic.h"
#include "job/control.h"
#include "party.h"

#define CHANNELS 16 /* each way */
#define SLOTS 64u

static lf_job *job;
static int next_rank, previous_rank;

typedef struct {
  party party;
  int32_t end;
  uint32_t tag;
  double address;
} channel;

static uint64_t batches(void) {
  lf_job_lock(job);
  uint64_t sent = lf_control_count()->sent;
  lf_job_unlock(job);
  return sent;
}

static party join(int from, const char *which, int i, int32_t role) {
  char name[64], directory[32];
  snprintf(name, sizeof name, "%s %d from %d", which, i, from);
  snprintf(directory, sizeof directory, "directory of %d", job->info.rank);
  return party_join(job->info.rank, name, (uint32_t)strlen(name), role, directory, job->info.processor);
}

static void connect_to_peer(party *p) {
  while (CHECK_OK(party_poll(p, lf_now())) == 0) test_yield();
  CHECK_EQ(party_stop(p), LF_OK);
}

static void tell(const party *p, const void *data, uint32_t length) {
  CHECK_EQ(lf_connection_send(p->connection, 16, data, length), 1);
}

static void receive(const party *p, void *data, uint32_t length) {
  static uint8_t buffer[LF_LINK_MESSAGE_MAX];
  lf_link_message message;
  int32_t got;
  while ((got = lf_connection_receive(p->connection, buffer, &message)) == LF_EMPTY) test_yield();
  CHECK_EQ(got, 1);
  CHECK_EQ(message.length, length);
  memcpy(data, buffer, length);
}

/* As the TypeScript side does it: the ranks connect, the tag is told, its first message comes, the address is told. */
static void open_ring(channel *out, channel *in, int count, const char *which) {
  for (int i = 0; i < count; i++) {
    out[i].party = join(job->info.rank, which, i, PRODUCER);
    in[i].party = join(previous_rank, which, i, CONSUMER);
  }
  for (int i = 0; i < count; i++) {
    connect_to_peer(&out[i].party);
    connect_to_peer(&in[i].party);
    CHECK_EQ(out[i].party.tried.rank, next_rank);
    out[i].end = CHECK_OK(lf_mpi_tx_open(next_rank, 0, SLOTS, "the next", 8, &out[i].tag));
    tell(&out[i].party, &out[i].tag, sizeof out[i].tag);
  }
  for (int i = 0; i < count; i++) {
    receive(&in[i].party, &in[i].tag, sizeof in[i].tag);
    in[i].end = CHECK_OK(lf_mpi_rx_open(previous_rank, 0, in[i].tag, SLOTS, 0, "the previous", 12));
    while (CHECK_OK(lf_mpi_rx_ready(in[i].end, &in[i].address)) == LF_EMPTY) test_yield();
    tell(&in[i].party, &in[i].address, sizeof in[i].address);
  }
  for (int i = 0; i < count; i++) {
    receive(&out[i].party, &out[i].address, sizeof out[i].address);
    CHECK_EQ(lf_mpi_tx_connect(out[i].end, out[i].address), LF_OK);
  }
}

/* One small frame and a large one through each. */
static void use_ring(const channel *out, const channel *in, int count) {
  static uint8_t large[20000];
  lf_frame frame;
  for (int i = 0; i < count; i++) {
    CHECK_EQ(lf_tx_send(out[i].end, "small", 5), 1);
    CHECK_EQ(lf_tx_send(out[i].end, large, sizeof large), 1);
  }
  for (int i = 0; i < count; i++) {
    CHECK_EQ(lf_rx_receive_wait(in[i].end, 60000, 0, &frame), 5);
    CHECK_EQ(lf_rx_release(in[i].end, 0), LF_OK);
    CHECK_EQ(lf_rx_receive_wait(in[i].end, 60000, 0, &frame), LF_REGION);
    CHECK_EQ(lf_rx_release(in[i].end, frame.token), LF_OK);
  }
}

static void close_ring(channel *out, channel *in, int count) {
  for (int i = 0; i < count; i++) {
    CHECK_EQ(lf_tx_close(out[i].end), LF_OK);
    CHECK_EQ(lf_rx_close(in[i].end), LF_OK);
    leave(&out[i].party);
    leave(&in[i].party);
  }
}

static channel warm_out, warm_in, out[CHANNELS], in[CHANNELS];
static uint64_t batches_before;
static size_t bytes_before;

/* MPI's connections to the two neighbours, and the first memory of everything, belong to no channel. */
static void warms_up(void) {
  open_ring(&warm_out, &warm_in, 1, "warm");
  use_ring(&warm_out, &warm_in, 1);
  batches_before = batches();
  bytes_before = mallinfo2().uordblks;
}

/* Batches to the neighbours and to the shards of a name: roles, the connection, its messages, credits. */
#define BATCHES_OF_CHANNEL 10

static void batches_do_not_grow(void) {
  open_ring(out, in, CHANNELS, "ring");
  use_ring(out, in, CHANNELS);
  uint64_t sent = batches() - batches_before;
  printf("# rank %d of %d: %.1f batches a channel\n", job->info.rank, job->info.size, (double)sent / (2 * CHANNELS));
  CHECK(sent <= (uint64_t)BATCHES_OF_CHANNEL * 2 * CHANNELS);
}

/* Bytes on the heap for an end: its slots, its cells, and the entries of names. Blocks are not on the heap. */
#define BYTES_OF_END (192u << 10)

static void memory_does_not_grow(void) {
  size_t bytes = mallinfo2().uordblks - bytes_before;
  printf("# rank %d of %d: %zu bytes of heap a channel\n", job->info.rank, job->info.size, bytes / (2 * CHANNELS));
  CHECK(bytes <= (size_t)BYTES_OF_END * 2 * CHANNELS);
}

static void closes(void) {
  close_ring(out, in, CHANNELS);
  close_ring(&warm_out, &warm_in, 1);
  CHECK_EQ(lf_job_close(0, 30000), 1);
}

int main(void) {
  int32_t status;
  while ((status = lf_job_open()) == LF_PENDING) test_yield();
  CHECK_EQ(status, 1);
  job = lf_job_get();
  next_rank = (job->info.rank + 1) % job->info.size;
  previous_rank = (job->info.rank + job->info.size - 1) % job->info.size;
  RUN(warms_up);
  RUN(batches_do_not_grow);
  RUN(memory_does_not_grow);
  RUN(closes);
  return 0;
}
