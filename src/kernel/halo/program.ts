/** A compute shader on one device. */
import type { GpuDevice } from "../../gpu/device.ts";
import { GpuPipeline } from "../../gpu/pipeline.ts";
import { type MemoryBuffer, nativeMemory } from "../../memory/buffer.ts";
import { native } from "../../native/load.ts";
import { checkWorkgroup } from "../spirv/guards.ts";

/** Workgroups along one side of a dispatch, at most: the limit that every Vulkan device meets. */
export const GROUPS_MAX = 65_535;
const NOTHING = new Uint8Array(new ArrayBuffer(4));

export class Program {
  readonly #shim = native();
  readonly #device: GpuDevice;
  readonly #pipeline: GpuPipeline;
  readonly #what: string;

  /** Resolves when the driver has compiled the shader. `pushBytes`: of immediate data. Rejects with SHADER_INVALID. */
  static async make(
    device: GpuDevice,
    spirv: Uint32Array,
    what: string,
    bindings: number,
    pushBytes = 0,
    lines?: ReadonlyMap<string, number>,
  ): Promise<Program> {
    const { index, name, workgroupMaxBytes } = device.info;
    checkWorkgroup({ spirv, name: what, lines }, workgroupMaxBytes, `GPU ${index} (${name})`);
    return new Program(device, await GpuPipeline.create(device, spirv, what, bindings, pushBytes), what);
  }

  private constructor(device: GpuDevice, pipeline: GpuPipeline, what: string) {
    this.#device = device;
    this.#pipeline = pipeline;
    this.#what = what;
  }

  /** Resolves when the shader has run. `push` must not change until then. */
  run(memories: readonly MemoryBuffer[], groups: readonly [number, number, number], push?: Uint8Array): Promise<void> {
    const shim = this.#shim;
    const { handle, queue } = this.#device;
    const handles = new Int32Array(new ArrayBuffer(4 * memories.length));
    for (const [index, memory] of memories.entries()) handles[index] = nativeMemory(memory);
    const [x, y, z] = groups;
    return queue.submit([...handles], this.#what, (value) =>
      shim.lf_queue_dispatch(
        handle,
        this.#pipeline.handle,
        handles,
        handles.length,
        push ?? NOTHING,
        push?.length ?? 0,
        x,
        y,
        z,
        value,
      ),
    );
  }

  /** The shim keeps the pipeline until its last run has ended. */
  close(): void {
    this.#pipeline.close();
  }
}
