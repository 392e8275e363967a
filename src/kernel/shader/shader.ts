/** Translates WGSL to SPIR-V and MSL. */
// A user's type check reads only the files of this package that are imported or referenced.
/// <reference path="./wgsl.d.ts" />
import { LavaFlowError } from "../../errors.ts";
import { withSharedWords } from "../spirv/atomics.ts";
import { GuardRefusal, guarded, type Subject } from "../spirv/guards.ts";
import { StructLibrary } from "../struct/library.ts";
import { excerptOf } from "../wgsl/excerpts.ts";
import { allowedBy, type Extension, explainCapability, PLAIN, type Target } from "../wgsl/extensions.ts";
import { BUILT_IN, Front, OF_STRUCTS, ownName, PREFIX } from "../wgsl/front.ts";
import { Fault } from "../wgsl/lexer.ts";
import { NagaCrash, NagaRefusal, naga } from "../wgsl/naga.ts";
import atomics from "./atomics.wgsl" with { type: "text" };
import body from "./body.wgsl" with { type: "text" };
import entry from "./entry.wgsl" with { type: "text" };
import { PUSH, type Rounds, roundsFor, shaderConstants } from "./layout.ts";
import message from "./message.wgsl" with { type: "text" };
import type { ComputeModule } from "./module.ts";
import packed from "./packed.wgsl" with { type: "text" };
import ring from "./ring.wgsl" with { type: "text" };
import subgroups from "./subgroups.wgsl" with { type: "text" };

/** naga's MSL of a SPIR-V module. msl.ts sets the bindings that naga leaves open. */
export async function spirvToMsl(spirv: Uint32Array, name: string): Promise<string> {
  const translator = await naga();
  try {
    return translator.spirvToMsl(spirv, [2, 4]);
  } catch (error) {
    if (!(error instanceof NagaRefusal || error instanceof NagaCrash)) throw error;
    throw new LavaFlowError("SHADER_INVALID", `the SPIR-V of ${name}: ${error.message}`, { cause: error });
  }
}

/** Translations in the cache, at most. The oldest is dropped first. */
const KEPT = 64;
const translations = new Map<string, Promise<ComputeModule>>();

/** The number of storage buffers of a kernel: upload, readback, store, readyList. */
export const KERNEL_BUFFERS = 4;

/**
 * SPIR-V of a module with a compute entry point `main`. Rejects with SHADER_INVALID and the line of the source where
 * the module does not parse or validate. `name` is the module's name in errors.
 */
export async function toSpirv(wgsl: string, name: string): Promise<Uint32Array> {
  const translator = await naga();
  try {
    return translator.wgslToSpirv(wgsl, { debug: false });
  } catch (error) {
    if (!(error instanceof NagaRefusal || error instanceof NagaCrash)) throw error;
    throw refused(name, error.message, undefined, error);
  }
}

/**
 * A kernel's body together with the library's part, guarded: every index of the body stays within its array, and every
 * loop ends. Rejects with SHADER_INVALID and the line of the body.
 */
export function toKernel(
  wgsl: string,
  workgroupSize: number,
  name: string,
  rounds: Rounds = roundsFor(Number.POSITIVE_INFINITY),
  target: Target = PLAIN,
  structs: StructLibrary = NO_STRUCTS,
): Promise<ComputeModule> {
  const key = JSON.stringify([workgroupSize, rounds.fuel, target, structs.text, wgsl]);
  const known = translations.get(key);
  if (known) return known;
  const made = translateKernel(wgsl, workgroupSize, name, rounds, target, structs);
  made.catch(() => translations.delete(key));
  translations.set(key, made);
  const oldest = translations.keys().next();
  if (translations.size > KEPT && !oldest.done) translations.delete(oldest.value);
  return made;
}

const NO_STRUCTS = new StructLibrary([]);
const ON_MESSAGE = "Write fn on_message(message: Message) { … }";

/** Names of the functions that a text of the library declares. */
const functionsOf = (text: string) => [...text.matchAll(/^fn (\w+)/gm)].map(([, found]) => found as string);

