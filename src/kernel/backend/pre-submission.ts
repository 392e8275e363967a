/**
 * Submissions ahead of time. When some in a row were alike, the next one is handed to the GPU before it is wanted, and waits
 * there; to let it go takes less time than to submit it. What is prepared also runs, unasked, when anything else is submitted to
 * the device: so submissions take turns, 0 and 1, and a dispatch whose turn it is not, as the memory says, does nothing.
 */
import type { ComputeDevice, ComputeMemory, Step } from "./compute.ts";
import { PUSH } from "./layout.ts";

/** So many alike, one after the other, have the next one prepared; twice as many after one that was not wanted. */
const ALIKE = 2;
const ALIKE_MAX = 1024;
/** How long what is prepared may wait on the GPU; twice that at most. */
const PREPARED_MS = 100;

/** What tells a submission of one dispatch from another. */
interface Alone {
  readonly step: Step;
  readonly groups: number;
  readonly who: number;
  readonly round: number;
}

export class Ahead {
  readonly #device: ComputeDevice;
  readonly #failed: (error: unknown) => void;
  /** The only dispatch of the last submission; how many in a row were as that one. */
  #last: Alone | null = null;
  #alike = 0;
  /** As many as it takes to prepare the next one. */
  #patience = ALIKE;
  /** What is prepared: it is as the last submission, and has the next turn. 0: nothing. */
  #prepared = 0;
  #turn = 0;
  /** Turns that were asked for. */
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `failed` is told when the device is found to be lost at a time when nobody submits. */
  constructor(device: ComputeDevice, failed: (error: unknown) => void) {
    this.#device = device;
    this.#failed = failed;
  }

  /** The turn of the next submission, which its dispatches are told. The memory is to say so before `submit`. */
  turn(steps: readonly Step[]): number {
    const last = this.#last;
    this.#last = aloneOf(steps);
    const isAlike = last !== null && this.#last !== null && areAlike(last, this.#last);
    this.#alike = isAlike ? this.#alike + 1 : 0;
    const wanted = isAlike && this.#prepared !== 0 && this.#device.isPrepared(this.#prepared);
    // What is prepared and not wanted takes its turn all the same, sooner or later.
    if (this.#prepared === 0 || wanted) this.#turn ^= 1;
    if (this.#prepared !== 0) this.#patience = wanted ? ALIKE : Math.min(2 * this.#patience, ALIKE_MAX);
    if (!wanted) this.#prepared = 0;
    for (const step of steps) {
      if (step.kind === "dispatch" || step.kind === "indirect") step.push[PUSH.TURN] = this.#turn;
    }
    this.#count++;
    return this.#turn;
  }

  /** As `submit` of the device, with the steps that `turn` was given. */
  submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    let value = this.#prepared;
    this.#prepared = 0;
    if (value === 0) value = this.#device.submit(memories, steps);
    else this.#device.go();
    if (value !== 0 && this.#alike >= this.#patience) this.#prepare(memories, steps);
    return value;
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** The GPU works meanwhile, so this costs no time. */
  #prepare(memories: readonly ComputeMemory[], steps: readonly Step[]): void {
    const [step] = steps as readonly [Step & { kind: "dispatch" }];
    step.push[PUSH.TURN] = this.#turn ^ 1;
    this.#prepared = this.#device.prepare(memories, steps);
    if (this.#prepared !== 0) this.#timer ??= this.#restLater();
  }

  #restLater(): ReturnType<typeof setTimeout> {
    const before = this.#count;
    const timer = setTimeout(() => {
      const isQuiet = this.#count === before;
      this.#timer = this.#prepared === 0 || isQuiet ? null : this.#restLater();
      if (isQuiet) this.#letGo();
    }, PREPARED_MS);
    timer.unref();
    return timer;
  }

  /** What is prepared runs, and does nothing. */
  #letGo(): void {
    if (this.#prepared === 0) return;
    this.#prepared = 0;
    this.#turn ^= 1;
    try {
      this.#device.go();
    } catch (error) {
      this.#failed(error);
    }
  }
}

function aloneOf(steps: readonly Step[]): Alone | null {
  const [step] = steps;
  if (steps.length !== 1 || step?.kind !== "dispatch") return null;
  const { groups, push } = step;
  return { step, groups, who: push[PUSH.WHO] as number, round: push[PUSH.ROUND] as number };
}

const areAlike = (a: Alone, b: Alone): boolean =>
  a.step === b.step && a.groups === b.groups && a.who === b.who && a.round === b.round;
