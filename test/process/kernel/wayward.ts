/** A handler that does as its message says: it ends its thread, blocks it for ever, or posts forged messages. */
import type { Handler } from "../../../src/kernel/index.ts";

declare const self: Worker;

const deeds: Record<string, (context: Parameters<Handler>[1]) => unknown> = {
  throw: () => {
    throw new RangeError("as the message said");
  },
  exit: () => process.exit(3),
  crash: () => setTimeout(() => Promise.reject(new Error("later")), 0) && undefined,
  spin: () => {
    for (;;);
  },
  "no report": () => self.postMessage("hello"),
  null: () => self.postMessage(null),
  "two results": () => {
    self.postMessage({ done: null });
  },
  "an invalid result": () => self.postMessage({ done: 5 }),
  "no result": () => self.postMessage({}),
  "a message without destination": () => self.postMessage({ sent: new Uint8Array(1), options: {} }),
  "a message without payload": () => self.postMessage({ sent: 5, to: "echo", options: {} }),
  "a reply that is no envelope": () => self.postMessage({ done: new Uint8Array(300) }),
  send: ({ sendTo }) => {
    sendTo("echo", Uint8Array.of(7));
    sendTo("absent", Uint8Array.of(7));
    sendTo("a/b/c", Uint8Array.of(7));
  },
};

const handler: Handler = ({ payload, source }, context) => {
  const deed = new TextDecoder().decode(payload);
  if (deed === "stamp") return new Uint8Array(Float64Array.of(context.clock.tick().physicalMicros).buffer);
  if (deed === "source") return new TextEncoder().encode(source);
  return deeds[deed]?.(context) as undefined;
};

export default handler;