/** The library's own functions, which check their indices. A user's part can have none of these names. */
const OWN: ReadonlySet<string> = new Set(functionsOf(`${body}${atomics}${message}${ring}${subgroups}`));
/** Matches the names of the functions in atomics.wgsl. */
const ATOMIC = /^state_atomic_/;

async function translateKernel(
  wgsl: string,
  workgroupSize: number,
  name: string,
  rounds: Rounds,
  target: Target,
  structs: StructLibrary,
): Promise<ComputeModule> {
  const { spirv, lines } = await withLibrary(wgsl, {
    name,
    entry: "on_message",
    shown: "on_message",
    remedy: ON_MESSAGE,
    own: structs === NO_STRUCTS ? OWN : new Set([...OWN, ...structs.functions]),
    structs: structs.names,
    extensions: ["f16", "subgroups"],
    target,
    library(front) {
      const { parameters = 0, hasResult = false } = front.declaration("on_message") ?? {};
      const call = `${hasResult ? "_ = " : ""}${PREFIX}on_message(${parameters === 0 ? "" : "message"});`;
      const onMessage = `fn lf_on_message(message: Message) { ${call} }`;
      const begin = front.enabled.has("subgroups") ? subgroups : entry;
      const added = front.find(ATOMIC) ? `${atomics}\n` : "";
      const given = structs === NO_STRUCTS ? "" : `${structs.of(front.used)}\n`;
      return `${body}\n${given}${added}${message}\n${ring}\n${begin}\n${onMessage}\nconst LF_WORKGROUP = ${workgroupSize}u;\n${shaderConstants(rounds)}\n`;
    },
  });
  return { name, spirv, workgroupSize, buffers: KERNEL_BUFFERS, pushWords: PUSH.WORDS, lines };
}

/** The library's part of a module, which is added behind the user's part. */
export interface Library {
  /** The name of the user's part in errors. */
  name: string;
  /** The user's function that the library calls. */
  entry: string;
  /** The entry as errors show it. */
  shown: string;
  /** The remedy where the entry is missing or has another signature. */
  remedy: string;
  /** Names of the library's functions, whose indices are not clamped. The library has a private variable `lf_fuel`. */
  own: ReadonlySet<string>;
  /** Names that structs declare. The library's text declares them with the prefix OF_STRUCTS. */
  structs?: ReadonlySet<string>;
  /** Extensions that the part may enable, where the device has them. */
  extensions: readonly Extension[];
  target: Target;
  /** The library's text, which calls the entry by its name with the prefix PREFIX. */
  library(front: Front): string;
}

const builtIn = (text: string): [string, string][] =>
  functionsOf(text)
    .filter((name) => name.startsWith(BUILT_IN))
    .map((name) => [name.slice(BUILT_IN.length), BUILT_IN]);
/** The built-in functions of packed.wgsl, with their prefix. */
const PACKED: ReadonlyMap<string, string> = new Map(builtIn(packed));
/** The built-in functions of packed.wgsl and subgroups.wgsl. */
const BUILT_INS: ReadonlyMap<string, string> = new Map([...PACKED, ...builtIn(subgroups)]);

export interface Whole {
  spirv: Uint32Array<ArrayBuffer>;
  /** The lines of the user's module variables, by their names in `spirv`. */
  lines: ReadonlyMap<string, number>;
}

/** A user's part with the library's part, guarded. Rejects with SHADER_INVALID and the line of the user's part. */
export async function withLibrary(wgsl: string, library: Library): Promise<Whole> {
  const { name, entry, shown, remedy, own, target } = library;
  const front = frontOf(wgsl, library);
  const declared = front.declaration(entry);
  if (declared?.kind !== "fn") throw refused(name, `it has no function ${shown}`, remedy);
  const translator = await naga();
  try {
    const translated = translator.wgslToSpirv(sourceOf(front, library), { debug: true });
    const allowed = allowedBy(front.enabled, target);
    const spirv = guarded(withSharedWords(translated, "lf_store", "lf_atomics"), "lf_fuel", own, allowed);
    return { spirv, lines: front.variables() };
  } catch (error) {
    if (error instanceof GuardRefusal) throw unguarded(name, front, target, error);
    if (error instanceof LavaFlowError) throw refused(name, error.reason, error.remedy);
    if (error instanceof NagaCrash) throw crashed(name, front, error);
    if (!(error instanceof NagaRefusal)) throw error;
    if (front.lineOf(error.message) <= front.lines)
      throw refused(name, await explained(front, library, error), undefined, error);
    // The library uses only the entry of the user's part: naga refuses the library's call of it.
    const what = `${entry} in line ${declared.line} does not fit the library's call of it`;
    throw refused(name, what, remedy, error);
  }
}

