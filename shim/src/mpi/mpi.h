/*
 * MPI, whichever implementation it is: they differ in what a handle is (a pointer, an int), in the values of their
 * constants and in the layout of MPI_Status. All of that is in one table a kind, chosen when the library is opened; the
 * rest of the shim knows this interface only.
 *
 * Handles are kept in 64 bits. Functions of libraries whose handles are ints are called with them in registers or stack
 * slots of 64 bits, of which they read the lower half: that holds for the calling conventions of every platform in
 * build.zig (on arm64 for up to eight arguments, which are in registers; no function here has more). Handles that MPI
 * writes (requests, communicators) go into zeroed 64 bits, on little-endian machines only.
 */
#ifndef LF_MPI_H
#define LF_MPI_H

#include <stdint.h>
#include <string.h>

#include "lavaflow.h"

typedef uint64_t lf_mpi_handle;
typedef lf_mpi_handle lf_mpi_request;

/* Room for any kind's MPI_Status. */
typedef struct {
  _Alignas(8) uint8_t bytes[64];
} lf_mpi_status;

/* Where a kind keeps the number of bytes that were received. */
typedef enum { LF_MPI_COUNT_64, LF_MPI_COUNT_MPICH, LF_MPI_COUNT_BY_CALL } lf_mpi_count;

/* An attribute's callbacks. An int handle's upper half is not MPI's: use what came with `extra` instead. */
typedef int lf_mpi_copy(lf_mpi_handle comm, int keyval, void *extra, void *value, void *out, int *flag);
typedef int lf_mpi_delete(lf_mpi_handle comm, int keyval, void *value, void *extra);
/* For an attribute that a copy of the communicator is not to have: the libraries have no name for it in common. */
lf_mpi_copy lf_mpi_copy_none;

/* MPI's functions that the shim calls: the library's names have MPI_ before them. */
#define LF_MPI_FUNCTIONS(F)                                                                                            \
  F(Abort, (lf_mpi_handle comm, int code))                                                                             \
  F(Allgather, (const void *from, int count, lf_mpi_handle type, void *to, int to_count, lf_mpi_handle to_type,        \
                lf_mpi_handle comm))                                                                                   \
  F(Allreduce, (const void *from, void *to, int count, lf_mpi_handle type, lf_mpi_handle op, lf_mpi_handle comm))      \
  F(Bcast, (void *data, int count, lf_mpi_handle type, int root, lf_mpi_handle comm))                                  \
  F(Cancel, (lf_mpi_request * request))                                                                                \
  F(Comm_create_keyval, (lf_mpi_copy * copy, lf_mpi_delete * on_delete, int *keyval, void *extra))                     \
  F(Comm_dup, (lf_mpi_handle comm, lf_mpi_handle *out))                                                                \
  F(Comm_free, (lf_mpi_handle * comm))                                                                                 \
  F(Comm_get_attr, (lf_mpi_handle comm, int keyval, void *value, int *flag))                                           \
  F(Comm_rank, (lf_mpi_handle comm, int *rank))                                                                        \
  F(Comm_set_attr, (lf_mpi_handle comm, int keyval, void *value))                                                      \
  F(Comm_set_errhandler, (lf_mpi_handle comm, lf_mpi_handle handler))                                                  \
  F(Comm_size, (lf_mpi_handle comm, int *size))                                                                        \
  F(Comm_split_type, (lf_mpi_handle comm, int type, int key, lf_mpi_handle info, lf_mpi_handle *out))                  \
  F(Error_class, (int code, int *error_class))                                                                         \
  F(Error_string, (int code, char *text, int *length))                                                                 \
  F(Finalize, (void))                                                                                                  \
  F(Finalized, (int *flag))                                                                                            \
  F(Get_count, (const void *status, lf_mpi_handle type, int *count))                                                   \
  F(Get_library_version, (char *text, int *length))                                                                    \
  F(Get_processor_name, (char *name, int *length))                                                                     \
  F(Get_version, (int *version, int *subversion))                                                                      \
  F(Init_thread, (int *argc, char ***argv, int required, int *provided))                                               \
  F(Initialized, (int *flag))                                                                                          \
  F(Irecv, (void *data, int count, lf_mpi_handle type, int source, int tag, lf_mpi_handle comm,                        \
            lf_mpi_request *request))                                                                                  \
  F(Isend, (const void *data, int count, lf_mpi_handle type, int to, int tag, lf_mpi_handle comm,                      \
            lf_mpi_request *request))                                                                                  \
  F(Issend, (const void *data, int count, lf_mpi_handle type, int to, int tag, lf_mpi_handle comm,                     \
            lf_mpi_request *request))                                                                                  \
  F(Query_thread, (int *provided))                                                                                     \
  F(Request_free, (lf_mpi_request * request))                                                                          \
  F(Test, (lf_mpi_request * request, int *flag, void *status))

