/*
 * Roles are byte ranges of one lock file, locked through the open file description: the kernel releases them when a
 * process dies. The file's content is a note of each role's holder, for error messages. The lock alone decides whether
 * a role is taken. A note is believed while the process that it names runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/realtime.h"
#include "base/status.h"
#include "base/thread.h"
#include "host/text_posix.h"
#include "ipc/rendezvous_state.h"

#if defined(__APPLE__) && !defined(F_OFD_SETLK)
#define F_OFD_SETLK 90
#define F_OFD_GETLK 92
#endif

/* Notes in the file, of NOTE_BYTES each. Two roles with the same offset lose one note, and nothing else. The sparse
 * file stays below 512 KiB. */
#define NOTES 1024
#define NOTE_BYTES 512

typedef struct {
  uint64_t role;    /* the byte of the lock file that stands for the role */
  uint64_t started; /* the start of the process, in the kernel's unit; 0 when it is not known */
  int64_t since_ms; /* since 1970 */
  int64_t left_ms;  /* since 1970; 0: the role was not given back */
  int32_t pid;
  int32_t met; /* the holder has a peer */
  uint32_t call_site_bytes;
  char key[LF_KEY_MAX_BYTES];
  char call_site[LF_CALL_SITE_MAX_BYTES];
} note;
_Static_assert(sizeof(note) <= NOTE_BYTES, "a note fits into its range of the file");

/*
 * The byte of the lock file that stands for a role. Two names with the same hash of 61 bits exclude each other, and
 * nothing else.
 *
 * FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/
 */
static uint64_t byte_of(const char *key, int32_t role) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *key; key++) hash = (hash ^ (uint8_t)*key) * 0x100000001b3u;
  return (hash >> 3) << 1 | (role == LF_ROLE_CONSUMER);
}

static struct flock lock_of(const char *key, int32_t role, short type) {
  return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_len = 1, .l_start = (off_t)byte_of(key, role)};
}

