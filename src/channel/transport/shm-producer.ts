/** The sending end of a shared-memory channel. */
import type { GpuDevice } from "../../gpu/device.ts";
import type { GpuQueue } from "../../gpu/queue.ts";
import { deviceOf, MemoryBuffer, nativeAddress, nativeMemory, onClose, wholeBuffer } from "../../memory/buffer.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import { readEventFd } from "../wait/event.ts";
import type { Loan } from "../wire/frame.ts";
import type { Link } from "../wire/link.ts";
import { endStats } from "./end-stats.ts";
import { GpuWait } from "./gpu-wait.ts";
import { Outbox } from "./outbox.ts";
import { lengthOf, type Payload, viewOfPayload } from "./payload.ts";
import { Releases } from "./releases.ts";
import type { RingParameters } from "./ring.ts";
import { Staging } from "./staging.ts";
import type { EndStats, ProducerEnd, Until, Wake } from "./transport.ts";
import { LARGE_BYTES, Trim } from "./trim.ts";

const { LF_PENDING } = CONSTANTS;

/** Equal to no payload. */
const NONE = Symbol();

const awaited = new Float64Array(new ArrayBuffer(8));

export class ShmProducer implements ProducerEnd {
  readonly busyPolls: boolean;
  readonly releases: Releases;
  readonly #shim = native();
  readonly #handle: number;
  readonly #outbox: Outbox;
  /** MemoryBuffers that the peer has mapped, with their handles. */
  readonly #known = new Map<MemoryBuffer, number>();
  /** The buffer that was sent last. Most senders send it again, and a lookup in the map would double the time of a send. */
  #last: MemoryBuffer | typeof NONE = NONE;
  #lastMemory = 0;
  /** Imported buffers on the GPU that the driver does not export again. */
  readonly #unshareable = new WeakSet<MemoryBuffer>();
  /** Functions that end the subscription to the closing of each known buffer. */
  readonly #unwatch = new Map<MemoryBuffer, () => void>();
  readonly #wake: Wake;
  /** The GPU whose buffers are passed without a copy; null: none. */
  #device: GpuDevice | null = null;
  #queue: GpuQueue | null = null;
  #gpuWait: GpuWait | null = null;
  /** The last buffer that was not sent because GPU work on it runs. */
  #pending: MemoryBuffer | null = null;
  /** For buffers that the peer can't reach. */
  readonly #staging: Staging;
  readonly #trim: Trim;
  #closed = false;

  /** `name` is the channel's. `wake` is called when a payload that was not ready may be ready. */
  static open(link: Link, slots: number, { fenced, busyPoll }: RingParameters, name: string, wake: Wake): ShmProducer {
    const shim = native();
    const handle = check(shim, shim.lf_shm_tx_open(link.handle, slots, fenced), "making the channel's segment");
    return new ShmProducer(handle, busyPoll, name, wake);
  }

  private constructor(handle: number, busyPoll: boolean, name: string, wake: Wake) {
    const shim = this.#shim;
    this.busyPolls = busyPoll;
    this.#handle = handle;
    this.#wake = wake;
    const count = (memory: number) => check(shim, shim.lf_shm_tx_unreleased(handle, memory));
    const arm = () => void check(shim, shim.lf_tx_arm(handle, 1));
    this.releases = new Releases(name, { count, arm }, wake);
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
    this.#trim = new Trim(() => shim.lf_shm_tx_trim(handle));
    const commit = (block: number, sizeBytes: number) =>
      check(shim, shim.lf_shm_tx_commit_staged(handle, block, sizeBytes));
    this.#staging = new Staging(this.#outbox, commit, wake);
  }

