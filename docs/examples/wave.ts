/**
 * Waves on a pool with a wall in it, computed on a grid of tiles by one process or several, on whatever backend there is.
 *
 *     bun docs/examples/wave.ts --processes 4              a picture at the end
 *     bun docs/examples/wave.ts --processes 4 --watch      a page that shows it live: a click drops a stone
 *
 * --calm: no stones but those. --backend cpu, vulkan or metal; --device, --size, --steps, --png and --port say the rest.
 */
import { isatty } from "node:tty";
import { parseArgs } from "node:util";
import { Channel, type Consumer, type Producer } from "lava-flow";
import { HaloExchange, KernelRuntime } from "lava-flow/kernel";
import { encodePng, render } from "./wave/picture.ts";
import { type Pool, poolOf, type Stone } from "./wave/pool.ts";
import { Watch } from "./wave/watch.ts";

const { values: options } = parseArgs({
  options: {
    processes: { type: "string", default: "1" },
    backend: { type: "string", default: "auto" },
    device: { type: "string" },
    size: { type: "string", default: "1024" },
    steps: { type: "string" },
    png: { type: "string", default: "wave.png" },
    watch: { type: "boolean", default: false },
    port: { type: "string", default: "0" },
    calm: { type: "boolean", default: false },
    // Options of the processes that this one starts.
    rank: { type: "string", default: "0" },
    name: { type: "string", default: `wave-${process.pid}` },
  },
});
const rank = Number(options.rank);
const processes = whole("processes", options.processes, 1, 16);
const size = whole("size", options.size, 16, 16_384);
const limit = options.steps === undefined ? null : whole("steps", options.steps, 1, 1e9);
const GRID = 4; // tiles along each side, for any number of processes
if (size % GRID !== 0) refuse(`--size ${size}: a multiple of ${GRID}`);

function whole(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  return refuse(`--${name} ${text}: a whole number from ${low} to ${high}`);
}

function refuse(text: string): never {
  console.error(text);
  process.exit(2);
}

/** A command of rank 0 to all ranks: stones first, then steps, then a picture. */
interface Order {
  steps: number;
  stones: Stone[];
}

const runtime = await KernelRuntime.create({
  backend: options.backend as "auto",
  device: options.device === undefined ? undefined : Number(options.device),
});
const owner = (tile: number) => Math.floor((tile * processes) / GRID ** 2);

async function makePool(): Promise<Pool> {
  const grid = { grid: [GRID, GRID], tile: [size / GRID, size / GRID], halo: 1 } as const;
  const exchange = await HaloExchange.create(
    runtime,
    { ...grid, grid: [...grid.grid], tile: [...grid.tile] },
    { owner, rank, name: options.name },
  );
  return poolOf(exchange, size, GRID);
}

/** Runs the commands of rank 0 until its channel closes. */
async function follow(): Promise<void> {
  process.on("SIGINT", () => {}); // Ctrl-C reaches all, and rank 0 ends the others.
  const opening = [
    Channel.open(`${options.name}.orders.${rank}`, { role: "consumer" }),
    Channel.open(`${options.name}.pictures.${rank}`, { role: "producer" }),
  ] as const;
  await using orders = await opening[0];
  await using pictures = await opening[1];
  await using pool = await makePool();
  for await (const frame of orders) {
    const { steps, stones }: Order = JSON.parse(new TextDecoder().decode(frame.bytes));
    frame.release();
    await pool.drop(stones);
    await pool.step(steps);
    await pictures.send(await pool.heights());
  }
}

class Followers implements AsyncDisposable {
  readonly #children: Bun.Subprocess[];
  readonly #orders: Producer[];
  readonly #pictures: Consumer[];

  private constructor(children: Bun.Subprocess[], orders: Producer[], pictures: Consumer[]) {
    this.#children = children;
    this.#orders = orders;
    this.#pictures = pictures;
  }