/* A private communicator with MPI_ERRORS_RETURN does not do: MPICH raises what MPI_Test finds on MPI_COMM_WORLD, other
 * libraries of MPI 4 on MPI_COMM_SELF. Both need that handler as well. */
typedef struct {
#define LF_MEMBER(name, arguments) int(*name) arguments;
  LF_MPI_FUNCTIONS(LF_MEMBER)
#undef LF_MEMBER

  /* the kind's handles and constants */
  lf_mpi_handle comm_world, comm_self, byte, band, bor, errors_return, info_null, request_null;
  int any_source, any_tag, comm_type_shared, tag_ub, thread_multiple, error_truncate;
  /* the kind's MPI_Status */
  uint16_t source_offset, tag_offset, error_offset, count_offset;
  lf_mpi_count count;
  lf_mpi_info info;
} lf_mpi;

/* The library, opened by the first call and for good; NULL with MPI_UNAVAILABLE recorded. Any thread may call. */
const lf_mpi *lf_mpi_load(void);
/* The same kind with functions that all fail, and touch nothing. For the job's thread. */
const lf_mpi *lf_mpi_dead(const lf_mpi *mpi);
/* Calls `ask` when the library is about to end the process, before it does. */
void lf_mpi_ask_before_exit(void (*ask)(void));
/* Whether the environment says that a launcher of any kind started this process; how many ranks it says there are
 * (0: not said). A library that finds itself alone although several are said is not the launcher's. */
int lf_mpi_launched(int *size);

/* Records a failing call: MPI_FAILED with the library's own words. `format` says what was tried. */
int32_t lf_mpi_fail(const lf_mpi *mpi, const char *api, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Whether `code`, of a failing call, says that a message was longer than what was posted for it. */
int lf_mpi_truncated(const lf_mpi *mpi, int code);

static inline int lf_mpi_int(const lf_mpi_status *status, uint16_t offset) {
  int32_t value;
  memcpy(&value, status->bytes + offset, sizeof value);
  return value;
}
static inline int lf_mpi_source(const lf_mpi *mpi, const lf_mpi_status *s) { return lf_mpi_int(s, mpi->source_offset); }
static inline int lf_mpi_tag(const lf_mpi *mpi, const lf_mpi_status *s) { return lf_mpi_int(s, mpi->tag_offset); }

/* How many bytes were received. */
static inline uint64_t lf_mpi_bytes(const lf_mpi *mpi, const lf_mpi_status *s) {
  uint64_t value;
  if (mpi->count == LF_MPI_COUNT_64) {
    memcpy(&value, s->bytes + mpi->count_offset, sizeof value);
    return value;
  }
  if (mpi->count == LF_MPI_COUNT_MPICH) { /* the lower 32 bits, then 31 more above the bit that says "cancelled" */
    uint32_t low = (uint32_t)lf_mpi_int(s, mpi->count_offset);
    uint32_t high = (uint32_t)lf_mpi_int(s, (uint16_t)(mpi->count_offset + 4));
    return low | (uint64_t)(high >> 1) << 32;
  }
  int count = 0;
  if (mpi->Get_count(s, mpi->byte, &count) != 0 || count < 0) return 0; /* refused, as what is too short is */
  return (uint64_t)count;
}

#endif
