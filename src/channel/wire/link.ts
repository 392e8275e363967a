/** The connection to one peer, for the handshake and the transports. A message has a kind and a JSON value. */
import { LavaFlowError } from "../../errors.ts";
import { CONSTANTS, LINK_MESSAGE } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";

/** Message kinds of the handshake. The shim uses the numbers below 16. */
export const MESSAGE = { hello: 16, verdict: 17, failed: 18, accepted: 19, endpoint: 20 } as const;

const received = new Uint8Array(new ArrayBuffer(CONSTANTS.LF_LINK_MESSAGE_MAX));
const head = new Uint32Array(new ArrayBuffer(LINK_MESSAGE.sizeof));
const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

export interface Message {
  kind: number;
  value: unknown;
}

export abstract class Link {
  /** The shim's handle of a connection on this host, which carries memory and ends with the peer's process; else 0. */
  abstract readonly handle: number;
  #closed = false;

  /** As lf_link_send. */
  protected abstract put(kind: number, bytes: Uint8Array): number;
  /** As lf_link_receive. */
  protected abstract take(bytes: Uint8Array, head: Uint32Array): number;
  protected abstract free(): void;

  /** Sends one message. PEER_DIED if the peer exited or does not read. */
  send(kind: number, value: unknown): void {
    const result = check(native(), this.put(kind, encoder.encode(JSON.stringify(value))));
    if (result === CONSTANTS.LF_FULL) throw new LavaFlowError("PEER_DIED", "the peer does not read its connection");
  }

  /** The next message; null while none has come. PEER_DIED, WIRE_VERSION_MISMATCH, CORRUPT_SEGMENT. */
  receive(): Message | null {
    if (check(native(), this.take(received, head)) === CONSTANTS.LF_EMPTY) return null;
    const length = head[LINK_MESSAGE.length / 4] as number;
    try {
      const value: unknown = JSON.parse(decoder.decode(received.subarray(0, length)));
      return { kind: head[LINK_MESSAGE.kind / 4] as number, value };
    } catch (cause) {
      throw new LavaFlowError("CORRUPT_SEGMENT", "the peer's handshake is not JSON", { cause });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.free();
  }
}

/** Between two processes of one host. */
export class HostLink extends Link {
  readonly handle: number;

  /** Takes ownership of the native handle. */
  constructor(handle: number) {
    super();
    this.handle = handle;
  }

  protected put(kind: number, bytes: Uint8Array): number {
    return native().lf_link_send(this.handle, kind, bytes, bytes.byteLength);
  }

  protected take(bytes: Uint8Array, message: Uint32Array): number {
    return native().lf_link_receive(this.handle, bytes, message);
  }

  protected free(): void {
    native().lf_link_close(this.handle);
  }
}

/** Between two ranks of a job, on any hosts: the control connection. */
export class ControlLink extends Link {
  readonly handle = 0;
  readonly #control: number;

  /** Takes ownership of the native handle. */
  constructor(connection: number) {
    super();
    this.#control = connection;
  }

  protected put(kind: number, bytes: Uint8Array): number {
    return native().lf_connection_send(this.#control, kind, bytes, bytes.byteLength);
  }

  protected take(bytes: Uint8Array, message: Uint32Array): number {
    return native().lf_connection_receive(this.#control, bytes, message);
  }

  protected free(): void {
    native().lf_connection_close(this.#control);
  }
}
