/** The receiving end of a shared-memory channel. */
import { LavaFlowError } from "../../errors.ts";
import { adoptMemory, type MemoryBuffer } from "../../memory/buffer.ts";
import { CONSTANTS, FRAME, PORT_STATS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import type { Frame } from "../frame.ts";
import type { Link } from "../link.ts";
import { Regions } from "./regions.ts";
import type { ConsumerEnd, EndStats } from "./transport.ts";

const { LF_INLINE_MAX, LF_EMPTY, LF_TIMEOUT, LF_REGION, LF_RETIRE } = CONSTANTS;

const FREE = 0;
const INLINE = 1;
const IN_REGION = 2;

/** The shim's tokens of frames that are MemoryBuffers start here; those below are blocks. */
const MEMORY_TOKEN = 0x80000000;

/**
 * One frame and the cell that the shim fills: small payloads are copied out of the ring into it (a move of at most two
 * cache lines), so that a held frame does not hold up the ring and the peer can't change what was received.
 */
class ShmFrame implements Frame {
  state = FREE;
  sizeBytes = 0;
  readonly cell = new Uint8Array(new ArrayBuffer(FRAME.size));
  readonly words = new Uint32Array(this.cell.buffer, FRAME.region, 2);
  /** Offset, length and sequence. */
  readonly numbers = new Float64Array(this.cell.buffer, FRAME.offset, 3);
  /** Views of the cell by length, made once each. */
  readonly #views: (Uint8Array | undefined)[] = new Array(LF_INLINE_MAX + 1);
  readonly #end: ShmConsumer;

  constructor(end: ShmConsumer) {
    this.#end = end;
  }

  get bytes(): Uint8Array {
    if (this.state === INLINE) {
      return (this.#views[this.sizeBytes] ??= new Uint8Array(this.cell.buffer, 0, this.sizeBytes));
    }
    if (this.state === IN_REGION) return this.#end.bytesOf(this);
    throw released();
  }

  get sequence(): number {
    return this.numbers[2] as number;
  }

  get buffer(): MemoryBuffer | undefined {
    if (this.state === FREE) throw released();
    return this.state === IN_REGION ? this.#end.bufferOf(this) : undefined;
  }

  release(): void {
    if (this.state === FREE) throw released();
    const token = this.state === INLINE ? 0 : (this.words[1] as number);
    this.state = FREE;
    this.#end.release(token);
  }

  [Symbol.dispose](): void {
    if (this.state !== FREE) this.release();
  }
}

function released(): LavaFlowError {
  return new LavaFlowError("CLOSED", "this frame was released", {
    remedy: "Copy what is needed later before release()",
  });
}

/** Frames that a receiver may hold before more are made. A released one comes round again only after all the others. */
const FRAMES = 64;

const stats = new Float64Array(new ArrayBuffer(PORT_STATS.size));

export class ShmConsumer implements ConsumerEnd {
  readonly #shim = native();
  readonly #handle: number;
  #frames: ShmFrame[] = [];
  #next = 0;
  readonly #regions = new Regions(
    (id, out) => this.#shim.lf_consumer_region(this.#handle, id, out),
    (id) => this.#shim.lf_consumer_keep(this.#handle, id),
  );
  /** The MemoryBuffers that receivers see, by region; one that they closed is made again for the next frame. */
  readonly #buffers = new Map<number, MemoryBuffer>();
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

  tryRecv(): Frame | null {
    const frame = this.#freeFrame();
    const result = this.#shim.lf_consumer_receive(this.#handle, frame.cell);
    if (result >= 0 && result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    if (result === LF_EMPTY) return null;
    return this.#takeOther(frame, result);
  }

  recvSync(timeoutMs: number, spinUs: number): Frame | null {
    const frame = this.#freeFrame();
    const result = this.#shim.lf_consumer_receive_wait(this.#handle, timeoutMs, spinUs, frame.cell);
    if (result >= 0 && result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    if (result === LF_TIMEOUT) return null;
    if (result === LF_RETIRE) {
      this.#retire(frame.words[0] as number);
      return this.recvSync(timeoutMs, spinUs);
    }
    if (result < 0 && this.#renew(frame)) return this.recvSync(timeoutMs, spinUs);
    return this.#takeOther(frame, result);
  }

  #take(frame: ShmFrame, state: number, sizeBytes: number): ShmFrame {
    this.#next++;
    frame.state = state;
    frame.sizeBytes = sizeBytes;
    return frame;
  }

  #takeOther(frame: ShmFrame, first: number): Frame | null {
    let result = first;
    while (result === LF_RETIRE) {
      this.#retire(frame.words[0] as number);
      result = this.#shim.lf_consumer_receive(this.#handle, frame.cell);
    }
    if (result < 0) {
      if (this.#renew(frame)) return this.tryRecv();
      throw lastError(this.#shim);
    }
    if (result === LF_REGION) return this.#take(frame, IN_REGION, frame.numbers[1] as number);
    if (result <= LF_INLINE_MAX) return this.#take(frame, INLINE, result);
    return null;
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

  release(token: number): void {
    const result = this.#shim.lf_consumer_release(this.#handle, token);
    if (result < 0 && !this.#closed) throw lastError(this.#shim);
  }

  bytesOf(frame: ShmFrame): Uint8Array {
    const id = frame.words[0] as number;
    const token = frame.words[1] as number;
    if (token < MEMORY_TOKEN) return this.#regions.view(id, token - 1, frame.numbers[0] as number, frame.sizeBytes);
    const { bytes } = this.bufferOf(frame) as MemoryBuffer;
    return frame.sizeBytes === bytes.byteLength ? bytes : bytes.subarray(0, frame.sizeBytes);
  }

  bufferOf(frame: ShmFrame): MemoryBuffer | undefined {
    const id = frame.words[0] as number;
    const known = this.#buffers.get(id);
    if (known || (frame.words[1] as number) < MEMORY_TOKEN) return known;
    const { memory, address, sizeBytes } = this.#regions.mapping(id);
    const buffer = adoptMemory(memory, address, sizeBytes, (escaped) => {
      this.#buffers.delete(id);
      if (escaped) this.#regions.escaped(id);
    });
    this.#buffers.set(id, buffer);
    return buffer;
  }

  /** The producer took a region back: nothing of it may be seen here any more. */
  #retire(id: number): void {
    this.#buffers.get(id)?.close();
    this.#regions.detach(id);
    check(this.#shim, this.#shim.lf_consumer_retire(this.#handle, id));
  }

  arm(): boolean {
    return check(this.#shim, this.#shim.lf_consumer_arm(this.#handle)) === 1;
  }

  stats(): EndStats {
    check(this.#shim, this.#shim.lf_consumer_stats(this.#handle, stats));
    return {
      frames: stats[PORT_STATS.frames / 8] as number,
      bytes: stats[PORT_STATS.bytes / 8] as number,
      full: 0,
      queued: stats[PORT_STATS.queued / 8] as number,
      importsCached: stats[PORT_STATS.imports / 8] as number,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const frame of this.#frames) frame.state = FREE;
    for (const buffer of [...this.#buffers.values()]) buffer.close();
    this.#regions.detachAll();
    this.#shim.lf_consumer_close(this.#handle);
  }
}
