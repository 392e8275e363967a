/*
 * The objects of the stand-in for Metal, their references and pools, the record of what was said to them, and faults.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metal/metal_api.h"

#include "fake_metal_run.h"

typedef enum {
  STRING, ERROR, OPTIONS, DEVICE, QUEUE, EVENT, BUFFER, LIBRARY, FUNCTION, PIPELINE, COMMANDS, COMPUTE, BLIT, KINDS
} kind;
static const char *const kind_names[KINDS] = {"NSString", "NSError",  "MTLCompileOptions", "device",   "queue",   "event", "buffer",
                                              "library",  "function", "pipeline",          "commands", "compute", "blit"};

typedef struct object object;
struct object {
  uint64_t magic;
  kind kind;
  int number;     /* by which the record calls it: the first of its kind is 1 */
  int references; /* those of pools too */
  object *uses[64]; /* retained */
  int used;
  char *text;    /* of a string, of an error */
  void *bytes;   /* of a buffer */
  uint64_t size; /* of a buffer; the value of an event, the status of commands, the code of an error */
  int storage, open, ended;
  launch_function launch; /* of a library, a function, a pipeline */
  object *pipeline;       /* of an encoder */
  action *actions;        /* of commands, in their order */
  action state;           /* of an encoder: the state of the next dispatch */
};
#define LIVE 0x6c6176612d6f626au
#define DEAD 0x646561642d6f626au

/* Classes are receivers too, of alloc only. */
static object classes[KINDS];

static char *record;
static size_t record_used, record_capacity;
static int counts[KINDS], alive, wrong;
static object *pool[4096];
static int pooled, pools;
static char fail_name[96], fail_words[8192];
static int fail_after = -1;
static int held;        /* 1: committed command buffers end when the test ends them */
static int fail_commit; /* 1: the next command buffer fails, unless it is held */
static object *flying[256];
static object *flying_event[256];
static uint64_t flying_value[256];
static int flights;

static void note(const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (n < 0) return;
  if (n > (int)sizeof line - 2) n = (int)sizeof line - 2;
  line[n++] = '\n';
  if (record_used + (size_t)n + 1 > record_capacity) {
    record_capacity = record_capacity ? 2 * record_capacity : 65536;
    record = realloc(record, record_capacity);
    if (!record) abort();
  }
  memcpy(record + record_used, line, (size_t)n);
  record_used += (size_t)n;
  record[record_used] = 0;
}

/* Against the documentation: Metal would raise an exception, or worse. */
#define WRONG(...) (wrong++, note("WRONG " __VA_ARGS__), fprintf(stderr, "stand-in for Metal: " __VA_ARGS__), fputc('\n', stderr))

static const char *called(const object *o) {
  static char names[8][48];
  static int next;
  char *name = names[next++ % 8];
  if (!o) return "nil";
  snprintf(name, sizeof names[0], "%s%d", kind_names[o->kind], o->number);
  return name;
}

/* Whether the call that goes by this name is to fail now. */
static int fails(const char *name) {
  if (fail_after < 0 || strcmp(name, fail_name) != 0) return 0;
  return fail_after-- == 0;
}

static object *new_object(kind which) {
  object *o = calloc(1, sizeof *o);
  if (!o) abort();
  o->magic = LIVE;
  o->kind = which;
  o->number = ++counts[which];
  o->references = 1;
  alive++;
  return o;
}
static void drop(object *o) {
  if (--o->references > 0) return;
  o->magic = DEAD; /* never freed, so that a message to it is detected */
  alive--;
  if (o->kind == COMPUTE || o->kind == BLIT) {
    if (!o->ended) WRONG("%s was released before endEncoding", called(o));
  }
  for (int i = 0; i < o->used; i++) drop(o->uses[i]);
  o->used = 0;
  free(o->bytes);
  free(o->text);
  free_actions(o->actions);
  for (int i = 0; i < SLOTS; i++) free(o->state.bytes[i]);
  o->bytes = o->text = NULL;
  o->actions = NULL;
}
static object *autoreleased(object *o) {
  if (pools == 0) WRONG("%s is autoreleased, and there is no pool: it leaks", called(o));
  if (pooled == (int)(sizeof pool / sizeof *pool)) abort();
  pool[pooled++] = o;
  return o;
}
static void uses(object *o, object *other) {
  for (int i = 0; i < o->used; i++)
    if (o->uses[i] == other) return;
  if (o->used == 64) abort();
  other->references++;
  o->uses[o->used++] = other;
}
static object *text_object(kind which, const char *text, size_t bytes) {
  object *o = new_object(which);
  o->text = calloc(1, bytes + 1);
  if (!o->text) abort();
  memcpy(o->text, text, bytes);
  return o;
}
static int is(const object *o, kind which, const char *role) {
  if (o && o->magic == LIVE && o->kind == which) return 1;
  WRONG("%s is %s", role, o ? o->magic == LIVE ? kind_names[o->kind] : "released" : "nil");
  return 0;
}
static void set_error(object **error, int code) {
  if (!error) return;
  object *o = text_object(ERROR, fail_words, strlen(fail_words));
  o->size = (uint64_t)code;
  *error = autoreleased(o);
}
