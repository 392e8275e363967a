/** A compute shader on one device. The driver compiles it on a thread of the shim: this thread's event loop turns meanwhile. */
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";
import type { GpuDevice } from "./device.ts";

/** The next poll comes after this share of the time that the compile has taken, which bounds what polling adds to it. */
const POLL_SHARE = 1 / 8;
/** Bounds of the time between two polls, milliseconds: the shortest timer; the longest that a finished compile goes unseen. */
const POLL_MIN_MS = 1;
const POLL_MAX_MS = 50;

export class GpuPipeline {
  readonly handle: number;
  #closed = false;

  /** Resolves when it is compiled. SHADER_INVALID, and what `signal` is aborted with; either closes it. `what` is for errors. */
  static async create(
    device: GpuDevice,
    spirv: Uint32Array,
    what: string,
    bindings: number,
    pushBytes: number,
    signal?: AbortSignal,
  ): Promise<GpuPipeline> {
    const shim = native();
    const made = shim.lf_pipeline_create(device.handle, spirv, spirv.byteLength, bindings, pushBytes);
    const pipeline = new GpuPipeline(check(shim, made, what));
    const began = performance.now();
    try {
      while (check(shim, shim.lf_pipeline_ready(pipeline.handle), what) === 0) {
        const ms = (performance.now() - began) * POLL_SHARE;
        await Bun.sleep(Math.min(Math.max(ms, POLL_MIN_MS), POLL_MAX_MS));
        signal?.throwIfAborted();
      }
      return pipeline;
    } catch (error) {
      pipeline.close();
      throw error;
    }
  }

  private constructor(handle: number) {
    this.handle = handle;
  }

  /** The shim keeps it until it has run for the last time. Idempotent. */
  close(): void {
    if (!this.#closed) native().lf_pipeline_close(this.handle);
    this.#closed = true;
  }
}
