/*
 * The Objective-C runtime and Metal without a Mac, for tests: objc_msgSend finds a C function by the receiver's class
 * and the selector, and jumps to it with the caller's registers and stack as they are, as Apple's does. So what a
 * method here finds in its arguments is what Metal's would find. It writes every message down, counts references, holds
 * back what is autoreleased until the pool is popped, refuses what Apple's documentation forbids, and fails on demand.
 * Commands run when their command buffer is committed or, where the test holds it, when the test ends it; shaders only
 * where there is a compiler for them (fake_metal_run.h).
 */
#include "fake_metal_objects.h"

#define API __attribute__((visibility("default")))

/* ---- NSObject, NSString, NSError, MTLCompileOptions ---- */

static object *m_alloc(object *self, lf_sel sel) {
  (void)sel;
  if (self != &classes[self->kind]) WRONG("alloc to %s", called(self));
  return fails("alloc") ? NULL : new_object(self->kind);
}
static object *m_init(object *self, lf_sel sel) {
  (void)sel;
  note("%s init", called(self));
  return self;
}
static object *m_retain(object *self, lf_sel sel) {
  (void)sel;
  self->references++;
  note("%s retain", called(self));
  return self;
}
static void m_release(object *self, lf_sel sel) {
  (void)sel;
  note("%s release", called(self));
  drop(self);
}
static object *m_init_with_bytes(object *self, lf_sel sel, const void *bytes, lf_ns_uint length, lf_ns_uint encoding) {
  (void)sel;
  note("%s initWithBytes:length:%" PRIuPTR " encoding:%" PRIuPTR, called(self), length, encoding);
  int valid = encoding == LF_NS_UTF8;
  for (lf_ns_uint i = 0; i < length; i++) valid &= ((const unsigned char *)bytes)[i] < 0xf8;
  if (!valid || fails("initWithBytes:length:encoding:")) {
    drop(self); /* as an initialiser does that fails */
    return NULL;
  }
  self->text = calloc(1, length + 1);
  if (!self->text) abort();
  memcpy(self->text, bytes, length);
  return self;
}
static const char *m_utf8(object *self, lf_sel sel) {
  (void)sel;
  return self->text;
}
static lf_ns_int m_code(object *self, lf_sel sel) {
  (void)sel;
  return (lf_ns_int)self->size;
}
static object *m_words(object *self, lf_sel sel) {
  (void)sel;
  return autoreleased(text_object(STRING, self->text, strlen(self->text)));
}
static void m_set_fast_math(object *self, lf_sel sel, lf_ns_bool on) {
  (void)sel;
  note("%s setFastMathEnabled:%s", called(self), on ? "YES" : "NO");
}

/* ---- MTLDevice ---- */

