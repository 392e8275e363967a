#include "mpi/mpi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/library.h"
#include "base/once.h"
#include "base/status.h"
#include "mpi/launch.h"
#include "mpi/mpi_kinds.h"
#include "mpi/mpi_library.h"

/* The longest that any kind writes (MPI_MAX_LIBRARY_VERSION_STRING and MPI_MAX_ERROR_STRING of MPICH and the ABI). */
#define VERSION_BYTES 8192
#define ERROR_BYTES 512
/* Why one library is not used. */
#define WHY_BYTES 320

static lf_mpi mpi;
static int is_open;
static char why_not[400]; /* why it is not */

/* ---- the kinds ---- */

#define NUMBERS(K)                                                                                              \
  .any_source = LF_##K##_ANY_SOURCE, .any_tag = LF_##K##_ANY_TAG, .comm_type_shared = LF_##K##_COMM_TYPE_SHARED, \
  .tag_ub = LF_##K##_TAG_UB, .thread_multiple = LF_##K##_THREAD_MULTIPLE,                                    \
  .error_truncate = LF_##K##_ERR_TRUNCATE, .source_offset = LF_##K##_STATUS_SOURCE,                              \
  .tag_offset = LF_##K##_STATUS_TAG, .error_offset = LF_##K##_STATUS_ERROR
#define HANDLES(K)                                                                                              \
  .comm_world = LF_##K##_COMM_WORLD, .comm_self = LF_##K##_COMM_SELF, .byte = LF_##K##_BYTE, .band = LF_##K##_BAND, \
  .bor = LF_##K##_BOR, .errors_return = LF_##K##_ERRORS_RETURN, .info_null = LF_##K##_INFO_NULL,                 \
  .request_null = LF_##K##_REQUEST_NULL

static const lf_mpi kinds[] = {
    [LF_MPI_STANDARD_ABI] = {HANDLES(ABI), NUMBERS(ABI), .count = LF_MPI_COUNT_BY_CALL},
    [LF_MPI_OPEN_MPI] = {NUMBERS(OPEN_MPI), .count = LF_MPI_COUNT_64, .count_offset = LF_OPEN_MPI_STATUS_COUNT},
    [LF_MPI_MPICH] = {HANDLES(MPICH), NUMBERS(MPICH), .count = LF_MPI_COUNT_MPICH,
                      .count_offset = LF_MPICH_STATUS_COUNT},
    [LF_MPI_MICROSOFT] = {HANDLES(MPICH), NUMBERS(MPICH), .count = LF_MPI_COUNT_BY_CALL},
};

_Static_assert(sizeof(lf_mpi_status) >= LF_ABI_STATUS_SIZE && sizeof(lf_mpi_status) >= LF_OPEN_MPI_STATUS_SIZE &&
                   sizeof(lf_mpi_status) >= LF_MPICH_STATUS_SIZE,
               "room for any kind's MPI_Status");

/* Open MPI's handles are the addresses of what it exports. NULL, or the name of one that is missing. */
static const char *take_open_mpi_handles(void *library, lf_mpi *out) {
  const struct {
    const char *name;
    lf_mpi_handle *handle;
  } exported[] = {
      {"ompi_mpi_comm_world", &out->comm_world}, {"ompi_mpi_comm_self", &out->comm_self},
      {"ompi_mpi_byte", &out->byte},             {"ompi_mpi_op_band", &out->band},
      {"ompi_mpi_op_bor", &out->bor},            {"ompi_mpi_errors_return", &out->errors_return},
      {"ompi_mpi_info_null", &out->info_null},   {"ompi_request_null", &out->request_null},
  };
  for (size_t i = 0; i < sizeof exported / sizeof *exported; i++) {
    void *address = lf_library_symbol(library, exported[i].name);
    if (!address) return exported[i].name;
    *exported[i].handle = (lf_mpi_handle)(uintptr_t)address;
  }
  return NULL;
}

