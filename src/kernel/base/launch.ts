/** What a kernel may be launched with, and what is said of the rest. */
import { invalidArgument } from "../../errors.ts";
import { type Limits, timeoutOf } from "../../native/limits.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";
import { checkForWgsl, StructLibrary } from "../struct/library.ts";
import { Struct } from "../struct/struct.ts";
import { checkId, parseAddress } from "./addresses.ts";
import type { HybridLogicalClock } from "./clock.ts";
import type { Envelope } from "./envelope.ts";
import type { Priority } from "./message.ts";
import type { MessageBytes, Payload, PayloadInit } from "./payload.ts";

/** How one kernel sends to another. */
export interface SendOptions {
  /** 3 is handled first; default 1. */
  priority?: Priority;
  /** As in `EnvelopeInit`. */
  type?: number;
  deadlineMs?: number;
}

/** What a handler has besides the message. */
export interface KernelContext {
  /** The kernel's own memory: zeros at first, and as the handler left it after that. */
  readonly state: Uint8Array;
  readonly clock: HybridLogicalClock;
  /**
   * Sends to another kernel: its id, or "runtime/id". The message is of the type of the one that is being handled, if
   * nothing else is said, and has priority 1. A call that is being handled is passed on so: whoever replies to this message
   * answers it. Throws KERNEL_NOT_ACTIVE where there is none, QUEUE_FULL, and
   * MAX_HOPS_EXCEEDED. In a Worker it does not throw: what can't be delivered counts as rejected in `k2k.metrics`.
   */
  sendTo(kernelId: string, payload: MessageBytes, options?: SendOptions): void;
}

/** Handles one message at a time. What it returns is the reply; undefined for none. */
export type Handler<Request extends Struct | undefined = undefined, Reply extends Struct | undefined = undefined> = (
  message: Envelope<Payload<Request>>,
  context: KernelContext,
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing has this type
) => PayloadInit<Reply> | undefined | void;

/** Options of `KernelRuntime.launch`. */
export interface LaunchOptions<
  Request extends Struct | undefined = undefined,
  Reply extends Struct | undefined = undefined,
> extends Limits {
  /**
   * WGSL with a function `on_message` runs on vulkan and metal; a handler, or a module whose default export is one and
   * which then runs in a Worker of its own (not in a bundle), on cpu. Give WGSL and one of them to run anywhere.
   */
  source: { wgsl?: string; handler?: Handler<NoInfer<Request>, NoInfer<Reply>>; module?: string | URL };
  /**
   * What it is sent, and what it replies: `send` and `call` take values of the one, `receive`, `call` and the handler have
   * values of the other. Without them payloads are bytes.
   */
  request?: Request;
  reply?: Reply;
  /** Further structs that the WGSL uses: for its state, and for what it sends to other kernels. */
  structs?: readonly Struct[];
  /** A multiple of 4; default 1024. */
  stateBytes?: number;
  /** How many messages may wait for it, and how many replies for `receive`: powers of two, default 256. */
  inputCapacity?: number;
  outputCapacity?: number;
  /** The largest payload, in and out: a multiple of 4, default 256, or as much as `request` and `reply` need. */
  payloadBytes?: number;
  /** Invocations of the WGSL for each message; default 1. */
  workgroupSize?: number;
  /**
   * The kernels that the numbers of `send_to` in WGSL stand for, from 0: ids, "runtime/id", or "" for nobody. They may be
   * launched later. What can't be delivered to another runtime counts as rejected in `k2k.metrics`.
   */
  routes?: readonly string[];
}

/** As `LaunchOptions`, with nothing left out. */
export interface LaunchPlan extends Required<Omit<LaunchOptions, "request" | "reply" | "structs" | keyof Limits>> {
  request: Struct | null;
  reply: Struct | null;
  /** What these and all others give the WGSL. */
  structs: StructLibrary;
}

const MiB = 2 ** 20;
const PAYLOAD_MAX = 64 * MiB;
const STATE_MAX = 1024 * MiB;
const CAPACITY_MAX = 2 ** 20;
const WORKGROUP_MAX = 1024;
/** A path from the root, of a drive too, or a URL: what is relative would be so to a file of this library. */
const ABSOLUTE = /^(\/|[a-z][\w+.-]*:)/i;
const ROUTES_MAX = 65_536;

function whole(name: string, value: unknown, least: number, most: number, step = 1): number {
  if (
    Number.isInteger(value) &&
    (value as number) >= least &&
    (value as number) <= most &&
    (value as number) % step === 0
  )
    return value as number;
  const of = step === 1 ? "a whole number" : `a multiple of ${step}`;
  throw invalidArgument(name, value, `${of} from ${least} to ${most}`);
}