static object *m_name(object *self, lf_sel sel) {
  (void)self, (void)sel;
  static const char name[] = "Stand-in GPU";
  return autoreleased(text_object(STRING, name, sizeof name - 1));
}
static lf_ns_uint m_max_buffer(object *self, lf_sel sel) {
  (void)self, (void)sel;
  return (lf_ns_uint)1 << 32;
}
/* Another number than any of Apple's GPUs has. */
static lf_ns_uint m_max_group_memory(object *self, lf_sel sel) {
  (void)self, (void)sel;
  return 40960;
}
static object *m_new_queue(object *self, lf_sel sel, lf_ns_uint most) {
  (void)sel;
  object *queue = fails("newCommandQueueWithMaxCommandBufferCount:") ? NULL : new_object(QUEUE);
  if (queue) {
    queue->size = most;
    uses(queue, self);
  }
  note("%s newCommandQueueWithMaxCommandBufferCount:%" PRIuPTR " -> %s", called(self), most, called(queue));
  return queue;
}
static object *m_new_event(object *self, lf_sel sel) {
  (void)sel;
  object *event = fails("newSharedEvent") ? NULL : new_object(EVENT);
  if (event) uses(event, self);
  note("%s newSharedEvent -> %s", called(self), called(event));
  return event;
}
static object *m_new_buffer(object *self, lf_sel sel, lf_ns_uint length, lf_ns_uint options) {
  (void)sel;
  if (length == 0 || length > m_max_buffer(self, sel)) WRONG("a buffer of %" PRIuPTR " bytes", length);
  object *buffer = fails("newBufferWithLength:options:") ? NULL : new_object(BUFFER);
  if (buffer) {
    buffer->size = length;
    buffer->storage = (int)options;
    buffer->bytes = calloc(1, length);
    if (!buffer->bytes) abort();
    uses(buffer, self);
  }
  note("%s newBufferWithLength:%" PRIuPTR " options:%" PRIuPTR " -> %s", called(self), length, options, called(buffer));
  return buffer;
}
static object *m_new_library(object *self, lf_sel sel, object *source, object *options, object **error) {
  (void)sel;
  is(source, STRING, "the source");
  if (options) is(options, OPTIONS, "the options");
  int failed = fails("newLibraryWithSource:options:error:");
  const char *compiler = getenv("FAKE_METAL_COMPILER");
  launch_function launch = NULL;
  if (!failed && compiler) {
    launch = compile(compiler, source->text, fail_words, sizeof fail_words);
    failed = !launch;
  }
  object *library = failed ? NULL : new_object(LIBRARY);
  if (library) {
    library->text = strdup(source->text);
    library->launch = launch;
    uses(library, self);
  } else {
    set_error(error, 3);
  }
  note("%s newLibraryWithSource:%zu bytes options:%s error: -> %s", called(self), strlen(source->text), called(options),
       called(library));
  return library;
}
static object *m_new_pipeline(object *self, lf_sel sel, object *function, object **error) {
  (void)sel;
  is(function, FUNCTION, "the function");
  object *pipeline = fails("newComputePipelineStateWithFunction:error:") ? NULL : new_object(PIPELINE);
  if (pipeline) {
    uses(pipeline, self);
    pipeline->launch = function->launch;
  } else {
    set_error(error, 2);
  }
  note("%s newComputePipelineStateWithFunction:%s error: -> %s", called(self), called(function), called(pipeline));
  return pipeline;
}

/* ---- MTLLibrary, MTLComputePipelineState, MTLBuffer, MTLSharedEvent ---- */

static object *m_new_function(object *self, lf_sel sel, object *name) {
  (void)sel;
  is(name, STRING, "the name");
  char kernel[96];
  snprintf(kernel, sizeof kernel, "kernel void %s(", name->text);
  object *function = strstr(self->text, kernel) && !fails("newFunctionWithName:") ? new_object(FUNCTION) : NULL;
  if (function) {
    uses(function, self);
    function->launch = self->launch;
  }
  note("%s newFunctionWithName:%s -> %s", called(self), name->text, called(function));
  return function;
}
static lf_ns_uint m_max_threads(object *self, lf_sel sel) {
  (void)self, (void)sel;
  return 1024;
}
static void *m_contents(object *self, lf_sel sel) {
  (void)sel;
  if (self->storage != LF_MTL_STORAGE_SHARED) WRONG("contents of %s, which is private", called(self));
  return fails("contents") ? NULL : self->bytes;
}
static uint64_t m_signaled(object *self, lf_sel sel) {
  (void)sel;
  return self->size;
}

/* ---- MTLCommandQueue, MTLCommandBuffer ---- */

