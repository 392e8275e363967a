/** Receives buffers on another host's GPU, in fragments, into memory of this side's GPU. */
import type { GpuDevice } from "../../gpu/device.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { Copy } from "./arrivals.ts";
import { BounceBuffers, FRAGMENTS } from "./bounce-buffers.ts";
import { BusyPoll } from "./busy-poll.ts";
import type { CopyBlock } from "./copy-blocks.ts";

const { LF_FRAGMENT_BYTES, LF_FULL } = CONSTANTS;

const number = new Float64Array(new ArrayBuffer(8));

/** The bounce buffers of a receiving end. Its frames use them one after the other. */
export class FragmentReceiver {
  readonly #shim = native();
  readonly #receiver: number;
  readonly #device: GpuDevice;
  readonly #buffers: BounceBuffers;
  /** By slot: the ticket of the fragment from MPI, and the timeline value at which the GPU has copied it. */
  readonly #tickets: number[] = new Array(FRAGMENTS).fill(0);
  readonly #values: number[] = new Array(FRAGMENTS).fill(0);
  /** Fragments of all frames that were requested from MPI, and that were given to the GPU. */
  #expected = 0;
  #handed = 0;

  /** Polls while fragments arrive. */
  readonly busyPoll: BusyPoll;

  /** `wake` is called when a poll may find progress. */
  constructor(receiver: number, device: GpuDevice, wake: () => void) {
    this.busyPoll = new BusyPoll(wake);
    this.#receiver = receiver;
    this.#device = device;
    this.#buffers = new BounceBuffers(device);
  }

  /** The copy of the next frame to a block. */
  into(block: CopyBlock, sizeBytes: number): Copy {
    return new Incoming(this, block, sizeBytes);
  }

  /** Requests the next fragment from MPI; false while no slot is free. */
  expect(sizeBytes: number): boolean {
    const slot = this.#expected % FRAGMENTS;
    if (this.#expected - this.#handed === FRAGMENTS) return false;
    const value = this.#values[slot] as number;
    if (value > 0 && !this.#device.queue.reached(value)) return false;
    const view = this.#buffers.view(slot, sizeBytes);
    check(
      this.#shim,
      this.#shim.lf_mpi_rx_receive_fragment(this.#receiver, view, sizeBytes, number),
      "a fragment of a buffer",
    );
    this.#tickets[slot] = number[0] as number;
    this.#values[slot] = 0;
    this.#expected++;
    return true;
  }

  /**
   * Gives the next fragment to the GPU: the timeline value of its copy; 0 if none has arrived; if the queue is full, the
   * negated timeline value to wait for.
   */
  hand(block: CopyBlock, offset: number, sizeBytes: number): number {
    const slot = this.#handed % FRAGMENTS;
    check(this.#shim, this.#shim.lf_mpi_rx_arrived(this.#receiver, number), "a buffer in fragments");
    if (this.#handed === this.#expected || (this.#tickets[slot] as number) > (number[0] as number)) return 0;
    const value = this.#toGpu(slot, block, offset, sizeBytes);
    if (value < 0) return value;
    this.#values[slot] = value;
    this.#handed++;
    return value;
  }

  #toGpu(slot: number, { memory }: CopyBlock, offset: number, sizeBytes: number): number {
    const { handle } = this.#device;
    const { memory: pinned } = this.#buffers;
    if (pinned !== 0) {
      const from = this.#buffers.offset(slot);
      const result = this.#shim.lf_queue_copy(handle, pinned, from, memory, offset, sizeBytes, number);
      const full = check(this.#shim, result, "a fragment of a buffer") === LF_FULL;
      return full ? -(number[0] as number) : (number[0] as number);
    }
    for (let done = 0; done < sizeBytes; ) {
      const rest = this.#buffers.view(slot, sizeBytes).subarray(done);
      const result = this.#shim.lf_queue_write(handle, memory, offset + done, rest, rest.length, 1, number);
      if (check(this.#shim, result, "a fragment of a buffer") !== LF_FULL) done += result;
      else if ((number[0] as number) > 0) this.#shim.lf_queue_reached(handle, number[0] as number, 1000);
    }
    return number[0] as number;
  }

  get queue(): GpuDevice["queue"] {
    return this.#device.queue;
  }

  /** Memory that MPI may still write is not freed. */
  close(): void {
    this.#buffers.close(this.#expected === this.#handed);
  }
}

class Incoming implements Copy {
  readonly block: CopyBlock;
  readonly #receiver: FragmentReceiver;
  readonly #sizeBytes: number;
  #expected = 0;
  #handed = 0;
  /** The timeline value of the last fragment of this frame. */
  #value = 0;
  /** The timeline value that the copy waits for; 0 while it waits for MPI. */
  next = 0;

  constructor(receiver: FragmentReceiver, block: CopyBlock, sizeBytes: number) {
    this.#receiver = receiver;
    this.block = block;
    this.#sizeBytes = sizeBytes;
  }

  step(): boolean {
    const size = this.#sizeBytes;
    // Read once, at the start: if the GPU finishes during this step, a next step has to follow.
    let working = this.#isWorking();
    const before = this.#expected + this.#handed;
    for (let moved = true; moved; ) {
      moved = false;
      while (this.#expected < size && this.#receiver.expect(Math.min(LF_FRAGMENT_BYTES, size - this.#expected))) {
        this.#expected += LF_FRAGMENT_BYTES;
        moved = true;
      }
      while (this.#handed < size) {
        const length = Math.min(LF_FRAGMENT_BYTES, size - this.#handed);
        const value = this.#receiver.hand(this.block, this.#handed, length);
        if (value < 0) {
          this.next = -value;
          return false;
        }
        if (value === 0) break;
        this.#value = value;
        this.#handed += length;
        moved = working = true;
      }
    }
    this.next = working ? this.#value : 0;
    if (this.#expected + this.#handed > before) this.#receiver.busyPoll.moved();
    return this.#handed >= size && !this.#isWorking();
  }

  /** Whether the GPU still copies fragments of this frame. */
  #isWorking(): boolean {
    return this.#value > 0 && !this.#receiver.queue.reached(this.#value);
  }
}
