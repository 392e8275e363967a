/** What a sending end over shared memory has beside Tx: MemoryBuffers that the peer maps, and GPUs. */
import type { GpuDevice } from "../../gpu/device.ts";
import type { GpuQueue } from "../../gpu/queue.ts";
import { deviceOf, type MemoryBuffer, nativeAddress, nativeMemory, onClose, wholeBuffer } from "../../memory/buffer.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import type { Link } from "../wire/link.ts";
import type { Wake } from "./end.ts";
import { GpuWait } from "./gpu-wait.ts";
import type { Loans } from "./loans.ts";
import { Releases } from "./releases.ts";
import type { RingParameters } from "./ring.ts";
import { Staging } from "./staging.ts";
import { LARGE_BYTES, Trim } from "./trim.ts";
import { NONE, Tx, type TxPart } from "./tx.ts";

const { LF_PENDING, LF_UNTIL_RELEASED } = CONSTANTS;

const awaited = new Float64Array(new ArrayBuffer(8));

/** Passes MemoryBuffers that the peer can map without a copy, and stages the others. */
export class ShmTx implements TxPart {
  readonly releases: Releases;
  readonly trim: Trim;
  readonly coalesce = null;
  last: MemoryBuffer | typeof NONE = NONE;
  pending: MemoryBuffer | null = null;
  readonly #shim = native();
  readonly #handle: number;
  readonly #loans: Loans;
  /** MemoryBuffers that the peer has mapped, with their handles. */
  readonly #known = new Map<MemoryBuffer, number>();
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
  /** For buffers that the peer can't reach. */
  readonly #staging: Staging;

  /** `name` is the channel's. `wake` is called when a payload that was not ready may be ready. */
  static open(
    link: Link,
    slots: number,
    { fenced, busyPoll }: RingParameters,
    name: string,
    wake: Wake,
  ): { producer: Tx; part: ShmTx } {
    const shim = native();
    const handle = check(shim, shim.lf_shm_tx_open(link.handle, slots, fenced), "making the channel's segment");
    let part!: ShmTx;
    const producer = new Tx(handle, busyPoll, wake, (loans) => (part = new ShmTx(handle, loans, name, wake)));
    return { producer, part };
  }

  private constructor(handle: number, loans: Loans, name: string, wake: Wake) {
    const shim = this.#shim;
    this.#handle = handle;
    this.#loans = loans;
    this.#wake = wake;
    const count = (memory: number) => check(shim, shim.lf_shm_tx_unreleased(handle, memory));
    const arm = () => void check(shim, shim.lf_tx_arm(handle, LF_UNTIL_RELEASED));
    this.releases = new Releases(name, { count, arm }, wake);
    this.trim = new Trim(() => shim.lf_shm_tx_trim(handle));
    const commit = (block: number, sizeBytes: number) =>
      check(shim, shim.lf_shm_tx_commit_staged(handle, block, sizeBytes));
    this.#staging = new Staging(loans, commit, wake);
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

  sendLast(): boolean {
    return this.#sendMemory(this.last as MemoryBuffer, this.#lastMemory);
  }

  sendBuffer(buffer: MemoryBuffer): boolean | null {
    const known = this.#known.get(buffer);
    if (known !== undefined) {
      this.last = buffer;
      this.#lastMemory = known;
      return this.#sendMemory(buffer, known);
    }
    const whole = wholeBuffer(buffer);
    const direct = buffer.isGpu
      ? deviceOf(buffer) === this.#device && !this.#unshareable.has(whole)
      : buffer.strategy === "shared";
    if (!direct) return buffer.isGpu ? this.#sendStaged(buffer) : null;
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
    this.pending = buffer;
    return false;
  }

  /** The peer maps a buffer once. When the buffer is closed here, the peer is told to unmap it. */
  #watch(buffer: MemoryBuffer, memory: number): void {
    const unhold = this.releases.add(buffer, memory);
    const unwatch = onClose(buffer, () => {
      unhold();
      this.#forget(buffer);
      this.#shim.lf_shm_tx_forget_memory(this.#handle, memory);
    });
    this.#known.set(buffer, memory);
    this.#unwatch.set(buffer, () => {
      unwatch();
      unhold();
    });
  }

  #forget(buffer: MemoryBuffer): void {
    this.#known.delete(buffer);
    this.#unwatch.delete(buffer);
    if (this.last === buffer) this.last = NONE;
  }

  #sendStaged(buffer: MemoryBuffer): boolean {
    this.pending = null;
    if (buffer.sizeBytes > LARGE_BYTES) this.trim.begin();
    return this.#staging.trySend(buffer);
  }

  /** Nothing was sent. True: retry at once. False: the queue is full. */
  #notSent(result: number): boolean {
    this.pending = null;
    return this.#loans.retry(result);
  }

  armPending(): boolean {
    const buffer = this.pending as MemoryBuffer;
    this.pending = null;
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
    const finish = async () => {
      for (let value = this.#awaited(); value > 0; value = this.#awaited()) await device.queue.wait(value);
    };
    // After a timeout, and after the loss of the device, `close` goes on without.
    return finish().catch(() => {});
  }

  /** The timeline value that the peer may wait for; 0: none. */
  #awaited(): number {
    check(this.#shim, this.#shim.lf_shm_tx_pending(this.#handle, awaited));
    return awaited[0] as number;
  }

  detach(): void {
    for (const unwatch of this.#unwatch.values()) unwatch();
    this.#unwatch.clear();
    this.#known.clear();
  }

  release(): void {
    this.#device?.release();
  }
}
