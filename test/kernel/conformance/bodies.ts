/** The bodies of the conformance suite: each as a handler and in WGSL. */
import { array, type Handler, struct } from "../../../src/kernel/index.ts";
import { atomics, atomicsInWgsl } from "./operations.ts";

/** Replies with the payload. */
export const echo: Handler = ({ payload }) => payload;

/** Adds the first word of the payload to its state, and replies with the sum. */
export const counter: Handler = ({ payload }, { state }) => {
  const sum = new Uint32Array(state.buffer, state.byteOffset, 1);
  sum[0]! += new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  return new Uint8Array(sum.slice().buffer);
};

/** Sends the payload on to the kernel "target", its route 0. */
export const forward: Handler = ({ payload }, { sendTo }) => sendTo("target", payload);

/** The same; a full destination is ignored. */
export const relay: Handler = ({ payload }, { sendTo }) => {
  try {
    sendTo("target", payload);
  } catch {
    // In WGSL, send_to returns false and the kernel goes on.
  }
};

export const silent: Handler = () => undefined;

/** Throws for a message of type 13; in WGSL, does not reply. */
export const fails: Handler = ({ type, payload }) => {
  if (type === 13) throw new RangeError("thirteen");
  return payload;
};

/** By type: 1 sends the message on, 2 also replies, 3 sends it to both routes; other types have no effect. */
export const pass: Handler = ({ type, payload }, { sendTo }) => {
  if (type >= 1 && type <= 3) sendTo("first", payload, { type: 9, priority: 2, deadlineMs: 60_000 });
  if (type === 3) sendTo("second", payload);
  return type === 2 ? payload : undefined;
};

/** Replies with the type and the priority of the message. */
export const nature: Handler = ({ type, priority }) => Uint32Array.of(type, priority);

export const Kick = struct("Kick", { force: "vec3f", seconds: "f32" });
export const Motion = struct("Motion", {
  id: "u32",
  kick: Kick,
  trace: array("i32", 3),
  weights: array("vec2<f32>", 2),
});
export const Moved = struct("Moved", { motion: Motion, at: "vec3<f32>", steps: "i32" });

/** The position after a motion. */
const moving: Handler<typeof Motion, typeof Moved> = ({ payload }) => {
  const { force, seconds } = payload.kick;
  const at = [force[0] * seconds, force[1] * seconds, force[2] * seconds] as const;
  return { motion: payload, at, steps: payload.trace[1]! - 7 };
};
/** The bodies for tests without structs. */
export const move = moving as unknown as Handler;

export const handlers = { echo, counter, forward, relay, silent, fails, move, pass, nature, atomics };
export type BodyName = keyof typeof handlers;

const WORDS = "let words = (message.bytes + 3u) / 4u;";

export const wgsl: Record<BodyName, string> = {
  echo: `fn on_message(message: Message) {
  ${WORDS}
  for (var i = 0u; i < words; i++) { set_reply(i, payload(i)); }
  reply(message.bytes);
}`,
  counter: `fn on_message(message: Message) {
  let sum = state(0u) + payload(0u);
  set_state(0u, sum);
  set_reply(0u, sum);
  reply(4u);
}`,
  forward: `fn on_message(message: Message) {
  ${WORDS}
  for (var i = 0u; i < words; i++) { set_out(i, payload(i)); }
  _ = send_to(0u, message.bytes);
}`,
  relay: `fn on_message(message: Message) {
  ${WORDS}
  for (var i = 0u; i < words; i++) { set_out(i, payload(i)); }
  _ = send_to(0u, message.bytes);
}`,
  fails: `fn on_message(message: Message) {
  if (message.kind == 13u) { return; }
  set_reply(0u, payload(0u));
  reply(message.bytes);
}`,
  pass: `fn on_message(message: Message) {
  set_out(3u, payload(0u));
  if (message.kind >= 1u && message.kind <= 3u) { _ = send_with(0u, 3u, message.bytes, 9u, 2u, 60000u); }
  if (message.kind == 3u) { _ = send_with(1u, 3u, message.bytes, message.kind, 1u, 0u); }
  set_reply(0u, payload(0u));
  if (message.kind == 2u) { reply(message.bytes); }
}`,
  nature: `fn on_message(message: Message) {
  set_reply(0u, message.kind);
  set_reply(1u, message.priority);
  reply(8u);
}`,
  move: `fn on_message(message: Message) {
  let motion = payload_Motion(0u);
  set_reply_Moved(0u, Moved(motion, motion.kick.force * motion.kick.seconds, motion.trace[1] - 7));
  reply(Moved_SIZE);
}`,
  atomics: atomicsInWgsl,
  silent: "fn on_message(message: Message) {}",
};
