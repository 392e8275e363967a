/** What a sending end over MPI has beside Tx: payloads that MPI reads after the call, and coalescing. */
import { isCode, LavaFlowError } from "../../errors.ts";
import { MemoryBuffer } from "../../memory/buffer.ts";
import { bytesOf, stays } from "../../memory/bytes.ts";
import { holdView } from "../../native/handle.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { Wake } from "./end.ts";
import { FragmentSender } from "./fragment-sender.ts";
import { BLOCK_MAX, type Loans } from "./loans.ts";
import type { RankPeer } from "./mpi-parameters.ts";
import { lengthOf, type Payload, viewOfPayload } from "./payload.ts";
import { NONE, Tx, type TxPart } from "./tx.ts";

const { LF_UNTIL_SENT } = CONSTANTS;

/** Bytes from which sending from the payload's memory, and waiting until MPI has read it, is faster than a copy. */
const ZCOPY_MIN = 64 * 1024;

/** Milliseconds. `settled` polls every CLOSE_POLL_MS, for at most CLOSE_MS, until MPI has read all payloads. */
const CLOSE_MS = 30_000;
const CLOSE_POLL_MS = 5;

/** Payloads that MPI had not read when the peer died. MPI may read them until the process exits. */
const stranded: unknown[] = [];

const number = new Float64Array(new ArrayBuffer(8));
const endpointTag = new Uint32Array(new ArrayBuffer(4));

/** A payload that MPI reads. */
interface Flight {
  ticket: number;
  /** Keeps the memory alive. */
  view: ArrayBufferView;
  landed: (() => void) | null;
}

/** Sends payloads that MPI reads after the call: large views, and buffers on a GPU in fragments. */
export class MpiTx implements TxPart {
  /** Payloads are copied: the peer never owns a buffer of this side. */
  readonly releases = null;
  readonly trim = null;
  readonly coalesce: TxPart["coalesce"];
  readonly last: typeof NONE = NONE;
  pending = null;
  readonly #shim = native();
  readonly #handle: number;
  readonly #loans: Loans;
  /** Small frames are held back until the end of this turn of the event loop. */
  #held = false;
  /** Sends buffers on a GPU. Their tickets are negative. */
  readonly #fragments: FragmentSender;
  /** Payloads that MPI reads, in the order of their tickets. */
  readonly #flights: Flight[] = [];
  /** The last ticket whose payload MPI has read. */
  #left = 0;
  /** Set while `settled` waits for the last payload. */
  #onLanded: (() => void) | null = null;
  #closed = false;

  /**
   * `coalesces`: small frames that are sent in one turn of the event loop share MPI messages. `wake` is called when a payload
   * that was not ready may be ready. The consumer has to know `tag`.
   */
  static open(
    { rank, link, who }: RankPeer,
    { slots, coalesces }: { slots: number; coalesces: boolean },
    wake: Wake,
  ): { producer: Tx; part: MpiTx; tag: number } {
    const shim = native();
    const opened = shim.lf_mpi_tx_open(rank, link, slots, who, who.length, endpointTag);
    const handle = check(shim, opened, "sending to the consumer");
    let part!: MpiTx;
    // The job's progress thread polls.
    const producer = new Tx(handle, false, wake, (loans) => (part = new MpiTx(handle, loans, coalesces, wake)));
    return { producer, part, tag: endpointTag[0] as number };
  }

