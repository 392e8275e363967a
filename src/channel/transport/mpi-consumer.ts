/** The receiving end of a channel over MPI. */
import type { GpuDevice } from "../../gpu/device.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import { readEventFd } from "../wait/event.ts";
import { Arrivals } from "./arrivals.ts";
import { type CellFrame, COPIED, type FrameOwner, IN_REGION } from "./cell-frame.ts";
import type { CopyBlock } from "./copy-blocks.ts";
import { type EndStats, endStats } from "./end.ts";
import { FragmentReceiver } from "./fragment-receiver.ts";
import { Inbox } from "./inbox.ts";
import type { RankPeer, RemoteEndpoint } from "./mpi-parameters.ts";
import type { ConsumerEnd } from "./transport.ts";

const address = new Float64Array(new ArrayBuffer(8));

interface GpuPart {
  device: GpuDevice;
  arrivals: Arrivals;
  fragments: FragmentReceiver;
}

export class MpiConsumer implements ConsumerEnd, FrameOwner {
  /** The job's progress thread polls. */
  readonly busyPolls = false;
  readonly #shim = native();
  readonly #handle: number;
  readonly #inbox: Inbox;
  /** Null if this side uses no GPU. Buffers on the peer's GPU then arrive as bytes. */
  readonly #gpu: GpuPart | null;
  #closed = false;

  /**
   * Connects to the endpoint of `peer`. Buffers on its GPU arrive in memory of `device`; `wake` is called when one has arrived.
   */
  static open(peer: RankPeer, { tag, slots }: RemoteEndpoint, device: GpuDevice | null, wake: () => void): MpiConsumer {
    const shim = native();
    const { rank, link, who } = peer;
    const handle = shim.lf_mpi_rx_open(rank, link, tag, slots, device ? 1 : 0, who, who.length);
    return new MpiConsumer(check(shim, handle, "receiving from the producer"), device, wake);
  }

  private constructor(handle: number, device: GpuDevice | null, wake: () => void) {
    const shim = this.#shim;
    this.#handle = handle;
    const calls = {
      receive: shim.lf_rx_receive,
      receiveWait: shim.lf_rx_receive_wait,
      region: shim.lf_rx_region,
      retire: shim.lf_rx_retire,
    };
    this.#inbox = new Inbox(handle, calls, this);
    this.#gpu = device && this.#useDevice(device.retain(), wake);
  }

  #useDevice(device: GpuDevice, wake: () => void): GpuPart {
    const owner = {
      remoteMemory: none,
      bytesOf: none,
      giveBack: (token: number) => this.release(token),
    };
    return {
      device,
      arrivals: new Arrivals(device, owner, wake),
      fragments: new FragmentReceiver(this.#handle, device, wake),
    };
  }

  /** The address of this end for the producer; null until the producer's first message has come. */
  ready(): number | null {
    const result = check(this.#shim, this.#shim.lf_mpi_rx_ready(this.#handle, address));
    return result === CONSTANTS.LF_EMPTY ? null : (address[0] as number);
  }

  eventFd(): number {
    return readEventFd((out) => this.#shim.lf_rx_event_fd(this.#handle, out));
  }

  tryRecv(): CellFrame | null {
    const gpu = this.#gpu;
    if (gpu === null) return this.#inbox.receive();
    if (gpu.arrivals.length > 0) return gpu.arrivals.next();
    const frame = this.#inbox.receive();
    return frame !== null && this.#arrives(frame) ? gpu.arrivals.next() : frame;
  }

  recvSync(timeoutMs: number, spinUs: number): CellFrame | null {
    const gpu = this.#gpu;
    if (gpu === null) return this.#inbox.receiveSync(timeoutMs, spinUs);
    const end = performance.now() + timeoutMs;
    if (gpu.arrivals.length === 0) {
      const frame = this.#inbox.receiveSync(timeoutMs, spinUs);
      if (frame === null || !this.#arrives(frame)) return frame;
    }
    for (;;) {
      const frame = gpu.arrivals.next();
      if (frame !== null) return frame;
      if (performance.now() >= end) return null;
      gpu.arrivals.nap();
    }
  }

  /** Whether the frame has to arrive on this side's GPU first; if so, begins the copy. */
  #arrives(frame: CellFrame): boolean {
    if (frame.state !== IN_REGION || frame.reach !== CONSTANTS.LF_REACH_STAGED) return false;
    const { arrivals, fragments } = this.#gpu as GpuPart;
    arrivals.assemble(frame, (block) => fragments.into(block, frame.sizeBytes));
    return true;
  }

  bytesOf(frame: CellFrame): Uint8Array<ArrayBuffer> {
    if (frame.state !== COPIED) return this.#inbox.view(frame);
    return (frame.copy as CopyBlock).buffer.bytes;
  }

  bufferOf(frame: CellFrame): MemoryBuffer | undefined {
    return frame.copy?.buffer;
  }

  release(token: number): void {
    const result = this.#shim.lf_rx_release(this.#handle, token);
    if (result < 0 && !this.#closed) throw lastError(this.#shim);
  }

  recycle(copy: CopyBlock): void {
    this.#gpu?.arrivals.recycle(copy);
  }

  forget(): void {}

  arm(): boolean {
    const gpu = this.#gpu;
    if (gpu && gpu.arrivals.length > 0 && (gpu.fragments.busyPoll.again() || gpu.arrivals.armAtGpu())) return false;
    return check(this.#shim, this.#shim.lf_rx_arm(this.#handle)) === 1;
  }

  /** The progress thread receives frames, until it needs a region that only `notified` can retire. */
  moved(): boolean {
    return false;
  }

  notified(): void {
    this.#inbox.retireRegions((out) => this.#shim.lf_mpi_rx_retirable(this.#handle, out));
  }

  settled(): null {
    return null;
  }

  stats(): EndStats {
    const stats = endStats((out) => this.#shim.lf_rx_stats(this.#handle, out));
    stats.held = this.#inbox.held;
    const arrivals = this.#gpu?.arrivals;
    if (!arrivals) return stats;
    // Arriving frames are not received.
    const { length, bytes } = arrivals;
    return { ...stats, frames: stats.frames - length, bytes: stats.bytes - bytes, queued: stats.queued + length };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gpu?.arrivals.close();
    this.#inbox.close();
    this.#shim.lf_rx_close(this.#handle);
    this.#gpu?.fragments.close();
    this.#gpu?.device.release();
  }
}

/** Over MPI no frame is in the memory of another GPU, or in a block before its copy to this one. */
function none(): never {
  throw new Error("a frame over MPI comes in fragments, or as bytes");
}
