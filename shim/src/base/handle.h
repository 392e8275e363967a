/*
 * Native objects as small integers: 14 bits of generation, 16 bits of index. One comparison detects a handle that is
 * closed, was never returned, or belongs to another kind of object. A handle's number repeats after its index was used
 * 16,384 times.
 */
#ifndef LF_HANDLE_H
#define LF_HANDLE_H

#include <stdatomic.h>
#include <stdint.h>

typedef enum {
  LF_KIND_MEMORY = 1,
  LF_KIND_RENDEZVOUS,
  LF_KIND_LINK,
  LF_KIND_TX,
  LF_KIND_RX,
  LF_KIND_VULKAN,
  LF_KIND_DEVICE,
  LF_KIND_SEMAPHORE,
  LF_KIND_PIPELINE,
  LF_KIND_CUDA_MEMORY,
  LF_KIND_CUDA_SEMAPHORE,
  LF_KIND_OPENCL_MEMORY,
  LF_KIND_OPENCL_SEMAPHORE,
  LF_KIND_OPENGL_MEMORY,
  LF_KIND_OPENGL_SEMAPHORE,
  LF_KIND_LEASE,
  LF_KIND_CONNECTION,
  LF_KIND_METAL_DEVICE,
  LF_KIND_METAL_MEMORY,
  LF_KIND_METAL_PIPELINE,
  LF_KIND_WATCH
} lf_kind;

#define LF_HANDLE_COUNT 65536u

typedef struct {
  _Atomic uint64_t tag; /* kind << 32 | handle while live, 0 while free */
  void *object;
  void (*destroy)(void *object);
  uint64_t owner; /* the thread that created it */
  uint32_t generation;
  uint32_t next_free;
} lf_handle_entry;

extern lf_handle_entry lf_handles[LF_HANDLE_COUNT];

/* Returns the handle, or ESYSTEM when LF_HANDLE_COUNT - 1 objects are open. `destroy` runs when the thread that created
 * the handle ends and the handle is still open. */
int32_t lf_handle_make(lf_kind kind, void *object, void (*destroy)(void *object));

/* The object, or NULL when the handle is stale. No failure is recorded: see lf_handle_stale. */
static inline void *lf_handle_get(lf_kind kind, int32_t handle) {
  lf_handle_entry *entry = &lf_handles[(uint32_t)handle & 0xffffu];
  uint64_t tag = (uint64_t)kind << 32 | (uint32_t)handle;
  return atomic_load_explicit(&entry->tag, memory_order_acquire) == tag ? entry->object : (void *)0;
}

/* Records that `handle` is not a live object of this kind; returns LF_ECLOSED. */
int32_t lf_handle_stale(lf_kind kind, int32_t handle);

/* Invalidates the handle and returns its object, which the caller must destroy. NULL when the handle is stale. */
void *lf_handle_take(lf_kind kind, int32_t handle);

#endif
