/*
 * For tests only: the standard ABI of MPI 5.0 over MPICH 4, which has none. It exports what lava-flow's table names
 * (shim/src/mpi.h) and nothing else, and hands each call to libmpich.so.12 with the handles, constants and statuses of
 * the one translated into those of the other. The shim's real counterpart is the libmpi_abi of an MPI 5 library.
 *
 * Handles that MPICH makes pass as they are: they are above 0x04000000, those that the ABI has fixed are below 0x1000.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uintptr_t handle; /* the ABI's: a pointer */

typedef struct {
  int source, tag, error, internal[5];
} abi_status;

typedef struct {
  int count_low, count_high, source, tag, error;
} mpich_status;

typedef int abi_copy(handle comm, int keyval, void *extra, void *value, void *out, int *flag);
typedef int abi_delete(handle comm, int keyval, void *value, void *extra);

/* The ABI's MPI_ERR_OTHER: the result of each call without MPICH. */
#define ERR_OTHER 16

#define MPICH_FUNCTIONS(F)                                                                  \
  F(Abort, (int, int))                                                                      \
  F(Allgather, (const void *, int, int, void *, int, int, int))                             \
  F(Allreduce, (const void *, void *, int, int, int, int))                                  \
  F(Bcast, (void *, int, int, int, int))                                                    \
  F(Cancel, (int *))                                                                        \
  F(Comm_create_keyval, (int (*)(int, int, void *, void *, void *, int *),                  \
                         int (*)(int, int, void *, void *), int *, void *))                 \
  F(Comm_dup, (int, int *))                                                                 \
  F(Comm_free, (int *))                                                                     \
  F(Comm_get_attr, (int, int, void *, int *))                                               \
  F(Comm_rank, (int, int *))                                                                \
  F(Comm_set_attr, (int, int, void *))                                                      \
  F(Comm_set_errhandler, (int, int))                                                        \
  F(Comm_size, (int, int *))                                                                \
  F(Comm_split_type, (int, int, int, int, int *))                                           \
  F(Error_class, (int, int *))                                                              \
  F(Error_string, (int, char *, int *))                                                     \
  F(Finalize, (void))                                                                       \
  F(Finalized, (int *))                                                                     \
  F(Get_count, (const mpich_status *, int, int *))                                          \
  F(Get_library_version, (char *, int *))                                                   \
  F(Get_processor_name, (char *, int *))                                                    \
  F(Init_thread, (int *, char ***, int, int *))                                             \
  F(Initialized, (int *))                                                                   \
  F(Irecv, (void *, int, int, int, int, int, int *))                                        \
  F(Isend, (const void *, int, int, int, int, int, int *))                                  \
  F(Issend, (const void *, int, int, int, int, int, int *))                                 \
  F(Query_thread, (int *))                                                                  \
  F(Request_free, (int *))                                                                  \
  F(Test, (int *, int *, mpich_status *))

static struct {
#define MEMBER(name, arguments) int(*name) arguments;
  MPICH_FUNCTIONS(MEMBER)
} mpich;

static int is_open;

/* Before anybody can call, so that no call has to look. */
__attribute__((constructor)) static void open_mpich(void) {
#define NAME(name, arguments) "MPI_" #name,
  static const char *const names[] = {MPICH_FUNCTIONS(NAME)};
  void *library = dlopen("libmpich.so.12", RTLD_NOW | RTLD_GLOBAL);
  if (!library) return;
  void **table = (void **)&mpich;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!(table[i] = dlsym(library, names[i]))) return;
  is_open = 1;
}

/* ---- constants ---- */

typedef struct {
  int abi, mpich;
} pair;

static const pair handles[] = {
    {0x100, 0x04000000}, {0x101, 0x44000000}, {0x102, 0x44000001}, /* COMM_NULL, COMM_WORLD, COMM_SELF */
    {0x028, 0x58000006}, {0x029, 0x58000008},                      /* BAND, BOR */
    {0x247, 0x4c00010d},                                           /* BYTE */
    {0x130, 0x1c000000},                                           /* INFO_NULL */
    {0x141, 0x54000000}, {0x143, 0x54000001},                      /* ERRORS_ARE_FATAL, ERRORS_RETURN */
    {0x180, 0x2c000000},                                           /* REQUEST_NULL */
};
static const pair ranks[] = {{-1, -2}, {-3, -1}}; /* ANY_SOURCE, PROC_NULL */
static const pair tags[] = {{-2, -1}};            /* ANY_TAG */
static const pair levels[] = {{0, 0}, {1024, 1}, {2048, 2}, {4096, 3}};
static const pair keyvals[] = {{0, 0x24000000}, {501, 0x64400001}}; /* INVALID, TAG_UB */
static const pair split_types[] = {{221, 1}};                       /* SHARED */
/* COUNT, TYPE and so on up to RANK are the same. */
static const pair classes[] = {
    {7, 19},  /* REQUEST */
    {8, 7},   /* ROOT */
    {9, 8},   /* GROUP */
    {10, 9},  /* OP */
    {11, 10}, /* TOPOLOGY */
    {12, 11}, /* DIMS */
    {13, 12}, /* ARG */
    {14, 13}, /* UNKNOWN */
    {15, 14}, /* TRUNCATE */
    {16, 15}, /* OTHER */
    {17, 16}, /* INTERN */
    {18, 18}, /* PENDING */
    {19, 17}, /* IN_STATUS */
};

