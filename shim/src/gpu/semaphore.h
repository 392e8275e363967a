/* A semaphore that another process, or another API in this one, can share. */
#ifndef LF_SEMAPHORE_H
#define LF_SEMAPHORE_H

#include "gpu/device.h"

typedef struct {
  lf_device *device;
  VkSemaphore semaphore;
  int32_t kind; /* LF_SEMAPHORE_... */
  uint32_t owners;     /* they keep the device, too */
  uint32_t references; /* the owners, and work in flight */
  int64_t os;          /* as lf_external_export_semaphore keeps it */
  uint64_t last_use;   /* the timeline value of the last work that waits for it or signals it */
  uint64_t awaited;    /* the highest value that work of this device waits for (timelines) */
} lf_semaphore;

/* As lf_semaphore_create, with one owner. */
int32_t lf_semaphore_make(lf_device *device, int32_t kind, lf_semaphore **out);
/* As lf_semaphore_import, with one owner. Takes ownership of `os`, also when it fails. */
int32_t lf_semaphore_attach(lf_device *device, int32_t kind, int64_t os, lf_semaphore **out);
/* An OS handle of the queue's timeline for peers, which is not an lf_semaphore. LF_OK. */
int32_t lf_semaphore_handle_of(VkSemaphore timeline, lf_device *device, int64_t *out);

/* A new OS handle, which the caller owns. LF_OK. */
int32_t lf_semaphore_share(lf_semaphore *semaphore, int64_t *out);
/* The value of a timeline, with Vulkan's result. */
VkResult lf_semaphore_counter(lf_semaphore *semaphore, uint64_t *out);

/* For owners: a handle, or memory whose peer signals the semaphore. */
lf_semaphore *lf_semaphore_retain(lf_semaphore *semaphore);
void lf_semaphore_release(lf_semaphore *semaphore);
/* For work in flight, which must not keep the device, and ends before the device closes. */
void lf_semaphore_keep(lf_semaphore *semaphore);
void lf_semaphore_drop(lf_semaphore *semaphore);

/* The peer that would signal a timeline is gone: signals the highest value that work of this device waits for. */
void lf_semaphore_abandon(lf_semaphore *semaphore);
/* 1 when a timeline has reached `value`, else 0. */
int lf_semaphore_reached(lf_semaphore *semaphore, uint64_t value);

#endif
