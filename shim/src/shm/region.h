/*
 * The regions that a consumer knows. Pooled blocks and shared MemoryBuffers are mapped; GPU memory of the consumer's own
 * device is imported; that of another GPU is an OS handle that its reader claims. All of it was announced by the
 * producer, so all of it is checked here.
 */
#ifndef LF_REGION_H
#define LF_REGION_H

#include "gpu/gpu_memory.h"
#include "host/segment.h"
#include "ipc/link.h"
#include "shm/ring.h"

#define LF_REGION_BUCKETS 256u

typedef struct {
  lf_segment segment; /* pooled blocks; address NULL where there are none */
  void *address;
  uint64_t size;
  uint64_t allocation;
  uint64_t drop_at;   /* the position at which it may go */
  lf_gpu_memory *gpu; /* imported; `memory` owns it */
  int64_t os;         /* GPU memory of another device, until it is claimed; else -1 */
  uint32_t id;
  uint32_t counter;     /* of a MemoryBuffer, in the ring's memory_released */
  uint32_t next;        /* in its bucket: place + 1, 0 at the end */
  uint32_t outstanding; /* frames that the user holds */
  uint32_t ending;      /* frames that the user gave back, with its work on them under way */
  int32_t memory;       /* a MemoryBuffer's handle */
  uint8_t kind;         /* LF_REGION_... */
  uint8_t host_visible;
  uint8_t live;
  uint8_t dropping;
} lf_region;

typedef struct {
  lf_region *all; /* in places of this side's own choice: an old number and its successor may live side by side */
  uint32_t capacity;
  uint32_t dropping; /* those that wait to go */
  uint32_t imports;
  uint32_t buckets[LF_REGION_BUCKETS]; /* by number */
  lf_device *device;                   /* NULL: no GPU memory may come */
  uint8_t uuids[2 * LF_UUID_BYTES];    /* of the device that it comes from */
  uint8_t own;                         /* that is `device` */
  uint8_t abandoned;                   /* the producer is gone: nothing waits for it any more */
  lf_semaphore *timeline;              /* of the producer's device; NULL where it shares none */
} lf_regions;

static inline lf_region *lf_regions_find(const lf_regions *regions, uint32_t id) {
  for (uint32_t at = regions->buckets[id % LF_REGION_BUCKETS]; at; at = regions->all[at - 1].next)
    if (regions->all[at - 1].id == id) return &regions->all[at - 1];
  return NULL;
}

/* Retains the device. */
void lf_regions_use(lf_regions *regions, lf_device *device, const uint8_t *uuids);

/* What a message of kind LF_KIND_REGION, LF_KIND_DROP or LF_KIND_TIMELINE says; `position` is where the consumer reads.
 * CORRUPT_SEGMENT, EXTERNAL_HANDLE_MISMATCH, or what mapping or importing failed of. */
int32_t lf_regions_read(lf_regions *regions, lf_message *message, uint64_t position);

/* The next use of the region's memory here waits until the producer's timeline has reached `wait`. */
int32_t lf_regions_await(lf_regions *regions, lf_region *region, uint64_t wait, uint64_t position);

/* The producer is gone: nothing here waits for its timeline any more. */
void lf_regions_abandon(lf_regions *regions);

int lf_region_may_go(const lf_region *region, uint64_t position);
/* One that may go, or NULL. */
lf_region *lf_regions_droppable(const lf_regions *regions, uint64_t position);

/* Unmaps it, or gives its import back. */
void lf_regions_remove(lf_regions *regions, lf_region *region);
/* `died` as for lf_regions_abandon. */
void lf_regions_close(lf_regions *regions, int died);

/* Records what the producer can't have written; CORRUPT_SEGMENT. */
int32_t lf_corrupt_producer(const char *what, uint64_t got, uint64_t position);

#endif
