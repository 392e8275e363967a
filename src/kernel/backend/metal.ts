/** Ring kernels on Apple's GPUs, through Metal. */
import { invalidArgument } from "../../errors.ts";
import { cString } from "../../native/c-string.ts";
import { detach, viewOf } from "../../native/handle.ts";
import { CONSTANTS, METAL_INFO } from "../../native/layout.ts";
import { timedOut } from "../../native/limits.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { ComputeModule } from "../shader/module.ts";
import { toMsl } from "../shader/msl.ts";
import { checkWorkgroup } from "../spirv/guards.ts";
import type { Target } from "../wgsl/extensions.ts";
import type { KernelBackend } from "./backend.ts";
import type { ComputeDevice, ComputeMemory, ComputePipeline, MemoryUse, Step } from "./compute.ts";
import { openRings } from "./gpu.ts";
import { type NativePipeline, StepWords } from "./steps.ts";

/** Bytes of a memory, at most: naga's MSL has a buffer's size in 32 bits. */
const MEMORY_MAX_BYTES = 2 ** 32 - 4;
/** Memories of a submission, at most. */
const MEMORIES_MAX = 16;
/**
 * Milliseconds of polling in each turn of the event loop, before polling every POLL_MS: short work has ended by then.
 */
const TURNS_MS = 1;
const POLL_MS = 1;

const told = new Uint8Array(new ArrayBuffer(512));
const address = new BigUint64Array(new ArrayBuffer(8));
const reached = new Float64Array(new ArrayBuffer(8));
const handles = new Int32Array(new ArrayBuffer(4 * MEMORIES_MAX));

/** Why Metal can't be used here; null where it can. */
export function metalUnavailable(): string | null {
  const shim = native();
  const viable = check(shim, shim.lf_metal_viable(told.length, told), "Metal");
  return viable === 1 ? null : cString(told);
}

class MetalMemory implements ComputeMemory {
  readonly sizeBytes: number;
  bytes: Uint8Array<ArrayBuffer> | null;
  #handle: number;

  constructor(handle: number, sizeBytes: number, at: number) {
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
    this.bytes = at === 0 ? null : new Uint8Array(viewOf(at, sizeBytes));
  }

  get handle(): number {
    return this.#handle;
  }

  close(): void {
    if (this.#handle === 0) return;
    if (this.bytes) detach(this.bytes.buffer); // views of freed memory become empty
    native().lf_metal_memory_close(this.#handle);
    this.#handle = 0;
  }
}

class MetalPipeline implements NativePipeline {
  #handle: number;

  constructor(handle: number) {
    this.#handle = handle;
  }

  get handle(): number {
    return this.#handle;
  }

  close(): void {
    if (this.#handle === 0) return;
    native().lf_metal_pipeline_close(this.#handle);
    this.#handle = 0;
  }
}

/** Apple's default GPU, which shares the host's memory: "upload" and "readback" are the same. */
export class MetalDevice implements ComputeDevice {
  readonly name: string;
  readonly memoryMaxBytes: number;
  /** All of Apple's GPUs have f16. Subgroups are not supported yet: they depend on the GPU's family. */
  readonly target: Target;
  /** Apple's GPUs have no limit of loops. The system ends a submission after some seconds. */
  readonly loopRoundsMax = Number.POSITIVE_INFINITY;
  readonly #shim = native();
  #handle: number;
  /** Bytes of threadgroup memory. */
  readonly #workgroupMaxBytes: number;
  readonly #steps = new StepWords();
  /** The timeline value at which the queue, full at the last submission, has capacity again. */
  #capacityAt = 0;

  /** Throws BACKEND_UNAVAILABLE with the reason. */
  constructor() {
    this.#handle = check(this.#shim, this.#shim.lf_metal_open());
    const info = new Uint8Array(new ArrayBuffer(METAL_INFO.sizeof));
    check(this.#shim, this.#shim.lf_metal_describe(this.#handle, info), "Metal");
    this.name = cString(info);
    this.target = { name: this.name, f16: true, subgroups: [], subgroupF16: false };
    const fields = new DataView(info.buffer);
    const largest = fields.getFloat64(METAL_INFO.buffer_max, true);
    this.#workgroupMaxBytes = fields.getUint32(METAL_INFO.workgroup_max, true);
    this.memoryMaxBytes = Math.min(largest, MEMORY_MAX_BYTES);
  }

  async allocate(use: MemoryUse, sizeBytes: number): Promise<ComputeMemory> {
    if (!(Number.isInteger(sizeBytes) && sizeBytes > 0 && sizeBytes <= this.memoryMaxBytes && sizeBytes % 4 === 0))
      throw invalidArgument("sizeBytes", sizeBytes, `a multiple of 4 up to ${this.memoryMaxBytes}`);
    const handle = this.#shim.lf_metal_memory_create(this.#handle, sizeBytes, use === "device" ? 0 : 1, address);
    return new MetalMemory(check(this.#shim, handle), sizeBytes, Number(address[0]));
  }

  async pipeline(module: ComputeModule): Promise<ComputePipeline> {
    checkWorkgroup(module, this.#workgroupMaxBytes, this.name);
    const { source, sized } = await toMsl(module);
    const text = new TextEncoder().encode(source);
    const { workgroupSize, buffers, pushWords } = module;
    const list = new Uint8Array(new ArrayBuffer(Math.max(1, sized.length)));
    list.set(sized);
    const handle = this.#shim.lf_metal_pipeline_create(
      this.#handle,
      text,
      text.length,
      workgroupSize,
      buffers,
      pushWords,
      list,
      sized.length,
    );
    return new MetalPipeline(check(this.#shim, handle, module.name));
  }

  submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    if (memories.length > handles.length) throw invalidArgument("memories", memories.length, `up to ${handles.length}`);
    for (let i = 0; i < memories.length; i++) handles[i] = (memories[i] as MetalMemory).handle;
    const words = this.#steps.of(steps);
    const result = this.#shim.lf_metal_steps(this.#handle, handles, memories.length, words, steps.length, reached);
    check(this.#shim, result);
    const value = reached[0] as number;
    if (result !== CONSTANTS.LF_FULL) return value;
    this.#capacityAt = value;
    return 0;
  }

  /** Metal's queue has no pre-submission. */
  arm(): number {
    return 0;
  }

  isArmed(): boolean {
    return false;
  }

  trigger(): void {}

  reached(value: number, spinUs: number): boolean {
    return check(this.#shim, this.#shim.lf_metal_reached(this.#handle, value, spinUs)) === 1;
  }

  async wait(value: number, timeoutMs: number): Promise<void> {
    const start = performance.now();
    while (!this.reached(value, 0)) {
      const waited = performance.now() - start;
      if (waited >= timeoutMs) throw timedOut(`work did not end on ${this.name}`, timeoutMs);
      await (waited < TURNS_MS ? turn() : Bun.sleep(POLL_MS));
    }
  }

  /** Metal ends a command buffer shortly after its value is reached: one more turn of the event loop waits for that. */
  async waitCapacity(timeoutMs: number): Promise<void> {
    await this.wait(this.#capacityAt, timeoutMs);
    await turn();
  }

  close(): void {
    if (this.#handle === 0) return;
    this.#shim.lf_metal_close(this.#handle);
    this.#handle = 0;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A backend on Apple's default GPU. Rejects with BACKEND_UNAVAILABLE, GPU_OUT_OF_MEMORY, HOST_OUT_OF_MEMORY. */
export async function openMetal(clock: HybridLogicalClock): Promise<KernelBackend> {
  return openRings(new MetalDevice(), clock);
}
