/** Messages of structs: bytes become values, and the results of handlers become bytes. */
import type { LavaFlowError } from "../../errors.ts";
import type { Struct } from "../struct/struct.ts";
import type { Envelope } from "./envelope.ts";
import { isBytes, isThenable } from "./payload.ts";

/**
 * Replaces the message's bytes by the struct's value. Throws INVALID_ARGUMENT where there are fewer bytes than it has.
 */
export function withValue(message: Envelope, struct: Struct): Envelope {
  message.payload = struct.unpack(message.payload) as never;
  return message;
}

/** Gives the reply to `receiver`; where the bytes are no value of the struct, the receiver gets the error. */
export function give(
  receiver: { got(reply: Envelope): void; failed(error: LavaFlowError): void },
  reply: Envelope,
  struct: Struct | null,
): void {
  let failure: LavaFlowError | null = null;
  try {
    if (struct !== null) withValue(reply, struct);
  } catch (error) {
    failure = error as LavaFlowError;
  }
  if (failure === null) receiver.got(reply);
  else receiver.failed(failure);
}

/**
 * A handler's result, packed where the kernel has a struct. Bytes and thenables stay unchanged: `replyTo` checks them.
 */
export function replyBytes(value: unknown, struct: Struct | null): unknown {
  const isValue = struct !== null && value !== undefined && !isBytes(value) && !isThenable(value);
  return isValue ? struct.pack(value as never) : value;
}