static object *m_command_buffer(object *self, lf_sel sel) {
  (void)sel;
  int in_flight = 0;
  for (int i = 0; i < flights; i++) in_flight += flying[i]->uses[0] == self;
  if ((lf_ns_uint)in_flight >= self->size) WRONG("%s has no command buffer left: Metal blocks here", called(self));
  object *commands = fails("commandBuffer") ? NULL : autoreleased(new_object(COMMANDS));
  if (commands) uses(commands, self);
  note("%s commandBuffer -> %s", called(self), called(commands));
  return commands;
}
static object *encoder(object *self, kind which, const char *name, lf_ns_uint type) {
  if (self->open) WRONG("%s has an encoder that was not ended", called(self));
  object *made = fails(name) ? NULL : autoreleased(new_object(which));
  if (made) {
    uses(made, self);
    made->state.ordered = 1; /* Metal looks after the order of encoders itself */
    self->open = 1;
  }
  char argument[24] = "";
  if (which == COMPUTE) snprintf(argument, sizeof argument, "%" PRIuPTR, type);
  note("%s %s%s -> %s", called(self), name, argument, called(made));
  return made;
}
static object *m_compute(object *self, lf_sel sel, lf_ns_uint type) {
  (void)sel;
  return encoder(self, COMPUTE, "computeCommandEncoderWithDispatchType:", type);
}
static object *m_blit(object *self, lf_sel sel) {
  (void)sel;
  return encoder(self, BLIT, "blitCommandEncoder", 0);
}
static void m_signal_event(object *self, lf_sel sel, object *event, uint64_t value) {
  (void)sel;
  is(event, EVENT, "the event");
  if (self->open) WRONG("encodeSignalEvent:value: while an encoder is open");
  note("%s encodeSignalEvent:%s value:%" PRIu64, called(self), called(event), value);
  if (flights == 256) abort();
  flying[flights] = self;
  flying_event[flights] = event;
  flying_value[flights] = value;
}
static void end(int at, int failed) {
  object *commands = flying[at];
  commands->size = failed ? LF_MTL_STATUS_ERROR : LF_MTL_STATUS_COMPLETED;
  if (!failed) {
    run_actions(commands->actions);
    flying_event[at]->size = flying_value[at];
  }
  object *event = flying_event[at];
  flights--;
  for (int i = at; i < flights; i++) {
    flying[i] = flying[i + 1];
    flying_event[i] = flying_event[i + 1];
    flying_value[i] = flying_value[i + 1];
  }
  drop(event);
  drop(commands); /* Metal keeps a committed command buffer until it has ended */
}
static void m_commit(object *self, lf_sel sel) {
  (void)sel;
  if (self->open) WRONG("commit while an encoder is open");
  if (self->size != 0) WRONG("%s is committed twice", called(self));
  if (flying[flights] != self) WRONG("%s signals nothing", called(self));
  note("%s commit", called(self));
  self->size = 2;
  self->references++;
  flying_event[flights]->references++;
  flights++;
  if (held) return;
  int failed = fail_commit;
  fail_commit = 0;
  end(flights - 1, failed);
}
static lf_ns_uint m_status(object *self, lf_sel sel) {
  (void)sel;
  return self->size;
}
static object *m_error(object *self, lf_sel sel) {
  (void)sel;
  if (self->size != LF_MTL_STATUS_ERROR) return NULL;
  object *error = text_object(ERROR, fail_words, strlen(fail_words));
  error->size = 9;
  return autoreleased(error);
}

/* ---- encoders ---- */

