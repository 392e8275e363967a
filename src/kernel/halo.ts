/** Tiles of a grid that exchange their borders: in one process, or spread over many. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import { checkAborted, checkLimits, type Limits, limitedWork, timeoutOf } from "../native/limits.ts";
import { checkNames, type OptionNames } from "../native/options.ts";
import type { Copies, Engine, Memory } from "./halo/engine.ts";
import { Field } from "./halo/field.ts";
import { GpuEngine } from "./halo/gpu.ts";
import { HostEngine } from "./halo/host.ts";
import { type Delivery, type OutgoingFrame, Peer, type Words } from "./halo/peer.ts";
import { type Share, shareOf } from "./halo/share.ts";
import { type HaloGrid, Tiling, type Triple } from "./halo/tiling.ts";
import { KernelRuntime } from "./runtime.ts";
import { Stencil, type StencilOptions } from "./stencil.ts";

export type { HaloGrid } from "./halo/tiling.ts";

/** Where the tiles of a grid are. */
export interface HaloOptions {
  /** The rank that has a tile, by the tile's index; every rank has to give the same. Default: all tiles are here. */
  owner?: (tileIndex: number) => number;
  /** Which rank this process is; default 0. */
  rank?: number;
  /** What the ranks of this exchange meet under: 1 to 40 bytes, as for a channel. Needed where tiles are elsewhere. */
  name?: string;
  /** How long another rank may keep this one waiting, here and in each exchange, milliseconds; default 30,000. */
  timeoutMs?: number;
  /** Of the caller of `create`: ABORTED. */
  signal?: AbortSignal;
}

/** Counts of a halo exchange since it was created. */
export interface HaloStats {
  readonly exchanges: number;
  /** Frames to other ranks: one for each of them and exchange. */
  readonly messagesSent: number;
  /** Written into ghost cells here, and into frames for other ranks. */
  readonly bytesMoved: number;
}

/** Room for ".RANK-RANK" in the name of a channel. */
const NAME_MAX = 40;

/**
 * Tiles whose borders repeat the nearest cells of their neighbours, edges and corners too. The tiles of this process lie
 * in its own memory or on its GPU; those of other ranks are reached through channels.
 *
 * `exchange` and what a stencil does keep the order of their calls.
 */
