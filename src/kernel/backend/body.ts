/** What kernels with the same source have in common: a pipeline, and a dispatch. */
import type { Range } from "./arena.ts";
import type { ComputePipeline, Step } from "./compute.ts";
import { PUSH } from "./layout.ts";

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
  readonly partners: K[] = [];
  /** On the board: two lists of kernels, for rounds with an even and with an odd number. */
  lists: Range | null = null;
  /** Its dispatch of each round. */
  readonly rounds: (Step & { kind: "indirect" })[] = [];

  constructor(key: string, pipeline: ComputePipeline) {
    this.key = key;
    this.pipeline = pipeline;
    this.dispatch = { kind: "dispatch", pipeline, groups: 0, push: new Uint32Array(PUSH.WORDS) };
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
