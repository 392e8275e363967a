/*
 * The regions of a receiving end. Pooled blocks and shared MemoryBuffers are mapped. GPU memory of the end's own
 * device is imported. Memory of another GPU is an OS handle that the user claims. The producer announced all of them,
 * so every value is checked here.
 */
#ifndef LF_REGION_H
#define LF_REGION_H

#include "gpu/gpu_memory.h"
#include "host/segment.h"
#include "ipc/link.h"
#include "shm/ring.h"

#define LF_REGION_BUCKETS 256u

typedef struct {
  lf_segment segment; /* of pooled blocks; else its address is NULL */
  void *address;
  uint64_t size;
  uint64_t allocation;
  uint64_t drop_at;   /* the position at which it may be removed */
  lf_gpu_memory *gpu; /* imported; `memory` owns it */
  int64_t os;         /* GPU memory of another device, until it is claimed; else -1 */
  uint32_t id;
  uint32_t counter;     /* of a MemoryBuffer, in the ring's memory_released */
  uint32_t next;        /* in its bucket: index + 1, 0 at the end */
  uint32_t outstanding; /* frames that the user holds */
  uint32_t ending;      /* frames that the user released while work on them ran */
  int32_t memory;       /* a MemoryBuffer's handle */
  uint8_t kind;         /* LF_REGION_... */
  uint8_t host_visible;
  uint8_t live;
  uint8_t dropping;
} lf_region;

typedef struct {
  lf_region *all; /* by an index that this side selects: an old number and its successor may exist at once */
  uint32_t capacity;
  uint32_t dropping; /* those with a drop message */
  uint32_t imports;
  uint32_t buckets[LF_REGION_BUCKETS]; /* by number */
  lf_device *device;                   /* NULL: GPU memory is refused */
  uint8_t uuids[2 * LF_UUID_BYTES];    /* of the producer's device */
  uint8_t own;                         /* the producer's device is `device` */
  uint8_t abandoned;                   /* the producer died: nothing waits for its timeline */
  lf_semaphore *timeline;              /* of the producer's device; NULL: not shared */
} lf_regions;

static inline lf_region *lf_regions_find(const lf_regions *regions, uint32_t id) {
  for (uint32_t at = regions->buckets[id % LF_REGION_BUCKETS]; at; at = regions->all[at - 1].next)
    if (regions->all[at - 1].id == id) return &regions->all[at - 1];
  return NULL;
}

/* Retains the device. */
void lf_regions_use(lf_regions *regions, lf_device *device, const uint8_t *uuids);

/* Handles a message of kind LF_KIND_REGION, LF_KIND_DROP or LF_KIND_TIMELINE. `position` is the end's. CORRUPT_SEGMENT,
 * EXTERNAL_HANDLE_MISMATCH, or the failure of the mapping or the import. */
int32_t lf_regions_read(lf_regions *regions, lf_message *message, uint64_t position);

/* The next use of the region's memory waits until the producer's timeline has reached `wait`. */
int32_t lf_regions_await(lf_regions *regions, lf_region *region, uint64_t wait, uint64_t position);

/* The producer died: ends every wait for its timeline. */
void lf_regions_abandon(lf_regions *regions);

int lf_region_may_go(const lf_region *region, uint64_t position);
/* A region that may be removed, or NULL. */
lf_region *lf_regions_droppable(const lf_regions *regions, uint64_t position);

/* Unmaps the region, or closes its import. */
void lf_regions_remove(lf_regions *regions, lf_region *region);
/* `died` as for lf_regions_abandon. */
void lf_regions_close(lf_regions *regions, int died);

/* Records an invalid value of the producer. CORRUPT_SEGMENT. */
int32_t lf_corrupt_producer(const char *what, uint64_t got, uint64_t position);

#endif
