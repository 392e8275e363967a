// ───────────── memory ─────────────

/// Control blocks, inputs, orders, routes. The host writes them; a kernel writes to its own control block.
@group(0) @binding(0) var<storage, read_write> lf_in: array<u32>;
/// Outputs and reports, which the host reads. Each begins at a multiple of four words.
@group(0) @binding(1) var<storage, read_write> lf_out: array<vec4<u32>>;
/// States, staging, the slots of inboxes.
@group(0) @binding(2) var<storage, read_write> lf_store: array<u32>;
/// The memory that several kernels change: sizes of rounds, lists, headers of inboxes.
@group(0) @binding(3) var<storage, read_write> lf_ready_list: array<atomic<u32>>;

struct LfPush {
  offset: u32,
  round: u32,
  kind: u32, // LF_WOKEN_...
  parity: u32,
}
var<immediate> lf_push: LfPush;

const LF_SPACE_IN = 0u;
const LF_SPACE_OUT = 1u;
const LF_SPACE_STORE = 2u;

/// The guards (spirv/guards.ts) make every loop count this down, and end when it is 0: (high, low).
var<private> lf_fuel: vec2<u32>;
const LF_FUEL_MAX = vec2<u32>(0xffffffffu, 0xffffffffu);

struct LfKernel {
  block: u32,
  number: u32,
  state: u32,
  state_words: u32,
  payload_bytes: u32,
  payload_words: u32,
  slot_words: u32,
  outputs: u32,
  out_mask: u32,
  staging: u32,
  routes: u32,
  route_count: u32,
  node_low: u32,
  node_high: u32,
}

/// The message that is being handled.
struct LfCurrent {
  is_set: u32, // 0: no message is left
  fault: u32, // a flag: why the body is not given the message; 0: the body is given it
  id_low: u32,
  id_high: u32,
  space: u32,
  at: u32,
  bytes: u32,
  kind: u32,
  source: u32,
  priority: u32,
  correlation_low: u32,
  correlation_high: u32,
}

var<private> lf_kernel: LfKernel;
var<private> lf_current: LfCurrent;
var<workgroup> lf_kernel_all: LfKernel;
var<workgroup> lf_current_all: LfCurrent;
/// 0 without a reply, otherwise 1 + the bytes of the reply.
var<workgroup> lf_reply: u32;
/// Messages that the kernel has put out since its launch, and the count up to which it may put out more.
var<workgroup> lf_out_head: atomic<u32>;
var<workgroup> lf_limit: u32;
/// Messages that the kernel has sent since its launch.
var<workgroup> lf_made: atomic<u32>;
/// Messages to other kernels since this message was given to the body.
var<workgroup> lf_sent: atomic<u32>;
/// Messages of the kernel that were not sent, in this dispatch.
var<workgroup> lf_refused: atomic<u32>;
/// The kernel's clock: physical microseconds and 12 bits of the logical counter, low and high word.
var<workgroup> lf_clock: vec2<u32>;
/// The time of the submission, as a timestamp.
var<private> lf_now: vec2<u32>;
/// Iterations of all loops, of the invocation with most of them.
var<workgroup> lf_used: atomic<u32>;
/// 1 when a body ran out of fuel.
var<workgroup> lf_spent: atomic<u32>;
/// Iterations of all loops of this invocation, in this dispatch.
var<private> lf_rounds: u32;

// Used by invocation 0 only:
var<private> lf_orders: u32;
var<private> lf_inputs: u32;
var<private> lf_first: u32;
var<private> lf_count: u32;
var<private> lf_taken: u32;
var<private> lf_processed: u32;
var<private> lf_inbox: u32;
var<private> lf_inbox_slots: u32;
var<private> lf_inbox_next: u32; // the next message in the inbox
var<private> lf_inbox_end: u32;  // the messages before this one arrived before this round
var<private> lf_stalled: bool;
// Fields of the control block at the beginning. They are read together, so that their latencies overlap.
var<private> lf_processed_before: u32;
var<private> lf_tail_before: u32;
var<private> lf_head_before: u32;
var<private> lf_refused_before: u32;
var<private> lf_report: u32;
var<private> lf_serial: u32;

