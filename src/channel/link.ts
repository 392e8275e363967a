/** The connection to one peer, as the handshake and the transports use it: messages, and a bell. */
import { LavaFlowError } from "../errors.ts";
import { CONSTANTS, LINK_MESSAGE } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";

/** Message kinds of the handshake. The shim uses the numbers below 16. */
export const MESSAGE = { hello: 16, verdict: 17, failed: 18, accepted: 19 } as const;

const received = new Uint8Array(new ArrayBuffer(CONSTANTS.LF_LINK_MESSAGE_MAX));
const head = new Uint32Array(new ArrayBuffer(LINK_MESSAGE.size));
const descriptor = new BigInt64Array(new ArrayBuffer(8));
const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

export class Link {
  readonly handle: number;
  #closed = false;

  /** Owns the native handle from here on. */
  constructor(handle: number) {
    this.handle = handle;
  }

  /** Sends one message; the peer has to be reading. PEER_DIED when it is gone. */
  send(kind: number, value: unknown): void {
    const bytes = encoder.encode(JSON.stringify(value));
    const shim = native();
    const result = check(shim, shim.lf_link_send(this.handle, kind, bytes, bytes.byteLength));
    if (result === CONSTANTS.LF_FULL) throw new LavaFlowError("PEER_DIED", "the peer does not read its connection");
  }

  /** The next message, or null while there is none. PEER_DIED, WIRE_VERSION_MISMATCH, CORRUPT_SEGMENT. */
  receive(): { kind: number; value: unknown } | null {
    const shim = native();
    if (check(shim, shim.lf_link_receive(this.handle, received, head)) === CONSTANTS.LF_EMPTY) return null;
    const length = head[LINK_MESSAGE.length / 4] as number;
    try {
      const value: unknown = JSON.parse(decoder.decode(received.subarray(0, length)));
      return { kind: head[LINK_MESSAGE.kind / 4] as number, value };
    } catch (cause) {
      throw new LavaFlowError("CORRUPT_SEGMENT", "the peer's handshake is not JSON", { cause });
    }
  }

  /** A descriptor that becomes readable when the peer rings and ends when it dies; -1 where there is none. */
  bellDescriptor(): number {
    const shim = native();
    const result = check(shim, shim.lf_link_bell(this.handle, descriptor));
    return result === CONSTANTS.LF_EMPTY ? -1 : Number(descriptor[0]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native().lf_link_close(this.handle);
  }
}
