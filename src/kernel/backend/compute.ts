/**
 * What the rings of a GPU backend need of the GPU's API, whichever that is: memory, pipelines, a submission of some steps,
 * and the value that tells of its end. gpu.ts is written over it; vulkan.ts and metal.ts are it.
 */
import type { ComputeModule } from "../shader/module.ts";
import type { Target } from "../wgsl/extensions.ts";

/**
 * Where memory lies. "device": where the GPU is fastest; the host does not see it. "upload": mapped, and best where the
 * host writes and the GPU reads; it may be the GPU's own, so the host never reads it. "readback": mapped, and best where
 * the GPU writes and the host reads.
 */
export type MemoryUse = "device" | "upload" | "readback";

export interface ComputeMemory {
  readonly sizeBytes: number;
  /** All of it, until close; null for "device". */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  /** Gives it back; what the GPU still works on stays until that has ended. Idempotent. */
  close(): void;
}

export interface ComputePipeline {
  close(): void;
}

/** Bytes; offsets and sizes are multiples of 4. */
export type Step = (
  | { kind: "dispatch"; pipeline: ComputePipeline; groups: number; push: Uint32Array }
  /** As many workgroups as three words (x, y, z) in `memory` say when it begins; there may be none. */
  | { kind: "indirect"; pipeline: ComputePipeline; memory: number; offset: number; push: Uint32Array }
  | { kind: "zero"; memory: number; offset: number; size: number }
  | { kind: "copy"; from: number; fromOffset: number; to: number; toOffset: number; size: number }
) & {
  /** It may run at the same time as the step before it. Otherwise it sees all that the steps before it wrote. */
  noBarrier?: boolean;
};

export interface ComputeDevice {
  /** For errors. */
  readonly name: string;
  /** The largest memory that a shader reaches, bytes. */
  readonly memoryMaxBytes: number;
  /** What its shaders may do beside what all may. */
  readonly target: Target;
  /** How often loops go round in one invocation of a dispatch before the device ends them; Infinity where it does not. */
  readonly loopRoundsMax: number;
  /** Zeroed. Sizes are multiples of 4. GPU_OUT_OF_MEMORY, HOST_OUT_OF_MEMORY, INVALID_ARGUMENT beyond `memoryMaxBytes`. */
  allocate(use: MemoryUse, sizeBytes: number): Promise<ComputeMemory>;
  /**
   * Resolves when it is compiled. SHADER_INVALID; INVALID_ARGUMENT for a workgroup that the GPU has no room for; what `signal` is
   * aborted with.
   */
  pipeline(module: ComputeModule, signal?: AbortSignal): Promise<ComputePipeline>;
  /**
   * Hands the steps over, in their order; a step's `memory` is an index of `memories`, which are also, in this order, the
   * shaders' storage buffers. Sees what the host wrote before, and the host sees what it wrote when the value that this
   * returns is reached. 0: the GPU has no room for it now. The arguments may be changed afterwards. GPU_DEVICE_LOST.
   */
  submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number;
  /**
   * Submits the steps early: they wait on the GPU for `trigger`. They also run, untriggered, before the next submission to the
   * device. Returns the timeline value; 0 where the device can't do this.
   */
  arm(memories: readonly ComputeMemory[], steps: readonly Step[]): number;
  /** Whether the armed submission with that value still waits. */
  isArmed(value: number): boolean;
  /** Lets the armed submission run, if there is one. GPU_DEVICE_LOST. */
  trigger(): void;
  /** Whether a submission has ended, after looking for at most `spinUs`. GPU_DEVICE_LOST. */
  reached(value: number, spinUs: number): boolean;
  /** Resolves when it has ended, sleeping where that takes long. TIMEOUT, GPU_DEVICE_LOST. */
  wait(value: number, timeoutMs: number): Promise<void>;
  /** Resolves when a submission that found no room may be tried again. TIMEOUT, GPU_DEVICE_LOST. */
  room(timeoutMs: number): Promise<void>;
  /** When nothing of it is used any more. */
  close(): void;
}
