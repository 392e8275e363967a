/**
 * The offsets of a struct's numbers, and the functions that write and read them: little-endian, as WGSL's memory is.
 */
import { invalidArgument } from "../../errors.ts";

export type ScalarName = "u32" | "i32" | "f32";
/** The typed array of an array of scalars. */
export type Numbers<S> = S extends "u32" ? Uint32Array : S extends "i32" ? Int32Array : Float32Array;

export interface Field {
  name: string;
  layout: Layout;
  /** Offset in the struct, bytes. */
  at: number;
}

/** `size` and `align` in bytes: WGSL's SizeOf and AlignOf. `type` is the type's name in WGSL. */
export type Layout = { type: string; size: number; align: number } & (
  | { kind: "scalar"; scalar: ScalarName }
  | { kind: "vector"; scalar: ScalarName; count: number }
  | { kind: "array"; element: Layout; count: number; stride: number }
  | { kind: "struct"; fields: Field[] }
);

/** Bytes of a struct, at most: the largest payload. */
const SIZE_MAX = 64 * 2 ** 20;
const SCALARS: Readonly<Record<string, ScalarName>> = {
  u32: "u32",
  i32: "i32",
  f32: "f32",
  u: "u32",
  i: "i32",
  f: "f32",
};
const VECTOR = /^vec([234])(?:<(u32|i32|f32)>|([uif]))$/;
const MEMBERS = '"u32", "i32", "f32", a vector as "vec3<f32>", an array or a struct';
const up = (size: number, align: number) => Math.ceil(size / align) * align;

/** Throws INVALID_ARGUMENT where `member` is no type; `path` is its path in errors. */
export function layoutOf(member: unknown, path: string): Layout {
  const layout = typeof member === "string" ? named(member) : composed(member, path);
  if (layout === null) throw invalidArgument(path, member, MEMBERS);
  if (layout.size > SIZE_MAX) throw invalidArgument(`the size of ${path}`, layout.size, `at most ${SIZE_MAX} bytes`);
  return layout;
}

function named(type: string): Layout | null {
  const vector = VECTOR.exec(type);
  if (vector) {
    const count = Number(vector[1]);
    const scalar = SCALARS[vector[2] ?? vector[3] ?? ""] as ScalarName;
    return {
      kind: "vector",
      type: `vec${count}<${scalar}>`,
      scalar,
      count,
      size: 4 * count,
      align: count === 2 ? 8 : 16,
    };
  }
  const scalar = type.length === 3 ? SCALARS[type] : undefined;
  return scalar ? { kind: "scalar", type, scalar, size: 4, align: 4 } : null;
}

function composed(member: unknown, path: string): Layout | null {
  if (typeof member !== "object" || member === null) return null;
  const { element, count, name, members } = member as Record<string, unknown>;
  if (element !== undefined) {
    checkNumber(`the count of ${path}`, count, 1, SIZE_MAX / 4);
    const of = layoutOf(element, `${path}[]`);
    const stride = up(of.size, of.align);
    const many = count as number;
    return {
      kind: "array",
      type: `array<${of.type}, ${many}>`,
      element: of,
      count: many,
      stride,
      size: many * stride,
      align: of.align,
    };
  }
  if (typeof members !== "object" || members === null) return null;
  const fields: Field[] = [];
  let end = 0;
  let align = 4;
  for (const [each, type] of Object.entries(members)) {
    const layout = layoutOf(type, `${path}.${each}`);
    const at = up(end, layout.align);
    fields.push({ name: each, layout, at });
    end = at + layout.size;
    align = Math.max(align, layout.align);
  }
  return { kind: "struct", type: String(name), fields, size: up(end, align), align };
}

// ───────────── values ─────────────

const RANGES = { u32: [0, 2 ** 32 - 1], i32: [-(2 ** 31), 2 ** 31 - 1] } as const;

/** Throws INVALID_ARGUMENT unless `value` is a whole number from `least` to `most`. */
export function checkNumber(name: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw invalidArgument(name, value, `a whole number from ${least} to ${most}`);
}

function writeScalar(scalar: ScalarName, view: DataView, at: number, value: unknown, path: string): void {
  if (scalar === "f32") {
    if (typeof value !== "number") throw invalidArgument(path, value, "a number");
    view.setFloat32(at, value, true);
    return;
  }
  const [least, most] = RANGES[scalar];
  checkNumber(path, value, least, most);
  view.setUint32(at, value as number, true);
}

/**
 * Writes a value, without its padding: the caller has set that to 0. Throws INVALID_ARGUMENT with the member's path.
 */
export function write(layout: Layout, view: DataView, at: number, value: unknown, path: string): void {
  if (layout.kind === "scalar") writeScalar(layout.scalar, view, at, value, path);
  else if (layout.kind === "struct") writeStruct(layout, view, at, value, path);
  else {
    const { count } = layout;
    const list = value as ArrayLike<unknown>;
    if (typeof value !== "object" || value === null || list.length !== count)
      throw invalidArgument(path, value, `a list of ${count}, a ${layout.type}`);
    for (let i = 0; i < count; i++) {
      if (layout.kind === "vector") writeScalar(layout.scalar, view, at + 4 * i, list[i], `${path}[${i}]`);
      else write(layout.element, view, at + layout.stride * i, list[i], `${path}[${i}]`);
    }
  }
}

function writeStruct(
  layout: Layout & { kind: "struct" },
  view: DataView,
  at: number,
  value: unknown,
  path: string,
): void {
  const members = layout.fields.map(({ name }) => name);
  if (typeof value !== "object" || value === null)
    throw invalidArgument(path, value, `an object with ${members.join(", ")}`);
  for (const name of Object.keys(value)) {
    if (!members.includes(name)) throw invalidArgument(`a member of ${path}`, name, members.join(", "));
  }
  for (const { name, layout: of, at: offset } of layout.fields) {
    write(of, view, at + offset, (value as Record<string, unknown>)[name], `${path}.${name}`);
  }
}

function readScalar(scalar: ScalarName, view: DataView, at: number): number {
  if (scalar === "f32") return view.getFloat32(at, true);
  return scalar === "u32" ? view.getUint32(at, true) : view.getInt32(at, true);
}

export function read(layout: Layout, view: DataView, at: number): unknown {
  switch (layout.kind) {
    case "scalar":
      return readScalar(layout.scalar, view, at);
    case "vector":
      return Array.from({ length: layout.count }, (_, i) => readScalar(layout.scalar, view, at + 4 * i));
    case "struct":
      return Object.fromEntries(
        layout.fields.map(({ name, layout: of, at: offset }) => [name, read(of, view, at + offset)]),
      );
    case "array": {
      const { element, count, stride } = layout;
      if (element.kind !== "scalar")
        return Array.from({ length: count }, (_, i) => read(element, view, at + stride * i));
      const type = { u32: Uint32Array, i32: Int32Array, f32: Float32Array }[element.scalar];
      const numbers = new type(count);
      for (let i = 0; i < count; i++) numbers[i] = readScalar(element.scalar, view, at + 4 * i);
      return numbers;
    }
  }
}
