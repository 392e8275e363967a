/** The sending end of a channel over MPI. */
import { isCode, LavaFlowError } from "../../errors.ts";
import { MemoryBuffer } from "../../memory/buffer.ts";
import { bytesOf, stays } from "../../memory/bytes.ts";
import { holdView } from "../../native/handle.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { bellDescriptor } from "../wait/event.ts";
import type { Loan } from "../wire/frame.ts";
import { endStats } from "./end-stats.ts";
import { PieceSender } from "./fragment-sender.ts";
import type { RankPeer } from "./mpi-parameters.ts";
import { BLOCK_MAX, Outbox } from "./outbox.ts";
import { lengthOf, type Payload, viewOfPayload } from "./payload.ts";
import type { EndStats, ProducerEnd, Until, Wake } from "./transport.ts";

const { LF_UNTIL_ROOM, LF_UNTIL_RELEASED, LF_UNTIL_SENT } = CONSTANTS;

/** From here on sending straight from the payload's memory, and waiting until it has left, costs less than a copy. */
const STRAIGHT_MIN = 64 * 1024;

const UNTIL = { room: LF_UNTIL_ROOM, released: LF_UNTIL_RELEASED, left: LF_UNTIL_SENT } as const;

/** How long, and how often, an end that closes looks whether all has left. */
const SETTLE_MS = 30_000;
const LOOK_MS = 5;

/** Memory whose bytes never left, as the peer died: MPI may read it for as long as the process lives. */
const stranded: unknown[] = [];

const number = new Float64Array(new ArrayBuffer(8));
const laneNumber = new Uint32Array(new ArrayBuffer(4));

/** A payload that MPI reads. */
interface Flight {
  ticket: number;
  /** Nobody else need keep it. */
  view: ArrayBufferView;
  landed: (() => void) | null;
}

export class MpiProducer implements ProducerEnd {
  /** What the consumer has to be told. */
  readonly lane: number;
  /** The job's thread looks. */
  readonly looks = false;
  /** The peer gets bytes of its own. */
  readonly releases = null;
  readonly #shim = native();
  readonly #handle: number;
  readonly #outbox: Outbox;
  readonly #gathers: boolean;
  /** Small frames wait for the end of this turn. */
  #gathered = false;
  /** For buffers on a GPU. Their tickets are below 0. */
  readonly #pieces: PieceSender;
  /** In the order of their tickets. */
  readonly #flights: Flight[] = [];
  /** The last ticket whose bytes have left. */
  #left = 0;
  /** Where somebody waits for the last of them. */
  #onSettled: (() => void) | null = null;
  #closed = false;

  /**
   * `gathers`: small frames that are sent in one turn of the event loop share messages of MPI. `wake` is called when a
   * payload that was not ready may be.
   */
  static open(
    { rank, link, who }: RankPeer,
    { slots, gathers }: { slots: number; gathers: boolean },
    wake: Wake,
  ): MpiProducer {
    const handle = native().lf_sender_open(rank, link, slots, who, who.length, laneNumber);
    return new MpiProducer(check(native(), handle, "sending to the consumer"), laneNumber[0] as number, gathers, wake);
  }

