#include "base/handle.h"

#include "base/lock.h"
#include "base/status.h"

static lf_lock lock = LF_LOCK_FREE;

lf_handle_entry lf_handles[LF_HANDLE_COUNT];
static uint32_t used = 1; /* entry 0 is never used, so that handle 0 is never valid */
static uint32_t first_free;

static _Atomic uint64_t thread_count;
static _Thread_local uint64_t this_thread;

/* The caller holds the lock. */
static void *remove_entry(uint32_t index) {
  lf_handle_entry *entry = &lf_handles[index];
  void *object = entry->object;
  atomic_store(&entry->tag, 0);
  entry->object = NULL;
  entry->next_free = first_free;
  first_free = index;
  return object;
}

/* Closes the objects that the ending thread created. The kernel closes descriptors only when the process exits, so
 * without this the peers of a Worker that ends without closing its channels would wait for the life of the process.
 * Objects may be closed in any order: a producer is an owner of its link. */
static void thread_ends(void) {
  lf_lock_take(&lock);
  for (uint32_t i = used - 1; i > 0; i--) {
    lf_handle_entry *entry = &lf_handles[i];
    if (atomic_load(&entry->tag) == 0 || entry->owner != this_thread) continue;
    void *object = remove_entry(i);
    void (*destroy)(void *) = entry->destroy;
    lf_lock_give(&lock);
    destroy(object); /* it may close other handles */
    lf_lock_take(&lock);
  }
  lf_lock_give(&lock);
}

#if defined(_WIN32)
static DWORD slot = FLS_OUT_OF_INDEXES;
static VOID WINAPI on_thread_end(PVOID value) {
  if (value) thread_ends();
}
static void watch_thread_end(void) {
  if (slot == FLS_OUT_OF_INDEXES) slot = FlsAlloc(on_thread_end);
  if (slot != FLS_OUT_OF_INDEXES) FlsSetValue(slot, (PVOID)1);
}
#else
static pthread_key_t key;
static int key_made;
static void on_thread_end(void *value) {
  (void)value;
  thread_ends();
}
static void watch_thread_end(void) {
  if (!key_made) key_made = pthread_key_create(&key, on_thread_end) == 0;
  if (key_made) pthread_setspecific(key, (void *)1);
}
#endif

int32_t lf_handle_make(lf_kind kind, void *object, void (*destroy)(void *object)) {
  lf_lock_take(&lock);
  if (!this_thread) {
    this_thread = atomic_fetch_add(&thread_count, 1) + 1;
    watch_thread_end();
  }
  uint32_t index = first_free;
  if (index) {
    first_free = lf_handles[index].next_free;
  } else if (used < LF_HANDLE_COUNT) {
    index = used++;
  } else {
    lf_lock_give(&lock);
    return lf_fail(LF_ESYSTEM, "", 0, "%u native objects are open, which is the limit: close some",
                   LF_HANDLE_COUNT - 1);
  }
  lf_handle_entry *entry = &lf_handles[index];
  entry->generation = (entry->generation + 1) & 0x3fff; /* keeps a handle below LF_VALUE */
  entry->object = object;
  entry->destroy = destroy;
  entry->owner = this_thread;
  int32_t handle = (int32_t)(entry->generation << 16 | index);
  atomic_store_explicit(&entry->tag, (uint64_t)kind << 32 | (uint32_t)handle, memory_order_release);
  lf_lock_give(&lock);
  return handle;
}

void *lf_handle_take(lf_kind kind, int32_t handle) {
  uint32_t index = (uint32_t)handle & 0xffffu;
  uint64_t tag = (uint64_t)kind << 32 | (uint32_t)handle;
  lf_lock_take(&lock);
  void *object = atomic_load(&lf_handles[index].tag) == tag ? remove_entry(index) : NULL;
  lf_lock_give(&lock);
  return object;
}

int32_t lf_handle_stale(lf_kind kind, int32_t handle) {
  static const char *const names[] = {
      "object",     "memory",    "rendezvous", "link",        "producer",       "consumer",      "Vulkan instance",
      "GPU device", "semaphore", "pipeline",   "CUDA memory", "CUDA semaphore", "OpenCL memory", "OpenCL semaphore",
      "OpenGL memory", "OpenGL semaphore", "lease", "control connection",
      "Metal device", "Metal memory", "Metal pipeline", "watch"};
  return lf_fail(LF_ECLOSED, "", 0, "%s 0x%x is closed, or never was one", names[kind], (unsigned)handle);
}
