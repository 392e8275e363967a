/** The sending end of a channel over MPI. */
import { isCode, LavaFlowError } from "../../errors.ts";
import { MemoryBuffer } from "../../memory/buffer.ts";
import { bytesOf, stays } from "../../memory/bytes.ts";
import { holdView } from "../../native/handle.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { readEventFd } from "../wait/event.ts";
import type { Loan } from "../wire/frame.ts";
import { endStats } from "./end-stats.ts";
import { FragmentSender } from "./fragment-sender.ts";
import type { RankPeer } from "./mpi-parameters.ts";
import { BLOCK_MAX, Outbox } from "./outbox.ts";
import { lengthOf, type Payload, viewOfPayload } from "./payload.ts";
import type { EndStats, ProducerEnd, Until, Wake } from "./transport.ts";

const { LF_UNTIL_CREDITS, LF_UNTIL_RELEASED, LF_UNTIL_SENT } = CONSTANTS;

/** Bytes from which sending from the payload's memory, and waiting until MPI has read it, is faster than a copy. */
const IN_PLACE_MIN = 64 * 1024;

const UNTIL = { credits: LF_UNTIL_CREDITS, released: LF_UNTIL_RELEASED, left: LF_UNTIL_SENT } as const;

/** Milliseconds. `settled` polls every CLOSE_POLL_MS, for at most CLOSE_MS, until MPI has read all payloads. */
const CLOSE_MS = 30_000;
const CLOSE_POLL_MS = 5;

/** Payloads that MPI had not read when the peer died. MPI may read them until the process exits. */
const stranded: unknown[] = [];

const number = new Float64Array(new ArrayBuffer(8));
const endpointNumber = new Uint32Array(new ArrayBuffer(4));

/** A payload that MPI reads. */
interface Flight {
  ticket: number;
  /** Keeps the memory alive. */
  view: ArrayBufferView;
  landed: (() => void) | null;
}

export class MpiProducer implements ProducerEnd {
  /** The number that the consumer has to know. */
  readonly endpoint: number;
  /** The job's progress thread polls. */
  readonly busyPolls = false;
  /** Payloads are copied: the peer never owns a buffer of this side. */
  readonly releases = null;
  readonly #shim = native();
  readonly #handle: number;
  readonly #outbox: Outbox;
  readonly #coalesces: boolean;
  /** Small frames wait for the end of this turn of the event loop. */
  #coalesced = false;
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
   * that was not ready may be ready.
   */
  static open(
    { rank, link, who }: RankPeer,
    { slots, coalesces }: { slots: number; coalesces: boolean },
    wake: Wake,
  ): MpiProducer {
    const handle = native().lf_mpi_tx_open(rank, link, slots, who, who.length, endpointNumber);
    return new MpiProducer(
      check(native(), handle, "sending to the consumer"),
      endpointNumber[0] as number,
      coalesces,
      wake,
    );
  }

