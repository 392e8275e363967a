/* Another part of the program uses MPI too, on a communicator of its own and without knowing of lava-flow's lock, while
 * channels and the job's thread are at work. Four ranks. */
#include "base/monotonic.h"
#include "ep_test.h"

#define FRAMES 3000u
#define EXCHANGES 1500u
#define BYTES_MAX 300000u

/* Channels from each even rank to the odd one after it, in a thread of their own. */
static void use_channel(void *given) {
  const ep_pair *p = given;
  static uint8_t data[BYTES_MAX];
  for (uint32_t i = 0; i < FRAMES; i++) {
    uint32_t length = i % 100 == 7 ? BYTES_MAX : i % 3 == 0 ? 2000 : i % 100;
    if (!p->to) {
      expect_frame(p->from, i, length);
      continue;
    }
    test_fill(data, length, i);
    CHECK_EQ(UNTIL(sent(p->to, lf_tx_send(p->to, data, length))), 1);
  }
  if (p->to) drain(p->to);
}

static void finish(const lf_mpi *mpi, lf_mpi_request *request) {
  lf_mpi_status status;
  int flag = 0;
  for (uint64_t end = lf_now() + LIMIT_NS; !flag;) {
    CHECK_EQ(mpi->Test(request, &flag, &status), 0);
    if (!flag && lf_now() > end) test_fail(__FILE__, __LINE__, "an exchange beside the job did not end");
  }
}

/* With both neighbours in a ring of all ranks. */
static void exchange(const lf_mpi *mpi, lf_mpi_handle comm, uint32_t i) {
  static uint8_t out[BYTES_MAX], in[BYTES_MAX];
  uint32_t length = i % 50 == 3 ? BYTES_MAX : i % 2 ? 5000 : 8;
  int to = (rank + 1) % size, from = (rank + size - 1) % size;
  lf_mpi_request sending = mpi->request_null, receiving = mpi->request_null;
  test_fill(out, length, i * 64u + (uint32_t)rank);
  CHECK_EQ(mpi->Irecv(in, (int)length, mpi->byte, from, 5, comm, &receiving), 0);
  CHECK_EQ(mpi->Isend(out, (int)length, mpi->byte, to, 5, comm, &sending), 0);
  finish(mpi, &sending);
  finish(mpi, &receiving);
  CHECK_EQ(test_differs(in, length, i * 64u + (uint32_t)from), length);
}

static void shared_mpi(void) {
  const lf_mpi *mpi = lf_mpi_load();
  int level = 0;
  CHECK_EQ(mpi->Query_thread(&level), 0);
  CHECK(level >= mpi->thread_multiple);
  int even = rank & ~1;
  if (!test_requires("ranks", size % 2 == 0, "an even number of ranks")) return;
  ep_pair p = open_pair(even, even + 1, 64, 0);
  lf_mpi_handle comm = 0;
  CHECK_EQ(mpi->Comm_dup(mpi->comm_world, &comm), 0); /* all ranks, while the job's thread makes rounds */
  test_thread channel;
  test_start(&channel, use_channel, &p);
  for (uint32_t i = 0; i < EXCHANGES; i++) exchange(mpi, comm, i);
  test_join(&channel);
  CHECK_EQ(mpi->Comm_free(&comm), 0);
  await_rank(rank ^ 1);
  close_pair(p);
}

int main(void) {
  join_job();
  RUN(shared_mpi);
  CHECK_EQ(lf_job_close(0, 60000), 1);
  return 0;
}
