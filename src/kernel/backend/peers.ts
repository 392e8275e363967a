/**
 * Kernels that message each other on the device. A submission runs them in rounds with barriers in between: a message
 * that is sent in one round is read in the next. The device lists and counts the kernels of the next round, without the
 * host. The host makes further submissions while a kernel is listed.
 */
import { LavaFlowError } from "../../errors.ts";
import { BODIES, PUSH, ROUNDS, SIZES, WOKEN } from "../shader/layout.ts";
import { clear, type Memories, type Range } from "./arena.ts";
import type { Body } from "./body.ts";
import type { ComputeDevice, Step } from "./compute.ts";
import { type GpuKernel, sizesOf } from "./gpu-kernel.ts";
import { Inboxes } from "./inboxes.ts";

const WORD = 4;
/** Indices of the memories in a submission. */
const [READBACK, READY_LIST] = [1, 3];
/** Rounds of one submission. While kernels stay listed, each submission has twice as many as the one before. */
const ROUNDS_MIN = 2;
const ROUNDS_MAX = ROUNDS / 2;
/** Dispatches of rounds in one submission, at most: recording them takes some microseconds. */
const DISPATCHES_MAX = 64;

export class Peers {
  readonly #memories: Memories;
  readonly #inboxes: Inboxes;
  /** In the readback memory: a copy of the sizes of the round after the last one. */
  readonly #sizes: Range;
  /** By their index in the sizes of a round; null: the index is free. */
  readonly #bodies: (Body<GpuKernel> | null)[] = new Array(BODIES).fill(null);
  #kernels: GpuKernel[] = [];
  /** The last round that ran. */
  #round = 1;
  #count = ROUNDS_MIN;
  /** Whether a kernel is listed for the next round. */
  #isRunning = false;

  private constructor(memories: Memories, sizes: Range) {
    this.#memories = memories;
    this.#inboxes = new Inboxes(memories);
    this.#sizes = sizes;
  }

  static async open(memories: Memories): Promise<Peers> {
    await memories.readyList.acquire(SIZES.WORDS);
    return new Peers(memories, await memories.readback.acquire(SIZES.ROUND_WORDS));
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

  // ───────────── kernels with inboxes ─────────────

  /** A kernel was launched: other kernels may have routes to it already. */
  async added(kernel: GpuKernel, all: ReadonlyMap<number, GpuKernel>, device: ComputeDevice): Promise<void> {
    for (const other of all.values()) {
      for (const [route, destination] of other.routes.entries()) {
        if (destination === kernel.spec.number) await this.point(other, route, all, device);
      }
    }
  }

  /** Writes the destination of a route of `kernel`; the destination gets an inbox. */
  async point(
    kernel: GpuKernel,
    route: number,
    all: ReadonlyMap<number, GpuKernel>,
    device: ComputeDevice,
  ): Promise<void> {
    const peer = all.get(kernel.routes[route] as number) ?? null;
    kernel.point(route, null);
    if (peer && (await this.#addInbox(peer, device))) kernel.point(route, peer);
    kernel.hasPeers = kernel.routes.some((destination) => all.get(destination)?.inbox);
  }

  /** Gives a kernel an inbox. False where BODIES other bodies have inboxes. */
  async #addInbox(kernel: GpuKernel, device: ComputeDevice): Promise<boolean> {
    const { body } = kernel;
    if (kernel.inbox) return true;
    const index = body.index < 0 ? this.#bodies.indexOf(null) : body.index;
    if (index < 0) return false;
    const { store } = this.#memories;
    const header = await this.#inboxes.acquire(kernel, device);
    let slots: Range | undefined;
    try {
      slots = await store.acquire(sizesOf(kernel.spec).slots);
      await clear(device, [[store, slots]]);
      await this.#list(body, body.peers.length + 1, device);
    } catch (error) {
      this.#inboxes.release(kernel);
      if (slots) store.release(slots);
      throw error;
    }
    body.index = index;
    this.#bodies[index] = body;
    body.peers.push(kernel);
    this.#kernels.push(kernel);
    kernel.open({ readyList: header, slots });
    kernel.listAt(body.lists as Range);
    return true;
  }

  /** Acquires lists with a capacity of `count` kernels of a body. */
  async #list(body: Body<GpuKernel>, count: number, device: ComputeDevice): Promise<void> {
    const { readyList } = this.#memories;
    if (body.lists && body.lists.size >= 2 * count) return;
    const lists = await readyList.acquire(4 * count);
    if (body.lists) {
      await this.#unlist(device);
      readyList.release(body.lists);
    }
    body.lists = lists;
    for (const kernel of body.peers) kernel.listAt(lists);
  }

  /** Clears the lists; instead, all active kernels with an inbox run in the next submission. */
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
  async removed(kernel: GpuKernel, all: ReadonlyMap<number, GpuKernel>, device: ComputeDevice): Promise<void> {
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
    if (body.peers.length === 0) this.#removeBody(body);
    this.#inboxes.release(kernel);
    this.#memories.store.release(inbox.slots);
  }

  /** The last kernel of a body was closed. */
  #removeBody(body: Body<GpuKernel>): void {
    this.#bodies[body.index] = null;
    body.index = -1;
    if (body.lists) this.#memories.readyList.release(body.lists);
    body.lists = null;
  }

  // ───────────── a submission ─────────────

  /**
   * Adds the rounds behind `steps`, the dispatches for the host's messages; and steps that rounds need before and
   * behind.
   */
  surround(steps: Step[]): void {
    const bodies = this.#bodies.filter((body) => body !== null);
    const count = Math.max(1, Math.min(this.#count, Math.floor(DISPATCHES_MAX / Math.max(1, bodies.length))));
    const [first] = steps;
    if (first) first.noBarrier = false;
    // The sizes of the next round are valid; the sizes of later rounds are of earlier submissions.
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
      toOffset: this.#sizes.at * WORD,
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

  /** Reads the results of a submission: the counts of the inboxes, and whether a kernel is listed. */
  collect(): void {
    this.#inboxes.collect();
    const { words } = this.#memories.readback;
    this.#isRunning = this.#bodies.some((body, i) => body !== null && words[this.#sizes.at + i * 4] !== 0);
    this.#count = this.#isRunning ? Math.min(2 * this.#count, ROUNDS_MAX) : ROUNDS_MIN;
  }
}

const sizesAt = (round: number) => (round % ROUNDS) * SIZES.ROUND_WORDS * WORD;

/** Rethrows all errors but those of a lack of memory: without memory, a kernel has no inbox. */
export function unlessOutOfMemory(error: unknown): void {
  const code = error instanceof LavaFlowError ? error.code : "";
  if (code !== "GPU_OUT_OF_MEMORY" && code !== "HOST_OUT_OF_MEMORY" && code !== "GPU_PINNING_FAILED") throw error;
}