fn lf_get(space: u32, at: u32) -> u32 {
  if (space == LF_SPACE_IN) { return lf_in[at]; }
  return lf_store[at];
}

fn lf_put(space: u32, at: u32, value: u32) {
  if (space == LF_SPACE_OUT) { lf_out[at / 4u][at % 4u] = value; } else { lf_store[at] = value; }
}

// ───────────── receiving: invocation 0 alone ─────────────

fn lf_open(group: u32) {
  var block = lf_push.offset;
  if (lf_push.kind == LF_WOKEN_TOGETHER) { block = lf_in[lf_push.offset + group]; }
  if (lf_push.kind == LF_WOKEN_BY_OTHERS) { block = atomicLoad(&lf_ready_list[lf_push.offset + group]); }
  lf_count = select(lf_in[block + LF_CONTROL_COUNT], 0u, lf_push.kind == LF_WOKEN_BY_OTHERS);
  lf_first = lf_in[block + LF_CONTROL_FIRST];
  let payload_bytes = lf_in[block + LF_CONTROL_PAYLOAD_BYTES];
  lf_kernel_all = LfKernel(block, lf_in[block + LF_CONTROL_NUMBER], lf_in[block + LF_CONTROL_STATE],
    lf_in[block + LF_CONTROL_STATE_WORDS], payload_bytes, (payload_bytes + 3u) / 4u,
    lf_in[block + LF_CONTROL_SLOT_WORDS], lf_in[block + LF_CONTROL_OUTPUTS], lf_in[block + LF_CONTROL_OUT_MASK],
    lf_in[block + LF_CONTROL_STAGING], lf_in[block + LF_CONTROL_ROUTES], lf_in[block + LF_CONTROL_ROUTE_COUNT],
    lf_in[block + LF_CONTROL_NODE], lf_in[block + LF_CONTROL_NODE + 1u]);
  lf_clock = lf_packed(lf_in[block + LF_CONTROL_CLOCK], lf_in[block + LF_CONTROL_CLOCK + 1u],
    lf_in[block + LF_CONTROL_CLOCK + 2u]);
  lf_orders = lf_in[block + LF_CONTROL_ORDERS];
  lf_inputs = lf_in[block + LF_CONTROL_INPUTS];
  lf_processed_before = lf_in[block + LF_CONTROL_PROCESSED];
  lf_tail_before = lf_in[block + LF_CONTROL_IN_TAIL];
  lf_head_before = lf_in[block + LF_CONTROL_OUT_HEAD];
  lf_refused_before = lf_in[block + LF_CONTROL_REFUSED];
  lf_report = lf_in[block + LF_CONTROL_REPORT];
  lf_serial = lf_in[LF_FRONT_SERIAL];
  lf_limit = lf_in[block + LF_CONTROL_LIMIT];
  atomicStore(&lf_out_head, lf_head_before);
  atomicStore(&lf_made, lf_in[block + LF_CONTROL_MADE]);
  lf_stalled = lf_in[block + LF_CONTROL_ACTIVE] == 0u;
  lf_inbox = select(lf_in[block + LF_CONTROL_INBOX], 0u, lf_stalled);
  lf_inbox_slots = lf_in[block + LF_CONTROL_INBOX_SLOTS];
  lf_taken = 0u;
  lf_processed = 0u;
  lf_reply = 0u;
  atomicStore(&lf_sent, 0u);
  atomicStore(&lf_refused, 0u);
  atomicStore(&lf_used, 0u);
  atomicStore(&lf_spent, 0u);
  lf_inbox_next = 0u;
  lf_inbox_end = 0u;
  if (lf_inbox != 0u) {
    lf_inbox_next = atomicLoad(&lf_ready_list[lf_inbox + LF_INBOX_TAIL]);
    atomicStore(&lf_ready_list[lf_inbox + LF_INBOX_FREE], lf_inbox_next);
    lf_inbox_end = atomicLoad(&lf_ready_list[lf_inbox + LF_INBOX_SAFE])
      + atomicExchange(&lf_ready_list[lf_inbox + LF_INBOX_ARRIVED + (lf_push.round & 1u)], 0u);
  }
}

