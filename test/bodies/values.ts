/**
 * What WGSL's operators and built-in functions give, in TypeScript: of the WGSL specification, sections 8 (expressions) and 17
 * (built-in functions). A u32 is a number from 0, an i32 one with a sign; floats are whole numbers so small that every
 * result is exact, however a driver rounds or contracts.
 */
export type Scalar = "u32" | "i32" | "f32" | "bool";
export type Type = Scalar | `vec${2 | 3 | 4}<${Scalar}>`;
export type Value = number | boolean | readonly (number | boolean)[];

export const sizeOf = (type: Type): number => (type.startsWith("vec") ? Number(type[3]) : 1);
export const elementOf = (type: Type): Scalar => (type.startsWith("vec") ? type.slice(5, -1) : type) as Scalar;
export const vectorOf = (size: number, element: Scalar): Type =>
  size === 1 ? element : (`vec${size}<${element}>` as Type);

const u = (value: number) => value >>> 0;
const i = (value: number) => value | 0;
const wrap = (type: Scalar) => (type === "i32" ? i : u);

type Binary = (a: number, b: number) => number;
/** Bits of floats stay below this, so that sums and products of two are exact in 24 bits. */
export const FLOAT_MOST = 1000;

/** Of numbers with the same type as the result. */
export function arithmetic(type: "u32" | "i32" | "f32"): Record<string, Binary> {
  if (type === "f32") return { "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b };
  const to = wrap(type);
  return {
    "+": (a, b) => to(a + b),
    "-": (a, b) => to(a - b),
    "*": (a, b) => to(Math.imul(a, b)),
    "/": (a, b) => (b === 0 ? a : to(Math.trunc(a / b))),
    "%": (a, b) => (b === 0 ? 0 : to(a % b)),
    "&": (a, b) => to(a & b),
    "|": (a, b) => to(a | b),
    "^": (a, b) => to(a ^ b),
    "<<": (a, b) => to(a << (b & 31)),
    ">>": (a, b) => (type === "i32" ? a >> (b & 31) : a >>> (b & 31)),
  };
}

export const COMPARISONS: Record<string, (a: number, b: number) => boolean> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** The operation for each element; a scalar goes with each element of a vector. */
export function each(operation: (...values: never[]) => number | boolean, ...values: Value[]): Value {
  const vector = values.find((value) => Array.isArray(value)) as readonly unknown[] | undefined;
  if (!vector) return operation(...(values as never[]));
  return vector.map((_, at) =>
    operation(...(values.map((value) => (Array.isArray(value) ? value[at] : value)) as never[])),
  );
}

export interface BuiltIn {
  name: string;
  parameters: Type[];
  result: Type;
  of(...values: Value[]): Value;
}

const ones = (value: number) => {
  let count = 0;
  for (let bits = u(value); bits !== 0; bits &= bits - 1) count++;
  return count;
};
const reversed = (value: number) => {
  let out = 0;
  for (let bit = 0; bit < 32; bit++) if ((value >>> bit) & 1) out |= 1 << (31 - bit);
  return out;
};
const trailing = (value: number) => (value === 0 ? 32 : 31 - Math.clz32(value & -value));
const extract = (type: "u32" | "i32") => (e: number, offset: number, count: number) => {
  const from = Math.min(offset, 32);
  const bits = Math.min(count, 32 - from);
  if (bits === 0) return 0;
  const top = (e << (32 - from - bits)) | 0;
  return type === "i32" ? top >> (32 - bits) : top >>> (32 - bits);
};
const insert = (type: "u32" | "i32") => (e: number, bits: number, offset: number, count: number) => {
  const from = Math.min(offset, 32);
  const most = Math.min(count, 32 - from);
  if (most === 0) return e;
  const mask = most === 32 ? -1 : ((1 << most) - 1) << from;
  return wrap(type)((e & ~mask) | ((bits << from) & mask));
};
const bytes = (word: number, signed: boolean) =>
  [0, 8, 16, 24].map((shift) => (signed ? (word << (24 - shift)) >> 24 : (word >>> shift) & 255));
const packed = (values: readonly number[]) =>
  u(values.reduce((word, value, at) => word | ((value & 255) << (8 * at)), 0));

function scalarsOf(type: "u32" | "i32", size: number): BuiltIn[] {
  const to = wrap(type);
  const T = vectorOf(size, type);
  const bools = vectorOf(size, "bool");
  const one = (name: string, of: (a: number) => number): BuiltIn => ({
    name,
    parameters: [T],
    result: T,
    of: (a) => each(of as never, a),
  });
  const made: BuiltIn[] = [
    one("abs", (a) => to(Math.abs(a))),
    one("countOneBits", ones),
    one("countLeadingZeros", (a) => Math.clz32(a)),
    one("countTrailingZeros", trailing),
    one("reverseBits", (a) => to(reversed(a))),
    one("firstTrailingBit", (a) => (a === 0 ? to(-1) : trailing(a))),
    one("firstLeadingBit", (a) => to(31 - Math.clz32(type === "i32" && a < 0 ? ~a : a))),
    { name: "min", parameters: [T, T], result: T, of: (a, b) => each(Math.min as never, a, b) },
    { name: "max", parameters: [T, T], result: T, of: (a, b) => each(Math.max as never, a, b) },
    {
      name: "clamp",
      parameters: [T, T, T],
      result: T,
      of: (e, low, high) =>
        each(((a: number, b: number, c: number) => Math.min(Math.max(a, b), c)) as never, e, low, high),
    },
    {
      name: "select",
      parameters: [T, T, bools],
      result: T,
      of: (no, yes, where) => each(((a: number, b: number, c: boolean) => (c ? b : a)) as never, no, yes, where),
    },
    {
      name: "extractBits",
      parameters: [T, "u32", "u32"],
      result: T,
      of: (e, offset, count) => each(((a: number) => extract(type)(a, offset as number, count as number)) as never, e),
    },
    {
      name: "insertBits",
      parameters: [T, T, "u32", "u32"],
      result: T,
      of: (e, bits, offset, count) =>
        each(((a: number, b: number) => insert(type)(a, b, offset as number, count as number)) as never, e, bits),
    },
  ];
  if (type === "i32") made.push(one("sign", Math.sign));
  if (size > 1) {
    const sum = (a: Value, b: Value) =>
      to((a as number[]).reduce((total, value, at) => total + Math.imul(value, (b as number[])[at] as number), 0));
    made.push({ name: "dot", parameters: [T, T], result: type, of: sum });
  }
  return made;
}

export const BUILT_INS: readonly BuiltIn[] = [
  ...[1, 2, 3, 4].flatMap((size) => [...scalarsOf("u32", size), ...scalarsOf("i32", size)]),
  ...([2, 3, 4] as const).flatMap((size): BuiltIn[] => [
    { name: "all", parameters: [`vec${size}<bool>`], result: "bool", of: (a) => (a as boolean[]).every(Boolean) },
    { name: "any", parameters: [`vec${size}<bool>`], result: "bool", of: (a) => (a as boolean[]).some(Boolean) },
  ]),
  { name: "pack4xU8", parameters: ["vec4<u32>"], result: "u32", of: (a) => packed(a as number[]) },
  { name: "pack4xI8", parameters: ["vec4<i32>"], result: "u32", of: (a) => packed(a as number[]) },
  {
    name: "pack4xU8Clamp",
    parameters: ["vec4<u32>"],
    result: "u32",
    of: (a) => packed((a as number[]).map((value) => Math.min(value, 255))),
  },
  {
    name: "pack4xI8Clamp",
    parameters: ["vec4<i32>"],
    result: "u32",
    of: (a) => packed((a as number[]).map((value) => Math.max(-128, Math.min(value, 127)))),
  },
  { name: "unpack4xU8", parameters: ["u32"], result: "vec4<u32>", of: (a) => bytes(a as number, false) },
  { name: "unpack4xI8", parameters: ["u32"], result: "vec4<i32>", of: (a) => bytes(a as number, true) },
  ...[false, true].map(
    (signed): BuiltIn => ({
      name: signed ? "dot4I8Packed" : "dot4U8Packed",
      parameters: ["u32", "u32"],
      result: signed ? "i32" : "u32",
      of: (a, b) => {
        const other = bytes(b as number, signed);
        return bytes(a as number, signed).reduce((sum, value, at) => sum + value * (other[at] as number), 0);
      },
    }),
  ),
  { name: "floor", parameters: ["f32"], result: "f32", of: (a) => a },
  { name: "min", parameters: ["f32", "f32"], result: "f32", of: (a, b) => Math.min(a as number, b as number) },
  { name: "max", parameters: ["f32", "f32"], result: "f32", of: (a, b) => Math.max(a as number, b as number) },
];

/** `to(value)`. A negative float becomes the least u32. */
export function converted(from: Scalar, to: Scalar, value: number | boolean): number | boolean {
  const number = Number(value);
  if (to === "bool") return number !== 0;
  if (to === "f32") return number;
  if (to === "u32" && from === "f32") return Math.max(0, number);
  return to === "i32" ? i(number) : u(number);
}

export const zeroOf = (type: Type): Value => {
  const zero = elementOf(type) === "bool" ? false : 0;
  return sizeOf(type) === 1 ? zero : Array(sizeOf(type)).fill(zero);
};
