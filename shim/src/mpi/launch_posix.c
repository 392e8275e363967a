#include "mpi/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__APPLE__) && !defined(F_OFD_SETLK)
#define F_OFD_SETLK 90
#endif

#define PATH_BYTES 4096
/* Milliseconds for which a launcher's port of this host is waited for: the kernel answers at once. */
#define CONNECT_MS 1000
/* The greatest number of processes between a rank and its launcher: more are a loop. */
#define GENERATIONS 64

__attribute__((format(printf, 3, 4))) static int no(char *why, size_t bytes, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(why, bytes, format, args);
  va_end(args);
  return 0;
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_of(uint64_t seed, const char *text) {
  for (; *text; text++) seed = (seed ^ (uint8_t)*text) * 0x100000001b3u;
  return seed;
}

/* The claim to the rank: its job and number. */
static uint64_t claim_of(const lf_launch *launch) {
  char number[16];
  snprintf(number, sizeof number, " %d", launch->rank);
  return hash_of(hash_of(0xcbf29ce484222325u, launch->job), number);
}

/* ---- whether the launcher is there ---- */

/* "tcp4://127.0.0.1:40281" or "tcp6://[::1]:40281": -1 for another form, 0 if nothing listens there. */
static int listens_at(const char *address) {
  char host[256], numbers[8];
  const char *start = strstr(address, "://"), *port = strrchr(address, ':');
  if (!start || !port || port <= start + 3) return -1;
  start += 3;
  size_t length = (size_t)(port - start);
  if (length >= 2 && start[0] == '[' && start[length - 1] == ']') {
    start++;
    length -= 2;
  }
  if (length == 0 || length >= sizeof host || strlen(port + 1) >= sizeof numbers) return -1;
  memcpy(host, start, length);
  host[length] = 0;
  snprintf(numbers, sizeof numbers, "%s", port + 1);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found = NULL;
  if (getaddrinfo(host, numbers, &hints, &found) != 0) return -1;
  int fd = socket(found->ai_family, SOCK_STREAM, 0), answer = -1;
  if (fd >= 0) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    answer = connect(fd, found->ai_addr, found->ai_addrlen) == 0 ? 1 : errno == EINPROGRESS ? -1 : 0;
    struct pollfd watched = {.fd = fd, .events = POLLOUT};
    if (answer < 0 && poll(&watched, 1, CONNECT_MS) == 1) {
      int error = 0;
      socklen_t bytes = sizeof error;
      answer = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0;
    }
    close(fd);
  }
  freeaddrinfo(found);
  return answer;
}

/* The server's directory and its port are gone with it. */
static int pmix_answers(char *why, size_t bytes) {
  static const char *const names[] = {"PMIX_SERVER_URI41", "PMIX_SERVER_URI4", "PMIX_SERVER_URI3", "PMIX_SERVER_URI21",
                                      "PMIX_SERVER_URI2", "PMIX_SERVER_URI"};
  const char *directory = lf_launch_text("PMIX_SERVER_TMPDIR");
  if (directory && access(directory, F_OK) != 0)
    return no(why, bytes, "has the variables of a launcher that is gone (PMIX_SERVER_TMPDIR %s: %s)", directory,
              strerror(errno));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *uri = lf_launch_text(names[i]);
    if (!uri) continue;
    const char *address = strchr(uri, ';');
    if (address && listens_at(address + 1) == 0)
      return no(why, bytes, "has the variables of a launcher that is gone (%s: nothing listens at %s)", names[i],
                address + 1);
    return 1;
  }
  return no(why, bytes, "has variables of a launcher, but no address of it (PMIX_SERVER_URI...)");
}

/* 1 when PMI_FD is a socket whose other end is open, -1 when it is none, 0 when the other end is closed; `server` is
 * the process that made it (0: unknown). */
static int pmi_answers(pid_t *server, char *why, size_t bytes) {
  int fd = lf_launch_number("PMI_FD"), type = 0;
  socklen_t length = sizeof type;
  char byte;
  *server = 0;
  if (fd < 0) {
    if (lf_launch_text("PMI_PORT") || lf_launch_text("PMI_CONTROL_PORT")) return 1; /* opened by the library */
    return no(why, bytes, "has variables of a launcher, but no connection to it (PMI_FD, PMI_PORT)");
  }
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) {
    no(why, bytes, "has the variables of a launcher that is gone (PMI_FD=%d is no open socket)", fd);
    return -1;
  }
  ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
    return no(why, bytes, "is not the first program of its rank: the launcher's connection is at its end (PMI_FD=%d)", fd);
#if defined(__linux__)
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) *server = peer.pid;
#endif
  return 1;
}

/* ---- the processes between this one and the launcher ---- */

