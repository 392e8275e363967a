/** A body: the pipeline and the dispatches of all kernels with the same source. */

import { PUSH } from "../shader/layout.ts";
import { complete, type Memories, type Range } from "./arena.ts";
import type { ComputeDevice, ComputePipeline, Step } from "./compute.ts";

/** Milliseconds within which a shader's first dispatch must end: some drivers compile then. */
const COMPILE_MS = 300_000;
/** The parity of no submission: a dispatch with it does nothing. */
const NO_PARITY = 2;

/** `K`: the type of its kernels. */
export class Body<K> {
  /** Its key in `Bodies`. */
  readonly key: string;
  readonly pipeline: ComputePipeline;
  /** The number of kernels with this body. */
  users = 0;
  /** Its kernels that have messages for the next submission. */
  ready: K[] = [];
  readonly dispatch: Step & { kind: "dispatch" };
  /** Its index in the sizes of a round; -1 while none of its kernels has an inbox. */
  index = -1;
  /** Its kernels that have an inbox. */
  readonly peers: K[] = [];
  /** On the ready list: two lists of kernels, for even and for odd rounds. */
  lists: Range | null = null;
  /** Its dispatches, by the index of the round in a submission. */
  readonly rounds: (Step & { kind: "indirect" })[] = [];

  #hasRun = false;

  constructor(key: string, pipeline: ComputePipeline) {
    this.key = key;
    this.pipeline = pipeline;
    this.dispatch = { kind: "dispatch", pipeline, groups: 0, push: new Uint32Array(PUSH.WORDS) };
  }

  /**
   * Runs the shader once without effect: some drivers compile at the first dispatch, and no message should wait for
   * that. No submission may be in flight.
   */
  async prepare(device: ComputeDevice, { upload, readback, store, readyList }: Memories): Promise<void> {
    if (this.#hasRun) return;
    const push = new Uint32Array(PUSH.WORDS);
    push[PUSH.PARITY] = NO_PARITY;
    const step: Step = { kind: "dispatch", pipeline: this.pipeline, groups: 1, push };
    await complete(device, [upload.memory, readback.memory, store.memory, readyList.memory], [step], COMPILE_MS);
    this.#hasRun = true;
  }

  /** The dispatch for the `nth` round of a submission. */
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
