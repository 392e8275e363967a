/** A struct in WGSL: its declaration, and the functions by which a body reads and writes its words. */
import type { Layout, ScalarName } from "./layout.ts";

export type StructLayout = Layout & { kind: "struct" };

/** A function by which a body reads or writes values of a struct. */
export interface Accessor {
  /** Its name without the prefix. */
  readonly name: string;
  readonly text: string;
}

/** `own` is the prefix of each name that structs declare. */
export function declaration(name: string, { fields, size }: StructLayout, own = ""): string {
  const members = fields.map(({ name: member, layout }) => `${member}: ${typeOf(layout, own)}`).join(", ");
  const offsets = fields.map(({ name: member, at }) => `const ${own}${name}_${member}_WORD = ${at / 4}u;`);
  const sizes = [`const ${own}${name}_SIZE = ${size}u;`, `const ${own}${name}_WORDS = ${size / 4}u;`];
  return [`struct ${own}${name} { ${members} }`, ...sizes, ...offsets].join("\n");
}

function typeOf(layout: Layout, own: string): string {
  if (layout.kind === "array") return `array<${typeOf(layout.element, own)}, ${layout.count}>`;
  return layout.kind === "struct" ? own + layout.type : layout.type;
}

/** Arrays are read and written by loops: the text, and the time to compile it, do not grow with their lengths. */
export function accessors(name: string, layout: StructLayout, own = ""): Accessor[] {
  const type = own + name;
  const readers = ["payload", "state"].map((from) => {
    const body = `  var value: ${type};\n${reads(layout, own, from)}  return value;\n`;
    return { name: `${from}_${name}`, text: `fn ${own}${from}_${name}(i: u32) -> ${type} {\n${body}}` };
  });
  const writers = ["set_state", "set_reply", "set_out"].map((to) => {
    const body = `  var value = given;\n${writes(layout, own, to)}`;
    return { name: `${to}_${name}`, text: `fn ${own}${to}_${name}(i: u32, given: ${type}) {\n${body}}` };
  });
  return [...readers, ...writers];
}

const word = (at: string, bytes: number) => (bytes === 0 ? at : `${at} + ${bytes / 4}u`);

function reads({ fields }: StructLayout, own: string, from: string): string {
  return fields
    .map(({ name, layout, at }) => `  ${get(layout, own, from, `value.${name}`, word("i", at), 0)}\n`)
    .join("");
}

function get(layout: Layout, own: string, from: string, target: string, at: string, depth: number): string {
  const number = (scalar: ScalarName, where: string) => {
    if (scalar === "f32") return `${from}_f32(${where})`;
    return scalar === "u32" ? `${from}(${where})` : `bitcast<i32>(${from}(${where}))`;
  };
  switch (layout.kind) {
    case "scalar":
      return `${target} = ${number(layout.scalar, at)};`;
    case "vector": {
      const parts = Array.from({ length: layout.count }, (_, i) => number(layout.scalar, word(at, 4 * i)));
      return `${target} = ${layout.type}(${parts.join(", ")});`;
    }
    case "struct":
      return `${target} = ${own}${from}_${layout.type}(${at});`;
    case "array":
      return each(layout, depth, (n) =>
        get(layout.element, own, from, `${target}[${n}]`, step(at, n, layout.stride), depth + 1),
      );
  }
}

function writes(layout: StructLayout, own: string, to: string): string {
  const lines: string[] = [];
  let end = 0;
  const pad = (until: number) => {
    for (; end < until; end += 4) lines.push(`${to}(${word("i", end)}, 0u);`);
  };
  for (const { name, layout: of, at } of layout.fields) {
    pad(at);
    lines.push(put(of, own, to, `value.${name}`, word("i", at), 0));
    end = at + of.size;
  }
  pad(layout.size);
  return lines.map((line) => `  ${line}\n`).join("");
}

function put(layout: Layout, own: string, to: string, source: string, at: string, depth: number): string {
  const number = (scalar: ScalarName, where: string, value: string) => {
    if (scalar === "f32") return `${to}_f32(${where}, ${value});`;
    return `${to}(${where}, ${scalar === "u32" ? value : `bitcast<u32>(${value})`});`;
  };
  switch (layout.kind) {
    case "scalar":
      return number(layout.scalar, at, source);
    case "vector":
      return Array.from({ length: layout.count }, (_, i) =>
        number(layout.scalar, word(at, 4 * i), `${source}.${"xyzw"[i]}`),
      ).join(" ");
    case "struct":
      return `${own}${to}_${layout.type}(${at}, ${source});`;
    case "array":
      return each(layout, depth, (n) => {
        const here = step(at, n, layout.stride);
        const element = put(layout.element, own, to, `${source}[${n}]`, here, depth + 1);
        // An element of three words has a word of padding behind it.
        const padding = layout.stride > layout.element.size ? ` ${to}(${here} + ${layout.element.size / 4}u, 0u);` : "";
        return element + padding;
      });
  }
}

const step = (at: string, n: string, stride: number) => `${at} + ${n} * ${stride / 4}u`;

function each(layout: Layout & { kind: "array" }, depth: number, body: (n: string) => string): string {
  const n = `n${depth}`;
  return `for (var ${n} = 0u; ${n} < ${layout.count}u; ${n}++) { ${body(n)} }`;
}
