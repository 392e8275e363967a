/** The steps of a submission as the shim reads them: an array of lf_step, for all APIs. */
import { CONSTANTS, STEP } from "../../native/layout.ts";
import type { ComputePipeline, Step } from "./compute.ts";

const { LF_STEP_DISPATCH, LF_STEP_INDIRECT, LF_STEP_ZERO, LF_STEP_COPY } = CONSTANTS;
const WORD = 4;
const STEP_WORDS = STEP.sizeof / WORD;
/** Offsets of a step's fields, in words. */
const AT = {
  kind: STEP.kind / WORD,
  noBarrier: STEP.no_barrier / WORD,
  pipeline: STEP.pipeline / WORD,
  groups: STEP.groups / WORD,
  memory: STEP.memory / WORD,
  offset: STEP.offset / WORD,
  bytes: STEP.bytes / WORD,
  to: STEP.to / WORD,
  toOffset: STEP.to_offset / WORD,
  push: STEP.push / WORD,
} as const;

/** A pipeline of the shim. */
export interface NativePipeline extends ComputePipeline {
  readonly handle: number;
}

/** Memory for the steps of a submission, which grows and is reused: the shim copies the steps. */
export class StepWords {
  #words = new Uint32Array(new ArrayBuffer(STEP.sizeof));

  of(steps: readonly Step[]): Uint32Array {
    if (this.#words.length < steps.length * STEP_WORDS)
      this.#words = new Uint32Array(new ArrayBuffer(steps.length * STEP.sizeof));
    for (let i = 0; i < steps.length; i++) write(this.#words, i * STEP_WORDS, steps[i] as Step);
    return this.#words;
  }
}

function write(words: Uint32Array, at: number, step: Step): void {
  words[at + AT.noBarrier] = step.noBarrier ? 1 : 0;
  switch (step.kind) {
    case "dispatch":
      words[at + AT.kind] = LF_STEP_DISPATCH;
      words[at + AT.groups] = step.groups;
      break;
    case "indirect":
      words[at + AT.kind] = LF_STEP_INDIRECT;
      words[at + AT.memory] = step.memory;
      words[at + AT.offset] = step.offset;
      break;
    case "zero":
      words[at + AT.kind] = LF_STEP_ZERO;
      words[at + AT.memory] = step.memory;
      words[at + AT.offset] = step.offset;
      words[at + AT.bytes] = step.size;
      return;
    case "copy":
      words[at + AT.kind] = LF_STEP_COPY;
      words[at + AT.memory] = step.from;
      words[at + AT.offset] = step.fromOffset;
      words[at + AT.bytes] = step.size;
      words[at + AT.to] = step.to;
      words[at + AT.toOffset] = step.toOffset;
      return;
  }
  words[at + AT.pipeline] = (step.pipeline as NativePipeline).handle;
  for (let i = 0; i < step.push.length; i++) words[at + AT.push + i] = step.push[i] as number;
}
