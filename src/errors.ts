/** Every failure of this library is a LavaFlowError with a code that stays the same from version to version. */

import type { ERROR_CODES } from "./error-codes.ts";

/** The stable codes of `LavaFlowError`. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** The call underneath a failure: which API, its own status number and its own words. */
export interface NativeFailure {
  api: string;
  status: number;
  text: string;
}

/** By this, objects of all copies of the package in the process tell the folder of theirs. */
export const COPY = Symbol.for("lava-flow.copy");
/** The folder of this copy. */
export const HOME = import.meta.dir;

// ───────────── stacks ─────────────

/** In a bundle the user's program is in this file too: its frames can't be told from those of this package. */
const UNBUNDLED = import.meta.file === "errors.ts";
const OWN_FILES = HOME + (HOME.includes("\\") ? "\\" : "/");
/** The first frame of a stack: the message before it may have lines of its own. */
const FRAME = "\n    at ";

/** The stack of a call, as an Error has it: the engine makes the text when `stack` is read for the first time. */
export interface Call {
  stack?: string;
}

/** The call of `entry`, a function of this package: also in a bundle, its first frame is that of the caller. */
export function callOf(entry: (...values: never[]) => unknown): Call {
  const call: Call = {};
  Error.captureStackTrace(call, entry);
  return call;
}

/** The first `frames` of the stack, with this function's own: for what waits so often that the whole stack costs too much. */
export function callHere(frames: number): Call {
  const before = Error.stackTraceLimit;
  if (!(before > frames)) return new Error(); // the user wants no more than that, or none
  Error.stackTraceLimit = frames;
  const call = new Error();
  Error.stackTraceLimit = before;
  return call;
}

/** Where in the user's program a call was made: "/app/main.ts:12:7", or "" where its stack does not say. */
export function placeOf(call: Call): string {
  for (const frame of framesOf(call.stack, 0)) {
    const place = usersPlace(frame);
    if (place) return place;
  }
  return "";
}

/** Puts the user's frames of `call` first in the stack of a LavaFlowError, which may be made in a callback of a timer or socket. */
export function putFirst(error: unknown, call: Call): void {
  if (!UNBUNDLED || !(error instanceof LavaFlowError) || typeof error.stack !== "string") return;
  const { head, frames } = split(error);
  const all = framesOf(call.stack, 0);
  const first = all.findIndex(usersPlace);
  const callers = first < 0 ? [] : all.slice(first).filter((frame) => !isOwn(frame));
  error.stack = [head, ...new Set([...callers, ...frames])].join(FRAME);
}

/** `error`, with the user's frames of the call that waited first where it has none of the user's itself. */
export function shownAt(call: Call | null, error: unknown): unknown {
  if (call !== null && !namesUser(error)) putFirst(error, call);
  return error;
}

/** Whether a frame of the user's is in the stack of `error`. */
export function namesUser(error: unknown): boolean {
  return error instanceof Error && split(error).frames.some(usersPlace);
}

function split(error: Error): { head: string; frames: string[] } {
  const stack = String(error.stack);
  const start = stack.indexOf(FRAME, Math.max(0, stack.indexOf(error.message)) + error.message.length);
  return start < 0 ? { head: stack, frames: [] } : { head: stack.slice(0, start), frames: framesOf(stack, start) };
}

/** A frame of no function gets a name: Bun, which reads the text again to print it, takes one without for a name alone. */
function framesOf(stack: string | undefined, from: number): string[] {
  const start = stack?.indexOf(FRAME, from) ?? -1;
  if (start < 0) return [];
  const frames = (stack as string).slice(start + FRAME.length).split(FRAME);
  return frames.map((frame) => frame.replace(/^(async )?(.*:\d+:\d+)$/, "$1<anonymous> ($2)"));
}

/** The frames with those before the first one of the user's at the end. */
function usersFirst(frames: string[]): string[] {
  const first = frames.findIndex(usersPlace);
  return first > 0 ? [...frames.slice(first), ...frames.slice(0, first)] : frames;
}

/** File, line and column of a frame of the user's program; "" for others. */
function usersPlace(frame: string): string {
  const place = /\(?((?:file:\/\/)?[^\s()][^()]*:\d+:\d+)\)?$/.exec(frame.replace(/^async /, ""))?.[1] ?? "";
  return isOwn(frame) || /^(?:native|node|bun|internal):/.test(place) ? "" : place;
}

function isOwn(frame: string): boolean {
  return UNBUNDLED && frame.includes(OWN_FILES);
}

const BRAND = Symbol.for("lava-flow.LavaFlowError");

/** Says in an error of the native part, which knows no names, which channel it is of. */
export let nameChannel: (error: LavaFlowError, name: string) => void;

/** The error of every failure: a code, the values involved, and a remedy where there is one. */
export class LavaFlowError extends Error {
  static {
    nameChannel = (error, name) => {
      if (!(#reason in error) || error.#reason.includes(`"${name}"`)) return;
      const { message, stack } = error;
      const reason = `channel "${name}": ${error.#reason}`;
      error.message = message.replace(error.#reason, () => reason);
      if (typeof stack === "string") error.stack = stack.replace(message, () => error.message);
      error.#reason = reason;
    };
    Object.defineProperty(LavaFlowError.prototype, BRAND, { value: true });
    Object.defineProperty(LavaFlowError.prototype, COPY, { value: HOME });
  }

  /** True for the errors of every copy of the package in the process: a class for its own objects, where it extends this. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: it is the class that is asked, which may be one that extends this
    if (this !== LavaFlowError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }

  override readonly name = "LavaFlowError";
  readonly code: ErrorCode;
  declare readonly native?: NativeFailure;
  /** What the user can do about it, where that is known. */
  declare readonly remedy?: string;
  #reason: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { native?: NativeFailure; remedy?: string; cause?: unknown } = {},
  ) {
    const remedy = options.remedy ? `. ${options.remedy}` : "";
    super(`${code}: ${message}${remedy}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.#reason = message;
    if (options.native) this.native = options.native;
    if (options.remedy) this.remedy = options.remedy;
    // Bun prints the source of the first frame: of an error that is not caught, the user's line.
    if (UNBUNDLED && typeof this.stack === "string") {
      const { head, frames } = split(this);
      this.stack = [head, ...usersFirst(frames)].join(FRAME);
    }
  }

  /** What happened: the message without the code and the remedy. */
  get reason(): string {
    return this.#reason;
  }
}

/** The error for an argument that can't be right: its name, what it was, and what it may be. */
export function invalidArgument(name: string, value: unknown, allowed: string): LavaFlowError {
  return new LavaFlowError("INVALID_ARGUMENT", `${name} is ${describe(value)}`, { remedy: `Give ${allowed}` });
}

function describe(value: unknown): string {
  if (typeof value === "string")
    return value.length > 80 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) {
    const copy = (value as { [COPY]?: unknown })[COPY];
    const other = typeof copy === "string" && copy !== HOME;
    const whose = other ? ` of another copy of lava-flow, of another version, at ${copy}` : "";
    return `a ${value.constructor?.name ?? "value"}${whose}`;
  }
  return String(value);
}

export function isCode(error: unknown, ...codes: ErrorCode[]): error is LavaFlowError {
  return error instanceof LavaFlowError && codes.includes(error.code);
}
