/** A handler that does what its message says: it takes its thread down, keeps it for ever, or forges what it sends. */
import type { Handler } from "../../../src/kernel/index.ts";

declare const self: Worker;

const deeds: Record<string, (context: Parameters<Handler>[1]) => unknown> = {
  throw: () => {
    throw new RangeError("as it was told");
  },
  exit: () => process.exit(3),
  crash: () => setTimeout(() => Promise.reject(new Error("later")), 0) && undefined,
  spin: () => {
    for (;;);
  },
  "no word": () => self.postMessage("hello"),
  nothing: () => self.postMessage(null),
  "two results": () => {
    self.postMessage({ done: null });
  },
  "a result that is none": () => self.postMessage({ done: 5 }),
  "no result": () => self.postMessage({}),
  "a message to nobody": () => self.postMessage({ sent: new Uint8Array(1), options: {} }),
  "a message without payload": () => self.postMessage({ sent: 5, to: "echo", options: {} }),
  "a reply that is no envelope": () => self.postMessage({ done: new Uint8Array(300) }),
  send: ({ sendTo }) => {
    sendTo("echo", Uint8Array.of(7));
    sendTo("nobody", Uint8Array.of(7));
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
