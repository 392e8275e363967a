/* The waiter's thread: first with a driver made of a mutex, so that ThreadSanitizer sees all of it, then with a real
 * GPU. */
#include "gpu/waiter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "queues.h"

/* ---- a driver ---- */

static pthread_mutex_t driver = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t driver_changed = PTHREAD_COND_INITIALIZER;
static VkResult driver_result; /* of waits */
static int driver_hangs, driver_is_late; /* late: each wait exceeds its limit */
static uint32_t driver_waits;
static uint64_t driver_counter;
static const VkSemaphore timeline = (VkSemaphore)&driver_counter;

static VkResult value_of(VkDevice d, VkSemaphore semaphore, uint64_t *out) {
  (void)d;
  CHECK(semaphore == timeline);
  pthread_mutex_lock(&driver);
  *out = driver_counter;
  pthread_mutex_unlock(&driver);
  return VK_SUCCESS;
}

static VkResult wait_semaphores(VkDevice d, const VkSemaphoreWaitInfo *info, uint64_t timeout_ns) {
  (void)d;
  CHECK(info->semaphoreCount == 1 && info->pSemaphores[0] == timeline);
  CHECK(timeout_ns <= 250000000);
  pthread_mutex_lock(&driver);
  driver_waits++;
  pthread_cond_broadcast(&driver_changed);
  VkResult result = VK_NOT_READY;
  while (result == VK_NOT_READY) {
    if (driver_is_late) result = VK_TIMEOUT;
    if (driver_counter >= info->pValues[0]) result = VK_SUCCESS;
    if (driver_result) result = driver_result;
    if (driver_hangs) result = VK_NOT_READY;
    if (result == VK_NOT_READY) pthread_cond_wait(&driver_changed, &driver);
  }
  pthread_mutex_unlock(&driver);
  return result;
}

static lf_device fake;

static lf_waiter *open_fake(void) {
  fake.vk.GetSemaphoreCounterValue = value_of;
  fake.vk.WaitSemaphores = wait_semaphores;
  driver_result = VK_SUCCESS;
  driver_hangs = driver_is_late = 0;
  driver_waits = 0;
  driver_counter = 0;
  lf_waiter *waiter = NULL;
  CHECK_EQ(lf_waiter_open(&fake, timeline, &waiter), LF_OK);
  return waiter;
}

/* A waiting thread sees the request after its wait. */
static void close_fake(lf_waiter *waiter) {
  pthread_mutex_lock(&driver);
  driver_is_late = 1;
  pthread_cond_broadcast(&driver_changed);
  pthread_mutex_unlock(&driver);
  CHECK_EQ(lf_waiter_close(waiter), 1);
}

static void advance(uint64_t value) {
  pthread_mutex_lock(&driver);
  CHECK(driver_counter < value);
  driver_counter = value;
  pthread_cond_broadcast(&driver_changed);
  pthread_mutex_unlock(&driver);
}

/* Waits until the thread has entered the driver `count` times. */
static void until_waits(uint32_t count) {
  pthread_mutex_lock(&driver);
  while (driver_waits < count) pthread_cond_wait(&driver_changed, &driver);
  pthread_mutex_unlock(&driver);
}

/* ---- event fds ---- */

