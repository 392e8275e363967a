// ───────────── functions for a body ─────────────
//
// A body is a function `fn on_message(message: Message)`. All invocations of the kernel's one workgroup call it
// together, for one message after the other. An effect that is wanted once, and not once in each invocation, belongs
// into `if (message.thread == 0u) { … }`: a reply, a message to another kernel, most writes of the state. The other
// invocations see an invocation's writes after `storageBarrier()`, and with the next message in any case.
//
// Indices are of 32-bit words. A read beyond the end gives 0, and a write there does nothing. An index of the body's
// own arrays and vectors that is too large becomes the last index. All loops of an invocation together may run for 33
// million iterations in one message (16,383 on Mesa's software device); the kernel is ended after that.
//
// Module variables of the body lose their values at the end of a dispatch: values to keep belong into the state.

struct Message {
  kind: u32,              // the sender's type, its low 32 bits
  bytes: u32,             // of the payload
  source: u32,            // the number of the kernel that sent it; 0: the host
  priority: u32,          // 0 to 3
  thread: u32,            // this invocation: 0 to threads - 1
  threads: u32,
  correlation: vec2<u32>, // low, high; 0: no call waits for a reply
}

/// Word i of the payload. The bytes of the last word beyond the payload's end are 0.
fn payload(i: u32) -> u32 {
  if (i >= (lf_current.bytes + 3u) / 4u) { return 0u; }
  return lf_get(lf_current.space, lf_current.at + LF_HEADER_WORDS + i);
}

fn payload_f32(i: u32) -> f32 { return bitcast<f32>(payload(i)); }

/// Word i of the kernel's state, which is 0 at first and is kept from message to message.
fn state(i: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return lf_store[lf_kernel.state + i];
}

fn state_f32(i: u32) -> f32 { return bitcast<f32>(state(i)); }

fn set_state(i: u32, value: u32) {
  if (i < lf_kernel.state_words) { lf_store[lf_kernel.state + i] = value; }
}

fn set_state_f32(i: u32, value: f32) { set_state(i, bitcast<u32>(value)); }

/// Sets word i of the reply. All invocations may write: the reply is sent when all have returned.
fn set_reply(i: u32, value: u32) {
  if (i < lf_kernel.payload_words) { lf_store[lf_kernel.staging + i] = value; }
}

fn set_reply_f32(i: u32, value: f32) { set_reply(i, bitcast<u32>(value)); }

/// Replies to the message with the first `bytes` of the reply. Only the first call for a message counts.
fn reply(bytes: u32) {
  if (lf_reply == 0u) { lf_reply = min(bytes, lf_kernel.payload_bytes) + 1u; }
}

/// Sets word i of the payloads of `send_to`, `send_with` and `reply_to`: one memory for all invocations, which keeps
/// its words. Invocations that each send a payload of their own write it to separate words, and give `first` to
/// `send_with`.
fn set_out(i: u32, value: u32) {
  if (i < lf_kernel.payload_words) { lf_store[lf_kernel.staging + lf_kernel.payload_words + i] = value; }
}

fn set_out_f32(i: u32, value: f32) { set_out(i, bitcast<u32>(value)); }

/// Sends the first `bytes` to the destination of a route, with the message's type and priority 1. False when the route
/// has no destination, when that kernel's inbox is full, or when its payloads are smaller. A slot of an inbox is free
/// again one round after its message was handled. The sent message has the message's correlation: its receiver may
/// reply to the caller.
fn send_to(route: u32, bytes: u32) -> bool { return send_with(route, 0u, bytes, lf_current.kind, 1u, 0u); }

/// The same from word `first` on, with a type, a priority of 0 to 3, and the milliseconds to the deadline; 0: none.
fn send_with(route: u32, first: u32, bytes: u32, kind: u32, priority: u32, deadline_ms: u32) -> bool {
  if (route >= lf_kernel.route_count) { return lf_refuse(); }
  let entry = lf_kernel.routes + route * LF_ROUTE_WORDS;
  let destination = lf_in[entry + LF_ROUTE_DESTINATION];
  if (destination == 0u) { return lf_refuse(); }
  return lf_send(destination, lf_in[entry + LF_ROUTE_BLOCK], LfSending(first, bytes, kind, priority, deadline_ms));
}

/// Sends the first `bytes` through the host to the kernel with the number `source` of a message, of this or another
/// runtime; 0: to the program. False where the output is full. A message that can't be delivered counts as rejected in
/// `k2k.metrics`.
fn reply_to(source: u32, bytes: u32) -> bool {
  return lf_send(source, 0u, LfSending(0u, bytes, lf_current.kind, 1u, 0u));
}
