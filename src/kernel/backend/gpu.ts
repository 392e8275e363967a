/**
 * Ring kernels on a GPU, for all APIs. A send writes into memory that the GPU reads. One submission handles the waiting
 * messages of all active kernels, one workgroup a kernel. Messages that are sent meanwhile wait for the next
 * submission.
 */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { type Limits, limitedWork } from "../../native/limits.ts";
import { afterTurn, turnDue } from "../../native/turn.ts";
import type { HybridLogicalClock } from "../base/clock.ts";
import type { Message } from "../base/message.ts";
import { FRONT, PUSH, payloadMax, type Rounds, roundsFor, WOKEN } from "../shader/layout.ts";
import { Arena, clear, HANG_MS, type Memories, type Range } from "./arena.ts";
import type { BackendKernel, KernelBackend, KernelPort, KernelSpec } from "./backend.ts";
import { Bodies } from "./bodies.ts";
import type { Body } from "./body.ts";
import type { ComputeDevice, ComputeMemory, Step } from "./compute.ts";
import { GpuKernel, type KernelPool, type Ranges, sizesOf } from "./gpu-kernel.ts";
import { comeBack, Lateness, openOf } from "./lateness.ts";
import { Peers, unlessOutOfMemory } from "./peers.ts";
import { PreSubmission } from "./pre-submission.ts";

const HIGH = 2 ** 32;
/**
 * Microseconds of the busy-poll after a submission: a little more than a call takes. The poll blocks the event loop.
 */
const SPIN_US = 40;
/** Bodies with messages of the host in one submission, at most. */
const BODIES_MAX = 16;
/** Workgroups of one dispatch, at most: the limit that every device meets. */
const GROUPS_MAX = 65_535;

/** A backend on `device`, which is closed with it, and when this rejects. */
export async function openRings(device: ComputeDevice, clock: HybridLogicalClock): Promise<KernelBackend> {
  const open: Arena[] = [];
  try {
    for (const use of ["upload", "readback", "device", "device"] as const) open.push(await Arena.open(device, use));
    const [upload, readback, store, readyList] = open as [Arena, Arena, Arena, Arena];
    await upload.acquire(FRONT.WORDS);
    await store.acquire(1); // offset 0 means "none" in shaders: no kernel has it
    const memories = { upload, readback, store, readyList };
    return new GpuBackend(device, clock, memories, await Peers.open(memories));
  } catch (error) {
    for (const arena of open) arena.close();
    device.close();
    throw error;
  }
}

class GpuBackend implements KernelBackend, KernelPool {
  readonly upload: Arena;
  readonly readback: Arena;
  readonly metrics = { dispatches: 0 };
  readonly rounds: Rounds;
  readonly #device: ComputeDevice;
  readonly #clock: HybridLogicalClock;
  readonly #memories: Memories;
  readonly #peers: Peers;
  readonly #kernels = new Map<number, GpuKernel>();
  readonly #bodies: Bodies;
  /** In the upload memory: the control blocks of the kernels in the next submission. */
  #woken: Range | null = null;
  /** Bodies with ready kernels. */
  #ready: Body<GpuKernel>[] = [];
  /** Work to run when no submission is in flight. */
  readonly #tasks: (() => Promise<void>)[] = [];
  /** A submission or a task is in flight. */
  #isBusy = false;
  #isScheduled = false;
  #serial = 0;
  #value = 0;
  // Of the submission in flight:
  readonly #submitted: GpuKernel[] = [];
  readonly #steps: Step[] = [];
  #withPeers = false;
  readonly #preSubmission: PreSubmission;
  readonly #lateness = new Lateness();
  /** The error that ended the backend. */
  #dead: LavaFlowError | null = null;

  constructor(device: ComputeDevice, clock: HybridLogicalClock, memories: Memories, peers: Peers) {
    this.rounds = roundsFor(device.loopRoundsMax);
    this.#device = device;
    this.#bodies = new Bodies(device, this.rounds);
    this.#clock = clock;
    this.#memories = memories;
    this.#peers = peers;
    this.#preSubmission = new PreSubmission(device, (error) => this.#fail(error));
    this.upload = memories.upload;
    this.readback = memories.readback;
  }

  // ───────────── launch and close ─────────────

  async launch(spec: KernelSpec, port: KernelPort, limits?: Limits): Promise<BackendKernel> {
    const given = new AbortController();
    try {
      return await limitedWork(
        `kernel "${spec.id}" was not launched`,
        limits,
        () => this.#launch(spec, port, given.signal),
        (kernel) => void kernel.close(),
      );
    } catch (error) {
      given.abort(error);
      throw error;
    }
  }

