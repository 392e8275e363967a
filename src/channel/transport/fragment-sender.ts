/**
 * Sends buffers on a GPU over MPI. Three steps overlap: the GPU copies one fragment to pinned host memory, MPI sends the
 * fragment before it, and the receiver's GPU copies the fragment before that.
 */
import type { GpuDevice } from "../../gpu/device.ts";
import { deviceOf, holdMemory, type MemoryBuffer, nativeAddress } from "../../memory/buffer.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { BounceBuffers, FRAGMENTS } from "./bounce-buffers.ts";
import { BusyPoll } from "./busy-poll.ts";
import { GpuWait } from "./gpu-wait.ts";

const { LF_FRAGMENT_BYTES, LF_FULL, LF_UNTIL_SENT } = CONSTANTS;

const number = new Float64Array(new ArrayBuffer(8));

/** The buffer that is sent. `asked` bytes of it were given to the GPU, `posted` bytes to MPI. */
interface Sending {
  memory: number;
  /** Offset in `memory`, bytes. */
  offset: number;
  sizeBytes: number;
  asked: number;
  posted: number;
  unhold: (() => void) | null;
}

/** The bounce buffers for one GPU. */
interface DeviceBuffers {
  device: GpuDevice;
  slots: BounceBuffers;
  wait: GpuWait;
}

/** The state of one bounce buffer. */
interface Slot {
  /** The ticket of the last fragment that was sent from here. */
  ticket: number;
  /** The timeline value at which the next fragment is here; 0: `read` says whether it is. */
  value: number;
  read: boolean;
}

export class FragmentSender {
  readonly #shim = native();
  readonly #sender: number;
  readonly #wake: () => void;
  readonly #slots: Slot[] = Array.from({ length: FRAGMENTS }, () => ({ ticket: 0, value: 0, read: false }));
  readonly #busyPoll = new BusyPoll(() => this.step());
  #buffers: DeviceBuffers | null = null;
  #sending: Sending | null = null;
  /** Fragments of all buffers that were given to the GPU, and to MPI: they select the next slots. */
  #asked = 0;
  #posted = 0;
  /** Buffers that were read completely. */
  #read = 0;
  #failed: { error: unknown } | null = null;

  /** `wake` is called when a buffer was read completely, and the next one may begin. */
  constructor(sender: number, wake: () => void) {
    this.#sender = sender;
    this.#wake = wake;
  }

