/** The water: a leapfrog scheme for the wave equation, with a wall that has two gaps. */
import type { MemoryBuffer } from "lava-flow";
import type { HaloExchange } from "lava-flow/kernel";

/** Where a stone falls, as shares of the pool's sides. */
export interface Stone {
  x: number;
  y: number;
}

/** Cells along a side of the picture, at most. */
const SIDE_MAX = 1024;

export interface Pool extends AsyncDisposable {
  /** Cells along a side of the picture. */
  readonly side: number;
  drop(stones: readonly Stone[]): Promise<void>;
  step(count: number): Promise<void>;
  /** The heights of this process's tiles in the picture, tile after tile. */
  heights(): Promise<Float32Array>;
  /** The whole picture, from the heights of each rank; NaN at the wall. */
  assemble(parts: readonly Float32Array[], owner: (tile: number) => number): Float32Array<ArrayBuffer>;
}

export async function poolOf(exchange: HaloExchange, size: number, grid: number): Promise<Pool> {
  const tile = size / grid;
  const width = tile + 2;
  const every = Math.ceil(size / SIDE_MAX);
  const sampled = Math.floor(tile / every);
  const side = sampled * grid;

  // The wall's columns, and the rows that its gaps end at.
  const [left, right] = [Math.round(0.55 * size), Math.round(0.55 * size) + Math.max(2, Math.round(size / 128))];
  const gaps = [0.37, 0.41, 0.59, 0.63].map((share) => Math.round(share * size)) as [number, number, number, number];
  const isGap = (y: number) => (y >= gaps[0] && y < gaps[1]) || (y >= gaps[2] && y < gaps[3]);
  const isWall = (x: number, y: number) => x >= left && x < right && !isGap(y);

  // u(t+1) = 2 u(t) - u(t-1) + c² Δu(t), with a little friction; speed is (c dt / dx)², at most 0.5.
  const stencil = await exchange.stencil({
    parameters: { speed: 0.25, friction: 0.0006 },
    wgsl: `
      fn is_wall(p: vec2<u32>) -> bool {
        let gap = (p.y >= ${gaps[0]}u && p.y < ${gaps[1]}u) || (p.y >= ${gaps[2]}u && p.y < ${gaps[3]}u);
        return p.x >= ${left}u && p.x < ${right}u && !gap;
      }
      fn cell() -> f32 {
        if (is_wall(position())) { return 0.0; }
        let here = at(0, 0);
        let curve = at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1) - 4.0 * here;
        return here + (1.0 - parameters.friction) * (here - previous()) + parameters.speed * curve;
      }`,
    handler({ now, next, from, to, row, x, y, parameters: { speed, friction } }) {
      for (let i = from; i < to; i++) {
        const here = now[i]!;
        const curve = now[i - 1]! + now[i + 1]! + now[i - row]! + now[i + row]! - 4 * here;
        next[i] = here + (1 - friction) * (here - next[i]!) + speed * curve;
      }
      const start = from + left - x;
      if (!isGap(y))
        next.fill(0, Math.min(to, Math.max(from, start)), Math.max(from, Math.min(to, start + right - left)));
    },
  });

  const cornerOf = (index: number) => [(index % grid) * tile, Math.floor(index / grid) * tile] as const;

  /** A dent in the water with a rim around it, in one tile: the same at this step and at the one before. */
  async function dent(index: number, buffer: MemoryBuffer, stone: Stone): Promise<void> {
    const radius = size / 110;
    const [atX, atY] = [stone.x * size - cornerOf(index)[0], stone.y * size - cornerOf(index)[1]];
    const low = Math.max(0, Math.floor(atY - 4 * radius));
    const high = Math.min(tile, Math.ceil(atY + 4 * radius));
    if (low >= high || atX < -4 * radius || atX > tile + 4 * radius) return;
    const rows = new Float32Array(new ArrayBuffer(4 * width * (high - low)));
    const offset = 4 * width * (low + 1);
    await buffer.read(rows, offset);
    for (let y = low; y < high; y++) {
      for (let x = 0; x < tile; x++) {
        const squared = ((x - atX) ** 2 + (y - atY) ** 2) / radius ** 2;
        rows[(y - low) * width + x + 1]! -= 1.6 * (1 - squared / 2) * Math.exp(-squared / 2);
      }
    }
    await buffer.write(rows, offset);
  }

  return {
    side,

    async drop(stones) {
      for (const stone of stones) {
        for (const field of [exchange.tiles, stencil.previous]) {
          await Promise.all([...field].map(([index, buffer]) => dent(index, buffer, stone)));
        }
      }
    },

    step: (count) => stencil.step(count),

    async heights() {
      const parts = await Promise.all(
        [...exchange.tiles.values()].map(async (buffer) => {
          const cells = new Float32Array(new ArrayBuffer(buffer.sizeBytes));
          await buffer.read(cells);
          return Float32Array.from({ length: sampled ** 2 }, (_, at) => {
            const [x, y] = [at % sampled, Math.floor(at / sampled)];
            return cells[(y * every + 1) * width + x * every + 1]!;
          });
        }),
      );
      const heights = new Float32Array(parts.length * sampled ** 2);
      for (const [at, part] of parts.entries()) heights.set(part, at * sampled ** 2);
      return heights;
    },

    assemble(parts, owner) {
      const whole = new Float32Array(side ** 2);
      const taken = parts.map(() => 0);
      for (let index = 0; index < grid ** 2; index++) {
        const rank = owner(index);
        const start = taken[rank]! * sampled ** 2;
        taken[rank]!++;
        const [left, top] = [(index % grid) * sampled, Math.floor(index / grid) * sampled];
        for (let y = 0; y < sampled; y++) {
          const row = parts[rank]!.subarray(start + y * sampled, start + (y + 1) * sampled);
          whole.set(row, (top + y) * side + left);
        }
      }
      for (let at = 0; at < whole.length; at++) {
        if (isWall((at % side) * every, Math.floor(at / side) * every)) whole[at] = Number.NaN;
      }
      return whole;
    },

    [Symbol.asyncDispose]: () => exchange.close(),
  };
}