  private constructor(handle: number, loans: Loans, coalesces: boolean, wake: Wake) {
    this.#handle = handle;
    this.#loans = loans;
    this.coalesce = coalesces ? (view, length) => this.#coalesce(view, length) : null;
    this.#fragments = new FragmentSender(handle, () => {
      this.#checkLanded();
      wake();
    });
  }

  /** Connects to the consumer's endpoint. */
  connect(address: number): void {
    check(this.#shim, this.#shim.lf_mpi_tx_connect(this.#handle, address));
  }

  // ───────────── sending ─────────────

  sendBuffer(buffer: MemoryBuffer): boolean | null {
    return buffer.isGpu ? this.#sendFragments(buffer) !== null : null;
  }

  start(payload: Payload): number | null | undefined {
    if (!(payload instanceof MemoryBuffer)) return this.#startView(viewOfPayload(payload));
    if (payload.isGpu) return this.#sendFragments(payload);
    return payload.sizeBytes >= ZCOPY_MIN ? this.#sendZcopy(payload.bytes) : undefined;
  }

  #startView(view: ArrayBufferView): number | null | undefined {
    return lengthOf(view, BLOCK_MAX) >= ZCOPY_MIN && stays(view) ? this.#sendZcopy(view) : undefined;
  }

  /** Begins to send a buffer on a GPU: its ticket; null if the queue is full. */
  #sendFragments(buffer: MemoryBuffer): number | null {
    const begun = this.#fragments.start(buffer);
    if ("started" in begun) return this.#fragments.hasRead(begun.started) ? 0 : -begun.started;
    this.#loans.retry(begun.result);
    return null;
  }

  /** As lf_tx_send. The frame may be held back. */
  #coalesce(view: Uint8Array, length: number): number {
    const result = this.#shim.lf_mpi_tx_send_coalesced(this.#handle, view, length);
    if (result !== 2) return result;
    if (!this.#held) {
      this.#held = true;
      queueMicrotask(this.#flush);
    }
    return 1;
  }

  /** Sends the coalesced frames. The next send reports an error. */
  readonly #flush = () => {
    this.#held = false;
    if (!this.#closed) this.#shim.lf_mpi_tx_flush(this.#handle);
  };

  /** Sends from the payload's memory, which stays mapped until MPI has read it, even if it is closed. */
  #sendZcopy(given: ArrayBufferView): number | null {
    const view = bytesOf("payload", given);
    const landed = holdView(view);
    const result = this.#shim.lf_mpi_tx_send_zcopy(this.#handle, view, view.length, number);
    if (result !== 1) {
      landed?.();
      this.#loans.retry(result);
      return null;
    }
    const ticket = number[0] as number;
    this.#flights.push({ ticket, view, landed });
    this.#progress();
    return ticket <= this.#left ? 0 : ticket;
  }

  left(ticket: number): boolean {
    if (ticket < 0 && this.#fragments.hasRead(-ticket)) return true;
    if (ticket >= 0 && ticket <= this.#left) return true;
    if (this.#closed) throw new LavaFlowError("CLOSED", "the channel was closed before the frame had left");
    if (ticket < 0) return false;
    const result = this.#progress();
    if (ticket <= this.#left) return true;
    check(this.#shim, result);
    return false;
  }

  /** Releases the payloads that MPI has read. Negative if MPI will never read the rest. */
  #progress(): number {
    number[0] = this.#left;
    const result = this.#shim.lf_mpi_tx_sent(this.#handle, number);
    this.#left = number[0] as number;
    while (this.#flights.length > 0 && (this.#flights[0] as Flight).ticket <= this.#left) {
      (this.#flights.shift() as Flight).landed?.();
    }
    return result;
  }

  // ───────────── the rest ─────────────

  notified(): void {
    this.#fragments.step();
    this.#checkLanded();
  }

  #checkLanded(): void {
    if (this.#onLanded !== null && !this.#inFlight()) this.#onLanded();
  }

  /** Polls, because a peer that has closed still receives the payloads and sends no event. */
  settled(): Promise<void> | null {
    if (!this.#inFlight()) return null;
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = performance.now() + CLOSE_MS;
    const timer = setInterval(() => (performance.now() < end ? this.#checkLanded() : resolve()), CLOSE_POLL_MS);
    this.#onLanded = resolve;
    return promise.finally(() => clearInterval(timer));
  }

  #inFlight(): boolean {
    if (this.#progress() < 0 || (this.#flights.length === 0 && !this.#fragments.busy)) return false;
    try {
      check(this.#shim, this.#shim.lf_tx_arm(this.#handle, LF_UNTIL_SENT));
      return true;
    } catch (error) {
      // After the death of the peer MPI reads no more.
      return !isCode(error, "PEER_DIED");
    }
  }

  detach(): void {
    this.#closed = true;
    stranded.push(...this.#flights);
    this.#fragments.close();
  }
}
