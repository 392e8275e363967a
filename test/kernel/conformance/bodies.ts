/** The bodies of the conformance suite: each as a handler and in WGSL. */
import type { Handler } from "../../../src/kernel/index.ts";

/** Replies with what it was sent. */
export const echo: Handler = ({ payload }) => payload;

/** Adds the first word of the payload to its state, and replies with the sum. */
export const counter: Handler = ({ payload }, { state }) => {
  const sum = new Uint32Array(state.buffer, state.byteOffset, 1);
  sum[0]! += new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  return new Uint8Array(sum.slice().buffer);
};

/** Sends what it was sent on to the kernel "target", its route 0. */
export const forward: Handler = ({ payload }, { sendTo }) => sendTo("target", payload);

export const silent: Handler = () => undefined;

export const handlers = { echo, counter, forward, silent };
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
  silent: "fn on_message(message: Message) {}",
};
