/*
 * The queue of a device: all work in one order, on one Vulkan queue and one timeline semaphore, whose value alone tells
 * that work has ended. Reading it costs less than a tenth of a microsecond, and on hardware it changes as early as a
 * word that the work writes (docs/performance.md). Peers get another timeline, which a peer can also signal or set
 * back: memory that the GPU uses must not be freed on a peer's word.
 */
#ifndef LF_QUEUE_H
#define LF_QUEUE_H

#include "gpu/device.h"
#include "gpu/gpu_memory.h"
#include "gpu/semaphore.h"
#include "gpu/waiter.h"

/* Submissions in flight at most; more return LF_FULL. The shim must not block here: the oldest submission may wait for
 * a peer whose signal depends on this process's event loop. */
#define LF_QUEUE_DEPTH 256

/* Opens the device's queue. `retired_to` is called with a value when the objects kept by submissions up to it were
 * released. LF_OK, HOST_OUT_OF_MEMORY. */
int32_t lf_queue_open(lf_device *device, void (*retired_to)(lf_device *device, uint64_t value));
/* Waits up to 10 s for work in flight, and frees the queue: 1. 0 when work did not end or the driver keeps the waiter's
 * thread: the Vulkan device and `device` must then stay for the life of the process. */
int32_t lf_queue_close(lf_device *device);

/* Begins a submission, ordered after all work before it; `ordered` 0: it may run at the same time as the last one, and
 * touches other bytes. LF_OK; LF_FULL, see lf_queue_full. The caller records commands, then ends or drops the
 * submission, also when a call in between fails. One is open at a time. */
int32_t lf_queue_begin(lf_device *device, int ordered, VkCommandBuffer *out);
/* The same, ordered, for commands that may be submitted again. The key holds all that the commands depend on. 1 when
 * commands with this key were recorded before: the caller only names what they use. */
#define LF_KEY_BYTES_MAX 640 /* of a key: the one of abi/steps.c */
int32_t lf_queue_begin_kept(lf_device *device, const void *key, uint32_t size, VkCommandBuffer *out);
/* Arms the open submission: once submitted, it waits for lf_submission_trigger. LF_OK; LF_FULL unless it was begun by
 * lf_queue_begin_kept and has a recording. */
int32_t lf_submission_arm(lf_device *device);
/* Triggers the armed submission, if there is one. LF_OK, GPU_DEVICE_LOST. */
int32_t lf_submission_trigger(lf_device *device);
/* Names a memory that the open submission uses: the submission waits for the memory's peer, and its value becomes the
 * memory's last use. LF_OK, INVALID_ARGUMENT. */
int32_t lf_queue_use(lf_device *device, lf_gpu_memory *memory);
/* The open submission waits for the semaphore, or signals it, and keeps it until then. `value` is for timelines. LF_OK,
 * INVALID_ARGUMENT. */
int32_t lf_queue_await(lf_device *device, lf_semaphore *semaphore, uint64_t value);
int32_t lf_queue_signal(lf_device *device, lf_semaphore *semaphore, uint64_t value);
/* Keeps an object until the open submission has ended; then calls `release`. LF_OK, INVALID_ARGUMENT. */
int32_t lf_queue_keep(lf_device *device, void *object, void (*release)(void *object));
/* The host reads what the open submission writes. Implied for mapped memory. */
void lf_queue_to_host(lf_device *device);
/* A barrier: commands recorded before it end before those after it begin, and those see their writes. The indirect one
 * includes the sizes of indirect dispatches. */
void lf_queue_barrier(lf_device *device);
void lf_queue_barrier_indirect(lf_device *device);
/* Submits the open submission: 1 with the timeline value. GPU_DEVICE_LOST. */
int32_t lf_queue_end(lf_device *device, uint64_t *value);
/* Discards the open submission. */
void lf_queue_drop(lf_device *device);
/* Ends the open submission if `status`, of the calls since its begin, is LF_OK: 1 with the timeline value. Else drops
 * it and returns `status`. */
int32_t lf_queue_finish(lf_device *device, int32_t status, double *value);

/* Returns LF_FULL, with the value that must be reached before the next submission. */
int32_t lf_queue_full(const lf_device *device, double *value);

/* The value that the timeline has reached. On a lost device, the last value: no work runs any more. */
uint64_t lf_queue_seen(lf_device *device);
/* 1 when the timeline has reached `value`, else 0. GPU_DEVICE_LOST. */
int32_t lf_queue_has(lf_device *device, uint64_t value);
/* The value of the last submission. */
uint64_t lf_queue_last(const lf_device *device);
/* Blocks until `value` is reached: 1; LF_TIMEOUT, GPU_DEVICE_LOST. */
int32_t lf_queue_wait(lf_device *device, uint64_t value, uint64_t timeout_ns);
/* An OS handle of a timeline for peers, which reaches the same values. LF_OK; LF_PENDING when that takes a submission
 * and the queue is full. */
int32_t lf_queue_share(lf_device *device, int64_t *out);
/* lf_queue_has for the event loop: polls for up to `spin_ns`, and releases what ended work kept. */
int32_t lf_queue_poll(lf_device *device, uint64_t value, uint64_t spin_ns);
/* The value of the armed submission; 0 when there is none. */
uint64_t lf_submission_armed(const lf_device *device);
/* The waiter, created at its first use. LF_OK, LF_EMPTY, SYSTEM. */
int32_t lf_queue_waiter(lf_device *device, lf_waiter **out);

/* A range of GPU memory, in bytes. */
typedef struct {
  lf_gpu_memory *memory;
  uint64_t offset, size;
} lf_range;

#endif