static void m_set_pipeline(object *self, lf_sel sel, object *pipeline) {
  (void)sel;
  if (is(pipeline, PIPELINE, "the pipeline")) uses(self->uses[0], pipeline);
  self->pipeline = pipeline;
  note("%s setComputePipelineState:%s", called(self), called(pipeline));
}
static void m_set_buffer(object *self, lf_sel sel, object *buffer, lf_ns_uint offset, lf_ns_uint index) {
  (void)sel;
  if (is(buffer, BUFFER, "a buffer")) uses(self->uses[0], buffer);
  if (index >= SLOTS) WRONG("a buffer at index %" PRIuPTR, index);
  else if (buffer) self->state.slots[index] = (char *)buffer->bytes + offset;
  note("%s setBuffer:%s offset:%" PRIuPTR " atIndex:%" PRIuPTR, called(self), called(buffer), offset, index);
}
/* 4,096 bytes, as many as setBytes takes. */
static void *copy_of(const void *bytes, size_t length) {
  void *copy = calloc(1, 4096);
  if (!copy) abort();
  return memcpy(copy, bytes, length);
}
static void m_set_bytes(object *self, lf_sel sel, const void *bytes, lf_ns_uint length, lf_ns_uint index) {
  (void)sel;
  if (length == 0 || length > 4096 || length % 4 != 0 || index >= SLOTS) {
    WRONG("%" PRIuPTR " bytes at index %" PRIuPTR, length, index);
    return;
  }
  free(self->state.bytes[index]);
  self->state.bytes[index] = copy_of(bytes, length);
  char words[256] = "";
  for (size_t i = 0, used = 0; i < length / 4 && used < sizeof words - 16; i++)
    used += (size_t)snprintf(words + used, sizeof words - used, "%s%u", i ? "," : "", ((const uint32_t *)bytes)[i]);
  note("%s setBytes:%s length:%" PRIuPTR " atIndex:%" PRIuPTR, called(self), words, length, index);
}
static void m_barrier(object *self, lf_sel sel, lf_ns_uint scope) {
  (void)sel;
  if (scope == LF_MTL_BARRIER_BUFFERS) self->state.ordered = 1;
  note("%s memoryBarrierWithScope:%" PRIuPTR, called(self), scope);
}
static action *add_action(object *encoder) {
  action **last = &encoder->uses[0]->actions;
  while (*last) last = &(*last)->next;
  *last = calloc(1, sizeof **last);
  if (!*last) abort();
  return *last;
}
static void add_dispatch(object *self, lf_mtl_size groups, const object *buffer, size_t offset, lf_mtl_size threads) {
  if (!self->pipeline) WRONG("a dispatch without a pipeline");
  else if (self->pipeline->launch) {
    action *made = add_action(self);
    *made = self->state;
    self->state.ordered = 0;
    for (int i = 0; i < SLOTS; i++)
      if (made->bytes[i]) made->slots[i] = made->bytes[i] = copy_of(made->bytes[i], 4096);
    made->launch = self->pipeline->launch;
    made->threads = (uint32_t)threads.width;
    made->groups = (uint32_t)(groups.width * groups.height * groups.depth);
    if (buffer) made->indirect = (const uint32_t *)((const char *)buffer->bytes + offset);
  }
  if (threads.width * threads.height * threads.depth == 0 || threads.width * threads.height * threads.depth > 1024)
    WRONG("%" PRIuPTR " x %" PRIuPTR " x %" PRIuPTR " threads", threads.width, threads.height, threads.depth);
}
#define SIZE "%" PRIuPTR "x%" PRIuPTR "x%" PRIuPTR
static void m_dispatch(object *self, lf_sel sel, lf_mtl_size groups, lf_mtl_size threads) {
  (void)sel;
  if (groups.width * groups.height * groups.depth == 0) WRONG("a dispatch of no workgroups");
  add_dispatch(self, groups, NULL, 0, threads);
  note("%s dispatchThreadgroups:" SIZE " threadsPerThreadgroup:" SIZE, called(self), groups.width, groups.height,
       groups.depth, threads.width, threads.height, threads.depth);
}
static void m_dispatch_indirect(object *self, lf_sel sel, object *buffer, lf_ns_uint offset, lf_mtl_size threads) {
  (void)sel;
  if (!is(buffer, BUFFER, "the groups")) return;
  const lf_mtl_size none = {0, 0, 0};
  if (offset % 4 != 0 || offset + 12 > buffer->size) WRONG("groups at %" PRIuPTR " of %" PRIu64, offset, buffer->size);
  else add_dispatch(self, none, buffer, offset, threads);
  note("%s dispatchThreadgroupsWithIndirectBuffer:%s indirectBufferOffset:%" PRIuPTR " threadsPerThreadgroup:" SIZE,
       called(self), called(buffer), offset, threads.width, threads.height, threads.depth);
}
static void add_move(object *self, void *to, const void *from, size_t size) {
  action *made = add_action(self);
  made->ordered = 1;
  made->to = to;
  made->from = from;
  made->size = size;
}
static void m_copy(object *self, lf_sel sel, object *from, lf_ns_uint from_at, object *to, lf_ns_uint to_at, lf_ns_uint size) {
  (void)sel;
  if (!is(from, BUFFER, "the source") || !is(to, BUFFER, "the target")) return;
  if (from_at + size > from->size || to_at + size > to->size || (from_at | to_at | size) % 4 != 0)
    WRONG("a copy of %" PRIuPTR " bytes from %" PRIuPTR " to %" PRIuPTR, size, from_at, to_at);
  else add_move(self, (char *)to->bytes + to_at, (char *)from->bytes + from_at, size);
  note("%s copyFromBuffer:%s sourceOffset:%" PRIuPTR " toBuffer:%s destinationOffset:%" PRIuPTR " size:%" PRIuPTR,
       called(self), called(from), from_at, called(to), to_at, size);
}
static void m_fill(object *self, lf_sel sel, object *buffer, lf_ns_range range, uint8_t value) {
  (void)sel;
  if (!is(buffer, BUFFER, "what is filled")) return;
  if (range.length == 0 || range.location + range.length > buffer->size || (range.location | range.length) % 4 != 0)
    WRONG("a fill of %" PRIuPTR " bytes at %" PRIuPTR, range.length, range.location);
  else if (value == 0) add_move(self, (char *)buffer->bytes + range.location, NULL, range.length);
  note("%s fillBuffer:%s range:{%" PRIuPTR ", %" PRIuPTR "} value:%u", called(self), called(buffer), range.location,
       range.length, value);
}
static void m_end(object *self, lf_sel sel) {
  (void)sel;
  if (self->ended) WRONG("%s ends twice", called(self));
  self->ended = 1;
  self->uses[0]->open = 0;
  note("%s endEncoding", called(self));
}

