/* A semaphore that another process, or another API in this one, can share. */
#ifndef LF_SEMAPHORE_H
#define LF_SEMAPHORE_H

#include "gpu/device.h"

typedef struct {
  lf_device *device;
  VkSemaphore semaphore;
  int32_t kind; /* LF_SEMAPHORE_... */
  uint32_t owners;     /* which keep the device too */
  uint32_t references; /* the owners, and work under way */
  int64_t os;          /* as lf_external_export_semaphore keeps it */
  uint64_t last_use;   /* the queue's value of the last work that waits for it or signals it */
  uint64_t awaited;    /* the highest value that work here waits for (timelines) */
} lf_semaphore;

int32_t lf_semaphore_make(lf_device *device, int32_t kind, lf_semaphore **out);
/* Takes `os` over, also when it fails. */
int32_t lf_semaphore_attach(lf_device *device, int32_t kind, int64_t os, lf_semaphore **out);
/* An OS handle of the queue's timeline, which is no lf_semaphore. */
int32_t lf_semaphore_handle_of(VkSemaphore timeline, lf_device *device, int64_t *out);

/* An OS handle of it, which the caller owns. */
int32_t lf_semaphore_share(lf_semaphore *semaphore, int64_t *out);
/* What a timeline has come to, as the driver says it. */
VkResult lf_semaphore_counter(lf_semaphore *semaphore, uint64_t *out);

/* For owners: a handle, or memory whose peer signals it. */
lf_semaphore *lf_semaphore_retain(lf_semaphore *semaphore);
void lf_semaphore_release(lf_semaphore *semaphore);
/* For work under way, which ends before its device does and must not keep it. */
void lf_semaphore_keep(lf_semaphore *semaphore);
void lf_semaphore_drop(lf_semaphore *semaphore);

/* The one who was to signal a timeline is gone: lets all work here that waits for it go on. */
void lf_semaphore_abandon(lf_semaphore *semaphore);
/* 1 when a timeline has reached `value`. */
int lf_semaphore_reached(lf_semaphore *semaphore, uint64_t value);

#endif