static int event_fd_of(lf_waiter *waiter) {
  int64_t os;
  CHECK_EQ(lf_waiter_event_fd(waiter, &os), LF_OK);
  CHECK_EQ(fcntl((int)os, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  CHECK_EQ(fcntl((int)os, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  return (int)os;
}

static int is_readable(int event_fd) {
  struct pollfd watched = {.fd = event_fd, .events = POLLIN};
  return poll(&watched, 1, 0) == 1;
}

/* Waits until the event fd is readable (the limit only ends a hang), and reads it empty. */
static void wait_readable(int event_fd) {
  struct pollfd watched = {.fd = event_fd, .events = POLLIN};
  CHECK_EQ(poll(&watched, 1, 60000), 1);
  char taken[4096];
  while (read(event_fd, taken, sizeof taken) > 0) {}
  CHECK_EQ(errno, EAGAIN);
}

static void rings_when_reached(void) {
  lf_waiter *waiter = open_fake();
  int event_fd = event_fd_of(waiter);
  lf_waiter_notify_at(waiter, 3);
  CHECK(!is_readable(event_fd));
  advance(2);
  until_waits(1);
  CHECK(!is_readable(event_fd));
  advance(3);
  wait_readable(event_fd);
  lf_waiter_notify_at(waiter, 2); /* reached already */
  wait_readable(event_fd);
  lf_waiter_notify_at(waiter, 4);
  CHECK(!is_readable(event_fd));
  close(event_fd);
  close_fake(waiter);
}

static void rings_for_a_sooner_one(void) {
  lf_waiter *waiter = open_fake();
  int event_fd = event_fd_of(waiter);
  lf_waiter_notify_at(waiter, 10);
  until_waits(1);
  lf_waiter_notify_at(waiter, 5);
  lf_waiter_notify_at(waiter, 7);
  lf_waiter_notify_at(waiter, 10);
  for (uint64_t value = 5; value <= 10; value += value == 7 ? 3 : 2) {
    CHECK(!is_readable(event_fd));
    advance(value);
    wait_readable(event_fd);
    lf_waiter_notify_at(waiter, value - 1); /* reached already, while the thread waits for more */
    wait_readable(event_fd);
  }
  close(event_fd);
  close_fake(waiter);
}

static void rings_when_lost(void) {
  lf_waiter *waiter = open_fake();
  int event_fd = event_fd_of(waiter);
  lf_waiter_notify_at(waiter, 1);
  lf_waiter_notify_at(waiter, 2);
  until_waits(1);
  CHECK(!is_readable(event_fd));
  pthread_mutex_lock(&driver);
  driver_result = VK_ERROR_DEVICE_LOST;
  pthread_cond_broadcast(&driver_changed);
  pthread_mutex_unlock(&driver);
  wait_readable(event_fd);
  lf_waiter_notify_at(waiter, 3);
  wait_readable(event_fd);
  close(event_fd);
  close_fake(waiter);
}

/* No reader: the socket fills up, and neither the caller nor the thread waits for that. */
static void rings_unheard(void) {
  lf_waiter *waiter = open_fake();
  int event_fd = event_fd_of(waiter);
  for (int i = 0; i < 3000; i++) lf_waiter_notify_at(waiter, 0); /* reached already: the caller notifies */
  lf_waiter_notify_at(waiter, 1);
  until_waits(1);
  advance(1); /* the thread notifies */
  lf_waiter_notify_at(waiter, 2);
  until_waits(2);
  wait_readable(event_fd);
  close(event_fd);
  close_fake(waiter);
}

static void more_values_than_the_waiter_stores(void) {
  lf_waiter *waiter = open_fake();
  int event_fd = event_fd_of(waiter);
  for (uint64_t value = 1; value <= 256; value++) lf_waiter_notify_at(waiter, value);
  for (uint64_t value = 1; value <= 256; value++) lf_waiter_notify_at(waiter, value); /* values that are stored already */
  CHECK(!is_readable(event_fd));
  lf_waiter_notify_at(waiter, 257);
  CHECK(is_readable(event_fd));
  close(event_fd);
  close_fake(waiter);
}

static void lowest_free(int *out) {
  *out = fcntl(0, F_DUPFD_CLOEXEC, 0);
  CHECK(*out >= 0);
  close(*out);
}

static void closed_at_any_time(void) {
  int before, after;
  lowest_free(&before);
  for (int round = 0; round < 300; round++) {
    lf_waiter *waiter = open_fake();
    if (round % 3 == 1) lf_waiter_notify_at(waiter, 1); /* on its way into the driver */
    if (round % 3 == 2) {
      lf_waiter_notify_at(waiter, 1);
      until_waits(1); /* in it */
    }
    close_fake(waiter);
  }
  lowest_free(&after);
  CHECK_EQ(after, before);
}

static void advances(void *argument) {
  (void)argument;
  for (uint64_t value = 1; value <= 2000; value++) {
    advance(value);
    if (value % 7 == 0) test_yield();
  }
}

static void rings_among_threads(void) {
  lf_waiter *waiter = open_fake();
  int event_fd = event_fd_of(waiter);
  test_thread thread;
  test_start(&thread, advances, NULL);
  for (uint64_t value = 2000; value > 1900; value--) lf_waiter_notify_at(waiter, value);
  for (uint64_t value = 1; value <= 2000; value += 1 + value % 5) {
    lf_waiter_notify_at(waiter, value);
    uint64_t now = 0;
    while (now < value) {
      wait_readable(event_fd);
      value_of(NULL, timeline, &now);
      /* The notification was for another value: this value's is still to come. */
    }
  }
  test_join(&thread);
  close(event_fd);
  close_fake(waiter);
}

static void driver_that_hangs(void) {
  lf_waiter *waiter = open_fake();
  driver_hangs = 1;
  lf_waiter_notify_at(waiter, 1);
  until_waits(1);
  CHECK_EQ(lf_waiter_close(waiter), 0); /* left alone, with its socket */
}

/* ---- the same through the queue of a GPU ---- */

static void event_fd_of_a_gpu(void) {
  lf_semaphore *semaphore = timeline_of();
  double first = block_on(semaphore, 1), second = block_on(semaphore, 2);
  int64_t os;
  CHECK_EQ(lf_queue_event_fd(device, &os), LF_OK);
  int event_fd = (int)os;
  CHECK_EQ(lf_queue_notify_at(device, second), LF_OK);
  CHECK_EQ(lf_queue_notify_at(device, first), LF_OK);
  CHECK_EQ(lf_queue_notify_at(device, second + 1), LF_EINVALID_ARGUMENT);
  CHECK_EQ(lf_queue_event_fd(device, NULL), LF_EINVALID_ARGUMENT);
  CHECK(!is_readable(event_fd));
  signal_from_host(semaphore, 1);
  wait_readable(event_fd);
  CHECK_EQ(lf_queue_reached(device, first, 0), 1);
  CHECK_EQ(lf_queue_reached(device, second, 0), 0);
  CHECK(!is_readable(event_fd));
  signal_from_host(semaphore, 2);
  wait_readable(event_fd);
  CHECK_EQ(lf_queue_wait(gpu, (uint64_t)second, 0), 1);
  CHECK_EQ(lf_queue_notify_at(device, second), LF_OK); /* reached: at once */
  wait_readable(event_fd);
  timeline_gone(semaphore);
  int32_t memory = memory_of(16);
  for (int i = 0; i < 300; i++) {
    double value;
    CHECK_EQ(lf_queue_fill(device, memory, 0, 16, (uint32_t)i, &value), 1);
    CHECK_EQ(lf_queue_notify_at(device, value), LF_OK);
    wait_readable(event_fd);
    CHECK_EQ(lf_queue_wait(gpu, (uint64_t)value, 0), 1);
  }
  CHECK_EQ(lf_memory_close(memory), LF_OK);
  close(event_fd);
}

static void device_closed_while_it_waits(void) {
  int32_t memory = memory_of(1 << 20);
  double value = 0;
  for (int round = 0; round < 10; round++) {
    int64_t os;
    CHECK_EQ(lf_queue_event_fd(device, &os), LF_OK);
    for (int i = 0; i < 50; i++) CHECK_EQ(lf_queue_fill(device, memory, 0, 1 << 20, (uint32_t)i, &value), 1);
    CHECK_EQ(lf_queue_notify_at(device, value), LF_OK);
    CHECK_EQ(lf_memory_close(memory), LF_OK);
    queue_reopen();
    memory = memory_of(1 << 20);
    close((int)os);
  }
  CHECK_EQ(lf_memory_close(memory), LF_OK);
}

int main(void) {
  RUN(rings_when_reached);
  RUN(rings_for_a_sooner_one);
  RUN(rings_when_lost);
  RUN(rings_unheard);
  RUN(more_values_than_the_waiter_stores);
  RUN(closed_at_any_time);
  RUN(rings_among_threads);
  if (queue_open()) {
    RUN(event_fd_of_a_gpu);
    RUN(device_closed_while_it_waits);
    queue_shut();
    RUN(silent_validation);
  }
  RUN(driver_that_hangs); /* leaves its thread, so it is the last */
  return 0;
}
