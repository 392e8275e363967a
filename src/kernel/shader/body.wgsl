// ───────────── what a body uses ─────────────
//
// A body is a function `fn on_message(message: Message)`. All invocations of the kernel's one workgroup call it together,
// for one message after the other. What is to happen once, not once in each invocation, stands in
// `if (message.thread == 0u) { … }`: a reply, a message to another kernel, most writes of the state. What one invocation
// wrote, the others see after `storageBarrier()`, and with the next message in any case.
//
// Indices are of 32-bit words. Reading beyond the end gives 0, and writing there does nothing; an index of the body's own
// arrays and vectors that is too large is the last one. All loops of an invocation together may go round some 33 million
// times for one message (16,383 on Mesa's software device); then the kernel is ended.
//
// Module variables of the body keep their values for as long as the dispatch lasts and no longer: what a kernel is to
// remember belongs into its state.

struct Message {
  kind: u32,              // the type that the sender gave it, its low 32 bits
  bytes: u32,             // of the payload
  source: u32,            // the number of the kernel that sent it; 0: the host
  priority: u32,          // 0 to 3
  thread: u32,            // this invocation: 0 to threads - 1
  threads: u32,
  correlation: vec2<u32>, // low, high; 0: nobody waits for a reply
}

/// Word i of the payload. What the last word has beyond the payload's end is 0.
fn payload(i: u32) -> u32 {
  if (i >= (lf_turn.bytes + 3u) / 4u) { return 0u; }
  return lf_get(lf_turn.space, lf_turn.at + LF_HEADER_WORDS + i);
}

fn payload_f32(i: u32) -> f32 { return bitcast<f32>(payload(i)); }

/// Word i of the kernel's state, which is 0 in the beginning and stays from message to message.
fn state(i: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return lf_store[lf_kernel.state + i];
}

fn state_f32(i: u32) -> f32 { return bitcast<f32>(state(i)); }

fn set_state(i: u32, value: u32) {
  if (i < lf_kernel.state_words) { lf_store[lf_kernel.state + i] = value; }
}

fn set_state_f32(i: u32, value: f32) { set_state(i, bitcast<u32>(value)); }

/// Word i of the reply. All invocations may write: the reply leaves when all have returned.
fn set_reply(i: u32, value: u32) {
  if (i < lf_kernel.payload_words) { lf_store[lf_kernel.staging + i] = value; }
}

fn set_reply_f32(i: u32, value: f32) { set_reply(i, bitcast<u32>(value)); }

/// Answers the message with the first `bytes` of the reply. Only the first call for a message counts.
fn reply(bytes: u32) {
  if (lf_reply == 0u) { lf_reply = min(bytes, lf_kernel.payload_bytes) + 1u; }
}

/// Word i of what `send_to` and the like send: one memory for all invocations. What was written stays there until it is
/// written over. Invocations that each send something of their own write it to words of their own, and send it with `first`
/// of `send_with`.
fn set_out(i: u32, value: u32) {
  if (i < lf_kernel.payload_words) { lf_store[lf_kernel.staging + lf_kernel.payload_words + i] = value; }
}

fn set_out_f32(i: u32, value: f32) { set_out(i, bitcast<u32>(value)); }

/// Sends the first `bytes` to the kernel that a route of the table leads to; with the message's type, and priority 1.
/// False when the route leads nowhere, when that kernel's inbox is full, or when its payloads are smaller. Room comes back
/// a round after a message was handled. It carries the message's correlation: whoever gets it may reply to the caller.
fn send_to(route: u32, bytes: u32) -> bool { return send_with(route, 0u, bytes, lf_turn.kind, 1u, 0u); }

/// The same from word `first` on, with a type, a priority of 0 to 3, and how many milliseconds it may wait; 0: for ever.
fn send_with(route: u32, first: u32, bytes: u32, kind: u32, priority: u32, deadline_ms: u32) -> bool {
  if (route >= lf_kernel.route_count) { return lf_refuse(); }
  let entry = lf_kernel.routes + route * LF_ROUTE_WORDS;
  let destination = lf_in[entry + LF_ROUTE_DESTINATION];
  if (destination == 0u) { return lf_refuse(); }
  return lf_send(destination, lf_in[entry + LF_ROUTE_BLOCK], LfSending(first, bytes, kind, priority, deadline_ms));
}

/// Sends the first `bytes` to the kernel of that number, a message's `source`, of this runtime or another one; 0: to the
/// program. It goes by the host. False where there is no room. What can't be delivered counts as rejected in `k2k.metrics`.
fn reply_to(source: u32, bytes: u32) -> bool {
  return lf_send(source, 0u, LfSending(0u, bytes, lf_turn.kind, 1u, 0u));
}
