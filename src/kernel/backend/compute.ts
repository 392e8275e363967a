/**
 * The interface of gpu.ts to a GPU's API: memory, pipelines, submissions of steps, and timeline values. vulkan.ts and
 * metal.ts implement it.
 */
import type { ComputeModule } from "../shader/module.ts";
import type { Target } from "../wgsl/extensions.ts";

/**
 * The heap of a memory. "device": device-local, not mapped. "upload": mapped, for writes of the host and reads of the
 * GPU. "upload" may be BAR memory, where reads of the host are slow: the host never reads it. "readback": mapped, for
 * writes of the GPU and reads of the host.
 */
export type MemoryUse = "device" | "upload" | "readback";

export interface ComputeMemory {
  readonly sizeBytes: number;
  /** The mapped memory, until close; null for "device". */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  /** Frees the memory when the last submission that uses it has ended. Idempotent. */
  close(): void;
}

export interface ComputePipeline {
  close(): void;
}

/** A step of a submission. Offsets and sizes are in bytes, and multiples of 4. */
export type Step = (
  | { kind: "dispatch"; pipeline: ComputePipeline; groups: number; push: Uint32Array }
  /** The number of workgroups is read at the step's beginning: three words (x, y, z) in `memory`, which may be 0. */
  | { kind: "indirect"; pipeline: ComputePipeline; memory: number; offset: number; push: Uint32Array }
  | { kind: "zero"; memory: number; offset: number; size: number }
  | { kind: "copy"; from: number; fromOffset: number; to: number; toOffset: number; size: number }
) & {
  /** The step may run at the same time as the step before it. Otherwise it sees the writes of all steps before it. */
  noBarrier?: boolean;
};

export interface ComputeDevice {
  /** The device's name in errors. */
  readonly name: string;
  /** Bytes of the largest memory that a shader can address. */
  readonly memoryMaxBytes: number;
  /** Optional features of its shaders. */
  readonly target: Target;
  /**
   * Loop iterations of one invocation in a dispatch, after which the device breaks out of loops; Infinity without
   * limit.
   */
  readonly loopRoundsMax: number;
  /**
   * Zeroed memory; `sizeBytes` is a multiple of 4. Rejects with GPU_OUT_OF_MEMORY, HOST_OUT_OF_MEMORY, and
   * INVALID_ARGUMENT above `memoryMaxBytes`.
   */
  allocate(use: MemoryUse, sizeBytes: number): Promise<ComputeMemory>;
  /**
   * Resolves when the pipeline is compiled. Rejects with SHADER_INVALID, INVALID_ARGUMENT where the workgroup is too
   * large for the GPU, and the reason of `signal`.
   */
  pipeline(module: ComputeModule, signal?: AbortSignal): Promise<ComputePipeline>;
  /**
   * Submits the steps, in order. A step's `memory` is an index of `memories`, which are also, in this order, the
   * shaders' storage buffers. The GPU sees earlier writes of the host; the host sees the GPU's writes when the returned
   * timeline value is reached. Returns 0 where the queue is full. The arguments may be changed afterwards. Throws
   * GPU_DEVICE_LOST.
   */
  submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number;
  /**
   * Arms a submission of the steps, which waits on the GPU for `trigger`. The submission also runs, untriggered, before
   * the next submission to the device. Returns the timeline value; 0 where the device can't do this.
   */
  arm(memories: readonly ComputeMemory[], steps: readonly Step[]): number;
  /** Whether the armed submission with that value still waits. */
  isArmed(value: number): boolean;
  /** Lets the armed submission run, if there is one. Throws GPU_DEVICE_LOST. */
  trigger(): void;
  /**
   * Whether a timeline value is reached, after a busy-poll of at most `spinUs` microseconds. Throws GPU_DEVICE_LOST.
   */
  reached(value: number, spinUs: number): boolean;
  /** Resolves when a timeline value is reached. Rejects with TIMEOUT, GPU_DEVICE_LOST. */
  wait(value: number, timeoutMs: number): Promise<void>;
  /**
   * Resolves when a submission for which the queue was full may be tried again. Rejects with TIMEOUT, GPU_DEVICE_LOST.
   */
  waitCapacity(timeoutMs: number): Promise<void>;
  /** To be called when no memory and no pipeline of the device is used any more. */
  close(): void;
}
