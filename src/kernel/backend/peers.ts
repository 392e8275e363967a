/**
 * Kernels that message each other on the device. A submission runs them in rounds, with barriers between: what is sent in one
 * round is read in the next. Who is to run next is listed on the device, and so is how many they are, so that the host is
 * not asked; it only goes on with further submissions while somebody is listed.
 */
import { LavaFlowError } from "../../errors.ts";
import { BODIES, PUSH, ROUNDS, SIZES, WOKEN } from "../shader/layout.ts";
import { clear, type Memories, type Range } from "./arena.ts";
import type { Body } from "./body.ts";
import type { ComputeDevice, Step } from "./compute.ts";
import { type GpuKernel, sizesOf } from "./gpu-kernel.ts";
import { Inboxes } from "./inboxes.ts";

const WORD = 4;
/** The places of the memories in a submission. */
const [READBACK, READY_LIST] = [1, 3];
/** Rounds of one submission: as long as they have work, each has twice as many as the one before. */
const ROUNDS_MIN = 2;
const ROUNDS_MAX = ROUNDS / 2;
/** So many dispatches of one submission are recorded in some microseconds. */
const DISPATCHES_MAX = 64;

export class Peers {
  readonly #memories: Memories;
  readonly #inboxes: Inboxes;
  /** Where the sizes of the round after the last one are copied to. */
  readonly #rest: Range;
  /** By their place in the sizes of a round; null: nobody has it. */
  readonly #bodies: (Body<GpuKernel> | null)[] = new Array(BODIES).fill(null);
  #kernels: GpuKernel[] = [];
  /** The last round that ran. */
  #round = 1;
  #count = ROUNDS_MIN;
  /** Somebody is listed for the next round. */
  #isRunning = false;

  private constructor(memories: Memories, rest: Range) {
    this.#memories = memories;
    this.#inboxes = new Inboxes(memories);
    this.#rest = rest;
  }

  static async open(memories: Memories): Promise<Peers> {
    await memories.readyList.take(SIZES.WORDS);
    return new Peers(memories, await memories.readback.take(SIZES.ROUND_WORDS));
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get round(): number {
    return this.#round;
  }

  all(): readonly GpuKernel[] {
    return this.#kernels;
  }

  // ───────────── who they are ─────────────

  /** A kernel was launched: others may have routes to it already. */
  async appeared(kernel: GpuKernel, all: ReadonlyMap<number, GpuKernel>, device: ComputeDevice): Promise<void> {
    for (const other of all.values()) {
      for (const [route, destination] of other.routes.entries()) {
        if (destination === kernel.spec.number) await this.point(other, route, all, device);
      }
    }
  }

  /** Tells the device where a route of `kernel` leads. */
  async point(
    kernel: GpuKernel,
    route: number,
    all: ReadonlyMap<number, GpuKernel>,
    device: ComputeDevice,
  ): Promise<void> {
    const peer = all.get(kernel.routes[route] as number) ?? null;
    kernel.point(route, null);
    if (peer && (await this.#admit(peer, device))) kernel.point(route, peer);
    kernel.hasPeers = kernel.routes.some((destination) => all.get(destination)?.inbox);
  }

  /** Gives it an inbox. False where there is no place for its body. */
  async #admit(kernel: GpuKernel, device: ComputeDevice): Promise<boolean> {
    const { body } = kernel;
    if (kernel.inbox) return true;
    const place = body.index < 0 ? this.#bodies.indexOf(null) : body.index;
    if (place < 0) return false;
    const { store } = this.#memories;
    const header = await this.#inboxes.take(kernel, device);
    let slots: Range | undefined;
    try {
      slots = await store.take(sizesOf(kernel.spec).slots);
      await clear(device, [[store, slots]]);
      await this.#list(body, body.peers.length + 1, device);
    } catch (error) {
      this.#inboxes.give(kernel);
      if (slots) store.give(slots);
      throw error;
    }
    body.index = place;
    this.#bodies[place] = body;
    body.peers.push(kernel);
    this.#kernels.push(kernel);
    kernel.open({ readyList: header, slots });
    kernel.listAt(body.lists as Range);
    return true;
  }

  /** Lists with room for `count` kernels of a body. */
  async #list(body: Body<GpuKernel>, count: number, device: ComputeDevice): Promise<void> {
    const { readyList } = this.#memories;
    if (body.lists && body.lists.size >= 2 * count) return;
    const lists = await readyList.take(4 * count);
    if (body.lists) {
      await this.#unlist(device);
      readyList.give(body.lists);
    }
    body.lists = lists;
    for (const kernel of body.peers) kernel.listAt(lists);
  }

  /** Forgets who is listed; instead all of them run in the next submission. */
  async #unlist(device: ComputeDevice): Promise<void> {
    const { readyList } = this.#memories;
    await clear(device, [[readyList, { at: 0, size: SIZES.WORDS }]]);
    this.#round++;
    this.#isRunning = false;
    for (const kernel of this.#kernels) {
      if (!kernel.isActive) continue;
      kernel.isDue = true;
      kernel.resume();
    }
  }

