/*
 * The MPI library itself, through the table of its kind: every function and constant of it is used at least once. Two
 * or more ranks, under any launcher: the library is the one that belongs to it, or the one that LAVA_FLOW_MPI names.
 */
#include <signal.h>

#include "base/status.h"
#include "mpi/mpi.h"
#include "test.h"

static const lf_mpi *mpi;
static lf_mpi_handle comm;
static int rank, size;
static int deleted;

#define CHECK_MPI(call)                                                                                   \
  do {                                                                                                    \
    int test_code = (call);                                                                               \
    if (test_code) {                                                                                      \
      lf_mpi_fail(mpi, #call, test_code, "a call that should not fail");                                  \
      test_fail(__FILE__, __LINE__, "%s is %d", #call, test_code);                                        \
    }                                                                                                     \
  } while (0)

/* Tests until it has come; what MPI_Test said. */
static int finish(lf_mpi_request *request, lf_mpi_status *status) {
  for (;;) {
    int flag = 0, code = mpi->Test(request, &flag, status);
    if (code || flag) return code;
    test_yield();
  }
}

static void describes_itself(void) {
  lf_mpi_info info;
  CHECK_EQ(lf_mpi_describe(&info), LF_OK);
  CHECK(info.implementation[0] && info.version[0]);
  CHECK(strchr(info.library, '/'));
  CHECK(info.standard >= 300);
  printf("# rank %d of %d: %s %s, kind %d, MPI %d.%d, %s\n", rank, size, info.implementation, info.version, info.kind,
         info.standard / 100, info.standard % 100, info.library);
}

/* The launcher's own count, and MPI's: a library of another launcher would find itself alone. */
static void is_the_launchers(void) {
  int said = 0;
  CHECK(lf_mpi_launched(&said));
  if (said > 0) CHECK_EQ(said, size);
}

static int on_delete(lf_mpi_handle of, int keyval, void *value, void *extra) {
  (void)of, (void)keyval;
  CHECK(value == (void *)&deleted && extra == (void *)&comm);
  deleted++;
  return 0;
}

static void constants(void) {
  int level = -1, flag = 0, length = 0, keyval = 0, *tag_ub = NULL;
  void *value = NULL;
  char name[256] = "";
  CHECK_MPI(mpi->Query_thread(&level));
  CHECK(level >= mpi->thread_multiple);
  CHECK_MPI(mpi->Get_processor_name(name, &length));
  CHECK(length > 0 && name[0]);
  CHECK_MPI(mpi->Comm_get_attr(mpi->comm_world, mpi->tag_ub, &tag_ub, &flag));
  CHECK(flag && *tag_ub >= 32767);

  CHECK_MPI(mpi->Comm_create_keyval(lf_mpi_copy_none, on_delete, &keyval, &comm));
  CHECK_MPI(mpi->Comm_get_attr(mpi->comm_self, keyval, &value, &flag));
  CHECK(!flag);
  CHECK_MPI(mpi->Comm_set_attr(mpi->comm_self, keyval, &deleted));
  CHECK_MPI(mpi->Comm_get_attr(mpi->comm_self, keyval, &value, &flag));
  CHECK(flag && value == (void *)&deleted);
  lf_mpi_handle copy = 0;
  CHECK_MPI(mpi->Comm_dup(mpi->comm_self, &copy));
  CHECK_MPI(mpi->Comm_get_attr(copy, keyval, &value, &flag));
  CHECK(!flag);
  CHECK_MPI(mpi->Comm_free(&copy));
  CHECK_EQ(deleted, 0);
}

static void collectives(void) {
  uint8_t mine[2] = {(uint8_t)(1 << (rank & 7)), (uint8_t)~(1 << (rank & 7))}, both[2], word[16] = {0};
  uint8_t any = 0, all = 0xff;
  for (int i = 0; i < size; i++) {
    any |= (uint8_t)(1 << (i & 7));
    all &= (uint8_t)~(1 << (i & 7));
  }
  CHECK_MPI(mpi->Allreduce(mine, both, 2, mpi->byte, mpi->bor, comm));
  CHECK_EQ(both[0], any);
  CHECK_MPI(mpi->Allreduce(mine, both, 2, mpi->byte, mpi->band, comm));
  CHECK_EQ(both[1], all);
  if (rank == 0) test_fill(word, sizeof word, 7);
  CHECK_MPI(mpi->Bcast(word, sizeof word, mpi->byte, 0, comm));
  CHECK_EQ(test_differs(word, sizeof word, 7), sizeof word);

  uint32_t *gathered = calloc((size_t)size, sizeof *gathered), own = 1000u + (uint32_t)rank;
  CHECK(gathered);
  CHECK_MPI(mpi->Allgather(&own, sizeof own, mpi->byte, gathered, sizeof own, mpi->byte, comm));
  for (int i = 0; i < size; i++) CHECK_EQ(gathered[i], 1000 + i);
  free(gathered);

  lf_mpi_handle node = 0;
  int node_size = 0, node_rank = -1;
  CHECK_MPI(mpi->Comm_split_type(comm, mpi->comm_type_shared, rank, mpi->info_null, &node));
  CHECK_MPI(mpi->Comm_size(node, &node_size));
  CHECK_MPI(mpi->Comm_rank(node, &node_rank));
  CHECK(node_size >= 1 && node_size <= size && node_rank >= 0 && node_rank < node_size);
  CHECK_MPI(mpi->Comm_free(&node));
}

/* Every rank sends to the next one, and receives from any: who it was, with what tag, and how much, is in the
 * status. */
static void ring(void) {
  static const uint32_t sizes[] = {0, 1, 8, 1000, 65536, 4u << 20};
  int next = (rank + 1) % size, before = (rank + size - 1) % size;
  for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint32_t bytes = sizes[i];
    uint8_t *out = malloc(bytes + 1), *in = malloc(bytes + 8);
    CHECK(out && in);
    test_fill(out, bytes, (uint64_t)rank << 8 | i);
    lf_mpi_request sent = 0, received = 0;
    lf_mpi_status status;
    memset(&status, 0xee, sizeof status);
    /* More room than is needed: the length comes from the status. By turns with wildcards and without. */
    int wild = i % 2 == 0;
    CHECK_MPI(mpi->Irecv(in, (int)bytes + 8, mpi->byte, wild ? mpi->any_source : before, wild ? mpi->any_tag : (int)(40 + i),
                         comm, &received));
    CHECK(received != mpi->request_null);
    CHECK_MPI(mpi->Isend(out, (int)bytes, mpi->byte, next, (int)(40 + i), comm, &sent));
    CHECK_MPI(finish(&received, &status));
    CHECK_EQ(received, mpi->request_null);
    CHECK_EQ(lf_mpi_source(mpi, &status), before);
    CHECK_EQ(lf_mpi_tag(mpi, &status), 40 + i);
    CHECK_EQ(lf_mpi_bytes(mpi, &status), bytes);
    int counted = -1;
    CHECK_MPI(mpi->Get_count(&status, mpi->byte, &counted));
    CHECK_EQ(counted, bytes);
    CHECK_EQ(test_differs(in, bytes, (uint64_t)before << 8 | i), bytes);
    CHECK_MPI(finish(&sent, &status));
    CHECK_EQ(sent, mpi->request_null);
    free(out);
    free(in);
    /* A wildcard would take the next size's message too. */
    uint8_t one = 0, all;
    CHECK_MPI(mpi->Allreduce(&one, &all, 1, mpi->byte, mpi->bor, comm));
  }
}

/* A message that is longer than what was posted for it: an error with words, and MPI goes on. */
static void truncated(void) {
  int next = (rank + 1) % size, before = (rank + size - 1) % size;
  uint8_t out[64] = {0}, in[8];
  lf_mpi_request sent = 0, received = 0;
  lf_mpi_status status;
  CHECK_MPI(mpi->Irecv(in, sizeof in, mpi->byte, before, 9, comm, &received));
  CHECK_MPI(mpi->Isend(out, sizeof out, mpi->byte, next, 9, comm, &sent));
  int code = finish(&received, &status);
  CHECK(code != 0);
  CHECK(lf_mpi_truncated(mpi, code));
  CHECK(!lf_mpi_truncated(mpi, mpi->error_truncate == 14 ? 13 : 14));
  CHECK_EQ(lf_mpi_fail(mpi, "MPI_Test", code, "%d bytes from rank %d", 64, before), LF_EMPI_FAILED);
  lf_status said;
  lf_status_last(&said);
  CHECK(strcmp(said.api, "MPI_Test") == 0);
  CHECK_EQ(said.native_status, code);
  CHECK(strstr(said.text, "64 bytes from rank ") == said.text && strstr(said.text, "runcate"));
  CHECK(!strchr(said.text, '\n'));
  CHECK_MPI(finish(&sent, &status));
}

/* A receive without a sender is cancelled. */
static void cancelled(void) {
  uint8_t in[8];
  lf_mpi_request request = 0;
  lf_mpi_status status;
  CHECK_MPI(mpi->Irecv(in, sizeof in, mpi->byte, mpi->any_source, 31, comm, &request));
  CHECK_MPI(mpi->Cancel(&request));
  CHECK_MPI(finish(&request, &status));
  CHECK_EQ(request, mpi->request_null);
  CHECK_MPI(mpi->Irecv(in, sizeof in, mpi->byte, mpi->any_source, 31, comm, &request));
  CHECK_MPI(mpi->Cancel(&request));
  CHECK_MPI(mpi->Request_free(&request));
  CHECK_EQ(request, mpi->request_null);
}

static void bad_arguments(void) {
  uint8_t byte = 0;
  lf_mpi_request request = 0;
  int code = mpi->Isend(&byte, 1, mpi->byte, size, 1, comm, &request);
  CHECK(code != 0);
  CHECK(!lf_mpi_truncated(mpi, code));
  CHECK_EQ(lf_mpi_fail(mpi, "MPI_Isend", code, "to rank %d", size), LF_EMPI_FAILED);
  CHECK_EQ(lf_mpi_describe(NULL), LF_EINVALID_ARGUMENT);
}

static void ends(void) {
  int flag = 0;
  CHECK_MPI(mpi->Comm_free(&comm));
  CHECK_MPI(mpi->Finalized(&flag));
  CHECK(!flag);
  CHECK_MPI(mpi->Finalize());
  CHECK_EQ(deleted, 1);
  CHECK_MPI(mpi->Finalized(&flag));
  CHECK(flag);
  /* Without asking a library for words that has no more of them. */
  CHECK_EQ(lf_mpi_fail(mpi, "MPI_Isend", 5, "after the end"), LF_EMPI_FAILED);
}

static void on_signal(int number) { _Exit(128 + number); }
/* The first half has a handler, the second has none. */
static const int signals[] = {SIGHUP, SIGILL, SIGBUS, SIGPIPE, SIGUSR1, SIGINT, SIGABRT, SIGFPE, SIGSEGV, SIGTERM};
#define SIGNALS (sizeof signals / sizeof *signals)

static void take_signals(void) {
  for (size_t i = 0; i < SIGNALS; i++) CHECK(signal(signals[i], i < SIGNALS / 2 ? on_signal : SIG_DFL) != SIG_ERR);
}

/* Neither opening the library nor initialising it has taken any. */
static void signals_stay(void) {
  struct sigaction now;
  for (size_t i = 0; i < SIGNALS; i++) {
    CHECK_EQ(sigaction(signals[i], NULL, &now), 0);
    CHECK(now.sa_handler == (i < SIGNALS / 2 ? on_signal : SIG_DFL));
  }
}

int main(void) {
  int said = 0, provided = -1, flag = 1;
  test_name = "begins";
  if (!lf_mpi_launched(&said)) {
    printf("skip library: not started by an MPI launcher\n");
    return 0;
  }
  take_signals();
  mpi = lf_mpi_load();
  CHECK(mpi);
  CHECK(lf_mpi_load() == mpi);
  CHECK_EQ(mpi->Initialized(&flag), 0);
  CHECK(!flag);
  CHECK_EQ(lf_mpi_fail(mpi, "MPI_Init_thread", 5, "before the start"), LF_EMPI_FAILED);
  CHECK_EQ(mpi->Init_thread(NULL, NULL, mpi->thread_multiple, &provided), 0);
  CHECK(provided >= mpi->thread_multiple);
  CHECK_EQ(mpi->Comm_dup(mpi->comm_world, &comm), 0);
  CHECK_EQ(mpi->Comm_set_errhandler(comm, mpi->errors_return), 0);
  CHECK_EQ(mpi->Comm_set_errhandler(mpi->comm_world, mpi->errors_return), 0);
  CHECK_EQ(mpi->Comm_set_errhandler(mpi->comm_self, mpi->errors_return), 0);
  CHECK_EQ(mpi->Comm_rank(comm, &rank), 0);
  CHECK_EQ(mpi->Comm_size(comm, &size), 0);
  RUN(signals_stay);
  RUN(describes_itself);
  RUN(is_the_launchers);
  RUN(constants);
  RUN(collectives);
  RUN(ring);
  RUN(truncated);
  RUN(cancelled);
  RUN(bad_arguments);
  RUN(ends);
  return 0;
}