/* What a library calls itself, most telling name first, and the name that users know. */
static const struct {
  const char *says;
  const char *name;
  int kind;
} makers[] = {
    {"Open MPI", "Open MPI", LF_MPI_OPEN_MPI},
    {"IBM Spectrum MPI", "IBM Spectrum MPI", LF_MPI_OPEN_MPI},
    {"Microsoft MPI", "Microsoft MPI", LF_MPI_MICROSOFT},
    {"Intel(R) MPI", "Intel MPI", LF_MPI_MPICH},
    {"MVAPICH2", "MVAPICH2", LF_MPI_MPICH},
    {"MVAPICH", "MVAPICH", LF_MPI_MPICH},
    {"CRAY MPICH", "Cray MPICH", LF_MPI_MPICH},
    {"MPICH", "MPICH", LF_MPI_MPICH},
};

/* The kind of who wrote `says`, the library's version text; -1 when it is none of those above. */
static int read_version(char *says, lf_mpi_info *out) {
  says[strcspn(says, "\r\n")] = 0;
  for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
    const char *at = strstr(says, makers[i].says);
    if (!at) continue;
    at += strlen(makers[i].says);
    at += strcspn(at, "0123456789");
    snprintf(out->implementation, sizeof out->implementation, "%s", makers[i].name);
    snprintf(out->version, sizeof out->version, "%.*s", (int)strspn(at, "0123456789.abcdefghijklmnopqrstuvwxyz-"), at);
    return makers[i].kind;
  }
  snprintf(out->implementation, sizeof out->implementation, "%s", says);
  return -1;
}

/* ---- one library ---- */

/* The major version of the standard ABI that the library's handles and constants follow; -1 for none. */
static int abi_of(void *library) {
  int (*get)(int *, int *) = NULL;
  void *symbol = lf_library_symbol(library, "MPI_Abi_get_version");
  memcpy(&get, &symbol, sizeof get);
  int major = -1, minor = -1;
  return get && get(&major, &minor) == 0 ? major : -1;
}

/* MPI_Init_thread of the library, and its arguments and result. */
static int (*init_thread)(int *argc, char ***argv, int required, int *provided);
typedef struct {
  int *argc;
  char ***argv;
  int required, *provided, code;
} lf_mpi_init;

static void run_init(void *given) {
  lf_mpi_init *init = given;
  init->code = init_thread(init->argc, init->argv, init->required, init->provided);
}

/* In the table, in its place. */
static int init_keeping_signals(int *argc, char ***argv, int required, int *provided) {
  lf_mpi_init init = {argc, argv, required, provided, 0};
  lf_mpi_keeping_signals(run_init, &init);
  return init.code;
}

/* Why a library is not used. Returns 0. */
__attribute__((format(printf, 3, 4))) static int refuse(char *why, size_t bytes, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(why, bytes, format, args);
  va_end(args);
  return 0;
}

