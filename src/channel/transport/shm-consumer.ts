/** The receiving end of a channel in shared memory, with or without a GPU. */
import type { GpuDevice } from "../../gpu/device.ts";
import { adoptMemory, type MemoryBuffer } from "../../memory/buffer.ts";
import { CONSTANTS, PORT_STATS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { exported } from "../../native/os-handle.ts";
import { check, lastError } from "../../native/status.ts";
import type { Frame } from "../frame.ts";
import type { Link } from "../link.ts";
import { AHEAD, Arrivals } from "./arrivals.ts";
import type { CopyBlock } from "./copy-blocks.ts";
import { GpuWait, submitted } from "./gpu-wait.ts";
import { Regions } from "./regions.ts";
import { COPIED, FREE, type FrameOwner, IN_REGION, INLINE, PLACE, ShmFrame } from "./shm-frame.ts";
import type { ConsumerEnd, EndStats } from "./transport.ts";

const { LF_INLINE_MAX, LF_EMPTY, LF_PENDING, LF_TIMEOUT, LF_REGION, LF_RETIRE } = CONSTANTS;
const { LF_REACH_HERE, LF_REACH_STAGED, LF_REGION_GPU } = CONSTANTS;

/** Frames that a receiver may hold before more are made. A released one comes round again only after all the others. */
const FRAMES = 64;

const stats = new Float64Array(new ArrayBuffer(PORT_STATS.size));
const settling = new Float64Array(new ArrayBuffer(8));

/** What a consumer has where its side uses a GPU. */
interface GpuPart {
  device: GpuDevice;
  arrivals: Arrivals;
  /** For frames that are to be released when work on them has ended. */
  releases: GpuWait;
  /** UUIDs of the producer's GPU and driver. */
  producer: Uint8Array;
  /** CUDA's view of its memory, by region. */
  foreign: Map<number, number>;
}

export class ShmConsumer implements ConsumerEnd, FrameOwner {
  readonly #shim = native();
  readonly #handle: number;
  #frames: ShmFrame[] = [];
  #next = 0;
  readonly #regions = new Regions(
    (id, out) => this.#shim.lf_consumer_region(this.#handle, id, out),
    (id) => this.#shim.lf_consumer_keep(this.#handle, id),
  );
  /**
   * The MemoryBuffers that receivers see, by the place of their region, which is in the token; one that they closed is
   * made again for the next frame.
   */
  readonly #buffers: ({ region: number; buffer: MemoryBuffer } | undefined)[] = [];
  #gpu: GpuPart | null = null;
  /** Where frames are that have to come to this side's GPU first; null while there are none. */
  #arriving: Arrivals | null = null;
  #closed = false;

  /** Null while the producer's segment has not arrived. */
  static open(link: Link, fenced: 0 | 1): ShmConsumer | null {
    const shim = native();
    const handle = check(shim, shim.lf_consumer_open(link.handle, fenced), "attaching to the producer's segment");
    return handle === LF_EMPTY ? null : new ShmConsumer(handle);
  }

  private constructor(handle: number) {
    this.#handle = handle;
    for (let i = 0; i < FRAMES; i++) this.#frames.push(new ShmFrame(this));
  }

  /** From now on buffers on a GPU are received as such: `producer` has the UUIDs of theirs, `device` is this side's. */
  useDevice(device: GpuDevice, producer: Uint8Array, wake: () => void): void {
    check(this.#shim, this.#shim.lf_consumer_use_device(this.#handle, device.handle, producer));
    const owner = {
      foreign: (region: number) => this.#foreign(region),
      bytesOf: (frame: ShmFrame) => this.bytesOf(frame),
      giveBack: (token: number) => this.#giveBack(token),
    };
    this.#gpu = {
      device: device.retain(),
      arrivals: new Arrivals(device, owner, wake),
      releases: new GpuWait(device, () => this.#settle()),
      producer,
      foreign: new Map(),
    };
  }

  // ───────────── receiving ─────────────

  tryRecv(): Frame | null {
    if (this.#arriving !== null) return this.#arrived(this.#arriving);
    const frame = this.#freeFrame();
    const result = this.#shim.lf_consumer_receive(this.#handle, frame.cell);
    if (result >= 0 && result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    if (result === LF_EMPTY) return null;
    const taken = this.#takeOther(frame, result);
    if (this.#gpu === null || taken === null || !this.#arrives(taken)) return taken;
    return this.#arrived(this.#gpu.arrivals);
  }

  recvSync(timeoutMs: number, spinUs: number): Frame | null {
    if (this.#arriving !== null) return this.#arrivedSync(this.#arriving, timeoutMs);
    const frame = this.#freeFrame();
    const result = this.#shim.lf_consumer_receive_wait(this.#handle, timeoutMs, spinUs, frame.cell);
    if (result >= 0 && result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    if (result === LF_TIMEOUT) return null;
    if (result === LF_RETIRE) {
      this.#retire(frame.region);
      return this.recvSync(timeoutMs, spinUs);
    }
    if (result < 0 && this.#renew(frame)) return this.recvSync(timeoutMs, spinUs);
    const taken = this.#takeOther(frame, result);
    if (this.#gpu === null || taken === null || !this.#arrives(taken)) return taken;
    return this.#arrivedSync(this.#gpu.arrivals, timeoutMs);
  }

  #take(frame: ShmFrame, state: number, sizeBytes: number): ShmFrame {
    this.#next++;
    frame.state = state;
    frame.sizeBytes = sizeBytes;
    return frame;
  }

  #takeOther(frame: ShmFrame, first: number): ShmFrame | null {
    let result = first;
    while (result === LF_RETIRE) {
      this.#retire(frame.region);
      result = this.#shim.lf_consumer_receive(this.#handle, frame.cell);
    }
    if (result < 0) {
      if (this.#renew(frame)) return this.#takeNext();
      throw lastError(this.#shim);
    }
    if (result === LF_REGION) return this.#take(frame, IN_REGION, frame.numbers[1] as number);
    if (result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    return null;
  }

  /** The next frame out of the ring, wherever it lies. */
  #takeNext(): ShmFrame | null {
    const frame = this.#freeFrame();
    return this.#takeOther(frame, this.#shim.lf_consumer_receive(this.#handle, frame.cell));
  }

  #freeFrame(): ShmFrame {
    const frame = this.#frames[this.#next & (this.#frames.length - 1)] as ShmFrame;
    return frame.state === FREE ? frame : this.#nextFree();
  }

  /** The next one is held: steps over those that are, and makes as many again where that takes long. */
  #nextFree(): ShmFrame {
    const { length } = this.#frames;
    for (let steps = 0; ; steps++) {
      if (steps === length / 2) for (let i = 0; i < length; i++) this.#frames.push(new ShmFrame(this));
      const frame = this.#frames[++this.#next & (this.#frames.length - 1)] as ShmFrame;
      if (frame.state === FREE) return frame;
    }
  }

  /** Whether a receiver transferred the cell's ArrayBuffer, which is then its own: the frame gets another one. */
  #renew(frame: ShmFrame): boolean {
    if (frame.cell.length > 0) return false;
    this.#frames[this.#frames.indexOf(frame)] = new ShmFrame(this);
    return true;
  }

  // ───────────── frames that have to be copied to this side's GPU ─────────────

  /** Whether the frame has to come to this side's GPU first; then it is on its way. */
  #arrives(frame: ShmFrame): boolean {
    if (frame.state !== IN_REGION || frame.reach === LF_REACH_HERE) return false;
    const { arrivals } = this.#gpu as GpuPart;
    if (frame.reach === LF_REACH_STAGED) arrivals.upload(frame);
    else arrivals.fetch(frame);
    this.#arriving = arrivals;
    return true;
  }

  /** The first of those on their way, when it is there. The next one is taken meanwhile, so that its copy begins. */
  #arrived(arrivals: Arrivals): ShmFrame | null {
    const first = arrivals.next();
    try {
      while (arrivals.length > 0 && arrivals.length < AHEAD) {
        const frame = this.#takeNext();
        if (frame === null) break;
        if (!this.#arrives(frame)) arrivals.add(frame);
      }
    } catch {
      // The end of the channel comes after those on their way, and is told then.
    }
    arrivals.prepare();
    if (arrivals.length === 0) this.#arriving = null;
    return first;
  }

  #arrivedSync(arrivals: Arrivals, timeoutMs: number): ShmFrame | null {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const frame = this.#arrived(arrivals);
      if (frame !== null) return frame;
      if (performance.now() >= end) return null;
      arrivals.nap();
    }
  }

  /** CUDA's view of the producer's memory in a region. */
  #foreign(region: number): number {
    const { foreign, producer } = this.#gpu as GpuPart;
    const known = foreign.get(region);
    if (known !== undefined) return known;
    const { sizeBytes, allocationBytes } = this.#regions.mapping(region);
    check(this.#shim, this.#shim.lf_consumer_claim(this.#handle, region, exported));
    const handle = exported[0] as bigint;
    const result = this.#shim.lf_cuda_import_foreign(handle, allocationBytes, sizeBytes, producer);
    const made = check(this.#shim, result, "the producer's memory in CUDA");
    foreign.set(region, made);
    return made;
  }

  // ───────────── what frames show, and giving them back ─────────────

  bytesOf(frame: ShmFrame): Uint8Array {
    const { token, sizeBytes } = frame;
    if (frame.state !== COPIED && token > 0) {
      return this.#regions.view(frame.region, token - 1, frame.numbers[0] as number, sizeBytes);
    }
    const { bytes } = this.bufferOf(frame) as MemoryBuffer;
    return sizeBytes === bytes.byteLength ? bytes : bytes.subarray(0, sizeBytes);
  }

  bufferOf(frame: ShmFrame): MemoryBuffer | undefined {
    if (frame.state === COPIED) return (frame.copy as CopyBlock).buffer;
    if (frame.token > 0) return undefined;
    const place = frame.token & PLACE;
    const known = this.#buffers[place];
    if (known !== undefined) return known.buffer;
    const buffer = this.#adopt(frame.region, place);
    this.#buffers[place] = { region: frame.region, buffer };
    return buffer;
  }

  #adopt(region: number, place: number): MemoryBuffer {
    const { memory, address, sizeBytes, allocationBytes, kind, hostVisible } = this.#regions.mapping(region);
    const release = (escaped: boolean) => {
      this.#buffers[place] = undefined;
      if (escaped) this.#regions.escaped(region);
    };
    if (kind !== LF_REGION_GPU) return adoptMemory(memory, address, sizeBytes, release);
    const { device } = this.#gpu as GpuPart;
    return adoptMemory(memory, address, sizeBytes, release, { device, allocationBytes, hostVisible });
  }

  release(token: number): void {
    // What has not been handed to the GPU yet, the shim does not know of.
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
    const result = this.#shim.lf_consumer_release(this.#handle, token);
    if (result === LF_PENDING) this.#settle();
    else if (result < 0 && !this.#closed) throw lastError(this.#shim);
  }

  /** Releases what can be by now, and comes back when more can. */
  #settle(): void {
    if (this.#closed || this.#gpu === null) return;
    const value = this.#workUntil(false);
    if (value > 0) this.#gpu.releases.reach(value);
  }

  /** The value that frames which are to be released wait for, or `all` work on the peer's memory; 0: none. */
  #workUntil(all: boolean): number {
    check(this.#shim, this.#shim.lf_consumer_settle(this.#handle, all ? 1 : 0, settling));
    return settling[0] as number;
  }

  /** The producer took a region back: nothing of it may be seen here any more. */
  #retire(id: number): void {
    this.#buffers.find((shown) => shown?.region === id)?.buffer.close();
    this.#regions.detach(id);
    this.#closeForeign(id);
    check(this.#shim, this.#shim.lf_consumer_retire(this.#handle, id));
  }

  #closeForeign(id: number): void {
    const cuda = this.#gpu?.foreign.get(id);
    if (cuda === undefined) return;
    this.#gpu?.foreign.delete(id);
    this.#shim.lf_cuda_close(cuda);
  }

  // ───────────── the rest ─────────────

  arm(): boolean {
    if (this.#arriving === null) return check(this.#shim, this.#shim.lf_consumer_arm(this.#handle)) === 1;
    this.#arriving.arm();
    return false;
  }

  /** The end of the producer's process ends what waits for its GPU work. */
  rang(): void {
    this.#settle();
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
    // Out of time, or out of a device: closing then leaves the rest to the shim.
    return settle().catch(() => {});
  }

  stats(): EndStats {
    check(this.#shim, this.#shim.lf_consumer_stats(this.#handle, stats));
    // Those on their way are out of the ring, and not received.
    const waiting = this.#gpu?.arrivals.length ?? 0;
    return {
      frames: (stats[PORT_STATS.frames / 8] as number) - waiting,
      bytes: (stats[PORT_STATS.bytes / 8] as number) - (this.#gpu?.arrivals.bytes ?? 0),
      full: 0,
      queued: (stats[PORT_STATS.queued / 8] as number) + waiting,
      importsCached: stats[PORT_STATS.imports / 8] as number,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const frame of this.#frames) frame.state = FREE;
    for (const shown of this.#buffers) shown?.buffer.close();
    this.#gpu?.arrivals.close();
    for (const id of [...(this.#gpu?.foreign.keys() ?? [])]) this.#closeForeign(id);
    this.#regions.detachAll();
    this.#shim.lf_consumer_close(this.#handle);
    this.#gpu?.device.release();
  }
}