function capacity(name: string, value: unknown): number {
  const valid = Number.isInteger(value) && (value as number) > 0 && (value as number) <= CAPACITY_MAX;
  if (valid && Number.isInteger(Math.log2(value as number))) return value as number;
  throw invalidArgument(name, value, `a power of two from 1 to ${CAPACITY_MAX}`);
}

function checkStruct(name: string, value: unknown): Struct | null {
  if (value === undefined || value instanceof Struct) return value ?? null;
  throw invalidArgument(name, value, "what struct() gave");
}

function checkSource(source: unknown, backend: "cpu" | "gpu", passedOver: string): LaunchPlan["source"] {
  if (typeof source !== "object" || source === null)
    throw invalidArgument("source", source, "{ wgsl, handler } or one of them");
  checkNames("source", source, { wgsl: true, handler: true, module: true });
  const { wgsl, handler, module } = source as LaunchOptions["source"];
  if (wgsl !== undefined && typeof wgsl !== "string") throw invalidArgument("source.wgsl", wgsl, "text");
  if (handler !== undefined && typeof handler !== "function")
    throw invalidArgument("source.handler", handler, "a function");
  if (module !== undefined && !(module instanceof URL || (typeof module === "string" && ABSOLUTE.test(module))))
    throw invalidArgument("source.module", module, "the URL of a module, new URL(..., import.meta.url) for example");
  if (handler !== undefined && module !== undefined)
    throw invalidArgument("source.module", module, "either a handler or a module");
  if (backend === "gpu" && wgsl === undefined)
    throw invalidArgument("source.wgsl", wgsl, "WGSL with a function on_message, which is what runs on this backend");
  if (backend === "cpu" && handler === undefined && module === undefined)
    throw invalidArgument(
      "source.handler",
      handler,
      `a handler or a module, which is what runs on the cpu${passedOver}`,
    );
  return { wgsl, handler, module };
}

const NAMES: OptionNames<LaunchOptions> = {
  source: true,
  stateBytes: true,
  inputCapacity: true,
  outputCapacity: true,
  payloadBytes: true,
  workgroupSize: true,
  routes: true,
  request: true,
  reply: true,
  structs: true,
  timeoutMs: true,
  signal: true,
};

/** INVALID_ARGUMENT, with the option that can't be. `passedOver` says why it is not another backend. */
export function checkLaunch(
  id: unknown,
  options: LaunchOptions<Struct | undefined, Struct | undefined>,
  backend: "cpu" | "gpu",
  passedOver: string,
): LaunchPlan {
  checkId(id);
  if (typeof options !== "object" || options === null) throw invalidArgument("options", options, "{ source: ... }");
  checkNames("launch", options, NAMES);
  timeoutOf(options);
  const request = checkStruct("request", options.request);
  const reply = checkStruct("reply", options.reply);
  const { structs = [], routes = [] } = options;
  if (!Array.isArray(structs)) throw invalidArgument("structs", structs, "a list of what struct() gave");
  for (const [i, each] of structs.entries()) checkStruct(`structs[${i}]`, each ?? null);
  const needed = Math.max(request?.size ?? 0, reply?.size ?? 0);
  const { stateBytes = 1024, inputCapacity = 256, outputCapacity = 256, workgroupSize = 1 } = options;
  const { payloadBytes = Math.max(256, needed) } = options;
  const source = checkSource(options.source, backend, passedOver);
  if (!Array.isArray(routes)) throw invalidArgument("routes", routes, "a list of ids");
  whole("the number of routes", routes.length, 0, ROUTES_MAX);
  for (const [i, route] of routes.entries()) if (route !== "") parseAddress(route, `routes[${i}]`);
  const all: Struct[] = [...(request ? [request] : []), ...(reply ? [reply] : []), ...structs];
  if (source.wgsl !== undefined) checkForWgsl(all);
  return {
    source,
    request,
    reply,
    structs: new StructLibrary(all),
    stateBytes: whole("stateBytes", stateBytes, 0, STATE_MAX, 4),
    inputCapacity: capacity("inputCapacity", inputCapacity),
    outputCapacity: capacity("outputCapacity", outputCapacity),
    payloadBytes: whole("payloadBytes", payloadBytes, Math.max(4, needed), PAYLOAD_MAX, 4),
    workgroupSize: whole("workgroupSize", workgroupSize, 1, WORKGROUP_MAX),
    routes: [...routes],
  };
}
