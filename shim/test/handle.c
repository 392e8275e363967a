/* Handles: a stale or forged handle, or one of another kind, is refused; a thread's end closes the thread's objects. */
#include "base/handle.h"

#include "test.h"

static _Atomic int destroyed;

static void destroy(void *object) {
  (void)object;
  atomic_fetch_add(&destroyed, 1);
}

static int first, second;

static void stale_handles(void) {
  int32_t handle = CHECK_OK(lf_handle_make(LF_KIND_LINK, &first, destroy));
  CHECK(handle > 0 && handle < LF_VALUE);
  CHECK(lf_handle_get(LF_KIND_LINK, handle) == &first);
  CHECK(lf_handle_take(LF_KIND_LINK, handle) == &first);
  CHECK(lf_handle_get(LF_KIND_LINK, handle) == NULL);
  CHECK(lf_handle_take(LF_KIND_LINK, handle) == NULL);

  int32_t next = CHECK_OK(lf_handle_make(LF_KIND_LINK, &second, destroy));
  CHECK(next != handle);
  CHECK(lf_handle_get(LF_KIND_LINK, handle) == NULL);
  CHECK(lf_handle_get(LF_KIND_LINK, next) == &second);
  CHECK(lf_handle_take(LF_KIND_LINK, next) == &second);

  CHECK_EQ(lf_handle_stale(LF_KIND_LINK, handle), LF_ECLOSED);
  lf_status last;
  CHECK_EQ(lf_status_last(&last), LF_OK);
  CHECK_EQ(last.code, LF_ECLOSED);
  CHECK(strncmp(last.text, "link 0x", 7) == 0);
}

static void forged_handles(void) {
  int32_t handle = CHECK_OK(lf_handle_make(LF_KIND_TX, &first, destroy));
  for (int bit = 0; bit < 32; bit++) {
    int32_t forged = (int32_t)((uint32_t)handle ^ 1u << bit);
    CHECK(lf_handle_get(LF_KIND_TX, forged) == NULL);
    CHECK(lf_handle_take(LF_KIND_TX, forged) == NULL);
  }
  static const int32_t never[] = {0, -1, 1 << 16, 0xffff, INT32_MIN, INT32_MAX, LF_FULL, LF_EMPTY};
  for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
    if (never[i] == handle) continue;
    CHECK(lf_handle_get(LF_KIND_TX, never[i]) == NULL);
    CHECK(lf_handle_take(LF_KIND_TX, never[i]) == NULL);
  }
  CHECK(lf_handle_take(LF_KIND_TX, handle) == &first);
}

static void wrong_kind(void) {
  int32_t handle = CHECK_OK(lf_handle_make(LF_KIND_MEMORY, &first, destroy));
  for (int kind = LF_KIND_MEMORY + 1; kind <= LF_KIND_OPENGL_SEMAPHORE; kind++) {
    CHECK(lf_handle_get((lf_kind)kind, handle) == NULL);
    CHECK(lf_handle_take((lf_kind)kind, handle) == NULL);
  }
  CHECK(lf_handle_take(LF_KIND_MEMORY, handle) == &first);
}

