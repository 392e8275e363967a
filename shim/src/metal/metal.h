/*
 * Metal, opened at run time: the device (metal.c), its memory (metal_memory.c), pipelines (metal_pipeline.c),
 * submissions (metal_queue.c). Metal counts references: a buffer keeps its device, and a command buffer keeps the
 * objects that it uses. So handles may be closed in any order and while the GPU works.
 *
 * Experimental: no Mac has run this code. Tests run it against a stand-in (test/support/fake_metal.c).
 */
#ifndef LF_METAL_H
#define LF_METAL_H

#include <stdint.h>

#include "lavaflow.h"
#include "metal/metal_api.h"

/* Command buffers in flight, the queue's capacity: for one more, Metal would block the thread. */
#define LF_METAL_FLIGHTS 64u
/* Memories of one submission. */
#define LF_METAL_MEMORIES 16u
/* Words of an lf_step's push constants. */
#define LF_METAL_PUSH_WORDS (sizeof((lf_step *)0)->push / sizeof(uint32_t))

typedef struct {
  lf_id commands; /* retained */
  uint64_t value;
} lf_metal_flight;

typedef struct {
  lf_id device, queue, event;
  uint64_t submitted; /* the value of the last submission */
  lf_metal_flight flights[LF_METAL_FLIGHTS];
  uint32_t first, count; /* of the ring `flights`, the oldest first */
  uint64_t buffer_max;
  uint32_t workgroup_max;
  char name[256];
  int32_t lost_status; /* of the failed command buffer */
  char lost[400];      /* the failure, with Metal's message; "" without one */
} lf_metal_device;

typedef struct {
  lf_id device; /* for comparison: the buffer keeps it */
  lf_id buffer;
  void *contents; /* NULL unless the memory is host-visible */
  uint64_t size;
} lf_metal_memory;

typedef struct {
  lf_id device; /* for comparison */
  lf_id state;
  uint32_t threads; /* per threadgroup */
  uint32_t buffers;
  uint32_t push_words;
  uint32_t sized_count;
  uint8_t sized[LF_METAL_MEMORIES]; /* the buffers whose sizes the shader reads, in its order */
} lf_metal_pipeline;

extern lf_metal_messages lf_metal;

/* objc_msgSend with the prototype of the method. */
#define LF_SEND(receiver, message, ...) lf_metal.message.send((receiver), lf_metal.message.selector __VA_OPT__(, ) __VA_ARGS__)

/* An autorelease pool: objects autoreleased between the two calls are released by the second. */
void *lf_metal_pool_push(void);
void lf_metal_pool_pop(void *pool);

/* Releases an object, which may be NULL. */
void lf_metal_release(lf_id object);

/* The class, or NULL with the failure recorded. */
lf_id lf_metal_class(const char *name);

/* A new NSString of UTF-8, or NULL with the failure recorded. */
lf_id lf_metal_string(const char *text, uint64_t bytes);

/* Records a failure with the message and the code of an NSError, which may be NULL; returns `code`. Needs an
 * autorelease pool. */
int32_t lf_metal_fail(int32_t code, const char *api, lf_id error, const char *what);

/* Records and returns GPU_DEVICE_LOST with the message of the submission that failed. */
int32_t lf_metal_lost(const lf_metal_device *device);

#endif