/* ---- the runtime ---- */

static const struct {
  kind kind; /* KINDS: any */
  const char *selector;
  void *method;
} methods[] = {
    {KINDS, "alloc", (void *)m_alloc},
    {OPTIONS, "init", (void *)m_init},
    {KINDS, "retain", (void *)m_retain},
    {KINDS, "release", (void *)m_release},
    {STRING, "initWithBytes:length:encoding:", (void *)m_init_with_bytes},
    {STRING, "UTF8String", (void *)m_utf8},
    {ERROR, "code", (void *)m_code},
    {ERROR, "localizedDescription", (void *)m_words},
    {OPTIONS, "setFastMathEnabled:", (void *)m_set_fast_math},
    {DEVICE, "name", (void *)m_name},
    {DEVICE, "maxBufferLength", (void *)m_max_buffer},
    {DEVICE, "maxThreadgroupMemoryLength", (void *)m_max_group_memory},
    {DEVICE, "newCommandQueueWithMaxCommandBufferCount:", (void *)m_new_queue},
    {DEVICE, "newSharedEvent", (void *)m_new_event},
    {DEVICE, "newBufferWithLength:options:", (void *)m_new_buffer},
    {DEVICE, "newLibraryWithSource:options:error:", (void *)m_new_library},
    {DEVICE, "newComputePipelineStateWithFunction:error:", (void *)m_new_pipeline},
    {LIBRARY, "newFunctionWithName:", (void *)m_new_function},
    {PIPELINE, "maxTotalThreadsPerThreadgroup", (void *)m_max_threads},
    {BUFFER, "contents", (void *)m_contents},
    {EVENT, "signaledValue", (void *)m_signaled},
    {QUEUE, "commandBuffer", (void *)m_command_buffer},
    {COMMANDS, "computeCommandEncoderWithDispatchType:", (void *)m_compute},
    {COMMANDS, "blitCommandEncoder", (void *)m_blit},
    {COMMANDS, "encodeSignalEvent:value:", (void *)m_signal_event},
    {COMMANDS, "commit", (void *)m_commit},
    {COMMANDS, "status", (void *)m_status},
    {COMMANDS, "error", (void *)m_error},
    {COMPUTE, "setComputePipelineState:", (void *)m_set_pipeline},
    {COMPUTE, "setBuffer:offset:atIndex:", (void *)m_set_buffer},
    {COMPUTE, "setBytes:length:atIndex:", (void *)m_set_bytes},
    {COMPUTE, "memoryBarrierWithScope:", (void *)m_barrier},
    {COMPUTE, "dispatchThreadgroups:threadsPerThreadgroup:", (void *)m_dispatch},
    {COMPUTE, "dispatchThreadgroupsWithIndirectBuffer:indirectBufferOffset:threadsPerThreadgroup:",
     (void *)m_dispatch_indirect},
    {BLIT, "copyFromBuffer:sourceOffset:toBuffer:destinationOffset:size:", (void *)m_copy},
    {BLIT, "fillBuffer:range:value:", (void *)m_fill},
    {COMPUTE, "endEncoding", (void *)m_end},
    {BLIT, "endEncoding", (void *)m_end},
};

static uintptr_t nothing(void) { return 0; }