  async #launch(spec: KernelSpec, port: KernelPort, givenUp: AbortSignal): Promise<BackendKernel> {
    if (this.#dead) throw this.#dead;
    const { wgsl } = spec.body;
    if (wgsl === undefined)
      throw invalidArgument(`the source of ${spec.id}`, "no WGSL", "source.wgsl, to run on a GPU");
    if (spec.payloadBytes > payloadMax(this.rounds)) {
      const most = `at most ${payloadMax(this.rounds)} on ${this.#device.name}`;
      throw invalidArgument(`payloadBytes of ${spec.id}`, spec.payloadBytes, most);
    }
    this.#lateness.check(this.#device.name);
    const body = await this.#bodies.of(wgsl, spec, givenUp);
    return this.atRest(async () => {
      await body.prepare(this.#device, this.#memories);
      return this.#make(spec, port, body);
    });
  }

  async #make(spec: KernelSpec, port: KernelPort, body: Body<GpuKernel>): Promise<BackendKernel> {
    const { upload, readback, store } = this.#memories;
    const sizes = sizesOf(spec);
    const taken: [Arena, Range][] = [];
    const take = async (arena: Arena, words: number) => {
      const range = await arena.acquire(words);
      taken.push([arena, range]);
      return range;
    };
    try {
      const ranges: Ranges = {
        upload: await take(upload, sizes.upload),
        readback: await take(readback, sizes.readback),
        store: await take(store, sizes.store),
      };
      await this.#growWoken();
      await clear(this.#device, taken);
      const kernel = new GpuKernel(this, spec, port, body, ranges);
      // Each kernel has a node id of its own: no two timestamps are equal.
      kernel.write((this.#clock.nodeId % HIGH) + spec.number * HIGH);
      this.#kernels.set(spec.number, kernel);
      body.users++;
      // Without memory for an inbox, messages to the kernel go through the host.
      await this.#peers.added(kernel, this.#kernels, this.#device).catch(unlessOutOfMemory);
      return kernel;
    } catch (error) {
      if (this.#kernels.delete(spec.number)) body.users--;
      for (const [arena, range] of taken) arena.release(range);
      throw error;
    }
  }

  async #growWoken(): Promise<void> {
    const needed = this.#kernels.size + 1;
    if (this.#woken && this.#woken.size >= needed) return;
    const more = await this.upload.acquire(2 * needed);
    if (this.#woken) this.upload.release(this.#woken);
    this.#woken = more;
  }

  route(kernel: GpuKernel, route: number): void {
    const point = () => this.#peers.point(kernel, route, this.#kernels, this.#device);
    void this.atRest(() => point().catch(unlessOutOfMemory)).catch(() => {});
  }

  async forget(kernel: GpuKernel): Promise<void> {
    if (this.#dead) return;
    const forgotten = this.atRest(async () => {
      this.#kernels.delete(kernel.spec.number);
      const { upload, readback, store } = kernel.ranges;
      await this.#peers.removed(kernel, this.#kernels, this.#device);
      this.upload.release(upload);
      this.readback.release(readback);
      this.#memories.store.release(store);
      this.#bodies.leave(kernel.body);
    });
    await this.#lateness.or(forgotten);
  }

  async close(): Promise<void> {
    const end = () => {
      for (const kernel of this.#kernels.values()) kernel.end();
      this.#dead = new LavaFlowError("CLOSED", `the kernels on ${this.#device.name} are closed`);
    };
    await this.#lateness.or(this.atRest(end));
    if (this.#lateness.isLate) end(); // a hung submission is left to the driver
    this.#preSubmission.close();
    await this.#bodies.close();
    for (const arena of Object.values(this.#memories) as Arena[]) arena.close();
    this.#device.close();
  }

  orLate(work: Promise<unknown>): Promise<void> {
    return this.#lateness.or(work);
  }

  received(message: Message): void {
    this.#clock.update(message.timestamp);
  }

  // ───────────── submissions ─────────────

  ready(kernel: GpuKernel): void {
    if (kernel.isReady) return;
    kernel.isReady = true;
    const { body } = kernel;
    if (body.ready.push(kernel) === 1) this.#ready.push(body);
    this.#schedule();
  }

  atRest<T>(work: () => Promise<T> | T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#tasks.push(async () => {
      try {
        if (this.#dead) throw this.#dead;
        resolve(await work());
      } catch (error) {
        reject(error);
        const isGone = error instanceof LavaFlowError && (error.code === "GPU_DEVICE_LOST" || error.code === "TIMEOUT");
        if (isGone) this.#fail(error);
      }
      this.#isBusy = false;
      this.#schedule();
    });
    this.#schedule();
    return promise;
  }

  /** Submits in a microtask, so that the messages of this one go into one submission. */
  #schedule(): void {
    if (this.#isBusy || this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#next);
  }

  readonly #next = (): void => {
    this.#isScheduled = false;
    if (this.#isBusy) return;
    const task = this.#tasks.shift();
    if (task) {
      this.#isBusy = true;
      void task();
    } else if (!this.#dead && this.#gather()) {
      this.#isBusy = true;
      this.#submit();
    }
  };

  /** Collects the steps of the next submission. False where no kernel has messages. */
  #gather(): boolean {
    const peers = this.#peers;
    const steps = this.#steps;
    steps.length = 0;
    this.#submitted.length = 0;
    let withPeers = peers.isRunning;
    const { runsOneByOne } = this.#lateness;
    const bodies = this.#ready.splice(0, runsOneByOne ? 1 : BODIES_MAX);
    let at = this.#woken?.at ?? 0;
    for (const body of bodies) {
      const first = at;
      const kernels = body.ready.splice(0, runsOneByOne ? 1 : GROUPS_MAX);
      if (body.ready.length > 0) this.#ready.push(body);
      for (const kernel of kernels) {
        if (!kernel.enter()) continue;
        this.upload.words[at++] = kernel.block;
        this.#submitted.push(kernel);
        withPeers ||= kernel.hasPeers || kernel.inbox !== null;
      }
      const { dispatch } = body;
      dispatch.groups = at - first;
      if (dispatch.groups === 0) continue;
      dispatch.noBarrier = steps.length > 0;
      const isAlone = dispatch.groups === 1;
      dispatch.push[PUSH.KIND] = isAlone ? WOKEN.ALONE : WOKEN.TOGETHER;
      dispatch.push[PUSH.OFFSET] = isAlone ? (this.#submitted.at(-1) as GpuKernel).block : first;
      dispatch.push[PUSH.ROUND] = peers.round;
      steps.push(dispatch);
    }
    if (steps.length === 0 && !withPeers) return this.#ready.length > 0 && this.#gather();
    this.#withPeers = withPeers;
    if (withPeers) peers.surround(steps);
    this.#stamp();
    return true;
  }

  #stamp(): void {
    const { physicalMicros, logical } = this.#clock.tick();
    this.#serial = (this.#serial + 1) >>> 0 || 1;
    const { words } = this.upload;
    words[FRONT.SERIAL] = this.#serial;
    words[FRONT.NOW] = (physicalMicros % 2 ** 20) * 4096 + logical;
    words[FRONT.NOW + 1] = physicalMicros / 2 ** 20;
    words[FRONT.PARITY] = this.#preSubmission.next(this.#steps);
  }

  #submit(): void {
    const { upload, readback, store, readyList } = this.#memories;
    const memories: ComputeMemory[] = [upload.memory, readback.memory, store.memory, readyList.memory];
    try {
      this.#value = this.#preSubmission.submit(memories, this.#steps);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#value === 0) {
      this.#device.waitCapacity(HANG_MS).then(
        () => this.#submit(),
        (error) => this.#fail(error),
      );
      return;
    }
    this.metrics.dispatches++;
    if (turnDue()) afterTurn(this.#poll);
    else queueMicrotask(this.#poll);
  }

  readonly #poll = (): void => {
    try {
      if (this.#device.reached(this.#value, SPIN_US)) {
        this.#finish();
        return;
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#device.wait(this.#value, HANG_MS).then(
      () => this.#finish(),
      (error) => this.#late(error),
    );
  };

  /**
   * Fails the kernel that the submission waits for, and waits on for the submission: the other kernels continue after
   * it.
   */
  #late(error: unknown): void {
    if (!(error instanceof LavaFlowError && error.code === "TIMEOUT") || this.#dead) {
      this.#fail(error);
      return;
    }
    const open = openOf(this.#submitted, this.#peers.all(), this.#serial);
    for (const kernel of open ?? []) kernel.fail(error.reason, error);
    this.#lateness.begin(open !== null);
    comeBack(this.#device, this.#value, () => this.#dead !== null).then(
      () => this.#finish(),
      (gone) => this.#fail(gone),
    );
  }

  #finish(): void {
    if (this.#dead) return;
    this.#lateness.end();
    if (this.#withPeers) this.#peers.collect(); // first: the kernels' `pending` includes what arrived in inboxes
    for (const kernel of this.#submitted) {
      if (kernel.ran(this.#serial)) kernel.collect();
      else kernel.fail("it wrote no report");
    }
    // Kernels that other kernels on the device woke.
    for (const kernel of this.#withPeers ? this.#peers.all() : []) if (kernel.ran(this.#serial)) kernel.collect();
    this.#isBusy = false;
    if (this.#ready.length > 0 || this.#tasks.length > 0 || this.#peers.isRunning) this.#schedule();
  }

  #fail(cause: unknown): void {
    const reason = cause instanceof LavaFlowError ? cause.reason : String(cause);
    this.#dead ??= new LavaFlowError(
      "BACKEND_UNAVAILABLE",
      `the kernels on ${this.#device.name} were ended: ${reason}`,
      {
        remedy: "Shut the runtime down and create it anew, on another device where this one does not recover",
        cause,
      },
    );
    this.#isBusy = false;
    for (const kernel of this.#kernels.values()) kernel.fail(reason, cause);
    this.#schedule();
  }
}
