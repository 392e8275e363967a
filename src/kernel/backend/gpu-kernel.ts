/** A kernel on a GPU: its memory, and the messages in its rings. */

import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { HEADER } from "../base/header.ts";
import type { Message } from "../base/message.ts";
import { CONTROL, REPORT, REPORTED, ROUTE, type Rounds } from "../shader/layout.ts";
import type { Arena, Range } from "./arena.ts";
import type { BackendKernel, KernelPort, KernelSpec } from "./backend.ts";
import type { Body } from "./body.ts";
import { PriorityQueue } from "./priority.ts";
import { type Found, readSlot, slotWords, writeSlot } from "./slots.ts";

/** A kernel's interface to its backend. */
export interface KernelPool {
  readonly upload: Arena;
  readonly readback: Arena;
  readonly rounds: Rounds;
  /** The kernel has messages for the next submission. */
  ready(kernel: GpuKernel): void;
  /** Runs `work` when no submission is in flight. Rejects, as `launch` does, when the device is lost. */
  atRest<T>(work: () => Promise<T> | T): Promise<T>;
  /** Resolves when `work` has settled, or at once while a submission is late. */
  orLate(work: Promise<unknown>): Promise<void>;
  /** The destination of a route has changed. */
  route(kernel: GpuKernel, route: number): void;
  /** Releases the kernel's memory when no submission is in flight. */
  forget(kernel: GpuKernel): Promise<void>;
  received(message: Message): void;
}

/** The ranges of a kernel's memory in the arenas. */
export interface Ranges {
  upload: Range;
  readback: Range;
  store: Range;
}

/** The memory that a kernel has only as the destination of other kernels' routes. */
export interface Inbox {
  readyList: Range;
  slots: Range;
}

/** The words of a kernel's ranges. */
export function sizesOf(spec: KernelSpec): { upload: number; readback: number; store: number; slots: number } {
  const slot = slotWords(spec.payloadBytes);
  const payload = Math.ceil(spec.payloadBytes / 4);
  return {
    upload: inputsAt(spec) + spec.inputCapacity * slot,
    readback: HEADER.WORDS + spec.outputCapacity * slot,
    store: spec.stateBytes / 4 + 2 * payload,
    slots: spec.inputCapacity * slot,
  };
}

// Within the upload range: the control block, the routes, the orders, the inputs.
const routesAt = CONTROL.WORDS;
const ordersAt = (spec: KernelSpec) => routesAt + spec.routeCount * ROUTE.WORDS;
const inputsAt = (spec: KernelSpec) => Math.ceil((ordersAt(spec) + spec.inputCapacity) / 64) * 64;

const low = (value: number) => value >>> 0;
const high = (value: number) => (value / 2 ** 32) >>> 0;

export class GpuKernel implements BackendKernel {
  readonly spec: KernelSpec;
  readonly port: KernelPort;
  readonly body: Body<GpuKernel>;
  readonly ranges: Ranges;
  /** Destinations by route: 0 for none. */
  readonly routes: Int32Array;
  inbox: Inbox | null = null;
  /** One of its routes leads to a kernel on this device. */
  hasPeers = false;
  /** Whether it is in `ready` of its body. */
  isReady = false;
  /** Whether it runs in the next submission even without messages of the host: its inbox may have messages. */
  isDue = false;
  isActive = false;
  readonly #pool: KernelPool;
  readonly #queue: PriorityQueue;
  readonly #inputs: number;
  readonly #slot: number;
  #over = false;
  #hasFailed = false;
  /** Counts of the device at the last report, modulo 2^32: messages put out, handled, and not sent. */
  #outHead = 0;
  #processed = 0;
  #refused = 0;
  /** Counts of its inbox at the last report: messages that arrived, modulo 2^32, and those that wait. */
  #inboxArrived = 0;
  #inboxPending = 0;
  #limit = -1;
  /** The host gave it messages in the submission in flight. */
  #isEntered = false;
  /** The serial of the last submission whose report was collected. */
  #collected = 0;
  #inTail = 0;

  constructor(pool: KernelPool, spec: KernelSpec, port: KernelPort, body: Body<GpuKernel>, ranges: Ranges) {
    this.#pool = pool;
    this.spec = spec;
    this.port = port;
    this.body = body;
    this.ranges = ranges;
    this.routes = new Int32Array(spec.routeCount);
    this.#queue = new PriorityQueue(spec.inputCapacity);
    this.#inputs = ranges.upload.at + inputsAt(spec);
    this.#slot = slotWords(spec.payloadBytes);
  }