/* A file of /proc, with a NUL at its end; NULL if it can't be read. */
static char *read_process(pid_t pid, const char *file, size_t *bytes) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  size_t capacity = 16384, used = 0;
  char *text = malloc(capacity);
  for (ssize_t got = 1; text && got > 0;) {
    if (capacity - used < 2) {
      char *more = realloc(text, capacity *= 2);
      if (!more) free(text);
      text = more;
      if (!text) break;
    }
    got = read(fd, text + used, capacity - used - 1);
    if (got < 0) {
      free(text);
      text = NULL;
    } else {
      used += (size_t)got;
    }
  }
  close(fd);
  if (text) text[used] = 0;
  if (bytes) *bytes = used;
  return text;
}

/* The parent, the start time and the name of a process; 0 if the system does not tell. */
static int read_stat(pid_t pid, pid_t *parent, unsigned long long *began, char *name, size_t bytes) {
  char *text = read_process(pid, "stat", NULL);
  char *end = text ? strrchr(text, ')') : NULL, *start = text ? strchr(text, '(') : NULL;
  int of = 0, known = end && start && sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                                             "%*d %*d %*d %llu", &of, began) == 2;
  if (known) {
    *parent = (pid_t)of;
    snprintf(name, bytes, "%.*s", (int)(end - start - 1), start + 1);
  }
  free(text);
  return known;
}

static const char *value_in(const char *environment, size_t bytes, const char *variable) {
  size_t length = strlen(variable);
  for (const char *at = environment, *end = environment + bytes; at < end; at += strlen(at) + 1)
    if (strncmp(at, variable, length) == 0 && at[length] == '=') return at + length + 1;
  return NULL;
}

static int same_in(const char *environment, size_t bytes, const char *variable) {
  const char *there = value_in(environment, bytes, variable), *here = getenv(variable);
  return there && here ? strcmp(there, here) == 0 : !there && !here;
}

