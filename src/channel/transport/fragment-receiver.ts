/** Buffers of another host's GPU, coming in pieces into memory of this side's own. */
import type { GpuDevice } from "../../gpu/device.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { Copy } from "./arrivals.ts";
import { BounceBuffers, FRAGMENTS } from "./bounce-buffers.ts";
import { BusyPoll } from "./busy-poll.ts";
import type { CopyBlock } from "./copy-blocks.ts";

const { LF_PIECE_BYTES, LF_FULL } = CONSTANTS;

const number = new Float64Array(new ArrayBuffer(8));

/** What a receiving end keeps for all its frames in pieces: they use one room, one after the other. */
export class FragmentReceiver {
  readonly #shim = native();
  readonly #receiver: number;
  readonly #device: GpuDevice;
  readonly #buffers: BounceBuffers;
  /** By slot: the ticket of what MPI puts there, and the value of the queue at which the GPU has taken it out. */
  readonly #tickets: number[] = new Array(FRAGMENTS).fill(0);
  readonly #values: number[] = new Array(FRAGMENTS).fill(0);
  /** Pieces that were expected of MPI, and that were handed to the GPU, of all frames. */
  #expected = 0;
  #handed = 0;

  /** While pieces come. */
  readonly busyPoll: BusyPoll;

  /** `wake` is called when it is worth looking again. */
  constructor(receiver: number, device: GpuDevice, wake: () => void) {
    this.busyPoll = new BusyPoll(wake);
    this.#receiver = receiver;
    this.#device = device;
    this.#buffers = new BounceBuffers(device);
  }

  /** The frame that comes next, into a block. */
  into(block: CopyBlock, sizeBytes: number): Copy {
    return new Incoming(this, block, sizeBytes);
  }

  /** Asks MPI for the next piece where there is a slot for it. */
  expect(sizeBytes: number): boolean {
    const slot = this.#expected % FRAGMENTS;
    if (this.#expected - this.#handed === FRAGMENTS) return false;
    const value = this.#values[slot] as number;
    if (value > 0 && !this.#device.queue.reached(value)) return false;
    const view = this.#buffers.view(slot, sizeBytes);
    check(this.#shim, this.#shim.lf_receiver_piece(this.#receiver, view, sizeBytes, number), "a piece of a buffer");
    this.#tickets[slot] = number[0] as number;
    this.#values[slot] = 0;
    this.#expected++;
    return true;
  }

  /** Hands the next piece to the GPU: the value to wait for; 0 where none has come; below 0 where there is no room before. */
  hand(block: CopyBlock, offset: number, sizeBytes: number): number {
    const slot = this.#handed % FRAGMENTS;
    check(this.#shim, this.#shim.lf_receiver_arrived(this.#receiver, number), "a buffer in pieces");
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
      const full = check(this.#shim, result, "a piece of a buffer") === LF_FULL;
      return full ? -(number[0] as number) : (number[0] as number);
    }
    for (let done = 0; done < sizeBytes; ) {
      const rest = this.#buffers.view(slot, sizeBytes).subarray(done);
      const result = this.#shim.lf_queue_write(handle, memory, offset + done, rest, rest.length, 1, number);
      if (check(this.#shim, result, "a piece of a buffer") !== LF_FULL) done += result;
      else if ((number[0] as number) > 0) this.#shim.lf_queue_reached(handle, number[0] as number, 1000);
    }
    return number[0] as number;
  }

  get queue(): GpuDevice["queue"] {
    return this.#device.queue;
  }

  /** What MPI may still write to stays. */
  close(): void {
    this.#buffers.leave(this.#expected === this.#handed);
  }
}

class Incoming implements Copy {
  readonly block: CopyBlock;
  readonly #receiver: FragmentReceiver;
  readonly #sizeBytes: number;
  #expected = 0;
  #handed = 0;
  /** The last value of this frame. */
  #value = 0;
  /** Where the queue goes on with it; 0 while it is MPI that is waited for. */
  next = 0;

  constructor(receiver: FragmentReceiver, block: CopyBlock, sizeBytes: number) {
    this.#receiver = receiver;
    this.block = block;
    this.#sizeBytes = sizeBytes;
  }

  step(): boolean {
    const size = this.#sizeBytes;
    // What the GPU does meanwhile is seen the next time: so it has to come.
    let working = this.#isWorking();
    const before = this.#expected + this.#handed;
    for (let moved = true; moved; ) {
      moved = false;
      while (this.#expected < size && this.#receiver.expect(Math.min(LF_PIECE_BYTES, size - this.#expected))) {
        this.#expected += LF_PIECE_BYTES;
        moved = true;
      }
      while (this.#handed < size) {
        const length = Math.min(LF_PIECE_BYTES, size - this.#handed);
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

  /** Whether the GPU has not ended what was handed to it of this frame. */
  #isWorking(): boolean {
    return this.#value > 0 && !this.#receiver.queue.reached(this.#value);
  }
}