  /** A kernel is closed. */
  async vanished(kernel: GpuKernel, all: ReadonlyMap<number, GpuKernel>, device: ComputeDevice): Promise<void> {
    for (const other of all.values()) {
      for (const [route, destination] of other.routes.entries()) {
        if (destination === kernel.spec.number) other.point(route, null);
      }
    }
    const { inbox, body } = kernel;
    if (!inbox) return;
    this.#kernels = this.#kernels.filter((each) => each !== kernel);
    body.peers.splice(body.peers.indexOf(kernel), 1);
    if (this.#isRunning) await this.#unlist(device);
    if (body.peers.length === 0) this.#dismiss(body);
    this.#inboxes.give(kernel);
    this.#memories.store.give(inbox.slots);
  }

  /** The last of its kernels is gone. */
  #dismiss(body: Body<GpuKernel>): void {
    this.#bodies[body.index] = null;
    body.index = -1;
    if (body.lists) this.#memories.readyList.give(body.lists);
    body.lists = null;
  }

  // ───────────── a submission ─────────────

  /** Around `steps`, the dispatches of those whom the host woke: rounds after them, and what rounds need. */
  surround(steps: Step[]): void {
    const bodies = this.#bodies.filter((body) => body !== null);
    const count = Math.max(1, Math.min(this.#count, Math.floor(DISPATCHES_MAX / Math.max(1, bodies.length))));
    const [first] = steps;
    if (first) first.noBarrier = false;
    // The sizes of the next round stand; those behind are old.
    steps.unshift(...this.#zeroed(this.#round + 2, count));
    for (let nth = 1; nth <= count; nth++) {
      const round = this.#round + nth;
      for (const [i, body] of bodies.entries()) {
        const lists = body.lists as Range;
        const step = body.round(nth);
        step.memory = READY_LIST;
        step.offset = sizesAt(round) + body.index * 4 * WORD;
        step.noBarrier = i > 0;
        step.push[PUSH.OFFSET] = lists.at + (round & 1 ? lists.size / 2 : 0);
        step.push[PUSH.ROUND] = round;
        step.push[PUSH.KIND] = WOKEN.BY_OTHERS;
        steps.push(step);
      }
    }
    this.#round += count;
    steps.push({
      kind: "copy",
      from: READY_LIST,
      fromOffset: sizesAt(this.#round + 1),
      to: READBACK,
      toOffset: this.#rest.at * WORD,
      size: SIZES.ROUND_WORDS * WORD,
    });
    steps.push(...this.#inboxes.copies());
  }

  /** Steps that clear the sizes of `count` rounds. */
  #zeroed(round: number, count: number): Step[] {
    const begin = round % ROUNDS;
    const before = Math.min(count, ROUNDS - begin);
    const zero = (from: number, rounds: number): Step => ({
      kind: "zero",
      memory: READY_LIST,
      offset: sizesAt(from),
      size: rounds * SIZES.ROUND_WORDS * WORD,
    });
    return before === count
      ? [zero(begin, count)]
      : [zero(begin, before), { ...zero(0, count - before), noBarrier: true }];
  }

  /** The submission has ended: whether somebody is listed, and what has come into whose inbox. */
  land(): void {
    this.#inboxes.land();
    const { words } = this.#memories.readback;
    this.#isRunning = this.#bodies.some((body, i) => body !== null && words[this.#rest.at + i * 4] !== 0);
    this.#count = this.#isRunning ? Math.min(2 * this.#count, ROUNDS_MAX) : ROUNDS_MIN;
  }
}

const sizesAt = (round: number) => (round % ROUNDS) * SIZES.ROUND_WORDS * WORD;

/** A peer's inbox may find no memory; a device that is gone is another matter. */
export function orDead(error: unknown): void {
  const code = error instanceof LavaFlowError ? error.code : "";
  if (code !== "GPU_OUT_OF_MEMORY" && code !== "HOST_OUT_OF_MEMORY" && code !== "GPU_PINNING_FAILED") throw error;
}
