/* When an end takes its peer for dead: its last messages have had the time, and the polls, to arrive. */
#include "ep/ep.h"

#include "test.h"

#define MS ((uint64_t)1000000)

static lf_peer known = {.silent = 1};

static lf_ep_peer found_gone(uint64_t now) {
  lf_ep_peer peer = {.known = &known};
  CHECK(!lf_ep_peer_died(&peer, now));
  CHECK(peer.gone == now);
  return peer;
}

static void dies(lf_ep_peer *peer, uint64_t now) {
  int polls = 0;
  while (!lf_ep_peer_died(peer, now)) CHECK(++polls < 100);
  CHECK(lf_ep_peer_died(peer, now));
}

static void needs_time(void) {
  uint64_t now = 1000 * MS;
  lf_ep_peer peer = found_gone(now);
  for (int i = 0; i < 1000; i++) CHECK(!lf_ep_peer_died(&peer, now + 99 * MS));
  CHECK(lf_ep_peer_died(&peer, now + 100 * MS));
}

/* This process was stopped for a second. */
static void needs_polls(void) {
  uint64_t now = 1000 * MS;
  lf_ep_peer peer = found_gone(now);
  now += 1000 * MS;
  CHECK(!lf_ep_peer_died(&peer, now));
  CHECK(!lf_ep_peer_died(&peer, now + MS));
  dies(&peer, now + 2 * MS);
}

/* What comes late is followed by more. */
static void begins_again(void) {
  uint64_t now = 1000 * MS;
  lf_ep_peer peer = found_gone(now);
  for (int i = 0; i < 20; i++) {
    now += 1000 * MS;
    CHECK(!lf_ep_peer_died(&peer, now));
    peer.moved = 1;
  }
  for (int i = 0; i < 100; i++) CHECK(!lf_ep_peer_died(&peer, now + 99 * MS));
  dies(&peer, now + 1000 * MS);
}

int main(void) {
  RUN(needs_time);
  RUN(needs_polls);
  RUN(begins_again);
  return 0;
}
