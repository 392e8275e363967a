/** What kernels with the same source have in common: a pipeline, and a dispatch. */

import { PUSH } from "../shader/layout.ts";
import { complete, type Memories, type Range } from "./arena.ts";
import type { ComputeDevice, ComputePipeline, Step } from "./compute.ts";

/** What a driver may take to make a shader ready. */
const COMPILE_MS = 300_000;
/** A dispatch with this turn does nothing. */
const NO_PARITY = 2;

/** `K`: its kernels, of which it knows nothing but who they are. */
export class Body<K> {
  /** What it is known by. */
  readonly key: string;
  readonly pipeline: ComputePipeline;
  /** How many kernels have it. */
  users = 0;
  /** Those of its kernels that have something to do. */
  ready: K[] = [];
  readonly dispatch: Step & { kind: "dispatch" };
  /** Its place in the sizes of a round; -1 while none of its kernels has an inbox. */
  index = -1;
  /** Its kernels that have an inbox. */
  readonly peers: K[] = [];
  /** On the ready list: two lists of kernels, for rounds with an even and with an odd number. */
  lists: Range | null = null;
  /** Its dispatch of each round. */
  readonly rounds: (Step & { kind: "indirect" })[] = [];

  #hasRun = false;

  constructor(key: string, pipeline: ComputePipeline) {
    this.key = key;
    this.pipeline = pipeline;
    this.dispatch = { kind: "dispatch", pipeline, groups: 0, push: new Uint32Array(PUSH.WORDS) };
  }

  /**
   * Has the driver do what it does when a shader first runs: some compile it then, and messages are not to wait for that. No
   * submission may be under way.
   */
  async prepare(device: ComputeDevice, { upload, readback, store, readyList }: Memories): Promise<void> {
    if (this.#hasRun) return;
    const push = new Uint32Array(PUSH.WORDS);
    push[PUSH.PARITY] = NO_PARITY;
    const step: Step = { kind: "dispatch", pipeline: this.pipeline, groups: 1, push };
    await complete(device, [upload.memory, readback.memory, store.memory, readyList.memory], [step], COMPILE_MS);
    this.#hasRun = true;
  }

  /** The dispatch of the `nth` round of a submission. */
  round(nth: number): Step & { kind: "indirect" } {
    this.rounds[nth] ??= {
      kind: "indirect",
      pipeline: this.pipeline,
      memory: 0,
      offset: 0,
      push: new Uint32Array(PUSH.WORDS),
    };
    return this.rounds[nth];
  }
}
