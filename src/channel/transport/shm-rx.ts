/** What a receiving end over shared memory has beside Rx: MemoryBuffers of the peer that it maps, and GPUs. */
import type { GpuDevice } from "../../gpu/device.ts";
import { adoptMemory, type MemoryBuffer } from "../../memory/buffer.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { exported } from "../../native/os-handle.ts";
import { check } from "../../native/status.ts";
import type { Link } from "../wire/link.ts";
import { Arrivals } from "./arrivals.ts";
import { type CellFrame, REGION_INDEX } from "./cell-frame.ts";
import { GpuWait, submitted } from "./gpu-wait.ts";
import type { RingParameters } from "./ring.ts";
import { Rx, type RxPart } from "./rx.ts";

const { LF_EMPTY, LF_REACH_STAGED, LF_REGION_GPU } = CONSTANTS;

/** Frames that are out of the ring at once. With 2 the next copy runs while the user handles a frame. */
const ARRIVALS_MAX = 2;

const pendingValue = new Float64Array(new ArrayBuffer(8));

/** The state of a consumer that uses a GPU. */
interface GpuPart {
  device: GpuDevice;
  /** Waits for the end of work on frames that were released. */
  releases: GpuWait;
  /** UUIDs of the producer's GPU and driver. */
  producer: Uint8Array;
  /** CUDA handles of the producer's memory, by region. */
  remote: Map<number, number>;
}

export class ShmRx implements RxPart {
  arrivals: Arrivals | null = null;
  readonly #shim = native();
  readonly #handle: number;
  readonly #rx: Rx;
  /**
   * The MemoryBuffers of frames, by the index of their region, which is in the token. A buffer that the user closed is made
   * again for the next frame.
   */
  readonly #buffers: ({ region: number; buffer: MemoryBuffer } | undefined)[] = [];
  #gpu: GpuPart | null = null;

  /** Null while the producer's segment has not arrived. */
  static open(link: Link, { fenced, busyPoll }: RingParameters): { consumer: Rx; part: ShmRx } | null {
    const shim = native();
    const handle = check(shim, shim.lf_shm_rx_open(link.handle, fenced), "attaching to the producer's segment");
    if (handle === LF_EMPTY) return null;
    let part!: ShmRx;
    const consumer = new Rx(handle, busyPoll, (rx) => (part = new ShmRx(handle, rx)));
    return { consumer, part };
  }

  private constructor(handle: number, rx: Rx) {
    this.#handle = handle;
    this.#rx = rx;
  }

  /** From now on frames can be buffers on a GPU. `producer` has the UUIDs of the producer's GPU; `device` is this side's. */
  useDevice(device: GpuDevice, producer: Uint8Array, wake: () => void): void {
    check(this.#shim, this.#shim.lf_shm_rx_use_device(this.#handle, device.handle, producer));
    const owner = {
      remoteMemory: (region: number) => this.#importRemote(region),
      bytesOf: (frame: CellFrame) => this.#rx.bytesOf(frame),
      giveBack: (token: number) => this.#rx.giveBack(token),
    };
    this.arrivals = new Arrivals(device, owner, ARRIVALS_MAX, wake);
    this.#gpu = {
      device: device.retain(),
      releases: new GpuWait(device, () => this.releaseDone()),
      producer,
      remote: new Map(),
    };
  }

  // ───────────── frames that have to be copied to this side's GPU ─────────────

  addArrival(frame: CellFrame): void {
    if (frame.reach === LF_REACH_STAGED) this.arrivals?.upload(frame);
    else this.arrivals?.fetch(frame);
  }

  armArrivals(): boolean {
    this.arrivals?.arm();
    return true;
  }

  /** The CUDA handle of the producer's memory in a region. */
  #importRemote(region: number): number {
    const { remote, producer } = this.#gpu as GpuPart;
    const known = remote.get(region);
    if (known !== undefined) return known;
    const { sizeBytes, allocationBytes } = this.#rx.frames.regions.mapping(region);
    check(this.#shim, this.#shim.lf_shm_rx_claim(this.#handle, region, exported));
    const handle = exported[0] as bigint;
    const result = this.#shim.lf_cuda_import_os_handle(handle, allocationBytes, sizeBytes, producer);
    const made = check(this.#shim, result, "the producer's memory in CUDA");
    remote.set(region, made);
    return made;
  }

  // ───────────── the peer's buffers ─────────────

  wholeOf(frame: CellFrame): MemoryBuffer {
    const index = frame.token & REGION_INDEX;
    const known = this.#buffers[index];
    if (known !== undefined) return known.buffer;
    const buffer = this.#adopt(frame.region, index);
    this.#buffers[index] = { region: frame.region, buffer };
    return buffer;
  }

  #adopt(region: number, index: number): MemoryBuffer {
    const { memory, address, sizeBytes, allocationBytes, kind, hostVisible } = this.#rx.frames.regions.mapping(region);
    const release = () => {
      this.#buffers[index] = undefined;
    };
    if (kind !== LF_REGION_GPU) return adoptMemory(memory, address, sizeBytes, release);
    const { device } = this.#gpu as GpuPart;
    return adoptMemory(memory, address, sizeBytes, release, { device, allocationBytes, hostVisible });
  }

  /** The shim does not know of work that was not submitted yet. */
  releasesLater(token: number): boolean {
    if (this.#gpu === null || this.#gpu.device.queue.submitted) return false;
    const release = () => {
      if (!this.#rx.closed) this.#rx.giveBack(token);
    };
    submitted(this.#gpu.device).then(release, release);
    return true;
  }

  /** Releases the frames whose work has ended, and requests a wake-up for the rest. */
  releaseDone(): void {
    if (this.#rx.closed || this.#gpu === null) return;
    const value = this.#workUntil(false);
    if (value > 0) this.#gpu.releases.reach(value);
  }

  /** The timeline value that released frames wait for; `all`: that all work on the peer's memory reaches; 0: none. */
  #workUntil(all: boolean): number {
    check(this.#shim, this.#shim.lf_shm_rx_pending(this.#handle, all ? 1 : 0, pendingValue));
    return pendingValue[0] as number;
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

  // ───────────── waiting, and the end ─────────────

  /** The exit of the producer ends this side's waits for its GPU work. */
  notified(ended: boolean): void {
    if (ended) this.#shim.lf_shm_rx_peer_status(this.#handle);
    this.releaseDone();
  }

  settled(): Promise<void> | null {
    const gpu = this.#gpu;
    if (gpu === null || (gpu.device.queue.submitted && this.#workUntil(true) === 0)) return null;
    const finish = async () => {
      await submitted(gpu.device);
      for (let value = this.#workUntil(true); value > 0; value = this.#workUntil(true)) {
        await gpu.device.queue.wait(value);
      }
    };
    // After a timeout, and after the loss of the device, the shim keeps the memory.
    return finish().catch(() => {});
  }

  detach(): void {
    for (const shown of this.#buffers) shown?.buffer.close();
    this.arrivals?.close();
    for (const id of [...(this.#gpu?.remote.keys() ?? [])]) this.#closeRemote(id);
  }

  release(): void {
    this.#gpu?.device.release();
  }
}
