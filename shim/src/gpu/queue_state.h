/* The inside of a device's queue, for queue.c (what has been reached) and submission.c (what is on its way). */
#ifndef LF_QUEUE_STATE_H
#define LF_QUEUE_STATE_H

#include "gpu/queue.h"

/* What one submission uses at most: a dispatch has LF_BINDINGS_MAX memories, and each may have a peer to wait for. */
#define LF_SEMAPHORES_MAX 18
#define LF_KEPT_MAX (LF_SEMAPHORES_MAX + LF_STEP_PIPELINES_MAX)
#define LF_MEMORIES_MAX 16
/* Recordings that are kept: those of the bodies of some kernels, in the two or three ways in which they follow each other. */
#define LF_RECORDINGS 8

typedef struct {
  void (*release)(void *object);
  void *object;
} lf_kept;

/* The submission of one value; it is used again when the timeline has reached that. */
typedef struct {
  VkCommandBuffer commands;
  lf_kept kept[LF_KEPT_MAX];
  uint32_t kept_count;
} lf_submission;

/* Commands that were recorded once and are submitted as often as the same are wanted: a driver takes longer to record some
 * than to submit them. */
typedef struct {
  VkCommandBuffer commands;
  uint64_t used; /* the value of the last submission of them */
  uint32_t size; /* of the key; 0: there is nothing recorded */
  unsigned char key[LF_KEY_BYTES_MAX];
} lf_recording;

typedef struct {
  lf_semaphore *semaphores[LF_SEMAPHORES_MAX];
  VkSemaphore raw[LF_SEMAPHORES_MAX];
  uint64_t values[LF_SEMAPHORES_MAX];
  uint32_t count;
} lf_semaphore_list;

struct lf_queue {
  VkSemaphore timeline;  /* of this process alone */
  VkSemaphore shared;    /* signalled beside it, from the value after `shared_since` on; NULL while no peer has it */
  uint64_t shared_since;
  VkQueue queue;
  VkCommandPool pool;
  VkSemaphore gate;     /* what is prepared waits for the next value of it; NULL until something is */
  uint64_t let_through; /* the last value that it was given */
  uint64_t prepared;    /* the submission that waits there; 0: none */
  lf_waiter *waiter;
  uint64_t last;    /* submitted */
  uint64_t done;    /* reached, when the timeline was asked last */
  void (*retired_to)(lf_device *device, uint64_t value); /* see lf_queue_open */
  uint64_t retired; /* what the slots up to this value kept has been released */
  /* the open submission, or NULL; where its commands stand, and the recording that they are, or NULL */
  lf_submission *open;
  VkCommandBuffer *commands;
  lf_recording *recording;
  int is_replay; /* recorded before */
  int is_gated;  /* it will wait at the gate */
  int to_host;
  lf_semaphore_list waits, signals;
  lf_gpu_memory *memories[LF_MEMORIES_MAX];
  uint32_t memory_count;
  lf_submission slots[LF_QUEUE_DEPTH];
  lf_recording recordings[LF_RECORDINGS];
};

static inline lf_submission *lf_submission_of(lf_queue *q, uint64_t value) { return &q->slots[value % LF_QUEUE_DEPTH]; }

/* Records the failure of a call for the queue. */
int32_t lf_queue_fail(lf_device *device, const char *api, VkResult result);
/* A timeline at `value`; `shared`: for peers. */
int32_t lf_queue_make_timeline(lf_device *device, uint64_t value, int shared, VkSemaphore *out);
/* Asks the timeline what it has reached. */
int32_t lf_queue_ask(lf_device *device);
/* Gives up what work that has ended, as the timeline says, kept. */
void lf_queue_retire(lf_device *device);
void lf_submission_release(lf_submission *slot);

#endif