/* One that is not listed stays as it is. */
#define TO_MPICH(pairs, value) convert(pairs, sizeof pairs / sizeof *pairs, value, 1)
#define TO_ABI(pairs, value) convert(pairs, sizeof pairs / sizeof *pairs, value, 0)
static int convert(const pair *pairs, size_t count, int value, int to_mpich) {
  for (size_t i = 0; i < count; i++) {
    if (to_mpich && pairs[i].abi == value) return pairs[i].mpich;
    if (!to_mpich && pairs[i].mpich == value) return pairs[i].abi;
  }
  return value;
}

static int in(handle value) { return TO_MPICH(handles, (int)value); }
static handle out(int value) { return (uint32_t)TO_ABI(handles, value); }

/* MPICH's codes above its classes mean the same to everybody: they are MPICH's own. */
static int code_out(int code) { return code > 0 && code < 128 ? TO_ABI(classes, code) : code; }

static void status_out(const mpich_status *from, abi_status *to) {
  *to = (abi_status){.source = TO_ABI(ranks, from->source),
                     .tag = TO_ABI(tags, from->tag),
                     .error = code_out(from->error),
                     .internal = {from->count_low, from->count_high}};
}

/* ---- attributes: MPICH calls back with its own handles ---- */

typedef struct {
  abi_copy *copy;
  abi_delete *on_delete;
  void *extra;
} keyval_state; /* lives as long as its key, which this file never frees */

static int on_copy(int comm, int keyval, void *given, void *value, void *to, int *flag) {
  keyval_state *state = given;
  *flag = 0;
  if ((uintptr_t)state->copy > 1) return state->copy(out(comm), keyval, state->extra, value, to, flag);
  if (state->copy) memcpy(to, &value, sizeof value); /* MPI_COMM_DUP_FN is 1, MPI_COMM_NULL_COPY_FN is 0 */
  *flag = state->copy != NULL;
  return 0;
}

static int on_delete(int comm, int keyval, void *value, void *given) {
  keyval_state *state = given;
  return state->on_delete ? state->on_delete(out(comm), keyval, value, state->extra) : 0;
}

EXPORT int MPI_Comm_create_keyval(abi_copy *copy, abi_delete *deleted, int *keyval, void *extra) {
  keyval_state *state = malloc(sizeof *state);
  if (!state) return ERR_OTHER;
  *state = (keyval_state){copy, deleted, extra};
  return code_out(mpich.Comm_create_keyval(on_copy, on_delete, keyval, state));
}

EXPORT int MPI_Comm_get_attr(handle comm, int keyval, void *value, int *flag) {
  return code_out(mpich.Comm_get_attr(in(comm), TO_MPICH(keyvals, keyval), value, flag));
}

EXPORT int MPI_Comm_set_attr(handle comm, int keyval, void *value) {
  return code_out(mpich.Comm_set_attr(in(comm), TO_MPICH(keyvals, keyval), value));
}

/* ---- the library ---- */

EXPORT int MPI_Abi_get_version(int *major, int *minor) {
  *major = 1;
  *minor = 0;
  return 0;
}

EXPORT int MPI_Get_version(int *version, int *subversion) {
  *version = 5;
  *subversion = 0;
  return 0;
}

EXPORT int MPI_Get_library_version(char *text, int *length) {
  return is_open ? code_out(mpich.Get_library_version(text, length)) : ERR_OTHER;
}

EXPORT int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
  int code = mpich.Init_thread(argc, argv, TO_MPICH(levels, required), provided);
  *provided = TO_ABI(levels, *provided);
  return code_out(code);
}

EXPORT int MPI_Query_thread(int *provided) {
  int code = mpich.Query_thread(provided);
  *provided = TO_ABI(levels, *provided);
  return code_out(code);
}