  private constructor(handle: number, endpoint: number, coalesces: boolean, wake: Wake) {
    const shim = this.#shim;
    this.#handle = handle;
    this.endpoint = endpoint;
    this.#coalesces = coalesces;
    this.#outbox = new Outbox(
      handle,
      {
        loan: shim.lf_tx_loan,
        commit: shim.lf_tx_commit,
        abort: shim.lf_tx_abort,
        reserve: shim.lf_tx_reserve,
        commitInline: shim.lf_tx_commit_inline,
        abortInline: shim.lf_tx_abort_inline,
        region: shim.lf_tx_region,
        retirable: shim.lf_tx_retirable,
        retire: shim.lf_tx_retire,
      },
      wake,
    );
    this.#fragments = new FragmentSender(handle, () => {
      this.#checkLanded();
      wake();
    });
  }

  /** Connects to the consumer's endpoint. */
  agree(address: number): void {
    check(this.#shim, this.#shim.lf_mpi_tx_connect(this.#handle, address));
  }

  eventFd(): number {
    return readEventFd((out) => this.#shim.lf_tx_event_fd(this.#handle, out));
  }

  // ───────────── sending ─────────────

  trySend(payload: Payload): boolean {
    if (ArrayBuffer.isView(payload)) return this.#copy(payload);
    if (payload instanceof MemoryBuffer) {
      return payload.isGpu ? this.#sendFragments(payload) !== null : this.#copy(payload.bytes);
    }
    return this.#copy(viewOfPayload(payload));
  }

  start(payload: Payload): number | null {
    if (ArrayBuffer.isView(payload)) return this.#startView(payload);
    if (payload instanceof MemoryBuffer) {
      if (payload.isGpu) return this.#sendFragments(payload);
      if (payload.sizeBytes >= IN_PLACE_MIN) return this.#sendInPlace(payload.bytes);
      return this.trySend(payload) ? 0 : null;
    }
    return this.#startView(viewOfPayload(payload));
  }

  #startView(view: ArrayBufferView): number | null {
    if (lengthOf(view, BLOCK_MAX) >= IN_PLACE_MIN && stays(view)) return this.#sendInPlace(view);
    return this.#copy(view) ? 0 : null;
  }

  /** Begins to send a buffer on a GPU: its ticket; null if the queue is full. */
  #sendFragments(buffer: MemoryBuffer): number | null {
    const begun = this.#fragments.start(buffer);
    if ("started" in begun) return this.#fragments.hasRead(begun.started) ? 0 : -begun.started;
    this.#outbox.retry(begun.result);
    return null;
  }

  #copy(view: ArrayBufferView): boolean {
    const length = lengthOf(view);
    if (this.#coalesces) return this.#coalesce(view, length);
    const result = this.#shim.lf_tx_send(this.#handle, view as Uint8Array, length);
    return result === 1 || (this.#outbox.retry(result) && this.#copy(view));
  }

  #coalesce(view: ArrayBufferView, length: number): boolean {
    const result = this.#shim.lf_mpi_tx_send_coalesced(this.#handle, view as Uint8Array, length);
    if (result === 1) return true;
    if (result !== 2) return this.#outbox.retry(result) && this.#coalesce(view, length);
    if (!this.#coalesced) {
      this.#coalesced = true;
      queueMicrotask(this.#send);
    }
    return true;
  }

  /** Sends the coalesced frames. The next send reports an error. */
  readonly #send = () => {
    this.#coalesced = false;
    if (!this.#closed) this.#shim.lf_mpi_tx_flush(this.#handle);
  };

  /** Sends from the payload's memory, which stays mapped until MPI has read it, even if it is closed. */
  #sendInPlace(given: ArrayBufferView): number | null {
    const view = bytesOf("payload", given);
    const landed = holdView(view);
    const result = this.#shim.lf_mpi_tx_send_zcopy(this.#handle, view, view.length, number);
    if (result !== 1) {
      landed?.();
      this.#outbox.retry(result);
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

  tryLoan(sizeBytes: number): Loan | null {
    return this.#outbox.tryLoan(sizeBytes);
  }

  // ───────────── the rest ─────────────

  drained(): boolean {
    return this.#counts().queued === 0;
  }

  arm(until: Until): boolean {
    return check(this.#shim, this.#shim.lf_tx_arm(this.#handle, UNTIL[until])) >= 1;
  }

  moved(): boolean {
    return false;
  }

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
      this.arm("left");
      return true;
    } catch (error) {
      // After the death of the peer MPI reads no more.
      return !isCode(error, "PEER_DIED");
    }
  }

  stats(): EndStats {
    return { ...this.#counts(), full: this.#outbox.full };
  }

  #counts(): EndStats {
    return endStats((out) => this.#shim.lf_tx_stats(this.#handle, out));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    stranded.push(...this.#flights);
    this.#fragments.close();
    this.#outbox.close();
    this.#shim.lf_tx_close(this.#handle);
  }
}
