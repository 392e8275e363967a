/** Tiles in host memory, copied and computed by the processor. */
import { totalmem } from "node:os";
import { MemoryAllocator } from "../../memory/allocator.ts";
import { MemoryBuffer } from "../../memory/buffer.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import { BOX_WORDS, type BoxGroup, type BoxList } from "./boxes.ts";
import type { Copies, Engine, Memory } from "./engine.ts";
import { HostSweep } from "./host-sweep.ts";
import { noBody, type Sweep, type SweepSpec } from "./sweep.ts";

/** Bytes of one ArrayBuffer, at most. */
const MEMORY_MAX = 2 ** 32;

export class HostEngine implements Engine {
  readonly allocator = new MemoryAllocator({ devices: "none" });
  readonly gpu = false;
  readonly memoryMaxBytes = MEMORY_MAX;
  readonly capacity = { bytes: totalmem(), of: "this machine", code: "HOST_OUT_OF_MEMORY" } as const;

  async allocate(sizeBytes: number): Promise<MemoryBuffer> {
    return this.allocator.allocate(sizeBytes);
  }

  async copies(boxes: BoxList): Promise<Copies> {
    return new HostCopies(boxes);
  }

  async sweep(spec: SweepSpec): Promise<Sweep> {
    if (spec.handler) return new HostSweep(spec, spec.handler);
    throw noBody("a handler", "host memory", "a runtime on a GPU");
  }

  close(): void {
    this.allocator.close();
  }
}

class HostCopies implements Copies {
  readonly bytes: number;
  readonly #shim = native();
  readonly #groups: (Omit<BoxGroup, "words"> & { boxes: Uint32Array; count: number })[];

  constructor(list: BoxList) {
    this.bytes = list.bytes;
    this.#groups = list.groups.map(({ source, target, words }) => {
      const boxes = new Uint32Array(new ArrayBuffer(4 * words.length));
      boxes.set(words);
      return { source, target, boxes, count: words.length / BOX_WORDS };
    });
  }

  async run(memories: readonly Memory[]): Promise<void> {
    const shim = this.#shim;
    const bytes = memories.map((memory) => (memory instanceof MemoryBuffer ? memory.bytes : memory));
    for (const { source, target, boxes, count } of this.#groups) {
      const [from, to] = [bytes[source] as Uint8Array, bytes[target] as Uint8Array];
      check(shim, shim.lf_boxes_copy(to, to.length, from, from.length, boxes, count), "copying halos");
    }
  }

  close(): void {}
}
