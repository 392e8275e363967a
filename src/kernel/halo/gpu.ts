/** Tiles in a GPU's memory, copied and computed by its shaders. */
import type { GpuDevice } from "../../gpu/device.ts";
import { MemoryAllocator } from "../../memory/allocator.ts";
import type { MemoryBuffer } from "../../memory/buffer.ts";
import { toSpirv } from "../shader/shader.ts";
import { BOX_WORDS, type BoxGroup, type BoxList } from "./boxes.ts";
import { copyBoxes, GROUP_WORDS, JOB_WORDS, MEMORIES_MAX } from "./copy-boxes.ts";
import type { Copies, Engine, Memory } from "./engine.ts";
import { GpuSweep } from "./gpu-sweep.ts";
import { GROUPS_MAX, Program } from "./program.ts";
import type { Sweep, SweepSpec } from "./sweep.ts";

export class GpuEngine implements Engine {
  readonly allocator: MemoryAllocator;
  readonly gpu = true;
  readonly memoryMaxBytes: number;
  readonly capacity: Engine["capacity"];
  readonly device: GpuDevice;
  /** Programs that copy boxes, by their number of memories. */
  readonly #copiers = new Map<number, Promise<Program>>();

  constructor(device: GpuDevice) {
    const { index, name, storageMaxBytes, allocationMaxBytes, heapBytes } = device.info;
    this.allocator = new MemoryAllocator({ devices: [index] });
    this.device = device.retain();
    this.capacity = { bytes: heapBytes, of: `GPU ${index} (${name})`, code: "GPU_OUT_OF_MEMORY" };
    this.memoryMaxBytes = Math.min(storageMaxBytes, allocationMaxBytes);
  }

  async allocate(sizeBytes: number): Promise<MemoryBuffer> {
    const buffer = this.allocator.allocate(sizeBytes, { kind: "gpu", device: this.device.info.index });
    await buffer.fill(0);
    return buffer;
  }

  /** A new buffer with the given words. */
  async table(words: Uint32Array): Promise<MemoryBuffer> {
    const buffer = this.allocator.allocate(words.byteLength, { kind: "gpu", device: this.device.info.index });
    await buffer.write(words);
    return buffer;
  }

  async copies(boxes: BoxList): Promise<Copies> {
    const dispatches: Dispatch[] = [];
    for (const groups of byReach(boxes.groups)) dispatches.push(await this.#dispatch(groups));
    return new GpuCopies(boxes.bytes, dispatches);
  }

  async #dispatch(groups: readonly BoxGroup[]): Promise<Dispatch> {
    const memories = reachOf(groups);
    const words: number[] = [];
    for (const group of groups) addJobs(words, group, memories.indexOf(group.source), memories.indexOf(group.target));
    const count = words.length / JOB_WORDS;
    const program = await this.#copier(memories.length);
    return { program, memories, jobs: await this.table(new Uint32Array(words)), groups: spread(count) };
  }

  #copier(memories: number): Promise<Program> {
    const known = this.#copiers.get(memories);
    if (known) return known;
    const what = "the exchange of halos";
    const made = toSpirv(copyBoxes(memories), what).then((spirv) =>
      Program.make(this.device, spirv, what, memories + 1),
    );
    this.#copiers.set(memories, made);
    return made;
  }

  sweep(spec: SweepSpec): Promise<Sweep> {
    return GpuSweep.make(this, spec);
  }

  close(): void {
    for (const made of this.#copiers.values()) {
      made.then(
        (program) => program.close(),
        () => {}, // the caller got the error
      );
    }
    this.allocator.close();
    this.device.release();
  }
}

/** Groups along x, y and z for `count` workgroups; there are up to one row more. */
export function spread(count: number): [number, number, number] {
  const rows = Math.ceil(count / GROUPS_MAX);
  return [Math.ceil(count / rows), rows, 1];
}

const reachOf = (groups: readonly BoxGroup[]): number[] => [
  ...new Set(groups.flatMap(({ source, target }) => [source, target])),
];

/** Divides the groups into dispatches that use at most MEMORIES_MAX memories each: nearly always one dispatch. */
function byReach(groups: readonly BoxGroup[]): BoxGroup[][] {
  const dispatches: BoxGroup[][] = [];
  for (const group of groups) {
    const last = dispatches.at(-1);
    if (last && reachOf([...last, group]).length <= MEMORIES_MAX) last.push(group);
    else dispatches.push([group]);
  }
  return dispatches;
}

/** Adds a job for each GROUP_WORDS words of each box. */
function addJobs(out: number[], { words }: BoxGroup, from: number, to: number): void {
  for (let at = 0; at < words.length; at += BOX_WORDS) {
    const [source, target, x, y, z, ...strides] = words.slice(at, at + BOX_WORDS) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const all = x * y * z;
    for (let first = 0; first < all; first += GROUP_WORDS) {
      out.push(source, target, x, y, ...strides, first, Math.min(GROUP_WORDS, all - first), from, to);
    }
  }
}

interface Dispatch {
  readonly program: Program;
  /** Indices of memories in the list, in the order of the bindings behind the jobs. */
  readonly memories: readonly number[];
  readonly jobs: MemoryBuffer;
  readonly groups: [number, number, number];
}

class GpuCopies implements Copies {
  readonly bytes: number;
  readonly #dispatches: readonly Dispatch[];

  constructor(bytes: number, dispatches: readonly Dispatch[]) {
    this.bytes = bytes;
    this.#dispatches = dispatches;
  }

  async run(memories: readonly Memory[]): Promise<void> {
    await Promise.all(
      this.#dispatches.map((each) => {
        const reached = each.memories.map((memory) => memories[memory]) as MemoryBuffer[];
        return each.program.run([each.jobs, ...reached], each.groups);
      }),
    );
  }

  close(): void {
    for (const { jobs } of this.#dispatches) jobs.close();
  }
}