/* 1: locked or unlocked; 0: another process has the lock; -1 with errno. */
static int set_lock(int fd, const char *key, int32_t role, short type) {
  struct flock lock = lock_of(key, role, type);
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 1;
  return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

int lf_lock_open(int directory) {
  return openat(directory, LF_LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int lf_role_is_free(int lock, const char *key) { return set_lock(lock, key, LF_ROLE_CONSUMER, F_RDLCK) == 1; }

void lf_role_leave(int lock, const char *key) { set_lock(lock, key, LF_ROLE_CONSUMER, F_UNLCK); }

/* ---- notes ---- */

/* The start of a process, in ticks since the machine's: it tells a reused process id from the old one. 0 when it is not
 * known. */
static uint64_t started(int32_t pid) {
#if defined(__linux__)
  char path[40], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const char *at = strrchr(lf_text_read(path, text, sizeof text), ')'); /* the program's name may have any character */
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  return at ? strtoull(at + 1, NULL, 10) : 0;
#else
  (void)pid;
  return 0;
#endif
}

static off_t offset_of(uint64_t role) { return (off_t)(role * 0x9e3779b97f4a7c15u >> 54) * NOTE_BYTES; }

/* Only messages depend on a note, so a failure to write it is ignored. */
static void write_note(const lf_rendezvous *r, const note *n) {
  if (pwrite(r->lock, n, sizeof *n, offset_of(byte_of(r->key, r->role))) < 0) return;
}

/* 1 with the note of a role. An offset that was never written reads as zeros. */
static int read_note(int lock, const char *key, int32_t role, note *out) {
  uint64_t byte = byte_of(key, role);
  memset(out, 0, sizeof *out);
  return pread(lock, out, sizeof *out, offset_of(byte)) == (ssize_t)sizeof *out && out->role == byte &&
         strncmp(out->key, key, sizeof out->key) == 0;
}

static int64_t since_1970_ms(void) { return (int64_t)(lf_realtime_micros() / 1000); }

static void note_holder(const lf_rendezvous *r) {
  static _Atomic uint64_t own;
  if (!own) own = started((int32_t)getpid());
  note n = {.role = byte_of(r->key, r->role), .started = own, .since_ms = since_1970_ms(), .pid = (int32_t)getpid()};
  memcpy(n.key, r->key, strlen(r->key));
  write_note(r, &n);
}

static int read_own(const lf_rendezvous *r, note *out) {
  return read_note(r->lock, r->key, r->role, out) && out->pid == (int32_t)getpid();
}

void lf_role_met(const lf_rendezvous *r) {
  note n;
  if (!read_own(r, &n)) return;
  n.met = 1;
  write_note(r, &n);
}

void lf_role_leaves(const lf_rendezvous *r) {
  note n;
  if (!read_own(r, &n)) return;
  n.left_ms = since_1970_ms();
  write_note(r, &n);
}

void lf_rendezvous_write_note(lf_rendezvous *r, const char *call_site, uint32_t bytes) {
  note n;
  if (!read_own(r, &n)) return;
  n.call_site_bytes = bytes;
  memcpy(n.call_site, call_site, bytes);
  write_note(r, &n);
}

static int runs(const note *n) {
  if (n->pid <= 0 || (kill(n->pid, 0) != 0 && errno != EPERM)) return 0;
  return !n->started || n->started == started(n->pid);
}

/* 1 with the note's holder; 0 when no process has had the role; LF_EMPTY when the note is another role's or not to be
 * believed. */
static int32_t describe_holder(int lock, const char *key, int32_t role, int taken, lf_role_holder *out) {
  note n;
  if (!read_note(lock, key, role, &n)) return n.role == 0 && !taken ? 0 : LF_EMPTY;
  if (taken && (n.left_ms || !runs(&n))) return LF_EMPTY;
  memset(out, 0, sizeof *out);
  out->state = taken ? LF_HOLDER_HAS : n.left_ms ? LF_HOLDER_LEFT : LF_HOLDER_DIED;
  out->since_ms = (double)n.since_ms;
  out->left_ms = (double)n.left_ms;
  out->pid = n.pid;
  out->here = n.pid == (int32_t)getpid();
  out->met = n.met == 1;
  out->call_site_bytes = n.call_site_bytes <= sizeof n.call_site ? n.call_site_bytes : 0;
  memcpy(out->call_site, n.call_site, out->call_site_bytes);
  return 1;
}

int32_t lf_rendezvous_holder(const char *directory, uint32_t directory_bytes, const char *name, uint32_t name_bytes,
                             int32_t role, const char *scope, uint32_t scope_bytes, lf_role_holder *out) {
  if (!directory || directory_bytes == 0 || directory_bytes >= PATH_MAX || !name || name_bytes == 0 ||
      name_bytes > LF_NAME_MAX_BYTES || scope_bytes > LF_SCOPE_MAX || (scope_bytes && !scope) || !out)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no name, directory or place for the holder of a role");
  char path[PATH_MAX + sizeof LF_LOCK_FILE + 1], text[LF_KEY_MAX_BYTES + 1];
  snprintf(path, sizeof path, "%.*s/" LF_LOCK_FILE, (int)directory_bytes, directory);
  snprintf(text, sizeof text, "%.*s%s%.*s", (int)name_bytes, name, scope_bytes ? "@" : "", (int)scope_bytes,
           scope ? scope : "");
  /* does not block on a pipe that another user may have put there */
  int lock = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat info;
  struct flock taken = lock_of(text, role, F_WRLCK);
  int32_t status = LF_EMPTY;
  /* A file of another user is not believed. */
  if (lock >= 0 && fstat(lock, &info) == 0 && info.st_uid == geteuid() && fcntl(lock, F_OFD_GETLK, &taken) == 0)
    status = describe_holder(lock, text, role, taken.l_type == F_WRLCK, out);
  if (lock >= 0) close(lock);
  return status;
}

int32_t lf_role_take(const lf_rendezvous *r) {
  for (int i = 0; i < 200; i++) {
    int got = set_lock(r->lock, r->key, r->role, F_WRLCK);
    if (got == 1) {
      note_holder(r);
      return LF_OK;
    }
    struct flock holder = lock_of(r->key, r->role, F_WRLCK);
    if (got < 0 || fcntl(r->lock, F_OFD_GETLK, &holder) != 0)
      return lf_fail_errno(LF_ESYSTEM, "fcntl", errno, "%s/" LF_LOCK_FILE, r->path);
    if (holder.l_type == F_WRLCK) break;
    lf_thread_nap(500000); /* a sweep holds a read lock for a moment */
  }
  return lf_fail(LF_ENAME_IN_USE, "", 0, "a running process is already the %s of \"%s\"",
                 r->role == LF_ROLE_PRODUCER ? "producer" : "consumer", r->name);
}
