/** WGSL, made into what a GPU's driver takes. */
// A user's type check sees the files that are named, and no others of this package.
/// <reference path="./shaders/wgsl.d.ts" />
// @ts-expect-error: its types are those of its exports; with this attribute it is a path.
import wasm from "../../node_modules/naga-wasm/dist/wasm/naga_bg.wasm" with { type: "file" };
import { LavaFlowError } from "../errors.ts";
import type { ComputeModule } from "./backend/compute.ts";
import { PUSH, type Rounds, roundsFor, shaderConstants } from "./backend/layout.ts";
import body from "./shaders/body.wgsl" with { type: "text" };
import message from "./shaders/message.wgsl" with { type: "text" };
import ring from "./shaders/ring.wgsl" with { type: "text" };
import { guarded } from "./spirv.ts";

type Naga = typeof import("naga-wasm");

/**
 * 2 MB of WebAssembly: loaded when the first shader is. The package's entry for servers reads them beside itself, where they
 * are not once `bun build --compile` has made one file of all; so this takes the other entry, which is given them. That has
 * no name outside the package, and is found by its place: naga-wasm is bundled with this package.
 */
async function load(): Promise<Naga> {
  const module = await import("../../node_modules/naga-wasm/dist/index.js");
  await module.init({ module_or_path: await Bun.file(wasm).arrayBuffer() });
  return module;
}

let loaded: Promise<Naga> | undefined;
const naga = () => (loaded ??= load());

/** What naga makes of SPIR-V for Metal: msl.ts puts in what it leaves open. */
export async function spirvToMsl(spirv: Uint32Array, name: string): Promise<string> {
  const { translate, NagaError } = await naga();
  try {
    return translate({ from: "spirv", source: spirv, to: "msl", options: { langVersion: [2, 4] } });
  } catch (error) {
    if (!(error instanceof NagaError)) throw error;
    throw new LavaFlowError("SHADER_INVALID", `the SPIR-V of ${name}: ${error.formatted}`, { cause: error });
  }
}

/** Translations that are kept; of more, the oldest is made anew when it is asked for. */
const KEPT = 64;
const translations = new Map<string, Promise<ComputeModule>>();

/** Storage buffers of a kernel: inward, outward, store, board. */
export const KERNEL_BUFFERS = 4;

/**
 * SPIR-V of a module with a compute entry point `main`. SHADER_INVALID, with the line of the source, where it does not parse
 * or validate. `name` says whose it is.
 */
export async function toSpirv(wgsl: string, name: string): Promise<Uint32Array> {
  return translated(wgsl, name, false, (words) => words);
}

/** The same of a user's source with the library's functions `own`, guarded as a kernel's; it has a private `lf_fuel`. */
export async function toGuardedSpirv(wgsl: string, name: string, own: ReadonlySet<string>): Promise<Uint32Array> {
  return translated(wgsl, name, true, (words) => guarded(words, "lf_fuel", own));
}

/**
 * A kernel's body with what the library adds to it, guarded: no index of it leaves its array, and its loops come to an end.
 * SHADER_INVALID, with the line of the body.
 */
export function toKernel(
  wgsl: string,
  workgroupSize: number,
  name: string,
  rounds: Rounds = roundsFor(Number.POSITIVE_INFINITY),
): Promise<ComputeModule> {
  const key = `${workgroupSize} ${rounds.fuel} ${wgsl}`;
  const known = translations.get(key);
  if (known) return known;
  const made = translateKernel(wgsl, workgroupSize, name, rounds);
  made.catch(() => translations.delete(key));
  translations.set(key, made);
  const oldest = translations.keys().next();
  if (translations.size > KEPT && !oldest.done) translations.delete(oldest.value);
  return made;
}

async function translateKernel(
  wgsl: string,
  workgroupSize: number,
  name: string,
  rounds: Rounds,
): Promise<ComputeModule> {
  checkBody(wgsl, name);
  const source = `${wgsl}\n\n${body}\n${message}\n${ring}\nconst LF_WORKGROUP = ${workgroupSize}u;\n${shaderConstants(rounds)}\n`;
  const ownLines = wgsl.split("\n").length;
  const spirv = await translated(source, name, true, (words) => guarded(words, "lf_fuel", OWN), ownLines);
  return { name, spirv, workgroupSize, buffers: KERNEL_BUFFERS, pushWords: PUSH.WORDS };
}

