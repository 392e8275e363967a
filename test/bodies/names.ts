/** Names of generated bodies: plain ones, those that WGSL predeclares, and those that look like the library's. */
import type { Random } from "./random.ts";

/** Types that generated bodies do without, functions that they may do without, and what the library declares beside. */
const PREDECLARED = `
  acos asinh atan2 ceil cosh cross degrees determinant distance exp exp2 faceForward fma fract frexp inverseSqrt ldexp length
  log log2 mix modf normalize pow quantizeToF16 radians reflect refract round saturate sin smoothstep sqrt step tan transpose
  trunc pack2x16float unpack4x8unorm workgroupBarrier storageBarrier arrayLength atomicAdd atomicLoad mat2x2 mat4x4f vec2h
  sampler texture_2d atomic position vertex_index read_write storage main ring body thread group message_
  payload_f32 state_f32 set_state_f32 set_reply_f32 set_out set_out_f32 send_to send_with reply_to state_atomic_add
  subgroup_size naga_div gl_Position _lf a_ Á 変数 x1 x2 x_3 result kernel inbox route
`
  .trim()
  .split(/\s+/);
/** Functions that a body may declare itself, which then has no built-in one of that name. */
const REPLACEABLE = [
  "min",
  "max",
  "select",
  "clamp",
  "dot",
  "abs",
  "all",
  "any",
  "pack4xU8",
  "unpack4xI8",
  "extractBits",
];

export class Names {
  readonly #random: Random;
  readonly #free: string[];
  /** Built-in functions that are not there, as the body has names like these. */
  readonly replaced = new Set<string>();
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
    const some = REPLACEABLE.filter(() => random.once(6));
    for (const name of some) this.replaced.add(name);
    this.#free = [...PREDECLARED.filter(() => random.once(3)), ...some];
  }

  /** One that is nowhere else in the body. */
  next(): string {
    const random = this.#random;
    if (this.#free.length === 0 || !random.once(3))
      return `${random.one(["a", "b", "value", "i", "tmp", "F"])}${this.#count++}`;
    return this.#free.splice(random.below(this.#free.length), 1)[0] as string;
  }
}
