/** What a receiving end over MPI has beside Rx: buffers that arrive in fragments, and its address. */
import type { GpuDevice } from "../../gpu/device.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { Arrivals } from "./arrivals.ts";
import type { CellFrame } from "./cell-frame.ts";
import { FragmentReceiver } from "./fragment-receiver.ts";
import type { RankPeer, RemoteEndpoint } from "./mpi-parameters.ts";
import { Rx, type RxPart } from "./rx.ts";

const address = new Float64Array(new ArrayBuffer(8));

export class MpiRx implements RxPart {
  readonly arrivals: Arrivals | null;
  readonly #shim = native();
  readonly #handle: number;
  readonly #rx: Rx;
  /** Null if this side uses no GPU. Buffers on the peer's GPU then arrive as bytes. */
  readonly #fragments: FragmentReceiver | null;

  /**
   * Connects to the endpoint of `peer`. Buffers on its GPU arrive in memory of `device`; `wake` is called when one has arrived.
   */
  static open(
    peer: RankPeer,
    { tag, slots }: RemoteEndpoint,
    device: GpuDevice | null,
    wake: () => void,
  ): { consumer: Rx; part: MpiRx } {
    const shim = native();
    const { rank, link, who } = peer;
    const opened = shim.lf_mpi_rx_open(rank, link, tag, slots, device ? 1 : 0, who, who.length);
    const handle = check(shim, opened, "receiving from the producer");
    let part!: MpiRx;
    // The job's progress thread polls.
    const consumer = new Rx(handle, false, (rx) => (part = new MpiRx(handle, rx, device, wake)));
    return { consumer, part };
  }

  private constructor(handle: number, rx: Rx, device: GpuDevice | null, wake: () => void) {
    this.#handle = handle;
    this.#rx = rx;
    const owner = { remoteMemory: none, bytesOf: none, giveBack: (token: number) => rx.giveBack(token) };
    // Fragments come frame by frame: no two frames arrive at once.
    this.arrivals = device && new Arrivals(device, owner, 1, wake);
    this.#fragments = device && new FragmentReceiver(handle, device, wake);
  }

  /** The address of this end for the producer; null until the producer's first message has come. */
  ready(): number | null {
    const result = check(this.#shim, this.#shim.lf_mpi_rx_ready(this.#handle, address));
    return result === CONSTANTS.LF_EMPTY ? null : (address[0] as number);
  }

  addArrival(frame: CellFrame): void {
    const fragments = this.#fragments as FragmentReceiver;
    this.arrivals?.assemble(frame, (block) => fragments.into(block, frame.sizeBytes));
  }

  /** The end's event also tells of a fragment. */
  armArrivals(): boolean {
    return this.#fragments?.busyPoll.again() || this.arrivals?.armAtGpu() || false;
  }

  /** The progress thread receives frames, until it needs a region that only this thread can retire. */
  notified(): void {
    this.#rx.frames.retireRegions((out) => this.#shim.lf_mpi_rx_retirable(this.#handle, out));
  }

  detach(): void {
    this.arrivals?.close();
  }

  release(): void {
    this.#fragments?.close();
  }
}

/** Over MPI no frame is in the memory of another GPU, or in a block before its copy to this one. */
function none(): never {
  throw new Error("a frame over MPI comes in fragments, or as bytes");
}
