/** Messages of structs: their bytes made into values, and what handlers return made into bytes. */
import type { LavaFlowError } from "../../errors.ts";
import type { Struct } from "../struct/struct.ts";
import type { Envelope } from "./envelope.ts";
import { isBytes, isThenable } from "./payload.ts";

/** The same message with the value of a struct for its bytes. INVALID_ARGUMENT where there are too few of them. */
export function withValue(message: Envelope, struct: Struct): Envelope {
  message.payload = struct.unpack(message.payload) as never;
  return message;
}

/** Gives it to who waits for it; where it is no value of the struct, the error instead. */
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

/** What a handler returned, as bytes where it is a value of the struct. What can't be either stays, to be refused as a reply. */
export function replyBytes(value: unknown, struct: Struct | null): unknown {
  const isValue = struct !== null && value !== undefined && !isBytes(value) && !isThenable(value);
  return isValue ? struct.pack(value as never) : value;
}