  /** This program, started once for each other rank. */
  static async start(): Promise<Followers> {
    const ranks = Array.from({ length: processes - 1 }, (_, index) => String(index + 1));
    const children = ranks.map((each) =>
      Bun.spawn(
        [process.execPath, import.meta.path, ...process.argv.slice(2), "--name", options.name, "--rank", each],
        { stdio: ["ignore", "inherit", "inherit"] },
      ),
    );
    const open = <Role extends "producer" | "consumer">(what: string, role: Role) =>
      Promise.all(ranks.map((each) => Channel.open<Role>(`${options.name}.${what}.${each}`, { role })));
    const [orders, pictures] = await Promise.all([open("orders", "producer"), open("pictures", "consumer")]);
    return new Followers(children, orders, pictures);
  }

  async tell(order: Order): Promise<void> {
    const text = Buffer.from(JSON.stringify(order));
    await Promise.all(this.#orders.map((channel) => channel.send(text)));
  }

  /** Receives each rank's part of the picture. */
  async heights(): Promise<Float32Array[]> {
    return Promise.all(
      this.#pictures.map(async (channel) => {
        using frame = await channel.recv();
        return frame.view(Float32Array).slice();
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#orders.map((channel) => channel.close()));
    await Promise.all(this.#children.map((child) => child.exited));
    await Promise.all(this.#pictures.map((channel) => channel.close()));
  }
}

/** Stones that fall by themselves, by the number of steps taken before: a train of rings before the wall, one ring behind. */
function planned(steps: number, more: number): Stone[] {
  const every = Math.round(size / 14);
  const stones: Stone[] = [];
  for (let at = steps; at < steps + more; at++) {
    if (at % every === 0 && at < 14 * every) stones.push({ x: 0.26, y: 0.5 });
    if (at === 11 * every) stones.push({ x: 0.84, y: 0.16 });
  }
  return stones;
}

async function lead(): Promise<void> {
  await using followers = await Followers.start();
  await using pool = await makePool();
  using watch = options.watch ? Watch.open(whole("port", options.port, 0, 65_535)) : null;
  if (watch) console.log(`watch it at ${watch.url}, and click into the water; Ctrl-C ends it`);
  const wanted = limit ?? (watch ? Number.POSITIVE_INFINITY : Math.round(1.35 * size));
  let picture = new Float32Array(0);
  let steps = 0;
  let seconds = 0;
  let going = true;
  process.once("SIGINT", () => {
    going = false;
  });
  while (going && steps < wanted) {
    const started = performance.now();
    const more = Math.min(watch ? 8 : 16, wanted - steps);
    const order: Order = {
      steps: more,
      stones: [...(options.calm ? [] : planned(steps, more)), ...(watch?.takeStones() ?? [])],
    };
    await followers.tell(order);
    await pool.drop(order.stones);
    await pool.step(more);
    steps += more;
    seconds += (performance.now() - started) / 1000;
    picture = pool.assemble([await pool.heights(), ...(await followers.heights())], owner);
    const rate = `${((steps * size * size) / seconds / 1e6).toFixed(0)} million cells/s`;
    watch?.show(
      render(picture, pool.side),
      pool.side,
      `${runtime.backend}, ${processes} processes, step ${steps}, ${rate}`,
    );
    if (!watch) progress(steps / wanted, rate);
    if (watch) await Bun.sleep(Math.max(0, 33 - (performance.now() - started)));
  }
  await Bun.write(options.png, encodePng(render(picture, pool.side), pool.side, pool.side));
  console.log(
    `${steps} steps of ${size} x ${size} cells by ${processes} process${processes === 1 ? "" : "es"} on ${runtime.backend}: ` +
      `${((steps * size * size) / seconds / 1e6).toFixed(0)} million cells/s; ${options.png}`,
  );
}

function progress(share: number, text: string): void {
  if (!isatty(2)) return;
  const full = Math.round(share * 30);
  const bar = "█".repeat(full) + "░".repeat(30 - full);
  process.stderr.write(share < 1 ? `\r\u001b[K${bar} ${Math.floor(share * 100)} %  ${text}` : "\r\u001b[K");
}

if (rank === 0) await lead();
else await follow();
await runtime.shutdown();
