/** The receiving end of a channel in shared memory, with or without a GPU. */
import type { GpuDevice } from "../../gpu/device.ts";
import { adoptMemory, type MemoryBuffer } from "../../memory/buffer.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { exported } from "../../native/os-handle.ts";
import { check, lastError } from "../../native/status.ts";
import { readEventFd } from "../wait/event.ts";
import type { Link } from "../wire/link.ts";
import { ARRIVALS_MAX, Arrivals } from "./arrivals.ts";
import { type CellFrame, COPIED, type FrameOwner, IN_REGION, REGION_INDEX } from "./cell-frame.ts";
import type { CopyBlock } from "./copy-blocks.ts";
import { type EndStats, endStats } from "./end.ts";
import { GpuWait, submitted } from "./gpu-wait.ts";
import { Inbox } from "./inbox.ts";
import type { RingParameters } from "./ring.ts";
import type { ConsumerEnd } from "./transport.ts";

const { LF_EMPTY, LF_PENDING, LF_REACH_LOCAL, LF_REACH_STAGED, LF_REGION_GPU } = CONSTANTS;

const settling = new Float64Array(new ArrayBuffer(8));

/** The state of a consumer that uses a GPU. */
interface GpuPart {
  device: GpuDevice;
  arrivals: Arrivals;
  /** Waits for the end of work on frames that were released. */
  releases: GpuWait;
  /** UUIDs of the producer's GPU and driver. */
  producer: Uint8Array;
  /** CUDA handles of the producer's memory, by region. */
  remote: Map<number, number>;
}

export class ShmConsumer implements ConsumerEnd, FrameOwner {
  readonly busyPolls: boolean;
  readonly #shim = native();
  readonly #handle: number;
  readonly #inbox: Inbox;
  /**
   * The MemoryBuffers of frames, by the index of their region, which is in the token. A buffer that the user closed is made
   * again for the next frame.
   */
  readonly #buffers: ({ region: number; buffer: MemoryBuffer } | undefined)[] = [];
  #gpu: GpuPart | null = null;
  /** Set while frames are copied to this side's GPU. */
  #arriving: Arrivals | null = null;
  #closed = false;

  /** Null while the producer's segment has not arrived. */
  static open(link: Link, { fenced, busyPoll }: RingParameters): ShmConsumer | null {
    const shim = native();
    const handle = check(shim, shim.lf_shm_rx_open(link.handle, fenced), "attaching to the producer's segment");
    return handle === LF_EMPTY ? null : new ShmConsumer(handle, busyPoll);
  }

  private constructor(handle: number, busyPoll: boolean) {
    const shim = this.#shim;
    this.busyPolls = busyPoll;
    this.#handle = handle;
    const calls = {
      receive: shim.lf_rx_receive,
      receiveWait: shim.lf_rx_receive_wait,
      region: shim.lf_rx_region,
      retire: shim.lf_rx_retire,
    };
    this.#inbox = new Inbox(handle, calls, this);
  }

