/** The bodies of a GPU's kernels. Kernels with the same source share a body, which is compiled once. */

import type { Rounds } from "../shader/layout.ts";
import type { ComputeModule } from "../shader/module.ts";
import { toKernel } from "../shader/shader.ts";
import type { KernelSpec } from "./backend.ts";
import { Body } from "./body.ts";
import type { ComputeDevice } from "./compute.ts";
import type { GpuKernel } from "./gpu-kernel.ts";

/** Bodies in the cache, with unused ones, at most. */
const KEPT = 64;

interface Entry {
  body: Promise<Body<GpuKernel>>;
  /** Launches that wait for the compile, or did: without those that were given up. */
  waiting: number;
  readonly unwanted: AbortController;
}

export class Bodies {
  readonly #device: ComputeDevice;
  readonly #rounds: Rounds;
  readonly #entries = new Map<string, Entry>();

  constructor(device: ComputeDevice, rounds: Rounds) {
    this.#device = device;
    this.#rounds = rounds;
  }

  /**
   * The body of a source. Launches of the same source share its compile, which is aborted when `givenUp` of all of them
   * has aborted. Rejects with SHADER_INVALID.
   */
  of(wgsl: string, spec: KernelSpec, givenUp: AbortSignal): Promise<Body<GpuKernel>> {
    const key = JSON.stringify([spec.workgroupSize, spec.body.structs?.text, wgsl]);
    const entry = this.#entries.get(key) ?? this.#compile(key, wgsl, spec);
    entry.waiting++;
    const leave = () => {
      if (--entry.waiting > 0) return;
      this.#forget(key, entry);
      entry.unwanted.abort(givenUp.reason);
    };
    givenUp.addEventListener("abort", leave, { once: true });
    return entry.body.finally(() => givenUp.removeEventListener("abort", leave));
  }

  #compile(key: string, wgsl: string, { workgroupSize, id, body: { structs } }: KernelSpec): Entry {
    const unwanted = new AbortController();
    const body = this.#bodyOf(key, unwanted.signal, () =>
      toKernel(wgsl, workgroupSize, id, this.#rounds, this.#device.target, structs),
    );
    const entry: Entry = { body, waiting: 0, unwanted };
    this.#entries.set(key, entry);
    body.catch(() => this.#forget(key, entry));
    return entry;
  }

  /** Rejects with the reason of `unwanted`; a pipeline that the device made in spite of it is closed. */
  async #bodyOf(key: string, unwanted: AbortSignal, toModule: () => Promise<ComputeModule>): Promise<Body<GpuKernel>> {
    const module = await toModule();
    unwanted.throwIfAborted();
    const pipeline = await this.#device.pipeline(module, unwanted);
    if (unwanted.aborted) pipeline.close();
    unwanted.throwIfAborted();
    return new Body<GpuKernel>(key, pipeline);
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  /** A kernel no longer uses the body. An unused body stays for the next launch of its source, up to KEPT. */
  leave(body: Body<GpuKernel>): void {
    if (--body.users > 0 || this.#entries.size <= KEPT) return;
    this.#entries.delete(body.key);
    body.pipeline.close();
  }

  async close(): Promise<void> {
    for (const body of await Promise.allSettled([...this.#entries.values()].map((entry) => entry.body))) {
      if (body.status === "fulfilled") body.value.pipeline.close();
    }
  }
}
