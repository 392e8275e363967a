/**
 * The boundary between TypeScript and the shim. Its one source is the headers that shim/include/lavaflow.h includes:
 *
 *   src/native/symbols.ts   every function, as bun:ffi declares it
 *   src/native/layout.ts    sizes and offsets of every struct, and every constant
 *   src/error-codes.ts      the statuses' names
 *   shim/src/tools/layout.c the assertions that each platform's compiler checks
 *
 *   bun scripts/boundary.ts           writes them
 *   bun scripts/boundary.ts --check   fails if one of them is out of date
 *
 * The parser accepts a subset of C: prototypes that begin with LF_API, structs of fixed-width numbers and arrays of them,
 * enums with explicit values, and macros that are numbers. Other text in the header is an error.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./run.ts";

const HEADER = "shim/include/lavaflow.h";

/** Bytes of each type of a struct's member. The alignment of each equals its size on every platform of the shim. */
const BYTES: Record<string, number> = {
  char: 1,
  uint8_t: 1,
  int32_t: 4,
  uint32_t: 4,
  int64_t: 8,
  uint64_t: 8,
  double: 8,
};

/** A 64-bit value is a number if it is an OS handle, and a bigint if it is an address. */
const FFI: Record<string, string> = {
  int32_t: "i32",
  uint32_t: "u32",
  int64_t: "i64_fast",
  uint64_t: "u64",
  double: "f64",
};

interface Struct {
  name: string;
  bytes: number;
  fields: [name: string, offset: number][];
}

interface Boundary {
  functions: { name: string; args: string[] }[];
  structs: Struct[];
  constants: [name: string, value: number][];
  /** Without LF_E, the one of -1 first. */
  statuses: string[];
}

export function parse(header: string): Boundary {
  const text = header
    .replace(/\/\*[\s\S]*?\*\//g, " ")
    .replace(/^#(if|else|endif|include).*$/gm, "")
    .replace(/^#define LF_API.*$/gm, "");
  const boundary: Boundary = { functions: [], structs: [], constants: [], statuses: [] };
  const values = new Map<string, number>();
  let rest = text;
  const take = (pattern: RegExp, use: (match: string[]) => void) => {
    rest = rest.replace(pattern, (...match: string[]) => {
      use(match);
      return "";
    });
  };
  take(/^#define (\w+) +(\S.*)$/gm, ([, name = "", value = ""]) => {
    values.set(name, numberOf(value.replace(/[()u]/g, "").trim(), values));
  });
  rest = rest.replace(/^#define \w+$/gm, "");
  take(/\benum \{([^}]*)\};/g, ([, body = ""]) => {
    for (const entry of body.split(",").map((each) => each.trim())) {
      const [, name = "", value = ""] = /^(\w+) = (\S+)$/.exec(entry) ?? stop(`an enum has ${entry}`);
      values.set(name, numberOf(value, values));
    }
  });
  take(/\btypedef struct \{([^}]*)\} (\w+);/g, ([, body = "", name = ""]) => {
    boundary.structs.push(structOf(name, body, values));
  });
  take(/\bLF_API int32_t (\w+)\(([^)]*)\);/g, ([, name = "", args = ""]) => {
    const types = args.trim() === "void" ? [] : args.split(",").map((arg) => ffiOf(arg.trim()));
    boundary.functions.push({ name, args: types });
  });
  if (rest.trim() !== "") stop(`it has what is not understood: ${rest.trim().slice(0, 100)}`);
  for (const [name, value] of values) {
    if (name === "LF_OK") continue;
    if (name.startsWith("LF_E") && value < 0) boundary.statuses[-value - 1] = name.slice("LF_E".length);
    else boundary.constants.push([name, value]);
  }
  return boundary;
}

function stop(what: string): never {
  throw new Error(`${HEADER}: ${what}`);
}

function numberOf(text: string, values: ReadonlyMap<string, number>): number {
  const known = values.get(text);
  if (known !== undefined) return known;
  const [, left, right] = /^(\d+) << (\d+)$/.exec(text) ?? [];
  const value = left === undefined ? Number(text) : Number(left) * 2 ** Number(right);
  return Number.isSafeInteger(value) ? value : stop(`${text} is no number`);
}

function ffiOf(arg: string): string {
  if (arg.includes("*")) return "ptr";
  const type = arg.split(" ")[0] as string;
  return FFI[type] ?? stop(`an argument is ${arg}`);
}