/* Whether the shim can use this one: then it is in `mpi`. */
static int adopt(void *library, const char *name, char *why, size_t bytes) {
  if (!lf_library_symbol(library, "MPI_Init_thread"))
    return refuse(why, bytes, "%s is no MPI library: it has no MPI_Init_thread", name);
#define LF_NAME(function, arguments) "MPI_" #function,
  static const char *const names[] = {LF_MPI_FUNCTIONS(LF_NAME) NULL};
#undef LF_NAME
  lf_mpi found;
  const char *missing = lf_library_symbols(library, names, (void **)&found);
  if (missing) return refuse(why, bytes, "%s lacks %s: a library of MPI 3 or later is needed", name, missing);

  static char says[VERSION_BYTES];
  int length = 0, version = 0, subversion = 0;
  if (found.Get_library_version(says, &length) != 0 || found.Get_version(&version, &subversion) != 0)
    return refuse(why, bytes, "%s does not tell its version", name);
  lf_mpi_info info = {.standard = version * 100 + subversion};
  info.kind = read_version(says, &info);
  void *function;
  memcpy(&function, &found.Get_library_version, sizeof function);
  lf_mpi_path(function, info.library, sizeof info.library);

  int abi = abi_of(library);
  if (abi > 1) return refuse(why, bytes, "%s has version %d of MPI's ABI, lava-flow knows version 1", name, abi);
  /* MPICH 4.3 has a draft of it under the same name, with other numbers. */
  if (abi < 1 && strstr(info.library, "mpi_abi"))
    return refuse(why, bytes, "%s has the ABI of a draft of MPI 5: name the library of %s itself", name,
                  info.implementation);
  if (abi == 1) info.kind = LF_MPI_STANDARD_ABI;
  else if (lf_library_symbol(library, "ompi_mpi_comm_world")) info.kind = LF_MPI_OPEN_MPI;
  if (info.kind < 0)
    return refuse(why, bytes, "%s is of a kind that lava-flow does not know: \"%.100s\"", name, says);

  lf_mpi table = kinds[info.kind];
  memcpy(&table, &found, offsetof(lf_mpi, comm_world));
  missing = info.kind == LF_MPI_OPEN_MPI ? take_open_mpi_handles(library, &table) : NULL;
  if (missing) return refuse(why, bytes, "%s lacks %s", name, missing);
  init_thread = table.Init_thread;
  table.Init_thread = init_keeping_signals;
  table.info = info;
  mpi = table;
  return 1;
}

static int try_library(const char *name, char *why, size_t bytes) {
  const char *const only[] = {name, NULL};
  void *library = lf_library_open(only, why, bytes);
  if (!library || !adopt(library, name, why, bytes)) return 0;
  lf_mpi_share_symbols(name);
  return 1;
}

/* ---- which library ---- */

/* What became of the names that were tried. Those that failed in the same words, but for the name, stand together. */
typedef struct {
  char *text;
  size_t bytes;
  int any;
  size_t name_end; /* in `text`: where the last name ends */
  char before[WHY_BYTES], after[WHY_BYTES];
} lf_attempts;

static void note_attempt(lf_attempts *tried, const char *name, const char *why) {
  const char *at = strstr(why, name);
  const char *after = at ? at + strlen(name) : "";
  int before = (int)(at ? at - why : (ptrdiff_t)strlen(why));
  size_t used = strlen(tried->text);
  if (at && tried->name_end > 0 && strncmp(tried->before, why, (size_t)before) == 0 && !tried->before[before] &&
      strcmp(tried->after, after) == 0) {
    char more[128];
    size_t length = (size_t)snprintf(more, sizeof more, ", %s", name);
    if (length >= sizeof more || used + length >= tried->bytes) return;
    char *end = tried->text + tried->name_end;
    memmove(end + length, end, used - tried->name_end + 1);
    memcpy(end, more, length);
    tried->name_end += length;
    return;
  }
  const char *separator = tried->any ? "; " : "";
  tried->any = 1;
  snprintf(tried->text + used, tried->bytes - used, "%s%s", separator, why);
  snprintf(tried->before, sizeof tried->before, "%.*s", before, why);
  snprintf(tried->after, sizeof tried->after, "%s", after);
  size_t end = used + strlen(separator) + (size_t)before + strlen(name);
  tried->name_end = at && end < tried->bytes ? end : 0;
}

/* Who started this process, as far as that tells whose library is wanted. */
static lf_mpi_launcher launcher_of(const lf_launch *launch) {
  if (launch->open_mpi) return LF_MPI_BY_OPEN_MPI;
  return launch->protocol == LF_LAUNCHED_BY_PMI ? LF_MPI_BY_HYDRA : LF_MPI_BY_ANYONE;
}