/// The fields of a header. They are read together, so that their latencies overlap.
struct LfHead {
  magic_low: u32,
  magic_high: u32,
  flags: u32,
  id_low: u32,
  id_high: u32,
  correlation_low: u32,
  correlation_high: u32,
  source: u32,
  kind: u32,
  priority: u32,
  bytes: u32,
  crc: u32,
  stamp: vec2<u32>,
  deadline_low: u32,
  deadline_high: u32,
}

fn lf_head_from_host(at: u32) -> LfHead {
  return LfHead(lf_in[at + LF_HEADER_MAGIC], lf_in[at + LF_HEADER_MAGIC + 1u], lf_in[at + LF_HEADER_FLAGS],
    lf_in[at + LF_HEADER_ID], lf_in[at + LF_HEADER_ID + 1u], lf_in[at + LF_HEADER_CORRELATION],
    lf_in[at + LF_HEADER_CORRELATION + 1u], lf_in[at + LF_HEADER_SOURCE], lf_in[at + LF_HEADER_TYPE],
    lf_in[at + LF_HEADER_PRIORITY] & 0xffu, lf_in[at + LF_HEADER_SIZE], lf_in[at + LF_HEADER_CRC],
    lf_packed(lf_in[at + LF_HEADER_STAMP], lf_in[at + LF_HEADER_STAMP + 1u], lf_in[at + LF_HEADER_STAMP + 2u]),
    lf_in[at + LF_HEADER_DEADLINE], lf_in[at + LF_HEADER_DEADLINE + 1u]);
}

/// The header of a message from another kernel, which has no checksum.
fn lf_head_from_inbox(at: u32) -> LfHead {
  return LfHead(lf_store[at + LF_HEADER_MAGIC], lf_store[at + LF_HEADER_MAGIC + 1u], lf_store[at + LF_HEADER_FLAGS],
    lf_store[at + LF_HEADER_ID], lf_store[at + LF_HEADER_ID + 1u], lf_store[at + LF_HEADER_CORRELATION],
    lf_store[at + LF_HEADER_CORRELATION + 1u], lf_store[at + LF_HEADER_SOURCE], lf_store[at + LF_HEADER_TYPE],
    lf_store[at + LF_HEADER_PRIORITY] & 0xffu, lf_store[at + LF_HEADER_SIZE], 0u,
    lf_packed(lf_store[at + LF_HEADER_STAMP], lf_store[at + LF_HEADER_STAMP + 1u],
      lf_store[at + LF_HEADER_STAMP + 2u]), lf_store[at + LF_HEADER_DEADLINE], lf_store[at + LF_HEADER_DEADLINE + 1u]);
}

/// The flag that says why a message is dropped; 0: it is not.
fn lf_fault_of(head: LfHead, space: u32, at: u32) -> u32 {
  let is_message = (head.magic_low == LF_MAGIC_LOW) & (head.magic_high == LF_MAGIC_HIGH)
    & (head.bytes <= lf_kernel_all.payload_bytes);
  if (!is_message) { return LF_FLAG_DROPPED_CHECKSUM; }
  let has_deadline = (head.deadline_low | head.deadline_high) != 0u;
  let is_in_time = lf_before(lf_now, lf_packed(head.deadline_low, head.deadline_high, 0u));
  if (has_deadline && !is_in_time) { return LF_FLAG_DROPPED_DEADLINE; }
  if ((head.flags & LF_FLAG_UNCHECKED) != 0u) { return 0u; }
  return select(LF_FLAG_DROPPED_CHECKSUM, 0u, lf_crc(space, at + LF_HEADER_WORDS, head.bytes) == head.crc);
}