  /** Writes its control block, which is all 0. `nodeId` is that of the kernel's clock. */
  write(nodeId: number): void {
    const { spec, ranges } = this;
    const { words } = this.#pool.upload;
    const at = ranges.upload.at;
    const state = spec.stateBytes / 4;
    words[at + CONTROL.IN_CAPACITY] = spec.inputCapacity;
    words[at + CONTROL.OUT_CAPACITY] = spec.outputCapacity;
    words[at + CONTROL.IN_MASK] = spec.inputCapacity - 1;
    words[at + CONTROL.OUT_MASK] = spec.outputCapacity - 1;
    words[at + CONTROL.NUMBER] = spec.number;
    words[at + CONTROL.NODE] = low(nodeId);
    words[at + CONTROL.NODE + 1] = high(nodeId);
    words[at + CONTROL.STATE] = ranges.store.at;
    words[at + CONTROL.STATE_WORDS] = state;
    words[at + CONTROL.PAYLOAD_BYTES] = spec.payloadBytes;
    words[at + CONTROL.SLOT_WORDS] = this.#slot;
    words[at + CONTROL.INPUTS] = this.#inputs;
    words[at + CONTROL.OUTPUTS] = ranges.readback.at + HEADER.WORDS;
    words[at + CONTROL.ORDERS] = at + ordersAt(spec);
    words[at + CONTROL.REPORT] = ranges.readback.at;
    words[at + CONTROL.STAGING] = ranges.store.at + state;
    words[at + CONTROL.ROUTES] = at + routesAt;
    words[at + CONTROL.ROUTE_COUNT] = spec.routeCount;
  }

  /** The offset of its control block in the upload memory, by which shaders identify the kernel. */
  get block(): number {
    return this.ranges.upload.at;
  }

