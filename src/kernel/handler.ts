/** The body of a kernel for its backend. A user's handler has ids of kernels, a backend has numbers. */
import { invalidArgument } from "../errors.ts";
import type { Body, BodyContext } from "./backend/backend.ts";
import type { Addresses } from "./base/addresses.ts";
import { toEnvelope } from "./base/envelope.ts";
import type { KernelContext, LaunchPlan } from "./base/launch.ts";
import type { MessageBytes } from "./base/payload.ts";
import { replyBytes, withValue } from "./base/values.ts";
import type { Broker } from "./k2k/broker.ts";
import { definitionOf } from "./struct/struct.ts";

export function bodyOf(
  id: string,
  { source: { wgsl, handler, module }, request, reply, structs }: LaunchPlan,
  addresses: Addresses,
  broker: Broker | null,
): Body {
  if (handler === undefined) {
    return { wgsl, structs, module, request: request && definitionOf(request), reply: reply && definitionOf(reply) };
  }
  /** Type and correlation id of the message that is being handled. Messages that the handler sends have the same. */
  let type = 0;
  let correlationId = 0;
  const contextOf = (inner: BodyContext): KernelContext => ({
    state: inner.state,
    clock: inner.clock,
    sendTo(to, payload, options) {
      if (broker === null) throw invalidArgument("sendTo", to, "k2k: true to KernelRuntime.create");
      broker.post(id, to, payload, { type, ...options }, inner, correlationId);
    },
  });
  let context: KernelContext | null = null;
  return {
    wgsl,
    structs,
    handler: (message, inner) => {
      context ??= contextOf(inner);
      type = message.type;
      correlationId = message.correlationId;
      const envelope = toEnvelope(message, addresses.nameOf(message.source), id);
      if (request !== null) withValue(envelope, request);
      try {
        return replyBytes(handler(envelope, context), reply) as MessageBytes | undefined;
      } finally {
        correlationId = 0; // messages that it sends later belong to no call
      }
    },
  };
}
