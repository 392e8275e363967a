/*
 * How the stand-in for Metal runs shaders, where FAKE_METAL_COMPILER is a command that compiles C++ (the test gives it:
 * zig c++ with Metal's library for the processor, in msl/). A shader becomes a library whose lf_launch is one thread of
 * one workgroup. Threads are coroutines: each runs to the next barrier, then the next one does.
 */
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 1024
#define STACK_BYTES 65536
#define SLOTS 31 /* indices of buffers: the Metal Feature Set Tables */

typedef void (*launch_function)(void **buffers, uint32_t group, uint32_t index);

/* ---- coroutines: callee-saved registers on the stack, and the stack's pointer ---- */

void fake_switch(void **from, void *to);
#if defined(__x86_64__)
__asm__(".globl fake_switch\n.hidden fake_switch\nfake_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n  retq\n");
#define SAVED_WORDS 6
#elif defined(__aarch64__)
__asm__(".globl fake_switch\n.hidden fake_switch\nfake_switch:\n"
        "  sub sp, sp, #160\n  stp x19, x20, [sp]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n"
        "  stp x25, x26, [sp, #48]\n  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n  stp d8, d9, [sp, #96]\n"
        "  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
        "  ldp x19, x20, [sp]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n  ldp x25, x26, [sp, #48]\n"
        "  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n  add sp, sp, #160\n  ret\n");
#endif

static struct {
  launch_function launch;
  void **buffers;
  uint32_t group, current;
  void *scheduler;
  void *threads[THREADS_MAX];
  int done[THREADS_MAX];
} running;
static char *stacks;

static void barrier_reached(void) { fake_switch(&running.threads[running.current], running.scheduler); }

static void thread_begins(void) {
  running.launch(running.buffers, running.group, running.current);
  running.done[running.current] = 1;
  barrier_reached(); /* and never comes back */
  abort();
}

static void *new_thread(uint32_t index) {
  uintptr_t top = ((uintptr_t)stacks + (index + 1) * (size_t)STACK_BYTES) & ~(uintptr_t)15;
#if defined(__x86_64__)
  uintptr_t *stack = (uintptr_t *)top - 2; /* as if thread_begins had been called: 8 below a multiple of 16 */
  *stack = (uintptr_t)thread_begins;
  stack -= SAVED_WORDS;
  memset(stack, 0, SAVED_WORDS * sizeof *stack);
#else
  uintptr_t *stack = (uintptr_t *)(top - 160);
  memset(stack, 0, 160);
  stack[11] = (uintptr_t)thread_begins; /* x30 */
#endif
  return stack;
}

static void run_group(launch_function launch, void **buffers, uint32_t group, uint32_t threads) {
  if (!stacks && !(stacks = malloc((size_t)THREADS_MAX * STACK_BYTES))) abort();
  running.launch = launch;
  running.buffers = buffers;
  running.group = group;
  for (uint32_t i = 0; i < threads; i++) {
    running.threads[i] = new_thread(i);
    running.done[i] = 0;
  }
  for (int alive_threads = 1; alive_threads;) {
    alive_threads = 0;
    for (running.current = 0; running.current < threads; running.current++) {
      if (running.done[running.current]) continue;
      fake_switch(&running.scheduler, running.threads[running.current]);
      alive_threads |= !running.done[running.current];
    }
  }
}

/* ---- compiling ---- */

/* The C++ of a shader: memory of the workgroup is there once, what MSL overloads by the address space alone has one
 * function that can be called, and lf_launch calls main_ with what the attributes of its parameters stand for. 0 where
 * the signature is not naga's. */
static int write_program(FILE *out, const char *msl) {
  const char *entry = strstr(msl, "kernel void main_(\n");
  const char *end = entry ? strstr(entry, "\n) {\n") : NULL;
  if (!end) return 0;
  const char *at = msl;
  for (const char *own; (own = strstr(at, "\n    threadgroup ")) != NULL;) {
    const char *line_end = strchr(own + 1, '\n');
    int is_variable = line_end && line_end[-1] == ';' && !memchr(own, '&', (size_t)(line_end - own));
    fwrite(at, 1, (size_t)(own - at), out);
    int is_overload = strncmp(own, "\n    threadgroup A *atomic_ptr", strlen("\n    threadgroup A *atomic_ptr")) == 0;
    fputs(is_variable ? "\n    static " : is_overload ? "\n    void *, " : "\n    threadgroup ", out);
    at = own + strlen("\n    threadgroup ");
  }
  fputs(at, out);
  fputs("\nextern \"C\" { void (*lf_barrier)(void); }\n"
        "extern \"C\" void lf_launch(void **lf_buffers, uint lf_group, uint lf_index) {\n  main_(", out);
  const char *parameter = entry + strlen("kernel void main_(\n");
  for (int first = 1; parameter < end; first = 0) {
    const char *next = strstr(parameter, "\n, ");
    if (!next || next > end) next = end;
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)(next - parameter), parameter);
    parameter = next == end ? end : next + strlen("\n, ");
    char *buffer = strstr(text, "[[buffer("), *reference = strchr(text, '&');
    fputs(first ? "" : ", ", out);
    if (buffer && reference) {
      *reference = 0;
      fprintf(out, "*(%s *)lf_buffers[%d]", text, atoi(buffer + strlen("[[buffer(")));
    } else if (strstr(text, "[[threadgroup_position_in_grid]]")) {
      fputs("metal::uint3(lf_group, 0u, 0u)", out);
    } else if (strstr(text, "[[thread_index_in_threadgroup]]")) {
      fputs("lf_index", out);
    } else {
      return 0;
    }
  }
  fputs(");\n}\n", out);
  return 1;
}