  /** Begins to send a buffer: its number, from 1; or the status of the shim if the queue is full. */
  start(buffer: MemoryBuffer): { started: number } | { result: number } {
    const { memory, offset } = nativeAddress(buffer);
    if (this.#failed) throw this.#failed.error;
    if (this.#sending) return { result: LF_FULL };
    this.#prepare(deviceOf(buffer) as GpuDevice);
    const { sizeBytes } = buffer;
    const result = this.#shim.lf_mpi_tx_begin_fragments(this.#sender, sizeBytes);
    if (result !== 1) return { result };
    // The user may close the buffer: an announced buffer is sent anyway.
    this.#sending = { memory, offset, sizeBytes, asked: 0, posted: 0, unhold: holdMemory(buffer) };
    const started = this.#read + 1;
    this.step();
    return { started };
  }

  /** Whether that buffer was read completely, so that it may be written again. Throws the error of the first failure. */
  hasRead(started: number): boolean {
    if (this.#failed) throw this.#failed.error;
    return this.#read >= started;
  }

  /** Whether a buffer is being sent. */
  get busy(): boolean {
    return this.#sending !== null && this.#failed === null;
  }

  #prepare(device: GpuDevice): void {
    if (this.#buffers?.device === device) return;
    this.#giveBack();
    const wait = new GpuWait(device, () => this.step());
    this.#buffers = { device, slots: new BounceBuffers(device), wait };
  }

  /** Makes progress without waiting, and arranges the next call. */
  step(): void {
    const sending = this.#sending;
    if (sending === null || this.#failed) return;
    try {
      this.#advance(sending, this.#buffers as DeviceBuffers);
    } catch (error) {
      this.#failed = { error };
    }
    if (sending.posted < sending.sizeBytes && !this.#failed) return;
    this.#sending = null;
    this.#read++;
    sending.unhold?.();
    this.#wake();
  }

  #advance(sending: Sending, buffers: DeviceBuffers): void {
    const { device, wait } = buffers;
    // Work on the buffer that was not submitted yet comes first.
    if (sending.asked === 0 && !device.queue.submitted) {
      wait.submitted();
      return;
    }
    for (;;) {
      const before = this.#asked + this.#posted;
      const full = this.#ask(sending, buffers);
      this.#post(sending, buffers);
      if (sending.posted === sending.sizeBytes) return;
      if (this.#asked + this.#posted > before) this.#busyPoll.moved();
      if (this.#busyPoll.again()) return;
      if (this.#asked > this.#posted) {
        const { value } = this.#slots[this.#posted % FRAGMENTS] as Slot;
        if (value > 0) wait.reach(value);
        return;
      }
      if (full > 0) {
        wait.reach(full);
        return;
      }
      // MPI still has to send from the slots: wait for its event.
      if (check(this.#shim, this.#shim.lf_tx_arm(this.#sender, LF_UNTIL_SENT)) === 0) return;
    }
  }

  /** Gives the GPU fragments for the free slots. The timeline value to wait for if its queue is full; else 0. */
  #ask(sending: Sending, { device, slots }: DeviceBuffers): number {
    const { memory, offset, sizeBytes } = sending;
    check(this.#shim, this.#shim.lf_mpi_tx_sent(this.#sender, number));
    const left = number[0] as number;
    while (sending.asked < sizeBytes && this.#asked - this.#posted < FRAGMENTS) {
      const at = this.#asked % FRAGMENTS;
      const slot = this.#slots[at] as Slot;
      if (slot.ticket > left) return 0;
      const length = Math.min(LF_FRAGMENT_BYTES, sizeBytes - sending.asked);
      slot.value = 0;
      slot.read = false;
      if (slots.memory === 0) {
        const done = () => {
          slot.read = true;
          this.step();
        };
        const failed = (error: unknown) => {
          this.#failed ??= { error };
          this.#wake();
        };
        device.queue.read(memory, offset + sending.asked, slots.view(at, length)).then(done, failed);
      } else {
        const { handle } = device;
        const to = slots.offset(at);
        const from = offset + sending.asked;
        const result = this.#shim.lf_queue_copy(handle, memory, from, slots.memory, to, length, number);
        if (check(this.#shim, result, "a fragment of a buffer") === LF_FULL) return number[0] as number;
        slot.value = number[0] as number;
      }
      sending.asked += length;
      this.#asked++;
    }
    return 0;
  }

  /** Gives the fragments that were read to MPI, in order. */
  #post(sending: Sending, { device, slots }: DeviceBuffers): void {
    while (this.#posted < this.#asked) {
      const at = this.#posted % FRAGMENTS;
      const slot = this.#slots[at] as Slot;
      if (!(slot.read || (slot.value > 0 && device.queue.reached(slot.value)))) return;
      const view = slots.view(at, Math.min(LF_FRAGMENT_BYTES, sending.sizeBytes - sending.posted));
      check(
        this.#shim,
        this.#shim.lf_mpi_tx_send_fragment(this.#sender, view, view.length, number),
        "a fragment of a buffer",
      );
      slot.ticket = number[0] as number;
      sending.posted += view.length;
      this.#posted++;
    }
  }

  /** Memory that MPI or the GPU still accesses is not freed. */
  close(): void {
    this.#sending?.unhold?.();
    this.#sending = null;
    this.#giveBack();
  }

  #giveBack(): void {
    const buffers = this.#buffers;
    if (buffers === null) return;
    this.#buffers = null;
    let sent = false;
    try {
      check(this.#shim, this.#shim.lf_mpi_tx_sent(this.#sender, number));
      sent = this.#asked === this.#posted && this.#slots.every(({ ticket }) => ticket <= (number[0] as number));
    } catch {
      // The peer has exited: MPI may still access the memory.
    }
    buffers.slots.close(sent);
  }
}
