/* The state of a device's queue, for queue.c (the timeline) and submission.c (the open submission). */
#ifndef LF_QUEUE_STATE_H
#define LF_QUEUE_STATE_H

#include "gpu/queue.h"

/* Semaphores that one submission waits for or signals at most: each of LF_BINDINGS_MAX memories may have a peer to wait
 * for. */
#define LF_SEMAPHORES_MAX 18
#define LF_KEPT_MAX (LF_SEMAPHORES_MAX + LF_STEP_PIPELINES_MAX)
#define LF_MEMORIES_MAX 16
/* Recordings that are kept: those of some kernels' bodies, in the two or three orders in which they follow each
 * other. */
#define LF_RECORDINGS 8

typedef struct {
  void (*release)(void *object);
  void *object;
} lf_kept;

/* The submission of one value; reused when the timeline has reached that. */
typedef struct {
  VkCommandBuffer commands;
  lf_kept kept[LF_KEPT_MAX];
  uint32_t kept_count;
} lf_submission;

/* Commands that are recorded once and submitted many times: a driver takes longer to record some than to submit
 * them. */
typedef struct {
  VkCommandBuffer commands;
  uint64_t used; /* the value of their last submission */
  uint32_t size; /* bytes of the key; 0: not recorded */
  unsigned char key[LF_KEY_BYTES_MAX];
} lf_recording;

typedef struct {
  lf_semaphore *semaphores[LF_SEMAPHORES_MAX];
  VkSemaphore raw[LF_SEMAPHORES_MAX];
  uint64_t values[LF_SEMAPHORES_MAX];
  uint32_t count;
} lf_semaphore_list;

struct lf_queue {
  VkSemaphore timeline;  /* never exported */
  /* signalled with `timeline`, from the value after `shared_since` on; NULL until a peer needs it */
  VkSemaphore shared;
  uint64_t shared_since;
  VkQueue queue;
  VkCommandPool pool;
  VkSemaphore trigger;     /* the armed submission waits for its next value; NULL until the first is armed */
  uint64_t triggered; /* its last value */
  uint64_t armed;    /* the value of the armed submission; 0: none */
  lf_waiter *waiter;
  uint64_t last;    /* submitted */
  uint64_t done;    /* reached, at the last poll of the timeline */
  void (*retired_to)(lf_device *device, uint64_t value); /* see lf_queue_open */
  uint64_t retired; /* the slots up to this value have released what they kept */
  /* The open submission, or NULL; the place of its commands; the recording that they belong to, or NULL. */
  lf_submission *open;
  VkCommandBuffer *commands;
  lf_recording *recording;
  int is_replay; /* its commands were recorded before */
  int is_armed;  /* the open submission will be armed */
  int to_host;
  lf_semaphore_list waits, signals;
  lf_gpu_memory *memories[LF_MEMORIES_MAX];
  uint32_t memory_count;
  lf_submission slots[LF_QUEUE_DEPTH];
  lf_recording recordings[LF_RECORDINGS];
};

static inline lf_submission *lf_submission_of(lf_queue *q, uint64_t value) { return &q->slots[value % LF_QUEUE_DEPTH]; }

/* Records the failure of a call for the queue; returns its code. */
int32_t lf_queue_fail(lf_device *device, const char *api, VkResult result);
/* Creates a timeline with `value`; `shared`: exportable. LF_OK. */
int32_t lf_queue_make_timeline(lf_device *device, uint64_t value, int shared, VkSemaphore *out);
/* Polls the timeline. LF_OK, GPU_DEVICE_LOST. */
int32_t lf_queue_ask(lf_device *device);
/* Releases what submissions up to `done` kept. */
void lf_queue_retire(lf_device *device);
void lf_submission_release(lf_submission *slot);

#endif