async function translated<T>(
  wgsl: string,
  name: string,
  debug: boolean,
  then: (words: Uint32Array) => T,
  ownLines = Number.POSITIVE_INFINITY,
): Promise<T> {
  const { translate, NagaError } = await naga();
  try {
    return then(translate({ from: "wgsl", source: wgsl, to: "spirv", options: { flags: { debug } } }));
  } catch (error) {
    if (error instanceof LavaFlowError) throw refused(name, error.reason, error.remedy);
    if (!(error instanceof NagaError)) throw error;
    const line = Number(/wgsl:(\d+):/.exec(error.formatted)?.[1] ?? 0);
    if (line > ownLines) throw refused(name, inPrelude(error.formatted), ON_MESSAGE, error);
    throw refused(name, error.formatted, undefined, error);
  }
}

const ON_MESSAGE = "Write fn on_message(message: Message) { … }, and no other name that the library has";

/** An error that naga found in what the library adds: the body does not fit it. */
function inPrelude(formatted: string): string {
  return `the body does not fit what the library adds to it: ${formatted.split("\n", 1)[0]?.replace(/^error: /, "")}`;
}

function refused(name: string, what: string, remedy?: string, cause?: unknown): LavaFlowError {
  return new LavaFlowError("SHADER_INVALID", `the WGSL of ${name}: ${what}`, { remedy, cause });
}

/** The library's own functions, which check what they are given. A body can have none of these names. */
const OWN = new Set([...`${body}${message}${ring}`.matchAll(/^fn (\w+)/gm)].map(([, found]) => found as string));

/** Names that the library has for bodies. */
const TAKEN = new Set([...body.matchAll(/^(?:fn|struct) ((?!lf_|Lf)\w+)/gm)].map(([, found]) => found as string));

/** What must not be in a body, although naga would take it or complain of the wrong place. */
const FORBIDDEN: [RegExp, string, string][] = [
  [
    /@\s*(?:group|binding)\b/,
    "a resource of its own",
    "Use payload, state, set_reply and the like: a body has no buffers",
  ],
  [/@\s*(?:compute|vertex|fragment)\b/, "an entry point", "Write on_message; the library adds the entry point"],
  [/\b(?:lf_|Lf|LF_)\w*/, "a name of the library's own", "Choose names that do not begin with lf_, Lf or LF_"],
  [
    /\bvar\s*<\s*(?:storage|uniform|immediate)\b/,
    "a resource of its own",
    "Use payload, state, set_reply and the like",
  ],
];

/** SHADER_INVALID, with the line, for what a body may not have or lacks. */
function checkBody(wgsl: string, name: string): void {
  const code = withoutComments(wgsl);
  for (const [pattern, what, remedy] of FORBIDDEN) {
    const found = pattern.exec(code);
    if (found) throw refused(name, `${what} in ${place(code, found.index)}: ${found[0]}`, remedy);
  }
  for (const found of code.matchAll(/\b(?:fn|struct|const|override|alias|var(?:\s*<[^>]*>)?)\s+(\w+)/g)) {
    const [, declared = ""] = found;
    const global = depthAt(code, found.index) === 0;
    if (global && TAKEN.has(declared))
      throw refused(
        name,
        `${declared} in ${place(code, found.index)} is a name of the library's`,
        "Choose another name",
      );
  }
  if (!/\bfn\s+on_message\s*\(/.test(code)) throw refused(name, "it has no function on_message", ON_MESSAGE);
}

/** The same text with spaces instead of comments, so that places stay. Block comments may be nested. */
function withoutComments(wgsl: string): string {
  let depth = 0;
  return wgsl.replace(/\/\*|\*\/|\/\/[^\n]*|[^/*]+|./gs, (part) => {
    const blank = () => part.replace(/[^\n]/g, " ");
    if (part === "/*") depth++;
    else if (part === "*/" && depth > 0) {
      depth--;
      return blank();
    }
    return depth > 0 || part.startsWith("//") ? blank() : part;
  });
}

function depthAt(code: string, index: number): number {
  let depth = 0;
  for (let i = 0; i < index; i++) {
    if (code[i] === "{") depth++;
    else if (code[i] === "}") depth--;
  }
  return depth;
}

const place = (code: string, index: number) => `line ${code.slice(0, index).split("\n").length}`;
