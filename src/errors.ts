/** Every failure of this library is a LavaFlowError with a code that stays the same from version to version. */

import type { ERROR_CODES } from "./error-codes.ts";

/** The stable codes of `LavaFlowError`. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** The failed call of another API: its name, its status number and its text. */
export interface NativeFailure {
  api: string;
  status: number;
  text: string;
}

/** The property that holds the folder of the package copy which made an object. */
export const COPY = Symbol.for("lava-flow.copy");
/** The folder of this copy of the package. */
export const HOME = import.meta.dir;

// ───────────── stacks ─────────────

/** False in a bundle: the user's code is in the same file, so no frame can be told to be the package's. */
const UNBUNDLED = import.meta.file === "errors.ts";
const OWN_FILES = HOME + (HOME.includes("\\") ? "\\" : "/");
/** Begins each frame of a stack. The message before the first frame may have several lines. */
const FRAME = "\n    at ";

/** The stack of a call. The engine makes the text when `stack` is first read. */
export interface Call {
  stack?: string;
}

/** The call of `entry`, a function of this package. The first frame is the caller's, in a bundle too. */
export function callOf(entry: (...values: never[]) => unknown): Call {
  const call: Call = {};
  Error.captureStackTrace(call, entry);
  return call;
}

/** The first `frames` frames of the stack, this function's included: calls that wait often can't pay for a whole stack. */
export function callHere(frames: number): Call {
  const before = Error.stackTraceLimit;
  if (!(before > frames)) return new Error(); // the user's own limit is lower
  Error.stackTraceLimit = frames;
  const call = new Error();
  Error.stackTraceLimit = before;
  return call;
}

/** The user's source line of a call: "/app/main.ts:12:7", or "" where the stack has none. */
export function sourceLineOf(call: Call): string {
  for (const frame of framesOf(call.stack, 0)) {
    const line = userLineOf(frame);
    if (line) return line;
  }
  return "";
}

/** Puts the user's frames of `call` first in the stack of a LavaFlowError: a callback of a timer or a socket may have made it. */
export function putFirst(error: unknown, call: Call): void {
  if (!UNBUNDLED || !(error instanceof LavaFlowError) || typeof error.stack !== "string") return;
  const { head, frames } = split(error);
  const all = framesOf(call.stack, 0);
  const first = all.findIndex(userLineOf);
  const callers = first < 0 ? [] : all.slice(first).filter((frame) => !isOwn(frame));
  error.stack = [head, ...new Set([...callers, ...frames])].join(FRAME);
}

/** `error`. Where its stack has no frame of the user's, those of the waiting call come first. */
export function shownAt(call: Call | null, error: unknown): unknown {
  if (call !== null && !namesUser(error)) putFirst(error, call);
  return error;
}

/** Whether the stack of `error` has a frame of the user's. */
export function namesUser(error: unknown): boolean {
  return error instanceof Error && split(error).frames.some(userLineOf);
}

function split(error: Error): { head: string; frames: string[] } {
  const stack = String(error.stack);
  const start = stack.indexOf(FRAME, Math.max(0, stack.indexOf(error.message)) + error.message.length);
  return start < 0 ? { head: stack, frames: [] } : { head: stack.slice(0, start), frames: framesOf(stack, start) };
}

/** Adds "<anonymous>" to frames without a function: Bun parses the text to print it, and takes such a frame for a name. */
function framesOf(stack: string | undefined, from: number): string[] {
  const start = stack?.indexOf(FRAME, from) ?? -1;
  if (start < 0) return [];
  const frames = (stack as string).slice(start + FRAME.length).split(FRAME);
  return frames.map((frame) => frame.replace(/^(async )?(.*:\d+:\d+)$/, "$1<anonymous> ($2)"));
}

/** Moves the frames before the user's first one to the end. */
function usersFirst(frames: string[]): string[] {
  const first = frames.findIndex(userLineOf);
  return first > 0 ? [...frames.slice(first), ...frames.slice(0, first)] : frames;
}

/** File, line and column of a frame of the user's program; "" for other frames. */
function userLineOf(frame: string): string {
  const line = /\(?((?:file:\/\/)?[^\s()][^()]*:\d+:\d+)\)?$/.exec(frame.replace(/^async /, ""))?.[1] ?? "";
  return isOwn(frame) || /^(?:native|node|bun|internal):/.test(line) ? "" : line;
}

function isOwn(frame: string): boolean {
  return UNBUNDLED && frame.includes(OWN_FILES);
}

const BRAND = Symbol.for("lava-flow.LavaFlowError");

/** Adds a channel's name to an error of the native part, which knows no names. */
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

  /** True for errors of every copy of the package in the process; a subclass tests for its own objects. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: `this` may be a subclass
    if (this !== LavaFlowError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }

  override readonly name = "LavaFlowError";
  readonly code: ErrorCode;
  declare readonly native?: NativeFailure;
  /** What the user can do, where that is known. */
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
    // Bun prints the source of the first frame: for an uncaught error it should be the user's line.
    if (UNBUNDLED && typeof this.stack === "string") {
      const { head, frames } = split(this);
      this.stack = [head, ...usersFirst(frames)].join(FRAME);
    }
  }

  /** The message without the code and the remedy. */
  get reason(): string {
    return this.#reason;
  }
}

/** The error for a wrong argument: its name, its value, and the values that are allowed. */
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
