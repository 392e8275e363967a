/**
 * Pre-submission: after three identical submissions in a row, the next one is submitted early and waits on the GPU for
 * a semaphore that the host signals. Signalling takes less time than submitting: on an H200 a call of a kernel takes
 * 1.2 x an empty submission with this file, and 1.5 x without. LAVA_FLOW_PRE_SUBMISSION=off switches it off.
 *
 * An armed submission also runs, untriggered, when anything else is submitted to the device. So submissions carry a
 * parity, alternately 0 and 1, and a dispatch whose parity differs from the one in the upload heap does nothing.
 */

import { PUSH } from "../shader/layout.ts";
import type { ComputeDevice, ComputeMemory, Step } from "./compute.ts";

/** Repetitions of a submission that arm the next one. A misprediction doubles the number, up to REPEATS_MAX. */
const REPEATS = 2;
const REPEATS_MAX = 1024;
/**
 * Milliseconds that a submission stays armed while the program submits nothing, at least; twice that time, at most.
 */
const ARMED_MS = 100;

/** The properties of a submission of one dispatch that are compared. */
interface Dispatch {
  readonly step: Step;
  readonly groups: number;
  readonly offset: number;
  readonly round: number;
}

export class PreSubmission {
  readonly #device: ComputeDevice;
  readonly #failed: (error: unknown) => void;
  readonly #enabled = process.env.LAVA_FLOW_PRE_SUBMISSION !== "off";
  /** The only dispatch of the last submission; null where it had several steps. */
  #last: Dispatch | null = null;
  /** Submissions in a row that were identical to the one before. */
  #repeats = 0;
  /** Repetitions that arm the next submission. */
  #needed = REPEATS;
  /**
   * The timeline value of the armed submission, which is identical to the last one and has the next parity; 0: none.
   */
  #armed = 0;
  #parity = 0;
  /** Calls of `next`. */
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `failed` is called when the device is found to be lost while no submission is made. */
  constructor(device: ComputeDevice, failed: (error: unknown) => void) {
    this.#device = device;
    this.#failed = failed;
  }

  /**
   * The parity of the next submission, which is set in its dispatches. The caller writes it to memory before `submit`.
   */
  next(steps: readonly Step[]): number {
    const last = this.#last;
    this.#last = onlyDispatch(steps);
    const isRepeat = last !== null && this.#last !== null && areIdentical(last, this.#last);
    this.#repeats = isRepeat ? this.#repeats + 1 : 0;
    const hit = isRepeat && this.#armed !== 0 && this.#device.isArmed(this.#armed);
    // A mispredicted submission runs sooner or later, and its parity counts as used.
    if (this.#armed === 0 || hit) this.#parity ^= 1;
    if (this.#armed !== 0) this.#needed = hit ? REPEATS : Math.min(2 * this.#needed, REPEATS_MAX);
    if (!hit) this.#armed = 0;
    for (const step of steps) {
      if (step.kind === "dispatch" || step.kind === "indirect") step.push[PUSH.PARITY] = this.#parity;
    }
    this.#count++;
    return this.#parity;
  }

  /** As `submit` of the device, with the steps that `next` was given. */
  submit(memories: readonly ComputeMemory[], steps: readonly Step[]): number {
    let value = this.#armed;
    this.#armed = 0;
    if (value === 0) value = this.#device.submit(memories, steps);
    else this.#device.trigger();
    if (value !== 0 && this.#enabled && this.#repeats >= this.#needed) this.#arm(memories, steps);
    return value;
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Arms the next submission while the GPU works on this one: the call takes no longer. */
  #arm(memories: readonly ComputeMemory[], steps: readonly Step[]): void {
    const [step] = steps as readonly [Step & { kind: "dispatch" }];
    step.push[PUSH.PARITY] = this.#parity ^ 1;
    this.#armed = this.#device.arm(memories, steps);
    if (this.#armed !== 0) this.#timer ??= this.#disarmLater();
  }

  #disarmLater(): ReturnType<typeof setTimeout> {
    const before = this.#count;
    const timer = setTimeout(() => {
      const isQuiet = this.#count === before;
      this.#timer = this.#armed === 0 || isQuiet ? null : this.#disarmLater();
      if (isQuiet) this.#disarm();
    }, ARMED_MS);
    timer.unref();
    return timer;
  }

  /** Lets the armed submission run: its dispatch does nothing, because the parity in memory is not its own. */
  #disarm(): void {
    if (this.#armed === 0) return;
    this.#armed = 0;
    this.#parity ^= 1;
    try {
      this.#device.trigger();
    } catch (error) {
      this.#failed(error);
    }
  }
}

function onlyDispatch(steps: readonly Step[]): Dispatch | null {
  const [step] = steps;
  if (steps.length !== 1 || step?.kind !== "dispatch") return null;
  const { groups, push } = step;
  return { step, groups, offset: push[PUSH.OFFSET] as number, round: push[PUSH.ROUND] as number };
}

const areIdentical = (a: Dispatch, b: Dispatch): boolean =>
  a.step === b.step && a.groups === b.groups && a.offset === b.offset && a.round === b.round;
