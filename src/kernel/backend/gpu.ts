/**
 * Ring kernels on a GPU, whichever its API is. A send writes into memory that the GPU reads; one submission then drains all
 * that waits for all active kernels, one workgroup a kernel, and what is sent meanwhile gathers for the next.
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
import { GpuKernel, type KernelPool, type Place, sizesOf } from "./gpu-kernel.ts";
import { comeBack, Lateness, openOf } from "./lateness.ts";
import { orDead, Peers } from "./peers.ts";
import { PreSubmission } from "./pre-submission.ts";

const HIGH = 2 ** 32;
/** A little more than what a call takes; the event loop waits meanwhile. */
const SPIN_US = 40;
/** Bodies of one submission, beside those whose kernels are peers. */
const BODIES_MAX = 16;
/** Every device takes so many workgroups at once. */
const GROUPS_MAX = 65_535;

/** Kernels on `device`, which is closed with them, and when this rejects. */
export async function openRings(device: ComputeDevice, clock: HybridLogicalClock): Promise<KernelBackend> {
  const open: Arena[] = [];
  try {
    for (const use of ["upload", "readback", "device", "device"] as const) open.push(await Arena.open(device, use));
    const [upload, readback, store, readyList] = open as [Arena, Arena, Arena, Arena];
    await upload.take(FRONT.WORDS);
    await store.take(1); // to the shaders, a place 0 is none
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
  /** The control blocks of those that run next. */
  #woken: Range | null = null;
  /** Bodies with ready kernels. */
  #ready: Body<GpuKernel>[] = [];
  readonly #tasks: (() => Promise<void>)[] = [];
  /** A submission or a task is under way. */
  #isBusy = false;
  #isScheduled = false;
  #serial = 0;
  #value = 0;
  // Of the submission that is under way:
  readonly #flight: GpuKernel[] = [];
  readonly #steps: Step[] = [];
  #withPeers = false;
  readonly #preSubmission: PreSubmission;
  readonly #lateness = new Lateness();
  /** Why nothing runs any more. */
  #dead: LavaFlowError | null = null;

  constructor(device: ComputeDevice, clock: HybridLogicalClock, memories: Memories, peers: Peers) {
    this.rounds = roundsFor(device.loopRoundsMax);
    this.#device = device;
    this.#bodies = new Bodies(device, this.rounds);
    this.#clock = clock;
    this.#memories = memories;
    this.#peers = peers;
    this.#preSubmission = new PreSubmission(device, (error) => this.#die(error));
    this.upload = memories.upload;
    this.readback = memories.readback;
  }

  // ───────────── kernels come and go ─────────────

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
      const range = await arena.take(words);
      taken.push([arena, range]);
      return range;
    };
    try {
      const place: Place = {
        upload: await take(upload, sizes.upload),
        readback: await take(readback, sizes.readback),
        store: await take(store, sizes.store),
      };
      await this.#growWoken();
      await clear(this.#device, taken);
      const kernel = new GpuKernel(this, spec, port, body, place);
      // A clock of its own: no two stamps are equal.
      kernel.write((this.#clock.nodeId % HIGH) + spec.number * HIGH);
      this.#kernels.set(spec.number, kernel);
      body.users++;
      // Where there is no room for an inbox, what others send to it goes through the host.
      await this.#peers.appeared(kernel, this.#kernels, this.#device).catch(orDead);
      return kernel;
    } catch (error) {
      if (this.#kernels.delete(spec.number)) body.users--;
      for (const [arena, range] of taken) arena.give(range);
      throw error;
    }
  }

  async #growWoken(): Promise<void> {
    const needed = this.#kernels.size + 1;
    if (this.#woken && this.#woken.size >= needed) return;
    const more = await this.upload.take(2 * needed);
    if (this.#woken) this.upload.give(this.#woken);
    this.#woken = more;
  }

  route(kernel: GpuKernel, route: number): void {
    const point = () => this.#peers.point(kernel, route, this.#kernels, this.#device);
    void this.atRest(() => point().catch(orDead)).catch(() => {});
  }

  async forget(kernel: GpuKernel): Promise<void> {
    if (this.#dead) return;
    const forgotten = this.atRest(async () => {
      this.#kernels.delete(kernel.spec.number);
      const { upload, readback, store } = kernel.place;
      await this.#peers.vanished(kernel, this.#kernels, this.#device);
      this.upload.give(upload);
      this.readback.give(readback);
      this.#memories.store.give(store);
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
    if (this.#lateness.isLate) end(); // what hangs is left to the driver
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

  // ───────────── what happens next ─────────────

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
        if (isGone) this.#die(error);
      }
      this.#isBusy = false;
      this.#schedule();
    });
    this.#schedule();
    return promise;
  }

  /** Not at once: what else is sent in this turn goes along. */
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

  /** The steps of the next submission. False where nobody has anything to do. */
  #gather(): boolean {
    const peers = this.#peers;
    const steps = this.#steps;
    steps.length = 0;
    this.#flight.length = 0;
    let withPeers = peers.isRunning;
    const { isCareful } = this.#lateness;
    const bodies = this.#ready.splice(0, isCareful ? 1 : BODIES_MAX);
    let at = this.#woken?.at ?? 0;
    for (const body of bodies) {
      const first = at;
      const kernels = body.ready.splice(0, isCareful ? 1 : GROUPS_MAX);
      if (body.ready.length > 0) this.#ready.push(body);
      for (const kernel of kernels) {
        if (!kernel.enter()) continue;
        this.upload.words[at++] = kernel.block;
        this.#flight.push(kernel);
        withPeers ||= kernel.hasPeers || kernel.inbox !== null;
      }
      const { dispatch } = body;
      dispatch.groups = at - first;
      if (dispatch.groups === 0) continue;
      dispatch.noBarrier = steps.length > 0;
      const isAlone = dispatch.groups === 1;
      dispatch.push[PUSH.KIND] = isAlone ? WOKEN.ALONE : WOKEN.TOGETHER;
      dispatch.push[PUSH.OFFSET] = isAlone ? (this.#flight.at(-1) as GpuKernel).block : first;
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
      this.#die(error);
      return;
    }
    if (this.#value === 0) {
      this.#device.room(HANG_MS).then(
        () => this.#submit(),
        (error) => this.#die(error),
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
        this.#land();
        return;
      }
    } catch (error) {
      this.#die(error);
      return;
    }
    this.#device.wait(this.#value, HANG_MS).then(
      () => this.#land(),
      (error) => this.#late(error),
    );
  };

  /** Ends the kernel that keeps the device, and waits on for the device: it goes on with all others where it comes back. */
  #late(error: unknown): void {
    if (!(error instanceof LavaFlowError && error.code === "TIMEOUT") || this.#dead) {
      this.#die(error);
      return;
    }
    const open = openOf(this.#flight, this.#peers.all(), this.#serial);
    for (const kernel of open ?? []) kernel.fail(error.reason, error);
    this.#lateness.begin(open !== null);
    comeBack(this.#device, this.#value, () => this.#dead !== null).then(
      () => this.#land(),
      (gone) => this.#die(gone),
    );
  }

  #land(): void {
    if (this.#dead) return;
    this.#lateness.end();
    if (this.#withPeers) this.#peers.land(); // first: what came into an inbox waits, or is handled below
    for (const kernel of this.#flight) {
      if (kernel.ran(this.#serial)) kernel.land();
      else kernel.fail("it did not report what it did");
    }
    // Those that other kernels on the device woke.
    for (const kernel of this.#withPeers ? this.#peers.all() : []) if (kernel.ran(this.#serial)) kernel.land();
    this.#isBusy = false;
    if (this.#ready.length > 0 || this.#tasks.length > 0 || this.#peers.isRunning) this.#schedule();
  }

  #die(cause: unknown): void {
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