export class HaloExchange implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #share: Share;
  readonly #peers: readonly Peer[];
  readonly #out: Copies;
  readonly #into: Copies;
  readonly #stencils = new Set<{ close(): void }>();
  readonly #stats = { exchanges: 0, messagesSent: 0, bytesMoved: 0 };
  #field: Field;
  /** The end of the last call: the next one begins after it. */
  #turn: Promise<unknown> = Promise.resolve();
  /** What ended it, null while it goes on. */
  #failure: { error: unknown } | null = null;
  #closing: Promise<void> | null = null;

  /**
   * Makes the tiles, zeroed, and meets the other ranks that have neighbours of them. INVALID_ARGUMENT where grid, tiles
   * and options do not fit each other, or another rank's (with the difference); HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY;
   * and all that opening a channel can end with, TIMEOUT where a rank does not come, and ABORTED. After an error the memory
   * and the channels are closed.
   */
  static async create(runtime: KernelRuntime, config: HaloGrid, options: HaloOptions = {}): Promise<HaloExchange> {
    if (!(runtime instanceof KernelRuntime)) throw invalidArgument("runtime", runtime, "a KernelRuntime");
    const tiling = new Tiling(config);
    const { rank, owners, name, timeoutMs, signal } = checkOptions(tiling, options);
    const what = "the tiles were not made";
    checkAborted(what, { signal });
    const device = KernelRuntime.device(runtime);
    const engine = device ? new GpuEngine(device) : new HostEngine();
    const opened: Peer[] = [];
    try {
      const share = shareOf(tiling, owners, rank, engine);
      const others = [...share.traffic.keys()];
      if (others.length > 0 && name === "") throw noName(rank, others);
      const field = await Field.make(engine, share.layout, tiling.tileBytes);
      const [out, into] = [await engine.copies(share.out), await engine.copies(share.into)];
      const own = { name, mine: rank, timeoutMs, signal };
      opened.push(...(await connectAll(engine, share, own, wordsOf(tiling, owners))));
      checkAborted(what, { signal });
      return new HaloExchange(engine, share, opened, field, out, into);
    } catch (error) {
      await Promise.all(opened.map((peer) => peer.close()));
      engine.close();
      throw error;
    }
  }

  private constructor(engine: Engine, share: Share, peers: Peer[], field: Field, out: Copies, into: Copies) {
    this.#engine = engine;
    this.#share = share;
    this.#peers = peers;
    this.#field = field;
    this.#out = out;
    this.#into = into;
  }

  /**
   * The local tiles by their index, as they are now: each with its border, x fastest. A stencil's step gives new ones, and
   * takes those as its memory for the next; so ask again after steps.
   */
  get tiles(): ReadonlyMap<number, MemoryBuffer> {
    return this.#field.tiles;
  }

  get stats(): HaloStats {
    return { ...this.#stats };
  }

  /**
   * Brings all ghost cells up to date; every rank that has neighbours has to call it too. With fixed borders the outermost
   * ones stay as they are. Rejects with CLOSED, TIMEOUT, GPU_DEVICE_LOST, and PEER_DIED or CHANNEL_CLOSED when another rank
   * is gone. After a failure this exchange is over, and every call says why.
   *
   * `limits` are this caller's, `timeoutMs` defaults to Infinity. After its TIMEOUT or ABORTED the exchange goes on: the ghost
   * cells are brought up to date, and the next call begins after that.
   */
  async exchange(limits?: Limits): Promise<void> {
    checkLimits("exchange", limits);
    return limitedWork("the halos were not exchanged", limits, () =>
      this.#inTurn(async () => {
        const sent = await this.#post();
        const received = await this.#collect();
        return { done: Promise.all([sent.done, received.done]) };
      }),
    );
  }

  /**
   * Steps in which each cell becomes what a function of its neighbours says, all local tiles at once. The stencil's other
   * field, one step earlier, begins as a copy of the tiles: a wave at rest. SHADER_INVALID with the line of the source,
   * INVALID_ARGUMENT, CLOSED, out of memory, TIMEOUT (`timeoutMs`, default Infinity), ABORTED: a stencil that comes to be
   * afterwards is closed.
   */
  async stencil<P extends string = never>(options: StencilOptions<P>): Promise<Stencil<P>> {
    this.#checkOpen();
    const stencil = await limitedWork(
      "the stencil was not made",
      options,
      () => this.#makeStencil(options),
      (unwanted) => unwanted.close(),
    );
    if (this.#closing) stencil.close();
    this.#checkOpen();
    this.#stencils.add(stencil);
    return stencil;
  }

  #makeStencil<P extends string>(options: StencilOptions<P>): Promise<Stencil<P>> {
    const { tiling, layout, remoteSides } = this.#share;
    return Stencil.make<P>(options, {
      engine: this.#engine,
      tiling,
      layout,
      remoteSides,
      field: () => this.#field,
      swap: (field) => {
        const before = this.#field;
        this.#field = field;
        return before;
      },
      post: () => this.#post(),
      collect: () => this.#collect(),
      inTurn: (work) => this.#inTurn(work),
    });
  }

  /** Idempotent. What is under way ends with CLOSED; the tiles, and the stencils, are closed. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    // Whoever waits for another rank now waits for a channel that is closed.
    await Promise.all(this.#peers.map((peer) => peer.close()));
    await this.#turn;
    for (const stencil of this.#stencils) stencil.close();
    for (const copies of [this.#out, this.#into]) copies.close();
    this.#field.close();
    this.#engine.close();
  }

  #checkOpen(): void {
    if (this.#closing)
      throw new LavaFlowError("CLOSED", "this HaloExchange is closed", { remedy: "Create another one" });
    if (this.#failure) throw this.#failure.error;
  }

  /** Each call's part on this thread follows the one's before it; what a GPU does goes on meanwhile, in the same order. */
  #inTurn(work: () => Promise<{ done: Promise<unknown> }>): Promise<void> {
    const begun = this.#turn.then(() => {
      this.#checkOpen();
      return work();
    });
    const ended = begun
      .then(({ done }) => done)
      .then(
        () => {},
        (error) => {
          throw this.#over(error);
        },
      );
    this.#turn = begun.catch(() => {});
    return ended;
  }

  /** After an error nobody knows which ghosts are new, or which frame comes next. */
  #over(error: unknown): unknown {
    if (this.#failure) return this.#failure.error;
    if (this.#closing) return error;
    this.#failure = { error };
    for (const peer of this.#peers) peer.leave(error);
    return error;
  }

  /** Copies between local tiles, and what goes to other ranks. `done` is the GPU's end of it. */
  async #post(): Promise<{ done: Promise<unknown> }> {
    this.#checkOpen(); // anew for each of many steps
    const alone = this.#peers.length === 0;
    const outgoingFrames: OutgoingFrame[] = alone ? [] : await all(this.#peers.map((peer) => peer.outgoingFrame()));
    const done = handled(this.#out.run(this.#memories(outgoingFrames)));
    if (!this.#engine.gpu) await done;
    if (!alone) await all(outgoingFrames.map((outgoingFrame) => outgoingFrame.send()));
    this.#stats.exchanges++;
    this.#stats.messagesSent += outgoingFrames.length;
    this.#stats.bytesMoved += this.#out.bytes + this.#into.bytes;
    return { done };
  }

  /** Takes what came from other ranks. */
  async #collect(): Promise<{ done: Promise<unknown> }> {
    if (this.#peers.length === 0) return { done: Promise.resolve() };
    const deliveries: Delivery[] = await all(this.#peers.map((peer) => peer.delivery()));
    const done = this.#into.run(this.#memories(deliveries)).finally(() => {
      for (const delivery of deliveries) delivery.release();
    });
    if (!this.#engine.gpu) await done;
    return { done: handled(done) };
  }

  #memories(others: readonly { memory: Memory }[]): Memory[] {
    return [...this.#field.memories, ...others.map(({ memory }) => memory)];
  }
}

/** As Promise.all, but it fails when all have settled: nothing of it goes on behind the error. */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  const failed = settled.filter((each) => each.status === "rejected").map(({ reason }) => reason);
  // That a rank died says more than that another one left because of it.
  if (failed.length > 0) throw failed.find(({ code }) => code === "PEER_DIED") ?? failed[0];
  return settled.map((each) => (each as PromiseFulfilledResult<T>).value);
}

/** It is awaited later, which may be too late for the runtime. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

const NAMES: OptionNames<HaloOptions> = { owner: true, rank: true, name: true, timeoutMs: true, signal: true };

function checkOptions(tiling: Tiling, options: HaloOptions) {
  if (typeof options !== "object" || options === null)
    throw invalidArgument("options", options, "{ owner, rank, name }");
  checkNames("HaloExchange.create", options, NAMES);
  const { rank = 0, owner = () => rank, name, signal } = options;
  if (!isRank(rank)) throw invalidArgument("rank", rank, "a whole number from 0");
  if (typeof owner !== "function") throw invalidArgument("owner", owner, "a function from a tile's index to a rank");
  if (name !== undefined && (typeof name !== "string" || name === "" || Buffer.byteLength(name) > NAME_MAX)) {
    throw invalidArgument("name", name, `1 to ${NAME_MAX} bytes of text`);
  }
  const timeoutMs = timeoutOf({ timeoutMs: options.timeoutMs, signal });
  const owners = new Int32Array(tiling.count);
  for (let tile = 0; tile < owners.length; tile++) {
    const given = owner(tile);
    if (!isRank(given)) throw invalidArgument(`owner(${tile})`, given, "a rank: a whole number from 0");
    owners[tile] = given;
  }
  if (!owners.includes(rank)) {
    throw new LavaFlowError("INVALID_ARGUMENT", `rank ${rank} owns none of the ${tiling.count} tiles`, {
      remedy: "Give each rank a tile at least, or use fewer ranks",
    });
  }
  return { rank, owners, name: name ?? "", timeoutMs, signal };
}

const isRank = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;

function noName(rank: number, others: readonly number[]): LavaFlowError {
  return new LavaFlowError(
    "INVALID_ARGUMENT",
    `rank ${rank} has neighbours at rank ${others.join(", ")}, and no name to meet them under`,
    {
      remedy: "Give all ranks of the exchange the same name",
    },
  );
}

const shown = (sides: Triple, dimensions: number): string => sides.slice(0, dimensions).join(" x ");

function wordsOf(tiling: Tiling, owners: Int32Array): Words {
  const { dimensions, grid, tile, halo, periodic, elementBytes } = tiling;
  return {
    version: "1",
    grid: shown(grid, dimensions),
    tile: shown(tile, dimensions),
    halo: String(halo[0]),
    border: periodic ? "periodic" : "fixed",
    "element size": `${elementBytes} bytes`,
    "table of owners (its SHA-256)": new Bun.CryptoHasher("sha256").update(owners).digest("hex").slice(0, 16),
  };
}

/** All pairs at once: a rank comes when it comes. */
async function connectAll(
  engine: Engine,
  share: Share,
  own: { name: string; mine: number; timeoutMs: number; signal: AbortSignal | undefined },
  words: Words,
) {
  const enough = new AbortController();
  const signal = own.signal ? AbortSignal.any([enough.signal, own.signal]) : enough.signal;
  const connecting = [...share.traffic].map(([rank, traffic]) =>
    Peer.connect(engine, { ...own, rank, signal }, traffic, words),
  );
  try {
    return await Promise.all(connecting);
  } catch (error) {
    enough.abort();
    for (const each of await Promise.allSettled(connecting)) if (each.status === "fulfilled") await each.value.close();
    throw error;
  }
}