  private constructor(handle: number, lane: number, gathers: boolean, wake: Wake) {
    const shim = this.#shim;
    this.#handle = handle;
    this.lane = lane;
    this.#gathers = gathers;
    this.#outbox = new Outbox(
      handle,
      {
        loan: shim.lf_sender_loan,
        commit: shim.lf_sender_commit,
        abort: shim.lf_sender_abort,
        reserve: shim.lf_sender_reserve,
        commitInline: shim.lf_sender_commit_inline,
        abortInline: shim.lf_sender_abort_inline,
        region: shim.lf_sender_region,
        retirable: shim.lf_sender_retirable,
        retire: shim.lf_sender_retire,
      },
      wake,
    );
    this.#pieces = new PieceSender(handle, () => {
      this.#settle();
      wake();
    });
  }

  /** The consumer is there, under this address. */
  agree(address: number): void {
    check(this.#shim, this.#shim.lf_sender_agree(this.#handle, address));
  }

  bellDescriptor(): number {
    return bellDescriptor((out) => this.#shim.lf_sender_bell(this.#handle, out));
  }

  // ───────────── sending ─────────────

  trySend(payload: Payload): boolean {
    if (ArrayBuffer.isView(payload)) return this.#copy(payload);
    if (payload instanceof MemoryBuffer) {
      return payload.isGpu ? this.#inPieces(payload) !== null : this.#copy(payload.bytes);
    }
    return this.#copy(viewOfPayload(payload));
  }

  start(payload: Payload): number | null {
    if (ArrayBuffer.isView(payload)) return this.#startView(payload);
    if (payload instanceof MemoryBuffer) {
      if (payload.isGpu) return this.#inPieces(payload);
      if (payload.sizeBytes >= STRAIGHT_MIN) return this.#straight(payload.bytes);
      return this.trySend(payload) ? 0 : null;
    }
    return this.#startView(viewOfPayload(payload));
  }

  #startView(view: ArrayBufferView): number | null {
    if (lengthOf(view, BLOCK_MAX) >= STRAIGHT_MIN && stays(view)) return this.#straight(view);
    return this.#copy(view) ? 0 : null;
  }

  /** The ticket of a buffer on a GPU, which is read from now on; null when there is no room. */
  #inPieces(buffer: MemoryBuffer): number | null {
    const begun = this.#pieces.start(buffer);
    if ("started" in begun) return this.#pieces.hasRead(begun.started) ? 0 : -begun.started;
    this.#outbox.retry(begun.result);
    return null;
  }

  #copy(view: ArrayBufferView): boolean {
    const length = lengthOf(view);
    if (this.#gathers) return this.#gather(view, length);
    const result = this.#shim.lf_sender_send(this.#handle, view as Uint8Array, length);
    return result === 1 || (this.#outbox.retry(result) && this.#copy(view));
  }

  #gather(view: ArrayBufferView, length: number): boolean {
    const result = this.#shim.lf_sender_put(this.#handle, view as Uint8Array, length);
    if (result === 1) return true;
    if (result !== 2) return this.#outbox.retry(result) && this.#gather(view, length);
    if (!this.#gathered) {
      this.#gathered = true;
      queueMicrotask(this.#send);
    }
    return true;
  }

  /** What was gathered; what fails shows at the next send. */
  readonly #send = () => {
    this.#gathered = false;
    if (!this.#closed) this.#shim.lf_sender_flush(this.#handle);
  };

  /** What the shim has mapped stays so until the bytes have left, whoever closes it. */
  #straight(given: ArrayBufferView): number | null {
    const view = bytesOf("payload", given);
    const landed = holdView(view);
    const result = this.#shim.lf_sender_start(this.#handle, view, view.length, number);
    if (result !== 1) {
      landed?.();
      this.#outbox.retry(result);
      return null;
    }
    const ticket = number[0] as number;
    this.#flights.push({ ticket, view, landed });
    this.#look();
    return ticket <= this.#left ? 0 : ticket;
  }

  left(ticket: number): boolean {
    if (ticket < 0 && this.#pieces.hasRead(-ticket)) return true;
    if (ticket >= 0 && ticket <= this.#left) return true;
    if (this.#closed) throw new LavaFlowError("CLOSED", "the channel was closed before the frame had left");
    if (ticket < 0) return false;
    const result = this.#look();
    if (ticket <= this.#left) return true;
    check(this.#shim, result);
    return false;
  }

  /** Lets go what the bytes have left. Below 0 when the rest can't leave any more. */
  #look(): number {
    number[0] = this.#left;
    const result = this.#shim.lf_sender_sent(this.#handle, number);
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
    return check(this.#shim, this.#shim.lf_sender_arm(this.#handle, UNTIL[until])) >= 1;
  }

  moved(): boolean {
    return false;
  }

  rang(): void {
    this.#pieces.step();
    this.#settle();
  }

  #settle(): void {
    if (this.#onSettled !== null && !this.#isFlying()) this.#onSettled();
  }

  /** What MPI still reads would be missing at the peer. One that has closed takes it too, and rings no more. */
  settled(): Promise<void> | null {
    if (!this.#isFlying()) return null;
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = performance.now() + SETTLE_MS;
    const timer = setInterval(() => (performance.now() < end ? this.#settle() : resolve()), LOOK_MS);
    this.#onSettled = resolve;
    return promise.finally(() => clearInterval(timer));
  }

  #isFlying(): boolean {
    if (this.#look() < 0 || (this.#flights.length === 0 && !this.#pieces.busy)) return false;
    try {
      this.arm("left");
      return true;
    } catch (error) {
      // Where the peer is gone, nothing leaves any more.
      return !isCode(error, "PEER_DIED");
    }
  }

  stats(): EndStats {
    return { ...this.#counts(), full: this.#outbox.full };
  }

  #counts(): EndStats {
    return endStats((out) => this.#shim.lf_sender_stats(this.#handle, out));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    stranded.push(...this.#flights);
    this.#pieces.close();
    this.#outbox.close();
    this.#shim.lf_sender_close(this.#handle);
  }
}