/* Every function of the ABI that takes a handle says CLOSED to one that is none. */
static void abi_refuses_forged_handles(void) {
  char bytes[LF_LINK_MESSAGE_MAX];
  lf_link_message message;
  lf_loan loan;
  lf_frame frame;
  lf_region_info region;
  lf_end_stats stats;
  lf_rendezvous_info info;
  uint32_t id;
  int64_t os;
  const int32_t bad = 0x12345;
  lf_gpu_info gpu;
  lf_memory_info memory;
  double value;
  CHECK_EQ(lf_vulkan_count(bad), LF_ECLOSED);
  CHECK_EQ(lf_vulkan_describe(bad, 0, &gpu), LF_ECLOSED);
  CHECK_EQ(lf_vulkan_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_device_open(bad, 0), LF_ECLOSED);
  CHECK_EQ(lf_device_available(bad, &value), LF_ECLOSED);
  CHECK_EQ(lf_device_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_memory_allocate_gpu(bad, 1, 0, &memory), LF_ECLOSED);
  CHECK_EQ(lf_memory_allocate_pinned(bad, 1, &memory), LF_ECLOSED);
  CHECK_EQ(lf_memory_export(bad, &os), LF_ECLOSED);
  CHECK_EQ(lf_memory_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_create(bad, LF_SEMAPHORE_TIMELINE), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_export(bad, &os), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_signal(bad, 1, &value), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_wait(bad, 1, &value), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_value(bad, &value), LF_ECLOSED);
  CHECK_EQ(lf_semaphore_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_rendezvous_poll(bad), LF_ECLOSED);
  CHECK_EQ(lf_rendezvous_stop(bad), LF_ECLOSED);
  CHECK_EQ(lf_rendezvous_info_get(bad, &info), LF_ECLOSED);
  CHECK_EQ(lf_rendezvous_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_link_send(bad, 16, bytes, 1), LF_ECLOSED);
  CHECK_EQ(lf_link_receive(bad, bytes, &message), LF_ECLOSED);
  CHECK_EQ(lf_link_peer_pid(bad), LF_ECLOSED);
  CHECK_EQ(lf_link_alive(bad), LF_ECLOSED);
  CHECK_EQ(lf_link_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_open(bad, 64, 1), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_use_device(bad, 1, 0), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_pending(bad, &value), LF_ECLOSED);
  CHECK_EQ(lf_tx_send(bad, bytes, 1), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_send_memory(bad, 1), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_forget_memory(bad, 1), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_send_part(bad, 1, 0, 1), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_unreleased(bad, 1), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_commit_staged(bad, 0, 1), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_trim(bad), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_peer_status(bad), LF_ECLOSED);
  CHECK_EQ(lf_shm_tx_poll(bad, 0, 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_loan(bad, 1, &loan), LF_ECLOSED);
  CHECK_EQ(lf_tx_commit(bad, 0, 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_abort(bad, 0), LF_ECLOSED);
  CHECK_EQ(lf_tx_reserve(bad), LF_ECLOSED);
  CHECK_EQ(lf_tx_commit_inline(bad, bytes, 1), LF_ECLOSED);
  CHECK_EQ(lf_tx_abort_inline(bad), LF_ECLOSED);
  CHECK_EQ(lf_tx_region(bad, 0, &region), LF_ECLOSED);
  CHECK_EQ(lf_tx_retirable(bad, &id), LF_ECLOSED);
  CHECK_EQ(lf_tx_retire(bad, 0), LF_ECLOSED);
  CHECK_EQ(lf_tx_arm(bad, 0), LF_ECLOSED);
  CHECK_EQ(lf_tx_event_fd(bad, &os), LF_ECLOSED);
  CHECK_EQ(lf_tx_stats(bad, &stats), LF_ECLOSED);
  CHECK_EQ(lf_tx_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_shm_rx_open(bad, 1), LF_ECLOSED);
  CHECK_EQ(lf_shm_rx_use_device(bad, 1, NULL), LF_ECLOSED);
  CHECK_EQ(lf_shm_rx_pending(bad, 0, &value), LF_ECLOSED);
  CHECK_EQ(lf_shm_rx_claim(bad, 0, &os), LF_ECLOSED);
  CHECK_EQ(lf_shm_rx_peer_status(bad), LF_ECLOSED);
  CHECK_EQ(lf_shm_rx_poll(bad, 1), LF_ECLOSED);
  CHECK_EQ(lf_rx_receive(bad, &frame), LF_ECLOSED);
  CHECK_EQ(lf_rx_receive_wait(bad, 1, 1, &frame), LF_ECLOSED);
  CHECK_EQ(lf_rx_release(bad, 0), LF_ECLOSED);
  CHECK_EQ(lf_rx_region(bad, 0, &region), LF_ECLOSED);
  CHECK_EQ(lf_rx_retire(bad, 0), LF_ECLOSED);
  CHECK_EQ(lf_rx_arm(bad), LF_ECLOSED);
  CHECK_EQ(lf_rx_event_fd(bad, &os), LF_ECLOSED);
  CHECK_EQ(lf_rx_stats(bad, &stats), LF_ECLOSED);
  CHECK_EQ(lf_rx_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_memory_close(bad), LF_ECLOSED);
  CHECK_EQ(lf_memory_export(bad, &os), LF_ECLOSED);
}

/* The index comes round at once, the number only after all generations: until then each old handle is stale. */
static void generations(void) {
  int32_t old = CHECK_OK(lf_handle_make(LF_KIND_LINK, &first, destroy));
  lf_handle_take(LF_KIND_LINK, old);
  int32_t again = 0;
  uint32_t uses = 0;
  while (again != old) {
    again = CHECK_OK(lf_handle_make(LF_KIND_LINK, &second, destroy));
    uses++;
    CHECK(again > 0 && again < LF_VALUE);
    CHECK_EQ(again & 0xffff, old & 0xffff);
    if (again != old) CHECK(lf_handle_get(LF_KIND_LINK, old) == NULL);
    CHECK(lf_handle_take(LF_KIND_LINK, again) == &second);
    CHECK(uses <= 16384);
  }
  CHECK_EQ(uses, 16384);
}

static void all_handles(void) {
  static int32_t made[LF_HANDLE_COUNT];
  uint32_t count = 0;
  for (;;) {
    int32_t handle = lf_handle_make(LF_KIND_LINK, &first, destroy);
    if (handle < 0) {
      CHECK_EQ(handle, LF_ESYSTEM);
      break;
    }
    made[count++] = handle;
    CHECK(count < LF_HANDLE_COUNT);
  }
  CHECK_EQ(count, LF_HANDLE_COUNT - 1);
  for (uint32_t i = 0; i < count; i++) CHECK(lf_handle_take(LF_KIND_LINK, made[i]) == &first);
  CHECK(lf_handle_take(LF_KIND_LINK, CHECK_OK(lf_handle_make(LF_KIND_LINK, &first, destroy))) == &first);
}

static int32_t left_open[100], left_by_main;

static void leaves_handles(void *argument) {
  (void)argument;
  for (int i = 0; i < 100; i++) left_open[i] = CHECK_OK(lf_handle_make(LF_KIND_RENDEZVOUS, &first, destroy));
  for (int i = 0; i < 100; i += 2) lf_handle_take(LF_KIND_RENDEZVOUS, left_open[i]);
}

static void thread_end_closes(void) {
  left_by_main = CHECK_OK(lf_handle_make(LF_KIND_RENDEZVOUS, &second, destroy));
  atomic_store(&destroyed, 0);
  test_thread thread;
  test_start(&thread, leaves_handles, NULL);
  test_join(&thread);
  CHECK_EQ(atomic_load(&destroyed), 50);
  for (int i = 0; i < 100; i++) CHECK(lf_handle_get(LF_KIND_RENDEZVOUS, left_open[i]) == NULL);
  CHECK(lf_handle_take(LF_KIND_RENDEZVOUS, left_by_main) == &second);
}

static void churns(void *argument) {
  test_random random = {(uint64_t)(uintptr_t)argument};
  int32_t held[16] = {0};
  for (int i = 0; i < 20000; i++) {
    uint64_t at = test_below(&random, 16);
    if (held[at]) {
      CHECK(lf_handle_get(LF_KIND_MEMORY, held[at]) == &held[at]);
      CHECK(lf_handle_take(LF_KIND_MEMORY, held[at]) == &held[at]);
      CHECK(lf_handle_get(LF_KIND_MEMORY, held[at]) == NULL);
      held[at] = 0;
    } else {
      held[at] = CHECK_OK(lf_handle_make(LF_KIND_MEMORY, &held[at], destroy));
    }
  }
}

static void threads_share_the_table(void) {
  test_thread threads[4];
  for (uintptr_t i = 0; i < 4; i++) test_start(&threads[i], churns, (void *)(i + 1));
  for (int i = 0; i < 4; i++) test_join(&threads[i]);
}

int main(void) {
  RUN(stale_handles);
  RUN(forged_handles);
  RUN(wrong_kind);
  RUN(abi_refuses_forged_handles);
  RUN(generations);
  RUN(all_handles);
  RUN(thread_end_closes);
  RUN(threads_share_the_table);
  return 0;
}
