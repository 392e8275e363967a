/** Stencils for tests, each in both languages. All numbers in them are exact in 4 bytes for some steps. */
import type { StencilOptions } from "../../src/kernel/index.ts";

/** Each cell becomes the mean of its four neighbours. */
const jacobi2d: StencilOptions = {
  wgsl: "fn cell() -> f32 { return 0.25 * (at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1)); }",
  handler({ now, next, from, to, row }) {
    for (let i = from; i < to; i++) next[i] = 0.25 * (now[i - 1]! + now[i + 1]! + now[i - row]! + now[i + row]!);
  },
};

/** Leapfrog in three dimensions, with a speed, and a source at one place that depends on time. */
const wave3d: StencilOptions<"speed" | "source"> = {
  wgsl: `
    fn cell() -> f32 {
      let around = at(-1, 0, 0) + at(1, 0, 0) + at(0, -1, 0) + at(0, 1, 0) + at(0, 0, -1) + at(0, 0, 1);
      var value = 2.0 * at(0, 0, 0) - previous() + parameters.speed * (around - 6.0 * at(0, 0, 0));
      if (all(position() == vec3<u32>(3u, 2u, 1u))) { value += parameters.source * f32(steps()); }
      return value;
    }`,
  handler({ now, next, from, to, row, plane, x, y, z, steps, parameters: { speed, source } }) {
    for (let i = from; i < to; i++) {
      const u = now[i]!;
      const around = now[i - 1]! + now[i + 1]! + now[i - row]! + now[i + row]! + now[i - plane]! + now[i + plane]!;
      next[i] = 2 * u - next[i]! + speed * (around - 6 * u);
      if (y === 2 && z === 1 && x + i - from === 3) next[i]! += source * steps;
    }
  },
  parameters: { speed: 0.125, source: 2 },
};

/** Two cells away, and corners: with other numbers for each neighbour, so that none is taken for another. */
const wide2d: StencilOptions<"scale"> = {
  wgsl: `
    fn cell() -> f32 {
      var sum = 0.0;
      for (var dy = -2; dy <= 2; dy++) {
        for (var dx = -2; dx <= 2; dx++) { sum += f32(1 + dx + 7 * dy) * at(dx, dy); }
      }
      return parameters.scale * (sum - previous());
    }`,
  handler({ now, next, from, to, row, parameters: { scale } }) {
    for (let i = from; i < to; i++) {
      let sum = 0;
      for (let dy = -2; dy <= 2; dy++) {
        for (let dx = -2; dx <= 2; dx++) sum += (1 + dx + 7 * dy) * now[i + dx + dy * row]!;
      }
      next[i] = scale * (sum - next[i]!);
    }
  },
  parameters: { scale: 2 ** -7 },
};

export const STENCILS = { jacobi2d, wave3d, wide2d };