  eventFd(): number {
    return readEventFd((out) => this.#shim.lf_rx_event_fd(this.#handle, out));
  }

  /** From now on frames can be buffers on a GPU. `producer` has the UUIDs of the producer's GPU; `device` is this side's. */
  useDevice(device: GpuDevice, producer: Uint8Array, wake: () => void): void {
    check(this.#shim, this.#shim.lf_shm_rx_use_device(this.#handle, device.handle, producer));
    const owner = {
      remoteMemory: (region: number) => this.#importRemote(region),
      bytesOf: (frame: CellFrame) => this.bytesOf(frame),
      giveBack: (token: number) => this.#giveBack(token),
    };
    this.#gpu = {
      device: device.retain(),
      arrivals: new Arrivals(device, owner, wake),
      releases: new GpuWait(device, () => this.#releaseDone()),
      producer,
      remote: new Map(),
    };
  }

  // ───────────── receiving ─────────────

  tryRecv(): CellFrame | null {
    if (this.#arriving !== null) return this.#arrived(this.#arriving);
    const frame = this.#inbox.receive();
    if (this.#gpu === null || frame === null || !this.#arrives(frame)) return frame;
    return this.#arrived(this.#gpu.arrivals);
  }

  recvSync(timeoutMs: number, spinUs: number): CellFrame | null {
    if (this.#arriving !== null) return this.#arrivedSync(this.#arriving, timeoutMs);
    const frame = this.#inbox.receiveSync(timeoutMs, spinUs);
    if (this.#gpu === null || frame === null || !this.#arrives(frame)) return frame;
    return this.#arrivedSync(this.#gpu.arrivals, timeoutMs);
  }

  // ───────────── frames that have to be copied to this side's GPU ─────────────

  /** Whether the frame has to be copied to this side's GPU first; if so, begins the copy. */
  #arrives(frame: CellFrame): boolean {
    if (frame.state !== IN_REGION || frame.reach === LF_REACH_LOCAL) return false;
    const { arrivals } = this.#gpu as GpuPart;
    if (frame.reach === LF_REACH_STAGED) arrivals.upload(frame);
    else arrivals.fetch(frame);
    this.#arriving = arrivals;
    return true;
  }

  /** The first arriving frame, once it is copied. Takes the next frames out of the ring, so that their copies overlap. */
  #arrived(arrivals: Arrivals): CellFrame | null {
    const first = arrivals.next();
    try {
      while (arrivals.length > 0 && arrivals.length < ARRIVALS_MAX) {
        const frame = this.#inbox.receive();
        if (frame === null) break;
        if (!this.#arrives(frame)) arrivals.add(frame);
      }
    } catch {
      // The receive after the arriving frames throws the error again.
    }
    arrivals.advance();
    if (arrivals.length === 0) this.#arriving = null;
    return first;
  }

  #arrivedSync(arrivals: Arrivals, timeoutMs: number): CellFrame | null {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const frame = this.#arrived(arrivals);
      if (frame !== null) return frame;
      if (performance.now() >= end) return null;
      arrivals.nap();
    }
  }

  /** The CUDA handle of the producer's memory in a region. */
  #importRemote(region: number): number {
    const { remote, producer } = this.#gpu as GpuPart;
    const known = remote.get(region);
    if (known !== undefined) return known;
    const { sizeBytes, allocationBytes } = this.#inbox.regions.mapping(region);
    check(this.#shim, this.#shim.lf_shm_rx_claim(this.#handle, region, exported));
    const handle = exported[0] as bigint;
    const result = this.#shim.lf_cuda_import_os_handle(handle, allocationBytes, sizeBytes, producer);
    const made = check(this.#shim, result, "the producer's memory in CUDA");
    remote.set(region, made);
    return made;
  }

  // ───────────── what frames show, and giving them back ─────────────

  bytesOf(frame: CellFrame): Uint8Array<ArrayBuffer> {
    if (frame.state !== COPIED && frame.token > 0) return this.#inbox.view(frame);
    const { sizeBytes } = frame;
    const isCopy = frame.state === COPIED;
    const { bytes } = isCopy ? (frame.copy as CopyBlock).buffer : this.#wholeOf(frame);
    const offset = isCopy ? 0 : frame.offset;
    return sizeBytes === bytes.byteLength ? bytes : bytes.subarray(offset, offset + sizeBytes);
  }

  bufferOf(frame: CellFrame): MemoryBuffer | undefined {
    if (frame.state === COPIED) return (frame.copy as CopyBlock).buffer;
    if (frame.token > 0) return undefined;
    const whole = this.#wholeOf(frame);
    if (frame.sizeBytes === whole.sizeBytes) return whole;
    return (frame.part ??= whole.part(frame.offset, frame.sizeBytes));
  }

  /** The whole buffer that a frame's memory is a part of. */
  #wholeOf(frame: CellFrame): MemoryBuffer {
    const index = frame.token & REGION_INDEX;
    const known = this.#buffers[index];
    if (known !== undefined) return known.buffer;
    const buffer = this.#adopt(frame.region, index);
    this.#buffers[index] = { region: frame.region, buffer };
    return buffer;
  }

  #adopt(region: number, index: number): MemoryBuffer {
    const { memory, address, sizeBytes, allocationBytes, kind, hostVisible } = this.#inbox.regions.mapping(region);
    const release = () => {
      this.#buffers[index] = undefined;
    };
    if (kind !== LF_REGION_GPU) return adoptMemory(memory, address, sizeBytes, release);
    const { device } = this.#gpu as GpuPart;
    return adoptMemory(memory, address, sizeBytes, release, { device, allocationBytes, hostVisible });
  }

  release(token: number): void {
    // The shim does not know of work that was not submitted yet.
    if (token < 0 && this.#gpu !== null && !this.#gpu.device.queue.submitted) this.#releaseLater(token);
    else this.#giveBack(token);
  }

  recycle(copy: CopyBlock): void {
    this.#gpu?.arrivals.recycle(copy);
  }

  #releaseLater(token: number): void {
    const release = () => {
      if (!this.#closed) this.#giveBack(token);
    };
    submitted((this.#gpu as GpuPart).device).then(release, release);
  }

  #giveBack(token: number): void {
    const result = this.#shim.lf_rx_release(this.#handle, token);
    if (result === LF_PENDING) this.#releaseDone();
    else if (result < 0 && !this.#closed) throw lastError(this.#shim);
  }

  /** Releases the frames whose work has ended, and requests a wake-up for the rest. */
  #releaseDone(): void {
    if (this.#closed || this.#gpu === null) return;
    const value = this.#workUntil(false);
    if (value > 0) this.#gpu.releases.reach(value);
  }

  /** The timeline value that released frames wait for; `all`: that all work on the peer's memory reaches; 0: none. */
  #workUntil(all: boolean): number {
    check(this.#shim, this.#shim.lf_shm_rx_pending(this.#handle, all ? 1 : 0, settling));
    return settling[0] as number;
  }

  forget(region: number): void {
    this.#buffers.find((shown) => shown?.region === region)?.buffer.close();
    this.#closeRemote(region);
  }

  #closeRemote(id: number): void {
    const cuda = this.#gpu?.remote.get(id);
    if (cuda === undefined) return;
    this.#gpu?.remote.delete(id);
    this.#shim.lf_cuda_close(cuda);
  }

  // ───────────── the rest ─────────────

  arm(): boolean {
    if (this.#arriving === null) return check(this.#shim, this.#shim.lf_rx_arm(this.#handle)) === 1;
    this.#arriving.arm();
    return false;
  }

  moved(spins: number): boolean {
    // The end of GPU work causes a wake-up: polls would find nothing.
    return this.#arriving === null && this.#shim.lf_shm_rx_poll(this.#handle, spins) === 1;
  }

  /** The exit of the producer ends this side's waits for its GPU work. */
  notified(ended: boolean): void {
    if (ended) this.#shim.lf_shm_rx_peer_status(this.#handle);
    this.#releaseDone();
  }

  settled(): Promise<void> | null {
    const gpu = this.#gpu;
    if (gpu === null || (gpu.device.queue.submitted && this.#workUntil(true) === 0)) return null;
    const settle = async () => {
      await submitted(gpu.device);
      for (let value = this.#workUntil(true); value > 0; value = this.#workUntil(true)) {
        await gpu.device.queue.wait(value);
      }
    };
    // After a timeout, and after the loss of the device, the shim keeps the memory.
    return settle().catch(() => {});
  }

  stats(): EndStats {
    const counted = endStats((out) => this.#shim.lf_rx_stats(this.#handle, out));
    const { length = 0, bytes = 0 } = this.#gpu?.arrivals ?? {};
    // Arriving frames are out of the ring, and not received.
    counted.frames -= length;
    counted.bytes -= bytes;
    counted.queued += length;
    counted.held = this.#inbox.held;
    return counted;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const shown of this.#buffers) shown?.buffer.close();
    this.#gpu?.arrivals.close();
    for (const id of [...(this.#gpu?.remote.keys() ?? [])]) this.#closeRemote(id);
    this.#inbox.close();
    this.#shim.lf_rx_close(this.#handle);
    this.#gpu?.device.release();
  }
}
