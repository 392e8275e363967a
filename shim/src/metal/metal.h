/* Metal, opened at run time: the device (metal.c), its memory (metal_memory.c), pipelines (metal_pipeline.c), submissions
 * (metal_queue.c). Metal counts references itself: a buffer keeps its device, and a command buffer all that it uses, so
 * handles may be closed in any order and while the GPU works.
 *
 * Experimental: no Mac has run any of this. Tests run it against a stand-in (test/support/fake_metal.c). */
#ifndef LF_METAL_H
#define LF_METAL_H

#include <stdint.h>

#include "lavaflow.h"
#include "metal/metal_api.h"

/* Command buffers under way. The queue is made for as many: for one more, Metal would block the thread. */
#define LF_METAL_FLIGHTS 64u
/* Memories of a submission. */
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
  uint32_t first, count; /* a ring of them, the oldest first */
  uint64_t buffer_max;
  uint32_t workgroup_max;
  char name[256];
  int32_t lost_status; /* of the command buffer that failed */
  char lost[400];      /* what happened, with Metal's words; "" while all is well */
} lf_metal_device;

typedef struct {
  lf_id device; /* to compare with: the buffer keeps it */
  lf_id buffer;
  void *contents; /* NULL where the host does not see it */
  uint64_t size;
} lf_metal_memory;

typedef struct {
  lf_id device; /* to compare with */
  lf_id state;
  uint32_t threads; /* of a threadgroup */
  uint32_t buffers;
  uint32_t push_words;
  uint32_t sized_count;
  uint8_t sized[LF_METAL_MEMORIES]; /* the buffers whose sizes the shader asks for, in the order it has them */
} lf_metal_pipeline;

extern lf_metal_messages lf_metal;

/* objc_msgSend with the prototype of the method. */
#define LF_SEND(receiver, message, ...) lf_metal.message.send((receiver), lf_metal.message.selector __VA_OPT__(, ) __VA_ARGS__)

/* What is autoreleased between the two goes with the second. */
void *lf_metal_pool_push(void);
void lf_metal_pool_pop(void *pool);

void lf_metal_release(lf_id object); /* NULL: nothing */

/* NULL with the failure recorded. */
lf_id lf_metal_class(const char *name);

/* A new NSString of UTF-8; NULL with the failure recorded. */
lf_id lf_metal_string(const char *text, uint64_t bytes);

/* Records a failure with the words and the code of an NSError, which may be NULL. Inside of a pool. */
int32_t lf_metal_fail(int32_t code, const char *api, lf_id error, const char *what);

/* GPU_DEVICE_LOST recorded, with the words of the submission that failed. */
int32_t lf_metal_lost(const lf_metal_device *device);

#endif
