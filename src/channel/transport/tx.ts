/** The sending end of a channel, of every transport. A TxPart has what differs between them. */
import { MemoryBuffer } from "../../memory/buffer.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { readEventFd } from "../wait/event.ts";
import type { Loan } from "../wire/frame.ts";
import { type EndStats, endStats, type Until, type Wake } from "./end.ts";
import { Loans } from "./loans.ts";
import { lengthOf, type Payload, viewOfPayload } from "./payload.ts";
import type { Releases } from "./releases.ts";
import { LARGE_BYTES, type Trim } from "./trim.ts";

const { LF_UNTIL_CREDITS, LF_UNTIL_RELEASED, LF_UNTIL_SENT } = CONSTANTS;

const UNTIL = { credits: LF_UNTIL_CREDITS, released: LF_UNTIL_RELEASED, left: LF_UNTIL_SENT } as const;

/** Equal to no payload. */
export const NONE = Symbol();

/** How one transport sends MemoryBuffers, and payloads that it reads after the call. */
export interface TxPart {
  /** Waits for buffers that are passed without a copy; null for a transport that copies. */
  readonly releases: Releases | null;
  /** Frees the pages of large idle blocks; null if the shim does so itself. */
  readonly trim: Trim | null;
  /** Sends a view as lf_tx_send does, with others in one message; null: each view has its own. */
  readonly coalesce: ((view: Uint8Array, length: number) => number) | null;
  /** The buffer that `sendLast` sends again: most senders do, and a lookup would double the time of a send. */
  readonly last: MemoryBuffer | typeof NONE;
  /** The last buffer that was refused because GPU work on it runs. Null after a payload that was refused for credits. */
  pending: MemoryBuffer | null;
  sendLast?(): boolean;
  /** As `Tx.trySend`. Null: the buffer's bytes have to be sent. */
  sendBuffer(buffer: MemoryBuffer): boolean | null;
  /** Requests a wake-up at the end of the GPU work on `pending`. True: the work has ended. */
  armPending?(): boolean;
  /** As `Tx.start`. Undefined: the payload has to be sent as by `trySend`. */
  start?(payload: Payload): number | null | undefined;
  left?(ticket: number): boolean;
  /** As the functions of Tx. */
  notified(ended: boolean): void;
  settled(): Promise<void> | null;
  /** The end closes: before and after the shim frees it. */
  detach(): void;
  release?(): void;
}

export class Tx {
  /** Whether calls of `moved` in a loop can replace the event. */
  readonly busyPolls: boolean;
  readonly #shim = native();
  readonly #handle: number;
  readonly #loans: Loans;
  readonly #part: TxPart;
  readonly #coalesce: TxPart["coalesce"];
  readonly #trim: Trim | null;
  #closed = false;

  /** `wake` is called when a payload that was not ready may be ready. */
  constructor(handle: number, busyPolls: boolean, wake: Wake, part: (loans: Loans) => TxPart) {
    this.busyPolls = busyPolls;
    this.#handle = handle;
    this.#loans = new Loans(handle, wake);
    this.#part = part(this.#loans);
    this.#coalesce = this.#part.coalesce;
    this.#trim = this.#part.trim;
  }

  /** Waits for buffers that are passed without a copy; null for a transport that copies. */
  get releases(): Releases | null {
    return this.#part.releases;
  }

  /** The descriptor that becomes readable at an event, owned by the caller; -1 where the system has none. */
  eventFd(): number {
    return readEventFd((out) => this.#shim.lf_tx_event_fd(this.#handle, out));
  }

  /** False if the queue is full or the payload is not ready. Throws if the peer closed or died. */
  trySend(payload: Payload): boolean {
    if (payload instanceof Uint8Array) return this.#sendView(payload);
    if (payload === this.#part.last) return this.#part.sendLast?.() as boolean;
    if (ArrayBuffer.isView(payload)) return this.#sendView(payload);
    if (payload instanceof MemoryBuffer) return this.#part.sendBuffer(payload) ?? this.#sendView(payload.bytes);
    return this.#sendView(viewOfPayload(payload));
  }

  /**
   * As `trySend`, but the transport may read the payload's memory later. Returns a ticket for `left`; 0 if the payload was
   * read; null if the queue is full or the payload is not ready.
   */
  start(payload: Payload): number | null {
    const ticket = this.#part.start?.(payload);
    if (ticket !== undefined) return ticket;
    return this.trySend(payload) ? 0 : null;
  }

  /** Whether the payload was read. Throws if it never will be. */
  left(ticket: number): boolean {
    return this.#part.left?.(ticket) ?? true;
  }

  #sendView(view: ArrayBufferView): boolean {
    const length = lengthOf(view);
    let result: number;
    try {
      result =
        this.#coalesce === null
          ? this.#shim.lf_tx_send(this.#handle, view as Uint8Array, length)
          : this.#coalesce(view as Uint8Array, length);
    } catch (error) {
      viewOfPayload(view); // a Proxy passes the checks before
      throw error;
    }
    if (length > LARGE_BYTES) this.#trim?.begin();
    if (result === 1) return true;
    this.#part.pending = null;
    return this.#loans.retry(result) && this.#sendView(view);
  }

  /** Null if the queue is full. `sizeBytes` is a whole number from 0 to the largest frame. */
  tryLoan(sizeBytes: number): Loan | null {
    if (sizeBytes > LARGE_BYTES) this.#trim?.begin();
    const loan = this.#loans.tryLoan(sizeBytes);
    if (loan === null) this.#part.pending = null;
    return loan;
  }

  /** Whether every sent frame was released. */
  drained(): boolean {
    return this.#counts().queued === 0;
  }

  /** Requests one event for the condition. True: the state changed already, or the peer died; no event comes. */
  arm(until: Until): boolean {
    const moved = check(this.#shim, this.#shim.lf_tx_arm(this.#handle, UNTIL[until])) >= 1;
    return until !== "credits" || this.#part.pending === null ? moved : (this.#part.armPending?.() ?? moved);
  }

  /** Polls up to `spins` times, 20 ns each. True: a retry may succeed. */
  moved(until: Until, spins: number): boolean {
    // The end of GPU work causes a wake-up: polls would find nothing.
    if (!this.busyPolls || (this.#part.pending !== null && until === "credits")) return false;
    return this.#shim.lf_shm_tx_poll(this.#handle, UNTIL[until], spins) === 1;
  }

  /** An event came. `ended`: the peer has exited, and no further event comes. */
  notified(ended: boolean): void {
    this.#part.notified(ended);
  }

  /** Resolves when no work under way needs this end; null: none does now. Never rejects. */
  settled(): Promise<void> | null {
    return this.#part.settled();
  }

  stats(): EndStats {
    return { ...this.#counts(), full: this.#loans.full };
  }

  #counts(): EndStats {
    return endStats((out) => this.#shim.lf_tx_stats(this.#handle, out));
  }

  /** Detaches every view, then frees. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#part.detach();
    this.#trim?.end();
    this.#loans.close();
    this.#shim.lf_tx_close(this.#handle);
    this.#part.release?.();
  }
}
