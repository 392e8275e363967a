/** A device whose memory a test looks into, and writes into where a broken one would. */
import type {
  ComputeDevice,
  ComputeMemory,
  ComputeModule,
  ComputePipeline,
  MemoryUse,
  Step,
} from "../../src/kernel/backend/compute.ts";

export class Watched implements ComputeDevice {
  readonly name: string;
  readonly memoryMaxBytes: number;
  readonly loopRoundsMax: number;
  readonly target: ComputeDevice["target"];
  /** What happens when a submission has ended, before its end is seen. */
  onEnd: () => void = () => {};
  /** How often something was submitted, prepared, and found to wait still; and pipelines that were made. */
  readonly counts = { submitted: 0, prepared: 0, found: 0, pipelines: 0 };
  /** What was prepared last. */
  last = 0;
  readonly #inner: ComputeDevice;
  readonly #memories = new Map<MemoryUse, ComputeMemory>();

  constructor(inner: ComputeDevice) {
    this.#inner = inner;
    this.name = inner.name;
    this.memoryMaxBytes = inner.memoryMaxBytes;
    this.loopRoundsMax = inner.loopRoundsMax;
    this.target = inner.target;
  }

  /** All that is mapped for the use, as words. */
  words(use: "upload" | "readback"): Uint32Array {
    const { buffer, byteOffset, length } = this.#memories.get(use)!.bytes!;
    return new Uint32Array(buffer, byteOffset, length / 4);
  }

  async allocate(use: MemoryUse, sizeBytes: number): Promise<ComputeMemory> {
    const memory = await this.#inner.allocate(use, sizeBytes);
    this.#memories.set(use, memory);
    return memory;
  }

  pipeline(module: ComputeModule): Promise<ComputePipeline> {
    this.counts.pipelines++;
    return this.#inner.pipeline(module);
  }

  submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    this.counts.submitted++;
    return this.#inner.submit(memories, steps);
  }

  prepare(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    this.counts.prepared++;
    this.last = this.#inner.prepare(memories, steps);
    return this.last;
  }

  isPrepared(value: number): boolean {
    const isPrepared = this.#inner.isPrepared(value);
    if (isPrepared) this.counts.found++;
    return isPrepared;
  }

  go(): void {
    this.#inner.go();
  }

  reached(value: number, spinUs: number): boolean {
    const isReached = this.#inner.reached(value, spinUs);
    if (isReached) this.onEnd();
    return isReached;
  }

  async wait(value: number, timeoutMs: number): Promise<void> {
    await this.#inner.wait(value, timeoutMs);
    this.onEnd();
  }

  room(timeoutMs: number): Promise<void> {
    return this.#inner.room(timeoutMs);
  }

  close(): void {
    this.#inner.close();
  }
}