/* Whether a process with this environment was started as the same rank. */
static int is_of_rank(const lf_launch *launch, const char *environment, size_t bytes) {
  static const char *const pmix[] = {"PMIX_NAMESPACE", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", NULL};
  static const char *const pmi[] = {"PMI_RANK", "PMI_SIZE", "PMI_FD", "PMI_PORT", NULL};
  for (const char *const *name = launch->protocol == LF_LAUNCHED_BY_PMI ? pmi : pmix; *name; name++)
    if (!same_in(environment, bytes, *name)) return 0;
  return 1;
}

/* The names of launchers. A rank may start one, which has the rank's variables then. */
static int is_launcher(const char *name) {
  static const char *const names[] = {"hydra_", "mpiexec", "mpirun", "mpispawn", "slurmstepd", "srun", "orted", "prted", "flux-shell"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strncmp(name, names[i], strlen(names[i])) == 0) return 1;
  return 0;
}

/* A process with lava-flow makes a file (src/channel/job/launch.ts) in the directory of the PMIx server; PMI has
 * none. */
static int has_lava_flow(pid_t pid) {
  const char *directory = lf_launch_text("PMIX_SERVER_TMPDIR");
  char path[PATH_BYTES];
  if (!directory) return 0;
  int length = snprintf(path, sizeof path, "%s/lava-flow.%d", directory, (int)pid);
  return length < (int)sizeof path && access(path, F_OK) == 0;
}

/* A library of MPI that the process has loaded to use it; NULL for none. A library that LD_PRELOAD loads into every
 * process is no sign of that. */
static const char *mpi_library_of(pid_t pid, const char *environment, size_t bytes) {
  static const char *const libraries[] = {"/libmpi", "/libpmix.so", "/libpmi.so", "/libpmi2.so"};
  if (value_in(environment, bytes, "LD_PRELOAD")) return NULL;
  char *maps = read_process(pid, "maps", NULL);
  const char *found = NULL;
  for (size_t i = 0; maps && !found && i < sizeof libraries / sizeof *libraries; i++)
    if (strstr(maps, libraries[i])) found = libraries[i] + 1;
  free(maps);
  return found;
}

/* A job of PMI's has no name in the environment. MPICH's launcher has a port of its own, which its proxies are
 * given. */
static void name_pmi_job(lf_launch *launch, pid_t server, const char *name, unsigned long long began) {
  size_t bytes = 0;
  char *line = read_process(server, "cmdline", &bytes);
  snprintf(launch->job, sizeof launch->job, "%s:%d.%llu", name, (int)server, began);
  for (const char *at = line; at && at < line + bytes; at += strlen(at) + 1) {
    if (strcmp(at, "--control-port") != 0) continue;
    at += strlen(at) + 1;
    if (at < line + bytes && *at) snprintf(launch->job, sizeof launch->job, "hydra:%s", at);
    break;
  }
  free(line);
}

/* Goes up from this process to the launcher, past the processes of the same rank: 1 unless one of them may use the
 * launcher's connection itself. `server` is the launcher's process, if known; `found` says whether the last process
 * is a launcher by its name. */
static int follow(lf_launch *launch, pid_t server, int *found, char *why, size_t bytes) {
  pid_t pid = getppid(), parent = 0;
  unsigned long long began = 0;
  char name[64];
  int free_of_use = 1;
  for (int i = 0; i < GENERATIONS && pid > 0 && read_stat(pid, &parent, &began, name, sizeof name); i++, pid = parent) {
    size_t length = 0;
    char *environment = pid == server || is_launcher(name) ? NULL : read_process(pid, "environ", &length);
    if (!environment || !is_of_rank(launch, environment, length)) {
      free(environment);
      *found = is_launcher(name);
      if (launch->protocol == LF_LAUNCHED_BY_PMI && strcmp(name, "slurmstepd") != 0)
        name_pmi_job(launch, pid, name, began);
      return free_of_use;
    }
    const char *library = mpi_library_of(pid, environment, length);
    if (free_of_use && (library || has_lava_flow(pid)))
      free_of_use = no(why, bytes, "was started by rank %d (process %d, %s), which has the launcher's connection (it uses %s)",
                       launch->rank, (int)pid, name, library ? library : "lava-flow");
    free(environment);
  }
  return free_of_use;
}

/* ---- one process for a rank ---- */

static char used_file[PATH_BYTES]; /* tells later programs that the connection was used; "": none */

static int was_used(const lf_launch *launch, char *why, size_t bytes) {
  const char *directory = lf_launch_text("PMIX_SERVER_TMPDIR");
  if (launch->protocol != LF_LAUNCHED_BY_PMIX || !directory) return 0; /* PMI's launchers close theirs */
  int length = snprintf(used_file, sizeof used_file, "%s/lava-flow.rank.%016llx", directory,
                        (unsigned long long)claim_of(launch));
  if (length >= (int)sizeof used_file) used_file[0] = 0;
  int fd = used_file[0] ? open(used_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
  if (fd < 0) return 0;
  char text[32] = "";
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  text[got > 0 ? got : 0] = 0;
  no(why, bytes, "is not the first program of rank %d: process %s used the launcher's connection before", launch->rank,
     text[0] ? text : "?");
  return 1;
}

void lf_launch_used(void) {
  int fd = used_file[0] ? open(used_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
  if (fd < 0) return;
  char text[32];
  int length = snprintf(text, sizeof text, "%d", (int)getpid());
  if (write(fd, text, (size_t)length) != length) text[0] = 0; /* an empty file says the same, without the process */
  close(fd);
}

/* Locks a byte of the runtime directory's lock file, as for a role (rendezvous_posix.c), until the process ends:
 * processes that a rank's shell started side by side all have its connection. Without a usable directory nothing is
 * locked. */
static int claim(const lf_launch *launch, const char *directory, char *why, size_t bytes) {
  char path[PATH_BYTES];
  if (!directory || snprintf(path, sizeof path, "%s/.lock", directory) >= (int)sizeof path) return 1;
  mkdir(directory, 0700);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return 1;
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1, .l_start = (off_t)(claim_of(launch) >> 2)};
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 1; /* the descriptor stays open */
  int error = errno;
  close(fd);
  if (error != EAGAIN && error != EACCES) return 1;
  return no(why, bytes, "shares rank %d with another process, which has the launcher's connection", launch->rank);
}

/* ---- all of it ---- */

int lf_launch_owns(lf_launch *launch, const char *directory, char *why, size_t bytes) {
  pid_t server = 0;
  int pmi = launch->protocol == LF_LAUNCHED_BY_PMI, found = 0;
  int answers = pmi ? pmi_answers(&server, why, bytes) : pmix_answers(why, bytes);
  char of_parent[384] = "";
  int own = follow(launch, server, &found, of_parent, sizeof of_parent);
  /* A child does not inherit PMI's connection; its launcher may still be there. */
  launch->gone = answers != 1 && !(pmi && found);
  if (launch->gone) return 0;
  if (launch->size == 1) return no(why, bytes, "is the only rank of its job, which needs no MPI");
  if (!own) return no(why, bytes, "%s", of_parent);
  if (answers < 0)
    return no(why, bytes, "was started by rank %d, which keeps its connection to the launcher (PMI_FD) to itself", launch->rank);
  /* SLURM's PMI does not name its job: without a name, jobs of one node would claim each other's ranks. */
  if (!launch->job[0]) lf_launch_name_batch_job(launch);
  return answers && !was_used(launch, why, bytes) && claim(launch, directory, why, bytes);
}