static void open_mpi(void *unused) {
  (void)unused;
  char why[WHY_BYTES];
  const char *named = getenv("LAVA_FLOW_MPI");
  if (named && strcmp(named, "off") == 0) {
    snprintf(why_not, sizeof why_not, "LAVA_FLOW_MPI is \"off\"");
    return;
  }
  if (named && named[0]) {
    is_open = try_library(named, why, sizeof why);
    if (!is_open) snprintf(why_not, sizeof why_not, "the library that LAVA_FLOW_MPI names can't be used: %s", why);
    return;
  }
  lf_launch launch;
  lf_launch_read(&launch);
  lf_mpi_launcher launcher = launcher_of(&launch);
  const char *const *names = lf_mpi_names(launcher);
  static const char *const whose[] = {
      [LF_MPI_BY_ANYONE] = "",
      [LF_MPI_BY_OPEN_MPI] = " for Open MPI's launcher",
      [LF_MPI_BY_HYDRA] = " for a launcher of MPICH's kind",
  };
  snprintf(why_not, sizeof why_not, "no MPI library%s can be opened: ", whose[launcher]);
  lf_attempts tried = {.text = why_not, .bytes = sizeof why_not};
  /* One that is in the process already may be in use by others here, and there can be only one. */
  for (int loaded = 1; loaded >= 0; loaded--) {
    for (const char *const *name = names; *name; name++) {
      if (lf_mpi_is_loaded(*name) != loaded) continue;
      is_open = try_library(*name, why, sizeof why);
      if (is_open) return;
      note_attempt(&tried, *name, why);
    }
  }
}

static void open_keeping_signals(void) { lf_mpi_keeping_signals(open_mpi, NULL); }

const lf_mpi *lf_mpi_load(void) {
  static lf_once once = LF_ONCE;
  lf_once_run(&once, open_keeping_signals);
  if (is_open) return &mpi;
  lf_fail(LF_EMPI_UNAVAILABLE, "", 0, "%s", why_not);
  return NULL;
}

void lf_mpi_ask_before_exit(void (*ask)(void)) {
  void *function;
  memcpy(&function, &mpi.Get_library_version, sizeof function);
  lf_mpi_before_exit(function, ask);
}

int lf_mpi_launched(int *size) {
  lf_launch launch;
  lf_launch_read(&launch);
  *size = launch.size;
  return launch.protocol != LF_LAUNCHED_BY_NONE;
}

int32_t lf_mpi_describe(lf_mpi_info *out) {
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for what the MPI library is");
  const lf_mpi *library = lf_mpi_load();
  if (!library) return LF_EMPI_UNAVAILABLE;
  *out = library->info;
  return LF_OK;
}

int lf_mpi_copy_none(lf_mpi_handle comm, int keyval, void *extra, void *value, void *out, int *flag) {
  (void)comm, (void)keyval, (void)extra, (void)value, (void)out;
  *flag = 0;
  return 0;
}

/* ---- what it says once it is in use ---- */

/* Whether it may be asked for words: Open MPI 4 ends the process that asks it before its init or after its end. */
static int has_words(const lf_mpi *library) {
  int initialised = 0, finalised = 1;
  return library->Initialized(&initialised) == 0 && initialised && library->Finalized(&finalised) == 0 && !finalised;
}

int lf_mpi_truncated(const lf_mpi *library, int code) {
  int error_class = code;
  if (code == library->error_truncate) return 1;
  return library->Error_class(code, &error_class) == 0 && error_class == library->error_truncate;
}

int32_t lf_mpi_fail(const lf_mpi *library, const char *api, int code, const char *format, ...) {
  char what[160], words[ERROR_BYTES] = "";
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  int length = 0;
  if (!has_words(library) || library->Error_string(code, words, &length) != 0 || !words[0])
    snprintf(words, sizeof words, "error %d of %s", code, library->info.implementation);
  /* MPICH gives a stack of lines. */
  for (char *end = words; (end = strchr(end, '\n'));) *end = end[1] ? ' ' : 0;
  return lf_fail(LF_EMPI_FAILED, api, code, "%s: %s", what, words);
}