function structOf(name: string, body: string, values: ReadonlyMap<string, number>): Struct {
  let [at, align] = [0, 1];
  const fields: Struct["fields"] = [];
  for (const line of body.split(";").map((each) => each.trim())) {
    if (line === "") continue;
    const [, type = "", names = ""] = /^(\w+) ([\w, [\]]+)$/.exec(line) ?? stop(`${name} has ${line}`);
    const bytes = BYTES[type] ?? stop(`${name} has a ${type}`);
    align = Math.max(align, bytes);
    for (const declared of names.split(",").map((each) => each.trim())) {
      const [, field = "", count] = /^(\w+)(?:\[(\w+)\])?$/.exec(declared) ?? stop(`${name} has ${declared}`);
      at = Math.ceil(at / bytes) * bytes;
      fields.push([field, at]);
      at += bytes * (count === undefined ? 1 : numberOf(count, values));
    }
  }
  return { name, bytes: Math.ceil(at / align) * align, fields };
}

const MADE = `Made from ${HEADER} by scripts/boundary.ts`;

function symbols({ functions }: Boundary): string {
  const lines = functions.map(
    ({ name, args }) => `  ${name}: { args: [${args.map((type) => `T.${type}`).join(", ")}], returns: T.i32 },`,
  );
  return `/** ${MADE}: every function of the shim. The TypeScript types of the calls are inferred from here. */
import { type Library, FFIType as T } from "bun:ffi";

// biome-ignore format: one line each
export const SYMBOLS = {
${lines.join("\n")}
} as const;

export type Shim = Library<typeof SYMBOLS>["symbols"];
`;
}

function layout({ structs, constants }: Boundary): string {
  const made = structs.map(({ name, bytes, fields }) => {
    const lines = fields.map(([field, offset]) => `  ${field}: ${offset},`);
    return `export const ${name.replace("lf_", "").toUpperCase()} = {\n  sizeof: ${bytes},\n${lines.join("\n")}\n} as const;`;
  });
  return `/** ${MADE}: sizes and offsets of its structs, in bytes, and its constants. */

// biome-ignore-start format: one line each
${made.join("\n\n")}

export const CONSTANTS = {
${constants.map(([name, value]) => `  ${name}: ${value},`).join("\n")}
} as const;
// biome-ignore-end format: one line each
`;
}

function errorCodes({ statuses }: Boundary): string {
  return `/** ${MADE}: the code at index i is status -(i + 1). */
export const ERROR_CODES = [
${statuses.map((name) => `  "${name}",`).join("\n")}
] as const;
`;
}

function assertions({ structs }: Boundary): string {
  const lines = structs.flatMap(({ name, bytes, fields }) => [
    `_Static_assert(sizeof(${name}) == ${bytes}, "src/native/layout.ts");`,
    ...fields.map(([field, at]) => `_Static_assert(offsetof(${name}, ${field}) == ${at}, "src/native/layout.ts");`),
  ]);
  return `/* ${MADE}: the compiler of each platform agrees with what TypeScript reads structs by. */
#include <stddef.h>

#include "lavaflow.h"

${lines.join("\n")}
`;
}

/** The text of all headers, in the order in which lavaflow.h includes them. */
export function readHeaders(): string {
  const folder = dirname(join(ROOT, HEADER));
  const included = readFileSync(join(ROOT, HEADER), "utf8").matchAll(/^#include "(.+)"$/gm);
  return [...included].map(([, path = ""]) => readFileSync(join(folder, path), "utf8")).join("\n");
}

/** Each file's path and its text. */
export function generated(header: string): Map<string, string> {
  const boundary = parse(header);
  return new Map([
    ["src/native/symbols.ts", symbols(boundary)],
    ["src/native/layout.ts", layout(boundary)],
    ["src/error-codes.ts", errorCodes(boundary)],
    ["shim/src/tools/layout.c", assertions(boundary)],
  ]);
}

/** The paths of the generated files that differ from the header. */
export function outOfDate(): string[] {
  const files = generated(readHeaders());
  const read = (path: string) => (existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), "utf8") : "");
  return [...files].filter(([path, text]) => read(path) !== text).map(([path]) => path);
}

if (import.meta.main) {
  const old = outOfDate();
  if (process.argv.includes("--check")) {
    if (old.length > 0) console.error(`Out of date: ${old.join(", ")}. Run bun scripts/boundary.ts`);
    process.exit(old.length > 0 ? 1 : 0);
  }
  const files = generated(readHeaders());
  for (const path of old) {
    writeFileSync(join(ROOT, path), files.get(path) as string);
    console.log(path);
  }
}