/// Chooses the next message: the greatest priority first, then the oldest. The host's messages are in this order
/// already.
fn lf_next() {
  lf_current_all.is_set = 0u;
  let has_host_message = lf_taken < lf_count;
  let has_inbox_message = lf_inbox_next != lf_inbox_end;
  if (lf_stalled || !(has_host_message || has_inbox_message)) { return; }
  if (i32(lf_limit - atomicLoad(&lf_out_head)) <= 0 || atomicLoad(&lf_used) >= LF_PAUSE) {
    lf_stalled = true;
    return;
  }
  var space = LF_SPACE_IN;
  var at = 0u;
  var head: LfHead;
  if (has_host_message) {
    var slot = lf_first;
    if (lf_taken > 0u) { slot = lf_in[lf_orders + lf_taken]; }
    at = lf_inputs + slot * lf_kernel_all.slot_words;
    head = lf_head_from_host(at);
  }
  if (has_inbox_message) {
    let capacity = lf_in[lf_kernel_all.block + LF_CONTROL_INBOX_CAPACITY];
    let inbox_at = lf_inbox_slots + (lf_inbox_next & (capacity - 1u)) * lf_kernel_all.slot_words;
    let waiting = lf_head_from_inbox(inbox_at);
    let is_older = waiting.priority == head.priority && lf_before(waiting.stamp, head.stamp);
    if (!has_host_message || waiting.priority > head.priority || is_older) {
      space = LF_SPACE_STORE;
      at = inbox_at;
      head = waiting;
    }
  }
  if (space == LF_SPACE_IN) { lf_taken += 1u; } else { lf_inbox_next += 1u; }
  let fault = lf_fault_of(head, space, at);
  if (fault == 0u) {
    _ = lf_tick(head.stamp);
    lf_processed += 1u;
  }
  lf_current_all = LfCurrent(1u, fault, head.id_low, head.id_high, space, at, head.bytes, head.kind, head.source,
    head.priority, head.correlation_low, head.correlation_high);
}

/// Writes the control block, lists the kernel for the next round where messages are left, and writes the report.
fn lf_close() {
  let block = lf_kernel.block;
  let out_head = atomicLoad(&lf_out_head);
  let is_spent = atomicLoad(&lf_spent) != 0u;
  let processed = lf_processed_before + lf_processed;
  let tail = lf_tail_before + lf_taken;
  lf_in[block + LF_CONTROL_PROCESSED] = processed;
  if (processed < lf_processed_before) { lf_in[block + LF_CONTROL_PROCESSED + 1u] += 1u; }
  lf_in[block + LF_CONTROL_IN_TAIL] = tail;
  if (tail < lf_tail_before) { lf_in[block + LF_CONTROL_IN_TAIL + 1u] += 1u; }
  lf_in[block + LF_CONTROL_IN_FLIGHT] = lf_count - lf_taken;
  lf_in[block + LF_CONTROL_OUT_HEAD] = out_head;
  if (out_head < lf_head_before) { lf_in[block + LF_CONTROL_OUT_HEAD + 1u] += 1u; }
  lf_in[block + LF_CONTROL_MADE] = atomicLoad(&lf_made);
  lf_in[block + LF_CONTROL_CLOCK] = (lf_clock.x >> 12u) | (lf_clock.y << 20u);
  lf_in[block + LF_CONTROL_CLOCK + 1u] = lf_clock.y >> 12u;
  lf_in[block + LF_CONTROL_CLOCK + 2u] = lf_clock.x & 0xfffu;
  if (is_spent) {
    lf_in[block + LF_CONTROL_ACTIVE] = 0u;
    lf_in[block + LF_CONTROL_TERMINATED] = 1u;
    lf_in[block + LF_CONTROL_LAST_ERROR] = 1u;
    lf_in[block + LF_CONTROL_ERROR_COUNT] += 1u;
  }
  if (lf_inbox != 0u) {
    let free = atomicLoad(&lf_ready_list[lf_inbox + LF_INBOX_FREE]);
    let claimed = atomicLoad(&lf_ready_list[lf_inbox + LF_INBOX_CLAIMED]);
    let capacity = lf_in[block + LF_CONTROL_INBOX_CAPACITY];
    atomicStore(&lf_ready_list[lf_inbox + LF_INBOX_SAFE], lf_inbox_end);
    atomicStore(&lf_ready_list[lf_inbox + LF_INBOX_TAIL], lf_inbox_next);
    // In the next round, messages that arrived in this one can be read, and slots that were read in this one are free.
    let is_full = claimed - free > capacity / 2u && lf_inbox_next != free;
    if (lf_in[block + LF_CONTROL_ACTIVE] != 0u && (claimed != lf_inbox_end || is_full)) { lf_list(block, lf_inbox); }
  }
  let flags = select(0u, LF_REPORTED_SPENT, is_spent) | select(0u, LF_REPORTED_MORE, lf_inbox_next != lf_inbox_end);
  if (lf_push.kind != LF_WOKEN_BY_OTHERS) { lf_put(LF_SPACE_OUT, lf_report + LF_REPORT_TAKEN, lf_taken); }
  let refused = atomicLoad(&lf_refused);
  if (refused != 0u) {
    lf_in[block + LF_CONTROL_REFUSED] = lf_refused_before + refused;
    lf_put(LF_SPACE_OUT, lf_report + LF_REPORT_REFUSED, lf_refused_before + refused);
  }
  lf_put_four(LF_SPACE_OUT, lf_report, vec4<u32>(lf_serial, out_head, processed, flags));
}