  trySend(message: Message): boolean {
    const { payloadBytes } = this.spec;
    if (message.payload.length > payloadBytes)
      throw invalidArgument("the bytes of the payload", message.payload.length, `at most ${payloadBytes}`);
    if (this.#over) return false;
    const slot = this.#queue.add(message.priority);
    if (slot < 0) return false;
    const { upload } = this.#pool;
    const at = this.#inputs + slot * this.#slot;
    writeSlot(upload.words, upload.bytes, at, message);
    upload.wrote(at, this.#slot);
    if (this.isActive && !this.isReady) this.#pool.ready(this);
    return true;
  }

  get pending(): number {
    return this.#queue.size + this.#inboxPending;
  }

  activate(): void {
    if (this.#over) return;
    this.isActive = true;
    this.isDue = this.inbox !== null;
    void this.#flag();
    if (this.isDue || this.#queue.size > 0) this.#pool.ready(this);
  }

  async deactivate(): Promise<void> {
    if (this.#over) return;
    this.isActive = false;
    await this.#flag();
  }

  /** Writes `isActive` to the control block. On a lost device nothing runs. */
  #flag(): Promise<void> {
    const write = () => {
      this.#pool.upload.words[this.block + CONTROL.ACTIVE] = this.isActive ? 1 : 0;
    };
    return this.#pool.orLate(this.#pool.atRest(write));
  }

  resume(): void {
    if (this.isActive && (this.isDue || this.#queue.size > 0)) this.#pool.ready(this);
  }

  setRoute(route: number, destination: number): void {
    if (!(Number.isInteger(route) && route >= 0 && route < this.spec.routeCount))
      throw invalidArgument("route", route, `0 to ${this.spec.routeCount - 1}, the routes of its table`);
    this.routes[route] = destination;
    this.#pool.route(this, route);
  }

  /** The kernel takes no messages and runs no more. */
  end(): void {
    this.isActive = false;
    this.#over = true;
  }

  async close(): Promise<number> {
    this.end();
    await this.#pool.forget(this);
    return this.pending;
  }

  // ───────────── a submission ─────────────

  /** Writes the order of its messages for the next submission. False where the kernel can't handle any now. */
  enter(): boolean {
    this.isReady = false;
    if (!this.isActive || !(this.isDue || this.#queue.size > 0) || !this.allow()) return false;
    const { words } = this.#pool.upload;
    const orders = this.block + ordersAt(this.spec);
    const count = this.#queue.order(words, orders);
    words[this.block + CONTROL.COUNT] = count;
    words[this.block + CONTROL.FIRST] = this.#queue.first;
    if (count > 0) words[this.block + CONTROL.IN_HEAD] = low(this.#inTail + this.#queue.size);
    this.isDue = false;
    this.#isEntered = true;
    return true;
  }

  /** Writes how many messages it may put out. False where that is 0. */
  allow(): boolean {
    const credits = Math.min(this.port.credits, this.spec.outputCapacity);
    const limit = low(this.#outHead + credits);
    if (limit !== this.#limit) {
      const { words } = this.#pool.upload;
      words[this.block + CONTROL.LIMIT] = limit;
      words[this.block + CONTROL.OUT_TAIL] = low(this.#outHead);
      this.#limit = limit;
    }
    return credits > 0;
  }

  /** Whether it ran in the submission `serial` and that report was not collected; counts it as collected. */
  ran(serial: number): boolean {
    if (this.#collected === serial || this.#hasFailed || !this.reported(serial)) return false;
    this.#collected = serial;
    return true;
  }

  /** Whether it has reported the end of its dispatch in the submission `serial`. */
  reported(serial: number): boolean {
    return this.#pool.readback.words[this.ranges.readback.at + REPORT.SERIAL] === serial;
  }

  /**
   * Reads its report after a submission: the messages that it took, handled and put out. A report that can't be true
   * fails the kernel.
   */
  collect(): void {
    const { words } = this.#pool.readback;
    const at = this.ranges.readback.at;
    const taken = this.#isEntered ? (words[at + REPORT.TAKEN] as number) : 0;
    this.#isEntered = false;
    const flags = words[at + REPORT.FLAGS] as number;
    const outHead = words[at + REPORT.OUT_HEAD] as number;
    const processed = words[at + REPORT.PROCESSED] as number;
    const out = low(outHead - this.#outHead);
    if (taken > this.#queue.ordered || out > low(this.#limit - this.#outHead)) {
      this.fail(`it reported that it took ${taken} messages of ${this.#queue.ordered}, and put out ${out}`);
      return;
    }
    const isSpent = (flags & REPORTED.SPENT) !== 0;
    // A body that used up its fuel has not handled its last message.
    const handled = low(processed - this.#processed) - (isSpent ? 1 : 0);
    const refused = low((words[at + REPORT.REFUSED] as number) - this.#refused);
    this.#processed = processed;
    this.#refused = low(this.#refused + refused);
    this.#queue.take(taken);
    this.#inTail += taken;
    if (refused > 0) this.port.counted?.(0, refused);
    if (handled > 0) this.port.handled(handled);
    if (!this.#deliver(out)) return;
    if (taken > 0) this.port.taken(taken);
    if (isSpent) {
      this.fail(`its body did not end: its loops ran for ${this.#pool.rounds.fuel} iterations in one message`);
      return;
    }
    if (flags & REPORTED.MORE) this.isDue = true;
    if (this.inbox) this.allow();
    this.resume();
  }

  /** The counts of its inbox after a submission: messages that arrived, and messages that it took. */
  inboxReported(arrived: number, taken: number): void {
    const more = low(arrived - this.#inboxArrived);
    this.#inboxArrived = arrived;
    this.#inboxPending = low(arrived - taken);
    if (more > 0) this.port.counted?.(more, 0);
  }

  #deliver(count: number): boolean {
    const { words, bytes } = this.#pool.readback;
    const { number, outputCapacity, payloadBytes } = this.spec;
    const outputs = this.ranges.readback.at + HEADER.WORDS;
    for (let i = 0; i < count; i++) {
      const slot = outputs + (this.#outHead & (outputCapacity - 1)) * this.#slot;
      const found = readSlot(words, bytes, slot, number, payloadBytes);
      this.#outHead = low(this.#outHead + 1);
      if (typeof found === "string") {
        this.fail(`it put out ${found}`);
        return false;
      }
      if (!this.#pass(found)) return false;
    }
    return true;
  }

  #pass({ message, dropped, silent }: Found): boolean {
    if (silent >= 0) {
      this.port.silent?.(message.correlationId, silent);
      return true;
    }
    if (dropped) {
      this.port.dropped(message, dropped);
      return true;
    }
    try {
      this.#pool.received(message);
    } catch (error) {
      this.fail(`it put out a message with an invalid timestamp: ${error instanceof Error ? error.message : error}`);
      return false;
    }
    this.port.deliver(message);
    return true;
  }

  /** Ends the kernel with BACKEND_UNAVAILABLE and the reason. */
  fail(reason: string, cause?: unknown): void {
    if (this.#over) return;
    this.end();
    this.#hasFailed = true;
    void this.#flag();
    this.port.failed(
      new LavaFlowError("BACKEND_UNAVAILABLE", `kernel ${this.spec.id} was ended: ${reason}`, {
        remedy: "Launch it again; if its body did not end, change the body first",
        cause,
      }),
    );
  }

  // ───────────── other kernels on the device ─────────────

  /** Writes the offsets of its inbox, whose ranges are all 0, to the control block. */
  open(inbox: Inbox): void {
    this.inbox = inbox;
    const { words } = this.#pool.upload;
    words[this.block + CONTROL.INBOX] = inbox.readyList.at;
    words[this.block + CONTROL.INBOX_SLOTS] = inbox.slots.at;
    words[this.block + CONTROL.INBOX_CAPACITY] = this.spec.inputCapacity;
    words[this.block + CONTROL.BODY] = this.body.index;
  }

  /** Writes the range in which the kernels of its body are listed that run next. */
  listAt({ at, size }: Range): void {
    const { words } = this.#pool.upload;
    words[this.block + CONTROL.LIST] = at;
    words[this.block + CONTROL.LIST_CAPACITY] = size / 2;
  }

  /** Writes a route; `peer` is null where the destination is not on this device. */
  point(route: number, peer: GpuKernel | null): void {
    const { words } = this.#pool.upload;
    const at = this.block + routesAt + route * ROUTE.WORDS;
    words[at + ROUTE.DESTINATION] = this.routes[route] as number;
    words[at + ROUTE.BLOCK] = peer?.block ?? 0;
  }
}
