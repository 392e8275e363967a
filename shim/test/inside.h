/*
 * Both ends of the ring in the test's own translation unit: it sees their positions, and stands between them and the
 * memory that they ask for. Programs that include this bring pool.c, producer.c, consumer.c and region.c themselves.
 *
 * Two mappings of one segment are unrelated addresses to ThreadSanitizer: it can't see a race between them. So under it
 * the consumer uses the producer's mapping, and has to be closed first.
 */
#ifndef LF_TEST_INSIDE_H
#define LF_TEST_INSIDE_H

#include "base/status.h"
#include "host/segment.h"
#include "rings.h"

/* While set, no segment can be made: as on a machine whose memory is used up. */
static int inside_no_memory;

#if TEST_TSAN
#include <sys/stat.h>

static struct {
  void *address;
  ino_t file;
} inside_made[4096];
static pthread_mutex_t inside_lock = PTHREAD_MUTEX_INITIALIZER;

static void inside_remember(const lf_segment *segment) {
  struct stat info;
  CHECK_EQ(fstat((int)segment->os, &info), 0);
  pthread_mutex_lock(&inside_lock);
  size_t at = 0;
  while (inside_made[at].address) CHECK(++at < sizeof inside_made / sizeof *inside_made);
  inside_made[at].address = segment->address;
  inside_made[at].file = info.st_ino;
  pthread_mutex_unlock(&inside_lock);
}

static void inside_forget(const void *address) {
  pthread_mutex_lock(&inside_lock);
  for (size_t i = 0; i < sizeof inside_made / sizeof *inside_made; i++)
    if (address && inside_made[i].address == address) inside_made[i].address = NULL;
  pthread_mutex_unlock(&inside_lock);
}

/* The producer's mapping, or NULL for memory that was not made here. */
static void *inside_find(int64_t os) {
  struct stat info;
  CHECK_EQ(fstat((int)os, &info), 0);
  void *found = NULL;
  pthread_mutex_lock(&inside_lock);
  for (size_t i = 0; i < sizeof inside_made / sizeof *inside_made; i++)
    if (inside_made[i].address && inside_made[i].file == info.st_ino) found = inside_made[i].address;
  pthread_mutex_unlock(&inside_lock);
  return found;
}

static int32_t inside_attach(int64_t os, size_t size, lf_segment *out) {
  void *found = inside_find(os);
  if (!found) return lf_segment_attach(os, size, out);
  *out = (lf_segment){.address = found, .size = size, .page_bytes = 4096, .os = -1};
  return LF_OK;
}

static void inside_detach(lf_segment *segment) { memset(segment, 0, sizeof *segment); }
#else
static void inside_remember(const lf_segment *segment) { (void)segment; }
static void inside_forget(const void *address) { (void)address; }
#define inside_attach lf_segment_attach
#define inside_detach lf_segment_close
#endif

static int32_t inside_create(size_t size, lf_segment *out) {
  if (inside_no_memory) {
    memset(out, 0, sizeof *out);
    out->os = -1;
    return lf_fail(LF_EHOST_OUT_OF_MEMORY, "", 0, "%zu bytes, and the test has none", size);
  }
  int32_t status = lf_segment_create(size, out);
  if (status == LF_OK) inside_remember(out);
  return status;
}

static void inside_close(lf_segment *segment) {
  inside_forget(segment->address);
  lf_segment_close(segment);
}

/* The two files use some names both. */
#define lf_segment_create inside_create
#define lf_segment_close inside_close
#define destroy destroy_producer
#include "host/pool.c"
#include "shm/tx.c"
#undef lf_segment_create
#undef lf_segment_close
#undef destroy

#define lf_segment_attach inside_attach
#define lf_segment_close inside_detach
#include "shm/rx.c"
#include "shm/region.c"
#undef lf_segment_attach
#undef lf_segment_close

static inline lf_shm_tx *inside_producer(const test_ring *ring) {
  return lf_handle_get(LF_KIND_TX, ring->producer);
}
static inline lf_shm_rx *inside_consumer(const test_ring *ring) {
  return lf_handle_get(LF_KIND_RX, ring->consumer);
}

static inline void inside_ring_close(test_ring *ring) {
  if (ring->consumer) CHECK_EQ(lf_rx_close(ring->consumer), LF_OK);
  ring->consumer = 0;
  test_ring_close(ring);
}

#endif