/* What objc_msgSend jumps to. */
__attribute__((used)) static void *find_method(object *self, lf_sel selector) {
  if (!self) return (void *)nothing; /* nil answers nil */
  const char *name = (const char *)selector;
  if (self->magic != LIVE) {
    WRONG("%s to an object that was released, or never was one", name);
    return (void *)nothing;
  }
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if ((methods[i].kind == KINDS || methods[i].kind == self->kind) && strcmp(methods[i].selector, name) == 0)
      return methods[i].method;
  WRONG("%s has no method %s", called(self), name);
  return (void *)nothing;
}

/* The arguments stay in their registers and on the stack: the method gets them as the caller gave them. No method here
 * takes floats, so their registers are let alone. */
#if defined(__x86_64__)
__asm__(".globl objc_msgSend\n.type objc_msgSend, @function\nobjc_msgSend:\n"
        "  pushq %rdi\n  pushq %rsi\n  pushq %rdx\n  pushq %rcx\n  pushq %r8\n  pushq %r9\n  subq $8, %rsp\n"
        "  callq find_method\n"
        "  addq $8, %rsp\n  popq %r9\n  popq %r8\n  popq %rcx\n  popq %rdx\n  popq %rsi\n  popq %rdi\n"
        "  jmpq *%rax\n.size objc_msgSend, .-objc_msgSend\n");
#elif defined(__aarch64__)
__asm__(".globl objc_msgSend\n.type objc_msgSend, %function\nobjc_msgSend:\n"
        "  stp x29, x30, [sp, #-80]!\n  stp x0, x1, [sp, #16]\n  stp x2, x3, [sp, #32]\n  stp x4, x5, [sp, #48]\n"
        "  stp x6, x7, [sp, #64]\n  bl find_method\n  mov x16, x0\n"
        "  ldp x6, x7, [sp, #64]\n  ldp x4, x5, [sp, #48]\n  ldp x2, x3, [sp, #32]\n  ldp x0, x1, [sp, #16]\n"
        "  ldp x29, x30, [sp], #80\n  br x16\n.size objc_msgSend, .-objc_msgSend\n");
#else
#error "objc_msgSend is written for x86-64 and arm64"
#endif

API object *objc_getClass(const char *name) {
  for (int i = 0; i < KINDS; i++) {
    if (strcmp(name, kind_names[i]) != 0 || fails(name)) continue;
    classes[i].magic = LIVE;
    classes[i].kind = (kind)i;
    classes[i].references = 1;
    return &classes[i];
  }
  return NULL;
}
API lf_sel sel_registerName(const char *name) { return (lf_sel)(uintptr_t)name; }

API void *objc_autoreleasePoolPush(void) {
  pools++;
  return (void *)(uintptr_t)(pooled + 1);
}
API void objc_autoreleasePoolPop(void *token) {
  int down_to = (int)(uintptr_t)token - 1;
  if (pools-- <= 0 || down_to > pooled) WRONG("a pool is popped that was not pushed");
  while (pooled > down_to) drop(pool[--pooled]);
}

API object *MTLCreateSystemDefaultDevice(void) {
  object *device = fails("MTLCreateSystemDefaultDevice") ? NULL : new_object(DEVICE);
  note("MTLCreateSystemDefaultDevice -> %s", called(device));
  return device;
}

/* ---- what tests ask for ---- */

/* The call of `name` but `after` fails, an NSError with `words` where it has one; "commit": the submission does. */
API void fake_fail(const char *name, const char *words, int after) {
  snprintf(fail_words, sizeof fail_words, "%s", words);
  snprintf(fail_name, sizeof fail_name, "%s", name);
  fail_commit = strcmp(name, "commit") == 0;
  fail_after = *name && !fail_commit ? after : -1;
}
/* 1: command buffers committed from now on stay in flight. */
API void fake_hold(int on) { held = on; }
/* Ends the oldest in flight; returns the number of those that are left. */
API int fake_end(int failed) {
  if (flights > 0) end(0, failed);
  return flights;
}
API const char *fake_record(void) { return record ? record : ""; }
API void fake_forget(void) {
  record_used = 0;
  if (record) *record = 0;
}
/* Objects that are alive, and pools that were not popped. */
API int fake_alive(void) { return alive + pools; }
/* How often something was done that the documentation forbids; the record says what. */
API int fake_wrong(void) { return wrong; }
