/** A device whose memory a test reads, and changes as a broken device would. */
import type {
  ComputeDevice,
  ComputeMemory,
  ComputePipeline,
  MemoryUse,
  Step,
} from "../../src/kernel/backend/compute.ts";
import type { ComputeModule } from "../../src/kernel/shader/module.ts";

export class Watched implements ComputeDevice {
  readonly name: string;
  readonly memoryMaxBytes: number;
  readonly loopRoundsMax: number;
  readonly target: ComputeDevice["target"];
  /** Called at the end of a submission, before the backend sees the end. */
  onEnd: () => void = () => {};
  /** Counts of submissions, armed submissions, those that isArmed found armed, and pipelines. */
  readonly counts = { submitted: 0, armed: 0, found: 0, pipelines: 0 };
  /** The value of the last armed submission. */
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

  /** The words of the last memory of a use. */
  words(use: "upload" | "readback"): Uint32Array {
    const { buffer, byteOffset, length } = this.#memories.get(use)!.bytes!;
    return new Uint32Array(buffer, byteOffset, length / 4);
  }

  async allocate(use: MemoryUse, sizeBytes: number): Promise<ComputeMemory> {
    const memory = await this.#inner.allocate(use, sizeBytes);
    this.#memories.set(use, memory);
    return memory;
  }

  pipeline(module: ComputeModule, signal?: AbortSignal): Promise<ComputePipeline> {
    this.counts.pipelines++;
    return this.#inner.pipeline(module, signal);
  }

  submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    this.counts.submitted++;
    return this.#inner.submit(memories, steps);
  }

  arm(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    this.counts.armed++;
    this.last = this.#inner.arm(memories, steps);
    return this.last;
  }

  isArmed(value: number): boolean {
    const isArmed = this.#inner.isArmed(value);
    if (isArmed) this.counts.found++;
    return isArmed;
  }

  trigger(): void {
    this.#inner.trigger();
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

  waitCapacity(timeoutMs: number): Promise<void> {
    return this.#inner.waitCapacity(timeoutMs);
  }

  close(): void {
    this.#inner.close();
  }
}