// ───────────── all invocations ─────────────

/// Copies the reply to the output. With `flags`, reports a message instead: one that the body was not given, or one
/// with a correlation that the body did not reply to. The latter's CRC has the number of messages that carry the call
/// on.
fn lf_answer(thread: u32, bytes: u32, flags: u32) {
  let slot = lf_out_slot(atomicLoad(&lf_out_head));
  lf_copy(LF_SPACE_OUT, slot + LF_HEADER_WORDS, thread, LF_WORKGROUP, bytes, lf_kernel.staging);
  if (thread != 0u) { return; }
  var header = LfHeader(flags, lf_current.id_low, lf_current.id_high, lf_current.correlation_low,
    lf_current.correlation_high, lf_current.source, 0u, lf_current.kind, lf_current.priority & 3u, bytes,
    atomicLoad(&lf_sent), vec2<u32>());
  if (flags == 0u) {
    header.id_low = atomicAdd(&lf_made, 1u) + 1u;
    header.id_high = lf_kernel.number;
    header.source = lf_kernel.number;
    header.crc = lf_crc(LF_SPACE_STORE, lf_kernel.staging, bytes);
  }
  lf_write_header(LF_SPACE_OUT, slot, header, lf_tick(lf_clock));
}

/// Called by the entry point (entry.wgsl, subgroups.wgsl).
fn lf_main(thread: u32, group: vec3<u32>) {
  if (lf_in[LF_FRONT_PARITY] != lf_push.parity) { return; }
  lf_fuel = LF_FUEL_MAX;
  lf_rounds = 0u;
  lf_now = vec2<u32>(lf_in[LF_FRONT_NOW], lf_in[LF_FRONT_NOW + 1u]);
  if (thread == 0u) { lf_open(group.x); }
  lf_kernel = workgroupUniformLoad(&lf_kernel_all);
  loop {
    if (thread == 0u) { lf_next(); }
    let current = workgroupUniformLoad(&lf_current_all);
    if (current.is_set == 0u) { break; }
    lf_current = current;
    lf_rounds += LF_FUEL_MAX.y - lf_fuel.y;
    if (current.fault == 0u) {
      lf_fuel = vec2<u32>(0u, LF_FUEL);
      lf_on_message(Message(current.kind, current.bytes, current.source, current.priority, thread, LF_WORKGROUP,
        vec2<u32>(current.correlation_low, current.correlation_high)));
      let used = LF_FUEL - lf_fuel.y;
      lf_fuel = LF_FUEL_MAX;
      if (used == LF_FUEL) { atomicStore(&lf_spent, 1u); }
      lf_rounds += used;
      atomicMax(&lf_used, lf_rounds);
    }
    storageBarrier();
    let replied = workgroupUniformLoad(&lf_reply);
    let is_silent = current.fault == 0u && replied == 0u && (current.correlation_low | current.correlation_high) != 0u;
    let flags = select(current.fault, LF_FLAG_SILENT, is_silent);
    let reply = select(replied, 1u, flags != 0u);
    let is_spent = atomicLoad(&lf_spent) != 0u;
    if (reply != 0u && !is_spent) { lf_answer(thread, reply - 1u, flags); }
    workgroupBarrier();
    if (thread == 0u) {
      if (is_spent) { lf_stalled = true; } else if (reply != 0u) { atomicAdd(&lf_out_head, 1u); }
      lf_reply = 0u;
      atomicStore(&lf_sent, 0u);
    }
  }
  if (thread == 0u) { lf_close(); }
}