  eventFd(): number {
    return readEventFd((out) => this.#shim.lf_tx_event_fd(this.#handle, out));
  }

  /**
   * From now on buffers on this GPU are passed without a copy. `shareTimeline`: the peer's queue waits for work on them;
   * else `trySend` refuses a buffer while work on it runs.
   */
  useDevice(device: GpuDevice, shareTimeline: boolean): void {
    check(this.#shim, this.#shim.lf_shm_tx_use_device(this.#handle, device.handle, shareTimeline ? 1 : 0));
    this.#device = device.retain();
    this.#queue = device.queue;
    this.#gpuWait = new GpuWait(device, this.#wake);
  }

  trySend(payload: Payload): boolean {
    if (payload instanceof Uint8Array) return this.#sendView(payload);
    if (payload === this.#last) return this.#sendMemory(this.#last as MemoryBuffer, this.#lastMemory);
    if (ArrayBuffer.isView(payload)) return this.#sendView(payload);
    if (payload instanceof MemoryBuffer) return this.#sendBuffer(payload);
    return this.#sendView(viewOfPayload(payload));
  }

  /** A sent payload was copied or passed: there is no ticket to wait for. */
  start(payload: Payload): number | null {
    return this.trySend(payload) ? 0 : null;
  }

  left(): boolean {
    return true;
  }

  #sendView(view: ArrayBufferView): boolean {
    const length = lengthOf(view);
    let result: number;
    try {
      result = this.#shim.lf_tx_send(this.#handle, view as Uint8Array, length);
    } catch (error) {
      viewOfPayload(view); // a Proxy passes the checks before
      throw error;
    }
    if (length > LARGE_BYTES) this.#trim.begin();
    if (result === 1) return true;
    return this.#notSent(result) && this.#sendView(view);
  }

  #sendBuffer(buffer: MemoryBuffer): boolean {
    const known = this.#known.get(buffer);
    if (known !== undefined) {
      this.#last = buffer;
      this.#lastMemory = known;
      return this.#sendMemory(buffer, known);
    }
    const whole = wholeBuffer(buffer);
    const direct = buffer.isGpu
      ? deviceOf(buffer) === this.#device && !this.#unshareable.has(whole)
      : buffer.strategy === "shared";
    if (!direct) return buffer.isGpu ? this.#sendStaged(buffer) : this.#sendView(buffer.bytes);
    if (whole !== buffer) return this.#sendPart(buffer, whole);
    const memory = nativeMemory(buffer);
    this.#watch(buffer, memory);
    return this.#sendMemory(buffer, memory);
  }

  /** The peer maps the whole buffer, and gets the offset of the part. */
  #sendPart(part: MemoryBuffer, whole: MemoryBuffer): boolean {
    const { memory, offset } = nativeAddress(part);
    if (!this.#known.has(whole)) this.#watch(whole, memory);
    if (this.#queue !== null && !this.#queue.submitted && part.isGpu) return this.#wait(whole);
    const result = this.#shim.lf_shm_tx_send_part(this.#handle, memory, offset, part.sizeBytes);
    if (result === 1) return true;
    if (result === LF_PENDING) return this.#wait(whole);
    if (result < 0) return this.#sendUnshareable(whole, part);
    return this.#notSent(result) && this.#sendPart(part, whole);
  }

  #sendMemory(buffer: MemoryBuffer, memory: number): boolean {
    // The shim does not know of work that was not submitted yet.
    if (this.#queue !== null && !this.#queue.submitted && buffer.isGpu) return this.#wait(buffer);
    const result = this.#shim.lf_shm_tx_send_memory(this.#handle, memory);
    if (result === 1) return true;
    if (result === LF_PENDING) return this.#wait(buffer);
    if (result < 0) return this.#sendUnshareable(buffer, buffer);
    return this.#notSent(result) && this.#sendMemory(buffer, memory);
  }

  /** A driver may refuse to export memory that was imported. */
  #sendUnshareable(whole: MemoryBuffer, buffer: MemoryBuffer): boolean {
    const error = lastError(this.#shim);
    if (!buffer.isGpu || error.code !== "EXTERNAL_MEMORY_UNSUPPORTED") throw error;
    this.#unwatch.get(whole)?.();
    this.#forget(whole);
    this.#unshareable.add(whole);
    return this.#sendStaged(buffer);
  }

  /** The buffer is not ready: GPU work on it has to end first. */
  #wait(buffer: MemoryBuffer): false {
    this.#pending = buffer;
    return false;
  }

  /** The peer maps a buffer once. When the buffer is closed here, the peer is told to unmap it. */
  #watch(buffer: MemoryBuffer, memory: number): void {
    const letGo = this.releases.add(buffer, memory);
    const unwatch = onClose(buffer, () => {
      letGo();
      this.#forget(buffer);
      this.#shim.lf_shm_tx_forget_memory(this.#handle, memory);
    });
    this.#known.set(buffer, memory);
    this.#unwatch.set(buffer, () => {
      unwatch();
      letGo();
    });
  }

  #forget(buffer: MemoryBuffer): void {
    this.#known.delete(buffer);
    this.#unwatch.delete(buffer);
    if (this.#last === buffer) this.#last = NONE;
  }

  #sendStaged(buffer: MemoryBuffer): boolean {
    this.#pending = null;
    if (buffer.sizeBytes > LARGE_BYTES) this.#trim.begin();
    return this.#staging.trySend(buffer);
  }

  /** Nothing was sent. True: retry at once. False: the queue is full. */
  #notSent(result: number): boolean {
    this.#pending = null;
    return this.#outbox.retry(result);
  }

  tryLoan(sizeBytes: number): Loan | null {
    if (sizeBytes > LARGE_BYTES) this.#trim.begin();
    const loan = this.#outbox.tryLoan(sizeBytes);
    if (loan === null) this.#pending = null;
    return loan;
  }

  drained(): boolean {
    return this.#counts().queued === 0;
  }

  arm(until: Until): boolean {
    const untilReleased = until === "released";
    const moved = check(this.#shim, this.#shim.lf_tx_arm(this.#handle, untilReleased ? 1 : 0)) >= 1;
    return untilReleased || this.#pending === null ? moved : this.#armForWork(this.#pending);
  }

  moved(until: Until, spins: number): boolean {
    // The end of GPU work causes a wake-up: polls would find nothing.
    if (this.#pending !== null && until !== "released") return false;
    return this.#shim.lf_shm_tx_poll(this.#handle, until === "released" ? 1 : 0, spins) === 1;
  }

  /** Requests a wake-up at the end of the GPU work on the last payload. */
  #armForWork(buffer: MemoryBuffer): boolean {
    this.#pending = null;
    const { queue } = this.#device as GpuDevice;
    if (!queue.submitted) {
      this.#gpuWait?.submitted();
      return false;
    }
    const value = this.#known.has(buffer) ? queue.pending(nativeMemory(buffer)) : 0;
    if (value === 0) return true;
    this.#gpuWait?.reach(value);
    return false;
  }

  notified(ended: boolean): void {
    this.releases.wake();
    if (ended && this.#shim.lf_shm_tx_peer_status(this.#handle) < 0) this.#wake(lastError(this.#shim));
  }

  /** The peer's queue may wait for work here. If this end closed before, that queue would not wait. */
  settled(): Promise<void> | null {
    const device = this.#device;
    if (device === null || this.#awaited() === 0) return null;
    const settle = async () => {
      for (let value = this.#awaited(); value > 0; value = this.#awaited()) await device.queue.wait(value);
    };
    // After a timeout, and after the loss of the device, `close` goes on without.
    return settle().catch(() => {});
  }

  /** The timeline value that the peer may wait for; 0: none. */
  #awaited(): number {
    check(this.#shim, this.#shim.lf_shm_tx_pending(this.#handle, awaited));
    return awaited[0] as number;
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
    for (const unwatch of this.#unwatch.values()) unwatch();
    this.#unwatch.clear();
    this.#known.clear();
    this.#trim.end();
    this.#outbox.close();
    this.#shim.lf_tx_close(this.#handle);
    this.#device?.release();
  }
}