/** The error for a refusal of the guards, with the line of the user's part. */
function unguarded(name: string, front: Front, target: Target, refusal: GuardRefusal): LavaFlowError {
  const { capability } = refusal.subject;
  if (capability === undefined)
    return refused(name, refusal.reason + lineOf(front, refusal.subject), refusal.remedy, refusal);
  const { names, what, remedy } = explainCapability(capability, front.enabled, target);
  const found = front.find(names);
  const where = found ? `: ${found.text} in line ${found.line}` : "";
  return refused(name, what + where, remedy, refusal);
}

/**
 * ": name in line n" for the declaration of a variable or function; for a struct's function, the line of its first use.
 */
function lineOf(front: Front, { variable, of = "" }: Subject): string {
  const isOfStruct = of.startsWith(OF_STRUCTS);
  const own = ownName(isOfStruct ? of : (variable ?? of));
  const named = isOfStruct ? front.find(new RegExp(`^${own}$`)) : front.declaration(own);
  const line = variable === undefined || isOfStruct ? named?.line : front.lineOfVariable(variable, of);
  return line === undefined ? "" : `: ${own} in line ${line}`;
}

function frontOf(wgsl: string, { name, extensions, target, structs = new Set() }: Library): Front {
  const provided = new Map([...BUILT_INS, ...[...structs].map((each) => [each, OF_STRUCTS] as const)]);
  try {
    return new Front(wgsl, { provided, extensions, target });
  } catch (error) {
    if (error instanceof Fault)
      throw refused(name, error.remedy ? error.message : excerptOf(wgsl, error), error.remedy);
    throw error;
  }
}

/** naga's message; where it has no line, the line that `Front.locate` finds is put before it. */
async function explained(front: Front, library: Library, { message }: NagaRefusal): Promise<string> {
  const text = front.explain(message);
  if (/recursion limit/.test(text)) return `too many levels in line ${front.deepest()}: ${text}`;
  const line = front.lineOf(message) === 0 ? await front.locate((part) => isRefused(part, library)) : undefined;
  return line === undefined ? text : `in line ${line}: ${text}`;
}

async function isRefused(part: string, library: Library): Promise<boolean> {
  const translator = await naga();
  try {
    translator.wgslToSpirv(sourceOf(frontOf(part, library), library), { debug: true });
  } catch (error) {
    if (error instanceof NagaRefusal || error instanceof NagaCrash || error instanceof LavaFlowError) return true;
    throw error;
  }
  return false;
}

/** The module's text for naga. */
function sourceOf(front: Front, { library }: Library): string {
  const isPacked = [...front.used].some((each) => PACKED.has(each));
  return `${front.text}\n\n${isPacked ? packed : ""}${library(front)}`;
}

/** The error for a crash of naga, with the most likely cause. */
function crashed(name: string, front: Front, crash: NagaCrash): LavaFlowError {
  if (crash.isTooDeep) {
    const what = `the expression in line ${front.deepest()} has too many levels`;
    return refused(name, what, "Split it: give names to parts of it with let", crash);
  }
  const pointer = front.elementPointer();
  if (pointer) {
    const what = `${pointer.text} in line ${pointer.line} is a pointer to a part of a variable, which can't be passed to a function`;
    const remedy = "Pass a pointer to the whole variable, or to a copy of the part that is stored back afterwards";
    return refused(name, what, remedy, crash);
  }
  return refused(name, `naga, which translates it, crashed in ${crash.step}`, undefined, crash);
}

function refused(name: string, what: string, remedy?: string, cause?: unknown): LavaFlowError {
  return new LavaFlowError("SHADER_INVALID", `the WGSL of ${name}: ${what}`, { remedy, cause });
}
