#include "host/backing.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/status.h"
#include "base/table.h"
#include "lavaflow.h"

/* One entry for each held memory. */
typedef struct {
  lf_table_node node; /* by its address */
  uint64_t holds;
  /* NULL until lf_backing_free */
  void (*unmap)(void *base, void *context);
  void *context;
} backing;

static lf_lock lock = LF_LOCK_FREE;
static lf_table all;

/* The caller holds the lock. */
static backing *find(void *base) { return (backing *)lf_table_find(&all, (uint64_t)(uintptr_t)base); }

int32_t lf_backing_release(void *base) {
  lf_lock_take(&lock);
  backing *b = find(base);
  int last = b && --b->holds == 0;
  if (last) lf_table_remove(&all, &b->node);
  lf_lock_give(&lock);
  if (!b) return lf_fail(LF_ECLOSED, "", 0, "the memory at %p is not held", base);
  if (!last) return LF_OK;
  if (b->unmap) b->unmap(base, b->context);
  free(b);
  return LF_OK;
}

/* The engine calls this once for an ArrayBuffer's memory, on any thread, when its last ArrayBuffer was detached or
 * collected. */
static void deallocate(void *bytes, void *base) {
  (void)bytes;
  lf_backing_release(base);
}

int32_t lf_backing_retain(void *base, uint64_t *deallocator) {
  if (!base) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory to hold");
  if (deallocator) *deallocator = (uint64_t)(uintptr_t)deallocate;
  backing *fresh = malloc(sizeof *fresh);
  if (!fresh) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "malloc", 0, "%zu bytes to hold memory", sizeof *fresh);
  *fresh = (backing){.holds = 1};
  lf_lock_take(&lock);
  backing *known = find(base);
  int32_t status = known ? LF_OK : lf_table_add(&all, &fresh->node, (uint64_t)(uintptr_t)base);
  if (known) known->holds++;
  lf_lock_give(&lock);
  if (known || status < 0) free(fresh);
  return status;
}

void lf_backing_free(void *base, void (*unmap)(void *base, void *context), void *context) {
  lf_lock_take(&lock);
  backing *b = find(base);
  if (b) {
    b->unmap = unmap;
    b->context = context;
  }
  lf_lock_give(&lock);
  if (!b) unmap(base, context);
}

int lf_backing_held(void *base) {
  lf_lock_take(&lock);
  int held = find(base) != NULL;
  lf_lock_give(&lock);
  return held;
}