EXPORT int MPI_Initialized(int *flag) { return code_out(mpich.Initialized(flag)); }
EXPORT int MPI_Finalize(void) { return code_out(mpich.Finalize()); }
EXPORT int MPI_Finalized(int *flag) { return code_out(mpich.Finalized(flag)); }
EXPORT int MPI_Abort(handle comm, int code) { return code_out(mpich.Abort(in(comm), code)); }
EXPORT int MPI_Get_processor_name(char *name, int *length) { return code_out(mpich.Get_processor_name(name, length)); }

EXPORT int MPI_Error_class(int code, int *error_class) {
  int result = mpich.Error_class(code > 0 && code < 128 ? TO_MPICH(classes, code) : code, error_class);
  *error_class = TO_ABI(classes, *error_class);
  return code_out(result);
}

EXPORT int MPI_Error_string(int code, char *text, int *length) {
  return code_out(mpich.Error_string(code > 0 && code < 128 ? TO_MPICH(classes, code) : code, text, length));
}

/* ---- communicators ---- */

EXPORT int MPI_Comm_rank(handle comm, int *rank) { return code_out(mpich.Comm_rank(in(comm), rank)); }
EXPORT int MPI_Comm_size(handle comm, int *size) { return code_out(mpich.Comm_size(in(comm), size)); }

EXPORT int MPI_Comm_set_errhandler(handle comm, handle handler) {
  return code_out(mpich.Comm_set_errhandler(in(comm), in(handler)));
}

EXPORT int MPI_Comm_dup(handle comm, handle *copy) {
  int made = 0, code = mpich.Comm_dup(in(comm), &made);
  *copy = out(made);
  return code_out(code);
}

EXPORT int MPI_Comm_split_type(handle comm, int type, int key, handle info, handle *part) {
  int made = 0, code = mpich.Comm_split_type(in(comm), TO_MPICH(split_types, type), key, in(info), &made);
  *part = out(made);
  return code_out(code);
}

EXPORT int MPI_Comm_free(handle *comm) {
  int freed = in(*comm), code = mpich.Comm_free(&freed);
  *comm = out(freed);
  return code_out(code);
}

/* ---- collectives ---- */

EXPORT int MPI_Allgather(const void *from, int count, handle type, void *to, int to_count, handle to_type, handle comm) {
  return code_out(mpich.Allgather(from, count, in(type), to, to_count, in(to_type), in(comm)));
}

EXPORT int MPI_Allreduce(const void *from, void *to, int count, handle type, handle op, handle comm) {
  return code_out(mpich.Allreduce(from, to, count, in(type), in(op), in(comm)));
}

EXPORT int MPI_Bcast(void *data, int count, handle type, int root, handle comm) {
  return code_out(mpich.Bcast(data, count, in(type), root, in(comm)));
}

/* ---- messages ---- */

EXPORT int MPI_Irecv(void *data, int count, handle type, int source, int tag, handle comm, handle *request) {
  int made = 0;
  int code = mpich.Irecv(data, count, in(type), TO_MPICH(ranks, source), TO_MPICH(tags, tag), in(comm), &made);
  *request = out(made);
  return code_out(code);
}

EXPORT int MPI_Isend(const void *data, int count, handle type, int to, int tag, handle comm, handle *request) {
  int made = 0, code = mpich.Isend(data, count, in(type), TO_MPICH(ranks, to), tag, in(comm), &made);
  *request = out(made);
  return code_out(code);
}

EXPORT int MPI_Issend(const void *data, int count, handle type, int to, int tag, handle comm, handle *request) {
  int made = 0, code = mpich.Issend(data, count, in(type), TO_MPICH(ranks, to), tag, in(comm), &made);
  *request = out(made);
  return code_out(code);
}

EXPORT int MPI_Test(handle *request, int *flag, abi_status *status) {
  mpich_status found = {0};
  int tested = in(*request), code = mpich.Test(&tested, flag, &found);
  *request = out(tested);
  if (status && (code || *flag)) status_out(&found, status);
  return code_out(code);
}

EXPORT int MPI_Get_count(const abi_status *status, handle type, int *count) {
  mpich_status found = {.count_low = status->internal[0], .count_high = status->internal[1]};
  return code_out(mpich.Get_count(&found, in(type), count));
}

EXPORT int MPI_Cancel(handle *request) {
  int cancelled = in(*request);
  return code_out(mpich.Cancel(&cancelled));
}

EXPORT int MPI_Request_free(handle *request) {
  int freed = in(*request), code = mpich.Request_free(&freed);
  *request = out(freed);
  return code_out(code);
}
