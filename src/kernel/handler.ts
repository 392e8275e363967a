/** A user's handler, who knows kernels by their ids, as a backend calls it, which knows them by numbers. */
import { invalidArgument } from "../errors.ts";
import type { Addresses } from "./addresses.ts";
import type { Body, BodyContext } from "./backend/backend.ts";
import { toEnvelope } from "./envelope.ts";
import type { Broker } from "./k2k.ts";
import type { KernelContext, LaunchOptions } from "./launch.ts";

export function bodyOf(
  id: string,
  { wgsl, handler, module }: LaunchOptions["source"],
  addresses: Addresses,
  broker: Broker | null,
): Body {
  if (handler === undefined) return { wgsl, module };
  /** Of the message that is being handled: what is sent meanwhile is of the same. */
  let type = 0;
  const contextOf = (inner: BodyContext): KernelContext => ({
    state: inner.state,
    clock: inner.clock,
    sendTo(to, payload, options) {
      if (broker === null) throw invalidArgument("sendTo", to, "k2k: true to KernelRuntime.create");
      broker.post(id, to, payload, { type, ...options }, inner);
    },
  });
  let context: KernelContext | null = null;
  return {
    wgsl,
    handler: (message, inner) => {
      context ??= contextOf(inner);
      type = message.type;
      return handler(toEnvelope(message, addresses.nameOf(message.source), id), context) as Uint8Array | undefined;
    },
  };
}
