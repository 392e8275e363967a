/** Ring kernels through Vulkan. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import type { GpuDevice } from "../../gpu/device.ts";
import { GpuPipeline } from "../../gpu/pipeline.ts";
import { allocateBar, allocateGpu, allocatePinned } from "../../memory/gpu.ts";
import type { NativeMemory } from "../../memory/memory.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check, lastError } from "../../native/status.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { ComputeModule } from "../shader/module.ts";
import { checkWorkgroup } from "../spirv/guards.ts";
import { type Target, targetOf } from "../wgsl/extensions.ts";
import type { KernelBackend } from "./backend.ts";
import type { ComputeDevice, ComputeMemory, ComputePipeline, MemoryUse, Step } from "./compute.ts";
import { openRings } from "./gpu.ts";
import { StepWords } from "./steps.ts";

/** Bytes of one memory, at most. Shaders count words in 32 bits; programs with more than 1 GiB use several runtimes. */
const MEMORY_MAX = 2 ** 30;
/** Loop iterations of an invocation on Mesa's software device (LP_MAX_TGSI_LOOP_ITERATIONS, Mesa 22). */
const SOFTWARE_ROUNDS = 65_535;
const WORD = 4;

class VulkanMemory implements ComputeMemory {
  readonly sizeBytes: number;
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  readonly memory: NativeMemory;
  readonly handle: number;

  constructor(memory: NativeMemory, isMapped: boolean) {
    this.memory = memory;
    this.handle = memory.handle;
    this.sizeBytes = memory.sizeBytes;
    this.bytes = isMapped ? memory.bytes : null;
  }

  close(): void {
    this.memory.close();
  }
}

/** A GPU. `close` releases `device`, which the caller has retained. */
export class VulkanCompute implements ComputeDevice {
  readonly name: string;
  readonly memoryMaxBytes: number;
  readonly target: Target;
  readonly loopRoundsMax: number;
  readonly #shim = native();
  readonly #device: GpuDevice;
  readonly #value = new Float64Array(new ArrayBuffer(8));
  #handles = new Int32Array(new ArrayBuffer(16 * WORD));
  readonly #steps = new StepWords();
  /** The timeline value at which the queue, full at the last submission, has capacity again. */
  #capacityAt = 0;

  constructor(device: GpuDevice) {
    this.#device = device;
    this.target = targetOf(device.info);
    this.name = this.target.name;
    this.loopRoundsMax = device.info.type === "cpu" ? SOFTWARE_ROUNDS : Number.POSITIVE_INFINITY;
    this.memoryMaxBytes = Math.min(MEMORY_MAX, device.info.storageMaxBytes, device.info.allocationMaxBytes);
  }

  async allocate(use: MemoryUse, sizeBytes: number): Promise<ComputeMemory> {
    if (sizeBytes > this.memoryMaxBytes) {
      throw invalidArgument("the memory of the kernels", sizeBytes, `at most ${this.memoryMaxBytes} bytes in all`);
    }
    const memory = new VulkanMemory(this.#memory(use, sizeBytes), use !== "device");
    try {
      await this.#device.queue.fill(memory.handle, 0, sizeBytes, 0);
    } catch (error) {
      memory.close();
      throw error;
    }
    return memory;
  }

  /** BAR memory for uploads, because the host's writes to it are posted; pinned host memory for readback. */
  #memory(use: MemoryUse, sizeBytes: number): NativeMemory {
    if (use === "device") return allocateGpu(this.#device, sizeBytes, false, null);
    if (use === "upload")
      return allocateBar(this.#device, sizeBytes) ?? allocateGpu(this.#device, sizeBytes, true, null);
    if (this.#device.info.hostImport) {
      try {
        const pinned = allocatePinned(this.#device, sizeBytes, null);
        if (pinned.gpu) return pinned;
        pinned.close(); // pinned by CUDA only: Vulkan can't use it
      } catch (error) {
        if (!(error instanceof LavaFlowError && error.code === "GPU_PINNING_FAILED")) throw error;
      }
    }
    return allocateGpu(this.#device, sizeBytes, true, null);
  }

  async pipeline(module: ComputeModule, signal?: AbortSignal): Promise<ComputePipeline> {
    checkWorkgroup(module, this.#device.info.workgroupMaxBytes, this.name);
    const { name, spirv, buffers, pushWords } = module;
    const bytes = pushWords * WORD;
    return GpuPipeline.create(this.#device, spirv, name, buffers, bytes, signal);
  }

  submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    const handles = this.#handlesOf(memories);
    const words = this.#steps.of(steps);
    const { handle } = this.#device;
    const result = this.#shim.lf_queue_steps(handle, handles, memories.length, words, steps.length, this.#value);
    if (this.#checked(result) !== CONSTANTS.LF_FULL) return this.#value[0] as number;
    this.#capacityAt = this.#value[0] as number;
    return 0;
  }

  arm(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    const handles = this.#handlesOf(memories);
    const words = this.#steps.of(steps);
    const { handle } = this.#device;
    const result = this.#shim.lf_queue_arm(handle, handles, memories.length, words, steps.length, this.#value);
    return this.#checked(result) === CONSTANTS.LF_FULL ? 0 : (this.#value[0] as number);
  }

  isArmed(value: number): boolean {
    return this.#checked(this.#shim.lf_queue_armed(this.#device.handle, value)) === 1;
  }

  trigger(): void {
    this.#checked(this.#shim.lf_queue_trigger(this.#device.handle));
  }

  #handlesOf(memories: readonly ComputeMemory[]): Int32Array {
    for (let i = 0; i < memories.length; i++) this.#handles[i] = (memories[i] as VulkanMemory).handle;
    return this.#handles;
  }

  #checked(result: number): number {
    if (result < 0) throw lastError(this.#shim, `kernels on ${this.name}`);
    return result;
  }

  reached(value: number, spinUs: number): boolean {
    const result = this.#shim.lf_queue_reached(this.#device.handle, value, spinUs);
    return check(this.#shim, result, `kernels on ${this.name}`) === 1;
  }

  wait(value: number, timeoutMs: number): Promise<void> {
    return this.#device.queue.wait(value, { timeoutMs }, "kernels did not end");
  }

  waitCapacity(timeoutMs: number): Promise<void> {
    return this.#device.queue.wait(this.#capacityAt, { timeoutMs }, "the queue of the GPU had no capacity");
  }

  close(): void {
    this.#shim.lf_queue_trigger(this.#device.handle); // an armed submission would keep its memory
    this.#device.release();
  }
}

/**
 * Kernels on `device`, which is retained until they are closed. GPU_OUT_OF_MEMORY, HOST_OUT_OF_MEMORY, GPU_DEVICE_LOST.
 */
export async function openVulkan(device: GpuDevice, clock: HybridLogicalClock): Promise<KernelBackend> {
  return openRings(new VulkanCompute(device.retain()), clock);
}
