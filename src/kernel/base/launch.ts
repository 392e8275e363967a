/** The options of a launch, and their checks. */
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

/** The second argument of a handler. */
export interface KernelContext {
  /** The kernel's own memory: zeros at first, and kept from message to message. */
  readonly state: Uint8Array;
  readonly clock: HybridLogicalClock;
  /**
   * Sends to another kernel: its id, or "runtime/id". By default the message has the type of the message that is being
   * handled, and priority 1. Within a call, the message carries the call on: the kernel that replies to it answers the
   * call. Throws KERNEL_NOT_ACTIVE where there is no such kernel, QUEUE_FULL, and MAX_HOPS_EXCEEDED. In a Worker
   * `sendTo` does not throw: a message that can't be delivered counts as rejected in `k2k.metrics`.
   */
  sendTo(kernelId: string, payload: MessageBytes, options?: SendOptions): void;
}

/** Handles one message at a time. Returns the reply; undefined for none. */
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
   * `wgsl`, with a function `on_message`, runs on vulkan and metal. `handler` runs on cpu. `module`, whose default
   * export is a handler, runs on cpu in a Worker of its own, but not in a bundle. A source with WGSL and one of the
   * others runs on all.
   */
  source: { wgsl?: string; handler?: Handler<NoInfer<Request>, NoInfer<Reply>>; module?: string | URL };
  /**
   * Structs of the requests and of the replies. `send` and `call` take values of `request`, and the handler gets them;
   * it returns values of `reply`, and `receive` and `call` give them. Without a struct, payloads are bytes.
   */
  request?: Request;
  reply?: Reply;
  /** Further structs that the WGSL uses: for its state, and for what it sends to other kernels. */
  structs?: readonly Struct[];
  /** Bytes of the kernel's state, a multiple of 4; default 1024. */
  stateBytes?: number;
  /** Messages that may wait for the kernel: a power of two, default 256. */
  inputCapacity?: number;
  /** Replies that may wait for `receive`: a power of two, default 256. */
  outputCapacity?: number;
  /** Bytes of the largest payload, in and out: a multiple of 4. Default 256, or what `request` and `reply` need. */
  payloadBytes?: number;
  /** Invocations of the WGSL for each message; default 1. */
  workgroupSize?: number;
  /**
   * The destinations of `send_to` in WGSL by number, from 0: ids, "runtime/id", or "" for none. The kernels may be
   * launched later. A message that can't be delivered to another runtime counts as rejected in `k2k.metrics`.
   */
  routes?: readonly string[];
}

/** Checked `LaunchOptions`, with all defaults filled in. */
export interface LaunchPlan extends Required<Omit<LaunchOptions, "request" | "reply" | "structs" | keyof Limits>> {
  request: Struct | null;
  reply: Struct | null;
  /** The WGSL of `request`, `reply` and the further structs. */
  structs: StructLibrary;
}

const MiB = 2 ** 20;
const PAYLOAD_MAX = 64 * MiB;
const STATE_MAX = 1024 * MiB;
const CAPACITY_MAX = 2 ** 20;
const WORKGROUP_MAX = 1024;
/** An absolute path, also of a drive, or a URL. A relative path would be resolved against a file of this library. */
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
  throw invalidArgument(name, value, "a result of struct()");
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
    throw invalidArgument("source.wgsl", wgsl, "WGSL with a function on_message: this backend runs nothing else");
  if (backend === "cpu" && handler === undefined && module === undefined)
    throw invalidArgument("source.handler", handler, `a handler or a module: the cpu runs nothing else${passedOver}`);
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

/**
 * Throws INVALID_ARGUMENT with the invalid option. `passedOver` is appended to errors: why no other backend was chosen.
 */
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
  if (!Array.isArray(structs)) throw invalidArgument("structs", structs, "a list of results of struct()");
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
