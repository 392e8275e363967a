/** Tiles of a grid that exchange their borders, in one process or in several. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import { checkAborted, checkLimits, type Limits, limitedWork, timeoutOf } from "../native/limits.ts";
import { checkNames, type OptionNames } from "../native/options.ts";
import type { Copies, Engine, Memory } from "./halo/engine.ts";
import { Field } from "./halo/field.ts";
import { GpuEngine } from "./halo/gpu.ts";
import { HostEngine } from "./halo/host.ts";
import { type Delivery, type GridDescription, type OutgoingFrame, Peer } from "./halo/peer.ts";
import { type Share, shareOf } from "./halo/share.ts";
import { type HaloGrid, Tiling, type Triple } from "./halo/tiling.ts";
import { KernelRuntime } from "./runtime.ts";
import { Stencil, type StencilOptions } from "./stencil.ts";

export type { HaloGrid } from "./halo/tiling.ts";

/** The owners of a grid's tiles, and the name of the exchange. */
export interface HaloOptions {
  /**
   * The owner of a tile, a rank, by the tile's index: the same function on every rank. Default: this rank owns all
   * tiles.
   */
  owner?: (tileIndex: number) => number;
  /** The rank of this process; default 0. */
  rank?: number;
  /** The name of the exchange, 1 to 40 bytes, the same on every rank. Required where other ranks own neighbours. */
  name?: string;
  /** Milliseconds to wait for another rank, in `create` and in each exchange; default 30,000. */
  timeoutMs?: number;
  /** Aborts `create`, which rejects with ABORTED. */
  signal?: AbortSignal;
}

/** Counts of a halo exchange since it was created. */
export interface HaloStats {
  readonly exchanges: number;
  /** Frames to other ranks: one for each rank and exchange. */
  readonly messagesSent: number;
  /** Bytes written to ghost cells here, and to frames for other ranks. */
  readonly bytesMoved: number;
}

/** Bytes of the name of an exchange, at most: ".RANK-RANK" is appended to it in names of channels. */
const NAME_MAX = 40;

/**
 * Tiles whose borders repeat the nearest cells of their neighbours, edges and corners included. The tiles of this
 * process lie in host memory or on its GPU. Channels connect it with other ranks.
 *
 * Exchanges and steps run in the order of the calls.
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
  /** The end of the last call's work on this thread: the next call begins after it. */
  #last: Promise<unknown> = Promise.resolve();
  /** The error that ended the exchange; null while it is usable. */
  #failure: { error: unknown } | null = null;
  #closing: Promise<void> | null = null;

  /**
   * Allocates the tiles, zeroed, and connects with the ranks that own neighbours of them. Rejects with INVALID_ARGUMENT
   * where grid, tiles and options do not match, or those of two ranks differ (with the difference); HOST_OUT_OF_MEMORY,
   * GPU_OUT_OF_MEMORY; as `Channel.open` does, with TIMEOUT where a rank does not connect; and ABORTED. After an error
   * the memory and the channels are closed.
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
      opened.push(...(await connectAll(engine, share, own, descriptionOf(tiling, owners))));
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
   * The local tiles by index: each with its border, x fastest. A step of a stencil writes other buffers, and reuses
   * these for the next step: read `tiles` again after steps.
   */
  get tiles(): ReadonlyMap<number, MemoryBuffer> {
    return this.#field.tiles;
  }

  get stats(): HaloStats {
    return { ...this.#stats };
  }

  /**
   * Updates all ghost cells. Every rank that owns neighbours has to call it too. Without periodic borders the outermost
   * ghosts stay unchanged. Rejects with CLOSED, TIMEOUT, GPU_DEVICE_LOST, and PEER_DIED or CHANNEL_CLOSED when another
   * rank is gone. After such an error the exchange is unusable, and every call rejects with the same error.
   *
   * `limits` are this caller's; `timeoutMs` defaults to Infinity. After their TIMEOUT or ABORTED the exchange goes on:
   * the ghost cells are updated, and the next call begins after that.
   */
  async exchange(limits?: Limits): Promise<void> {
    checkLimits("exchange", limits);
    return limitedWork("the halos were not exchanged", limits, () =>
      this.#inOrder(async () => {
        const sent = await this.#post();
        const received = await this.#collect();
        return { done: Promise.all([sent.done, received.done]) };
      }),
    );
  }

  /**
   * A stencil: in each of its steps, a function computes each cell of all local tiles from the cell's neighbours. The
   * previous step is at first a copy of the tiles. Rejects with SHADER_INVALID and the line of the source,
   * INVALID_ARGUMENT, CLOSED, HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY, TIMEOUT (`timeoutMs`, default Infinity) and
   * ABORTED; a stencil that is made after that is closed.
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
      inOrder: (work) => this.#inOrder(work),
    });
  }

  /** Closes the tiles and the stencils. Calls in progress reject with CLOSED. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    // First the channels: calls that wait for another rank end by that.
    await Promise.all(this.#peers.map((peer) => peer.close()));
    await this.#last;
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

  /** Runs a call's work on this thread after that of the call before. The GPU's work is queued in the same order. */
  #inOrder(work: () => Promise<{ done: Promise<unknown> }>): Promise<void> {
    const begun = this.#last.then(() => {
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
    this.#last = begun.catch(() => {});
    return ended;
  }

  /**
   * Makes the exchange unusable: after an error it is not known which ghosts are updated, and which frame comes next.
   */
  #over(error: unknown): unknown {
    if (this.#failure) return this.#failure.error;
    if (this.#closing) return error;
    this.#failure = { error };
    for (const peer of this.#peers) peer.leave(error);
    return error;
  }

  /** Copies between local tiles, and sends frames to other ranks. `done`: the end of the GPU's work. */
  async #post(): Promise<{ done: Promise<unknown> }> {
    this.#checkOpen(); // for each step of a call
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

  /** Receives the frames of other ranks, and copies them to the ghosts. */
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

/** As Promise.all, but rejects only when all promises have settled. */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  const failed = settled.filter((each) => each.status === "rejected").map(({ reason }) => reason);
  // PEER_DIED first: other ranks close their channels because of that death.
  if (failed.length > 0) throw failed.find(({ code }) => code === "PEER_DIED") ?? failed[0];
  return settled.map((each) => (each as PromiseFulfilledResult<T>).value);
}

/** Prevents an unhandled rejection of a promise that is awaited later. */
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

function descriptionOf(tiling: Tiling, owners: Int32Array): GridDescription {
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

/** Connects with all ranks at the same time: they may connect in any order. */
async function connectAll(
  engine: Engine,
  share: Share,
  own: { name: string; mine: number; timeoutMs: number; signal: AbortSignal | undefined },
  description: GridDescription,
) {
  const enough = new AbortController();
  const signal = own.signal ? AbortSignal.any([enough.signal, own.signal]) : enough.signal;
  const connecting = [...share.traffic].map(([rank, traffic]) =>
    Peer.connect(engine, { ...own, rank, signal }, traffic, description),
  );
  try {
    return await Promise.all(connecting);
  } catch (error) {
    enough.abort();
    for (const each of await Promise.allSettled(connecting)) if (each.status === "fulfilled") await each.value.close();
    throw error;
  }
}
