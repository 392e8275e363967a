// ───────────── messages: stamps, checksums, headers, sending ─────────────

// ───────────── stamps ─────────────

fn lf_before(a: vec2<u32>, b: vec2<u32>) -> bool { return a.y < b.y || (a.y == b.y && a.x < b.x); }

fn lf_packed(physical_low: u32, physical_high: u32, logical: u32) -> vec2<u32> {
  return vec2<u32>((physical_low << 12u) | (logical & 0xfffu), (physical_high << 12u) | (physical_low >> 20u));
}

/// The least timestamp after all that the clock gave, after `seen`, and not before the time of this submission: the
/// rule of the shim's clock.c, after Kulkarni et al. (2014).
fn lf_tick(seen: vec2<u32>) -> vec2<u32> {
  var next = lf_clock;
  if (lf_before(next, seen)) { next = seen; }
  next.x += 1u;
  if (next.x == 0u) { next.y += 1u; }
  if (lf_before(next, lf_now)) { next = lf_now; }
  lf_clock = next;
  return next;
}

// ───────────── checksums ─────────────

/// The checksums of the lowest four bits that are 1; `each` has the checksum of each bit.
fn lf_crc_of(bits: u32, each: vec4<u32>) -> vec4<u32> {
  let zero = vec4<u32>();
  return select(zero, each, (vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != zero);
}

fn lf_crc_word(x: u32) -> u32 {
  let sum = lf_crc_of(x, LF_CRC_0) ^ lf_crc_of(x >> 4u, LF_CRC_1) ^ lf_crc_of(x >> 8u, LF_CRC_2)
    ^ lf_crc_of(x >> 12u, LF_CRC_3) ^ lf_crc_of(x >> 16u, LF_CRC_4) ^ lf_crc_of(x >> 20u, LF_CRC_5)
    ^ lf_crc_of(x >> 24u, LF_CRC_6) ^ lf_crc_of(x >> 28u, LF_CRC_7);
  return sum.x ^ sum.y ^ sum.z ^ sum.w;
}

/// CRC-32 of the bytes from word `at` on. One loop for whole words and for the last one: software devices take long to
/// compile repeated code.
fn lf_crc(space: u32, at: u32, bytes: u32) -> u32 {
  var crc = 0xffffffffu;
  for (var i = 0u; i * 4u < bytes; i++) {
    let bits = min(bytes - i * 4u, 4u) * 8u;
    let rest = select(crc >> bits, 0u, bits == 32u);
    crc = rest ^ lf_crc_word((crc ^ lf_get(space, at + i)) << (32u - bits));
  }
  return ~crc;
}

/// Word i of `bytes` bytes; the bytes beyond their end become 0.
fn lf_trimmed(word: u32, i: u32, bytes: u32) -> u32 {
  let rest = (bytes & 3u) * 8u;
  if (i == bytes / 4u && rest != 0u) { return word & ((1u << rest) - 1u); }
  return word;
}

// ───────────── sending ─────────────

struct LfHeader {
  flags: u32,
  id_low: u32,
  id_high: u32,
  correlation_low: u32,
  correlation_high: u32,
  source: u32,
  destination: u32,
  kind: u32,
  priority: u32,
  bytes: u32,
  crc: u32,
  deadline: vec2<u32>, // microseconds, low and high; 0: none
}

/// A message that a body sends: a range of words of its staging, and the header's fields.
struct LfSending {
  first: u32,
  bytes: u32,
  kind: u32,
  priority: u32,
  deadline_ms: u32,
}

/// The time `ms` milliseconds after a timestamp, in microseconds.
fn lf_deadline(stamp: vec2<u32>, ms: u32) -> vec2<u32> {
  if (ms == 0u) { return vec2<u32>(); }
  let part = (ms >> 16u) * 1000u; // in units of 65,536 microseconds
  let more = vec2<u32>(part << 16u, part >> 16u);
  let rest = (ms & 0xffffu) * 1000u;
  var micros = vec2<u32>((stamp.x >> 12u) | (stamp.y << 20u), stamp.y >> 12u);
  micros.x += rest;
  if (micros.x < rest) { micros.y += 1u; }
  micros.x += more.x;
  if (micros.x < more.x) { micros.y += 1u; }
  micros.y += more.y;
  return micros;
}

fn lf_put_four(space: u32, at: u32, words: vec4<u32>) {
  if (space == LF_SPACE_OUT) {
    lf_out[at / 4u] = words;
    return;
  }
  lf_store[at] = words.x;
  lf_store[at + 1u] = words.y;
  lf_store[at + 2u] = words.z;
  lf_store[at + 3u] = words.w;
}

/// Writes a header without its reserved second half, which is 0 in every slot from the launch on. Writes four words at
/// a time: each write to the host's memory takes the same time, whatever its size.
fn lf_write_header(space: u32, at: u32, header: LfHeader, stamp: vec2<u32>) {
  lf_put_four(space, at + LF_HEADER_MAGIC, vec4<u32>(LF_MAGIC_LOW, LF_MAGIC_HIGH, LF_VERSION, header.flags));
  lf_put_four(space, at + LF_HEADER_ID,
    vec4<u32>(header.id_low, header.id_high, header.correlation_low, header.correlation_high));
  lf_put_four(space, at + LF_HEADER_SOURCE, vec4<u32>(header.source, 0u, header.destination, 0u));
  lf_put_four(space, at + LF_HEADER_TYPE, vec4<u32>(header.kind, 0u, header.priority, 0u));
  lf_put_four(space, at + LF_HEADER_SIZE, vec4<u32>(header.bytes, 0u, header.crc, 0u));
  lf_put_four(space, at + LF_HEADER_STAMP,
    vec4<u32>((stamp.x >> 12u) | (stamp.y << 20u), stamp.y >> 12u, stamp.x & 0xfffu, 0u));
  lf_put_four(space, at + LF_HEADER_STAMP + 4u,
    vec4<u32>(lf_kernel.node_low, lf_kernel.node_high, header.deadline.x, header.deadline.y));
}

fn lf_copy_word(space: u32, to: u32, i: u32, bytes: u32, staging: u32) {
  if (i * 4u < bytes) { lf_put(space, to + i, lf_trimmed(lf_store[staging + i], i, bytes)); }
}

/// Copies the first `bytes` from staging, every `stride`th word from word `first` on.
fn lf_copy(space: u32, to: u32, first: u32, stride: u32, bytes: u32, staging: u32) {
  for (var i = first; i * 4u < bytes; i += 4u * stride) {
    lf_copy_word(space, to, i, bytes, staging);
    lf_copy_word(space, to, i + stride, bytes, staging);
    lf_copy_word(space, to, i + 2u * stride, bytes, staging);
    lf_copy_word(space, to, i + 3u * stride, bytes, staging);
  }
}

/// Writes a message of the kernel's own, from staging, without a checksum: the message never leaves the device.
fn lf_send_from(space: u32, slot: u32, destination: u32, sending: LfSending, bytes: u32) {
  let made = atomicAdd(&lf_made, 1u) + 1u;
  if (destination != 0u) { atomicAdd(&lf_sent, 1u); }
  let staging = lf_kernel.staging + lf_kernel.payload_words + sending.first;
  let stamp = lf_tick(lf_clock);
  lf_copy(space, slot + LF_HEADER_WORDS, 0u, 1u, bytes, staging);
  lf_write_header(space, slot, LfHeader(LF_FLAG_UNCHECKED, made, lf_kernel.number, lf_current.correlation_low,
    lf_current.correlation_high, lf_kernel.number, destination, sending.kind, min(sending.priority, 3u), bytes, 0u,
    lf_deadline(stamp, sending.deadline_ms)), stamp);
}

fn lf_out_slot(head: u32) -> u32 { return lf_kernel.outputs + (head & lf_kernel.out_mask) * lf_kernel.slot_words; }

/// Claims an output slot for a message to a kernel that is not on this device: the host passes it on. The last free
/// slot is kept for the reply. 0 where no other slot is free.
fn lf_claim_output() -> u32 {
  var head = atomicLoad(&lf_out_head);
  var is_claimed = false;
  while (!is_claimed) {
    if (i32(lf_limit - head) <= 1) { break; }
    let claim = atomicCompareExchangeWeak(&lf_out_head, head, head + 1u);
    is_claimed = claim.exchanged;
    if (!is_claimed) { head = claim.old_value; }
  }
  return select(0u, lf_out_slot(head), is_claimed);
}

/// Claims a slot in the inbox of a kernel on this device. Senders claim slots in order. A slot is neither read nor
/// released in the round in which it was written, but a deactivated kernel has released all that it took. 0 where no
/// slot is free.
fn lf_claim_inbox(block: u32, inbox: u32, bytes: u32) -> u32 {
  if (lf_in[block + LF_CONTROL_PAYLOAD_BYTES] < bytes) { return 0u; }
  let capacity = lf_in[block + LF_CONTROL_INBOX_CAPACITY];
  let is_resting = lf_in[block + LF_CONTROL_ACTIVE] == 0u;
  let free = atomicLoad(&lf_ready_list[inbox + select(LF_INBOX_FREE, LF_INBOX_TAIL, is_resting)]);
  var index = atomicLoad(&lf_ready_list[inbox + LF_INBOX_CLAIMED]);
  var is_claimed = false;
  while (!is_claimed && index - free < capacity) {
    let claim = atomicCompareExchangeWeak(&lf_ready_list[inbox + LF_INBOX_CLAIMED], index, index + 1u);
    is_claimed = claim.exchanged;
    if (!is_claimed) { index = claim.old_value; }
  }
  if (!is_claimed) { return 0u; }
  return lf_in[block + LF_CONTROL_INBOX_SLOTS] + (index & (capacity - 1u)) * lf_in[block + LF_CONTROL_SLOT_WORDS];
}

/// Lists a kernel for the next round, once.
fn lf_list(block: u32, inbox: u32) {
  let round = lf_push.round + 1u;
  if (atomicExchange(&lf_ready_list[inbox + LF_INBOX_WANTED], round) == round) { return; }
  let size = (round % LF_ROUNDS) * LF_SIZES_ROUND_WORDS + lf_in[block + LF_CONTROL_BODY] * 4u;
  let index = atomicAdd(&lf_ready_list[size], 1u);
  if (index == 0u) {
    atomicStore(&lf_ready_list[size + 1u], 1u);
    atomicStore(&lf_ready_list[size + 2u], 1u);
  }
  let capacity = lf_in[block + LF_CONTROL_LIST_CAPACITY];
  if (index < capacity) {
    atomicStore(&lf_ready_list[lf_in[block + LF_CONTROL_LIST] + (round & 1u) * capacity + index], block);
  }
}

/// Counts a message that was not sent. The host reads the count from the report.
fn lf_refuse() -> bool {
  atomicAdd(&lf_refused, 1u);
  return false;
}

/// `block`: the control block of the destination; 0: the host passes it on.
fn lf_send(destination: u32, block: u32, sending: LfSending) -> bool {
  let first = min(sending.first, lf_kernel.payload_words);
  let size = min(sending.bytes, lf_kernel.payload_bytes - min(first * 4u, lf_kernel.payload_bytes));
  // The fuel for the whole message is checked before it begins: no message is sent in part.
  if (lf_fuel.y <= size / 8u + LF_SEND_FUEL) {
    lf_fuel = vec2<u32>();
    return false;
  }
  // One call of lf_send_from for both destinations: a second call would be compiled a second time.
  var space = LF_SPACE_OUT;
  var slot = 0u;
  var inbox = 0u;
  if (block == 0u) {
    slot = lf_claim_output();
  } else {
    space = LF_SPACE_STORE;
    inbox = lf_in[block + LF_CONTROL_INBOX];
    slot = lf_claim_inbox(block, inbox, size);
  }
  if (slot == 0u) { return lf_refuse(); }
  lf_send_from(space, slot, destination, sending, size);
  if (block != 0u) {
    if (lf_in[block + LF_CONTROL_ACTIVE] != 0u) {
      atomicAdd(&lf_ready_list[inbox + LF_INBOX_ARRIVED + ((lf_push.round + 1u) & 1u)], 1u);
      lf_list(block, inbox);
    } else {
      // The kernel does not run in this round, so it can't read the slot before it is written.
      atomicAdd(&lf_ready_list[inbox + LF_INBOX_SAFE], 1u);
    }
  }
  return true;
}
