/*
 * The queue of a device: all work in one order, on one queue and one timeline, whose value is all that tells of the end
 * of work. Asking a driver for it costs less than a tenth of a microsecond, and on hardware shows the end as soon as a word
 * that the work itself writes (docs/performance.md). Peers get another timeline: who has one can also signal it, or set it
 * back, and what the GPU still works on must not be freed on their word.
 */
#ifndef LF_QUEUE_H
#define LF_QUEUE_H

#include "gpu/device.h"
#include "gpu/gpu_memory.h"
#include "gpu/semaphore.h"
#include "gpu/waiter.h"

/* Submissions under way at most. A caller that runs further ahead gets LF_FULL: the oldest may wait for a peer, and
 * then nobody but the event loop of this very process might let it go on, so the shim must not block here. */
#define LF_QUEUE_DEPTH 256

/* `retired_to` is called when what the work up to a value kept has been released. */
int32_t lf_queue_open(lf_device *device, void (*retired_to)(lf_device *device, uint64_t value));
/* Waits for what is under way, with a limit, and frees the queue. 1; or 0 when work did not end or
 * the driver keeps the waiter's thread: then the Vulkan device and `device` itself have to stay for good. */
int32_t lf_queue_close(lf_device *device);

/* Begins a submission, ordered after everything before it (`ordered` 0: beside the last one, which touches other bytes).
 * LF_OK, or LF_FULL: see lf_queue_full. The caller records, then ends or drops it, also when a call in between fails. One
 * is open at a time. */
int32_t lf_queue_begin(lf_device *device, int ordered, VkCommandBuffer *out);
/* The same, ordered, for commands that may be wanted again. The key says all that they depend on. 1 where they were recorded
 * before: then only what they use is named anew. */
#define LF_KEY_BYTES_MAX 640
int32_t lf_queue_begin_kept(lf_device *device, const void *key, uint32_t size, VkCommandBuffer *out);
/* The open submission, of commands that are kept, waits until it is let go. LF_FULL for other commands. */
int32_t lf_submission_arm(lf_device *device);
/* Lets the submission go that waits, where one does. */
int32_t lf_submission_trigger(lf_device *device);
/* Names a memory that the open submission uses: its waits become the submission's, and the value its last use. */
int32_t lf_queue_use(lf_device *device, lf_gpu_memory *memory);
/* The open submission waits for the semaphore, or signals it, and keeps it until then. `value` is for timelines. */
int32_t lf_queue_await(lf_device *device, lf_semaphore *semaphore, uint64_t value);
int32_t lf_queue_signal(lf_device *device, lf_semaphore *semaphore, uint64_t value);
/* Keeps an object until the open submission is done; `release` then gives up one reference. */
int32_t lf_queue_keep(lf_device *device, void *object, void (*release)(void *object));
/* The host reads what the open submission writes (said by itself of memory that is mapped). */
void lf_queue_to_host(lf_device *device);
/* What the open submission recorded before ends before what it records next, and is seen by it; the indirect one: also by
 * the sizes of indirect dispatches. */
void lf_queue_barrier(lf_device *device);
void lf_queue_barrier_indirect(lf_device *device);
/* Submits; 1 with the value. */
int32_t lf_queue_end(lf_device *device, uint64_t *value);
void lf_queue_drop(lf_device *device);
/* Ends the open submission where `status`, of the calls since its begin, is LF_OK: 1 with the value. Else drops it and
 * returns `status`. */
int32_t lf_queue_finish(lf_device *device, int32_t status, double *value);

/* LF_FULL, with the value that has to be reached before there is room. */
int32_t lf_queue_full(const lf_device *device, double *value);

/* What the timeline has reached; all of it where the device is lost, as nothing runs any more. */
uint64_t lf_queue_seen(lf_device *device);
/* 1 when the timeline has reached `value`, else 0. GPU_DEVICE_LOST. */
int32_t lf_queue_has(lf_device *device, uint64_t value);
/* The last value submitted. */
uint64_t lf_queue_last(const lf_device *device);
/* Blocks: 1, or LF_TIMEOUT, or GPU_DEVICE_LOST. */
int32_t lf_queue_wait(lf_device *device, uint64_t value, uint64_t timeout_ns);
/* An OS handle of a timeline for peers, which comes to the same values: LF_OK; LF_PENDING while there is no room for the
 * work that this takes. */
int32_t lf_queue_share(lf_device *device, int64_t *out);
/* lf_queue_has for the event loop: spins for up to `spin_ns`, and gives up what work that has ended kept. */
int32_t lf_queue_poll(lf_device *device, uint64_t value, uint64_t spin_ns);
/* The value of the submission that waits at the gate; 0: none does. */
uint64_t lf_submission_armed(const lf_device *device);
/* The waiter, made when first asked for. */
int32_t lf_queue_waiter(lf_device *device, lf_waiter **out);

/* Bytes of a GPU's memory that a call names. */
typedef struct {
  lf_gpu_memory *memory;
  uint64_t offset, size;
} lf_range;

#endif