/* Shaders that were compiled: they stay loaded. */
static struct {
  char *msl;
  launch_function launch;
} compiled[256];
static int compiled_count;

static launch_function known(const char *msl) {
  for (int i = 0; i < compiled_count; i++)
    if (strcmp(compiled[i].msl, msl) == 0) return compiled[i].launch;
  return NULL;
}
static void keep(const char *msl, launch_function launch) {
  if (compiled_count == (int)(sizeof compiled / sizeof *compiled)) return;
  compiled[compiled_count].msl = strdup(msl);
  if (!compiled[compiled_count].msl) abort();
  compiled[compiled_count++].launch = launch;
}

/* The shader as a function; NULL with the compiler's words. */
static launch_function compile(const char *compiler, const char *msl, char *words, size_t words_bytes) {
  if (known(msl)) return known(msl);
  char folder[256], command[4096], path[300], source[300], log[300];
  const char *temporary = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/fake-metal-XXXXXX", temporary ? temporary : "/tmp");
  if (!mkdtemp(folder)) return NULL;
  snprintf(path, sizeof path, "%s/shader.so", folder);
  snprintf(source, sizeof source, "%s/shader.cpp", folder);
  snprintf(log, sizeof log, "%s/log", folder);
  FILE *out = fopen(source, "w");
  int written = out && write_program(out, msl);
  if (out) fclose(out);
  snprintf(command, sizeof command, "%s -o %s %s > %s 2>&1", compiler, path, source, log);
  void *library = written && system(command) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  launch_function launch = NULL;
  if (library) {
    *(void **)&launch = dlsym(library, "lf_launch");
    void (**barrier)(void) = (void (**)(void))dlsym(library, "lf_barrier");
    if (barrier) *barrier = barrier_reached;
  }
  snprintf(words, words_bytes, written ? "the compiler says nothing" : "not a kernel that this stand-in knows");
  FILE *said = fopen(log, "r");
  if (said) {
    size_t n = fread(words, 1, words_bytes - 1, said);
    if (n > 0) words[n] = 0;
    fclose(said);
  }
  remove(path);
  remove(source);
  remove(log);
  rmdir(folder);
  if (launch) keep(msl, launch);
  return launch;
}

/* ---- the commands of a command buffer ---- */

typedef struct action {
  struct action *next;
  int ordered; /* 1: it runs after all before it; 0: Metal may run it beside the one before */
  launch_function launch; /* NULL: a copy, or a fill */
  void *slots[SLOTS];
  void *bytes[SLOTS]; /* this action's own */
  uint32_t threads, groups;
  const uint32_t *indirect; /* NULL: `groups` */
  void *to;
  const void *from; /* NULL: a fill */
  size_t size;
} action;

static void run_action(const action *each) {
  if (!each->launch) {
    if (each->from) memmove(each->to, each->from, each->size);
    else memset(each->to, 0, each->size);
    return;
  }
  uint32_t groups = each->groups;
  if (each->indirect) groups = each->indirect[0] * each->indirect[1] * each->indirect[2];
  for (uint32_t group = 0; group < groups; group++)
    run_group(each->launch, (void **)(uintptr_t)each->slots, group, each->threads);
}

static void run_backwards(const action *first, const action *end) {
  if (first == end) return;
  run_backwards(first->next, end);
  run_action(first);
}

/* Dispatches without a barrier between them run in reverse, to detect code that relies on their order. */
static void run_actions(const action *first) {
  while (first) {
    const action *end = first->next;
    while (end && !end->ordered) end = end->next;
    run_backwards(first, end);
    first = end;
  }
}

static void free_actions(action *first) {
  while (first) {
    action *next = first->next;
    for (int i = 0; i < SLOTS; i++) free(first->bytes[i]);
    free(first);
    first = next;
  }
}
