/** KernelRuntime: a backend, its kernels, and their ids. */
import { type Call, callOf, invalidArgument, LavaFlowError, sourceLineOf } from "../errors.ts";
import { GpuDevice, type GpuInfo, listGpus, noVulkan } from "../gpu/device.ts";
import { sharedBetweenCopies } from "../native/copies.ts";
import { checkAborted, checkDrain, type Limits, limitedWork } from "../native/limits.ts";
import { checkNames, type OptionNames } from "../native/options.ts";
import { remedyFor } from "../native/status.ts";
import type { KernelBackend } from "./backend/backend.ts";
import { openCpu } from "./backend/cpu.ts";
import { metalUnavailable, openMetal } from "./backend/metal.ts";
import type { Registry } from "./backend/registry.ts";
import { openVulkan } from "./backend/vulkan.ts";
import { Addresses, checkRuntimeName } from "./base/addresses.ts";
import { Calls } from "./base/calls.ts";
import { HybridLogicalClock } from "./base/clock.ts";
import { checkLaunch, type LaunchOptions, type LaunchPlan } from "./base/launch.ts";
import { bodyOf } from "./handler.ts";
import { Broker, type K2kBroker } from "./k2k/broker.ts";
import { checkK2k, type K2kConfig } from "./k2k/config.ts";
import type { Kernel, Remains } from "./kernel.ts";
import type { KernelOwner } from "./kernel-owner.ts";
import { RingKernel } from "./ring-kernel.ts";
import { Routes } from "./routes.ts";
import type { Struct } from "./struct/struct.ts";

/** Where kernels run: on the processor, or on a GPU through Vulkan or Metal. */
export type Backend = "cpu" | "vulkan" | "metal";

/** Options of `KernelRuntime.create`. */
export interface RuntimeOptions {
  /**
   * "auto" (the default) takes the first of metal, vulkan and cpu that works here. A software GPU is used only where
   * `backend` is "vulkan" or `device` is given.
   */
  backend?: "auto" | Backend;
  /** A GPU of Vulkan, as an index into `MemoryAllocator.topology.gpus`; default: the first hardware GPU. */
  device?: number;
  /** Whether kernels can send to kernels, and the limits of that; default true. */
  k2k?: boolean | Partial<K2kConfig>;
  /** The runtime's name in addresses of other runtimes, 1 to 28 bytes; default: a random unique one. */
  name?: string;
}

/** Messages that waited at the shutdown, handled or not, in all and by kernel. */
export interface ShutdownReport extends Remains {
  kernels: (Remains & { id: string })[];
}

/** The default of `drainMs` in a shutdown, milliseconds. */
const DRAIN_MS = 5000;
const BACKENDS: readonly unknown[] = ["auto", "cpu", "vulkan", "metal"];

interface Opened {
  name: Backend;
  backend: KernelBackend;
  /** The retained GPU of the backend vulkan. */
  device: GpuDevice | null;
  rejected: { backend: Backend; reason: string }[];
}

/** The backends in the order of "auto": whether each works here, on which device, or why it does not. */
export function kernelBackends(): { backend: Backend; viable: boolean; reason: string }[] {
  const metal = metalUnavailable();
  return [
    { backend: "metal", viable: metal === null, reason: metal ?? "Apple's default GPU" },
    { backend: "vulkan", ...vulkanViability() },
    { backend: "cpu", viable: true, reason: "handlers in TypeScript" },
  ];
}

function vulkanViability(): { viable: boolean; reason: string } {
  try {
    const { name, type } = chooseGpu(undefined, false);
    return { viable: true, reason: type === "cpu" ? `${name}, a software device, used only when it is named` : name };
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    return { viable: false, reason: error.reason };
  }
}

const NAMES: OptionNames<RuntimeOptions> = { backend: true, device: true, k2k: true, name: true };

/** The GPU of a runtime, also of a runtime of another copy of the package. */
let deviceOf: (runtime: KernelRuntime) => GpuDevice | null;

/** Launches kernels on one backend and connects them with other runtimes. */
export class KernelRuntime implements AsyncDisposable {
  static {
    deviceOf = sharedBetweenCopies(KernelRuntime, "KernelRuntime", (runtime) => runtime.#device);
  }

  readonly name: string;
  readonly backend: Backend;
  /** The backends that "auto" tried before this one, with the reasons why they don't work. */
  readonly rejected: readonly { backend: Backend; reason: string }[];
  /** Null where the runtime was made with k2k: false. */
  readonly k2k: K2kBroker | null;
  readonly clock: HybridLogicalClock;
  readonly #broker: Broker | null;
  readonly #backend: KernelBackend;
  readonly #device: GpuDevice | null;
  readonly #addresses: Addresses;
  readonly #routes: Routes;
  readonly #owner: KernelOwner;
  /** By id, from the beginning of the launch to the end. */
  readonly #kernels = new Map<string, RingKernel>();
  readonly #launches = new Set<Promise<unknown>>();
  readonly #since = performance.now();
  #handled = 0;
  #shutdown: Promise<ShutdownReport> | null = null;

  /**
   * Rejects with INVALID_ARGUMENT, and with BACKEND_UNAVAILABLE and the reason where a named backend does not work
   * here. For "auto", `rejected` has the backends that do not work.
   */
  static async create(options: RuntimeOptions = {}): Promise<KernelRuntime> {
    if (typeof options !== "object" || options === null) throw invalidArgument("options", options, "{ backend: ... }");
    checkNames("KernelRuntime.create", options, NAMES);
    const { backend = "auto", device, k2k = true, name = crypto.randomUUID().slice(0, 13) } = options;
    if ((backend as unknown) === "cuda") throw unavailable("kernels on CUDA are not written yet");
    if (!BACKENDS.includes(backend)) throw invalidArgument("backend", backend, BACKENDS.join(", "));
    if (device !== undefined && !(Number.isInteger(device) && device >= 0))
      throw invalidArgument("device", device, "the index of a GPU");
    if (device !== undefined && backend === "metal")
      throw invalidArgument("device", device, "none with the backend metal, which takes the system's default one");
    checkRuntimeName(name);
    const config = checkK2k(k2k);
    const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
    const clock = new HybridLogicalClock({ nodeId: (high >>> 16) * 2 ** 32 + low });
    const addresses = new Addresses();
    const calls = new Calls();
    let broker: Broker | null = null;
    const opened = await openBackend(backend, device, {
      clock,
      calls,
      nextId: () => addresses.nextId(),
      nameOf: (number) => addresses.nameOf(number),
      post: (source, to, payload, options, inner, correlationId) =>
        broker?.postLater(source, to, payload, options, inner, correlationId),
    });
    const runtime = new KernelRuntime(name, opened, config, clock, addresses, calls);
    broker = runtime.#broker;
    return runtime;
  }

  /** @internal The GPU of the backend vulkan; null for other backends. A caller that keeps it retains it. */
  static device(runtime: KernelRuntime): GpuDevice | null {
    return deviceOf(runtime);
  }

  private constructor(
    name: string,
    { name: backendName, backend, device, rejected }: Opened,
    config: K2kConfig | null,
    clock: HybridLogicalClock,
    addresses: Addresses,
    calls: Calls,
  ) {
    this.name = name;
    this.backend = backendName;
    this.rejected = rejected;
    this.clock = clock;
    this.#backend = backend;
    this.#device = device;
    this.#addresses = addresses;
    this.#routes = new Routes(addresses);
    const kernel = (id: string) => this.#kernels.get(id) ?? null;
    this.#broker = config && new Broker(config, { name, clock, addresses, calls, kernel });
    this.k2k = this.#broker;
    this.#owner = {
      clock,
      calls,
      nextId: () => addresses.nextId(),
      carry: (message, from) => {
        if (this.#broker) this.#broker.carry(message, from);
        else calls.unanswered(message.correlationId);
      },
      handled: (count) => {
        this.#handled += count;
      },
      counted: (delivered, rejected) => this.#broker?.counted(delivered, rejected),
      activated: () => this.#broker?.changed(),
      ended: (number) => {
        const ended = [...this.#kernels.values()].find((each) => each.number === number);
        if (ended) this.#ended(ended);
      },
    };
  }

  /**
   * The launched kernels, in the order of their launches. A kernel with structs sends and receives values of them here
   * too: cast it to its type.
   */
  kernels(): Kernel[] {
    return [...this.#kernels.values()].filter(({ state }) => state !== "created");
  }

  /** The kernel with an id; null where there is none. */
  kernel<Request extends Struct | undefined = undefined, Reply extends Struct | undefined = undefined>(
    id: string,
  ): Kernel<Request, Reply> | null {
    const found: unknown = this.kernels().find((each) => each.id === id) ?? null;
    return found as Kernel<Request, Reply> | null;
  }

  /**
   * `launched`: kernels of the runtime; `active`: those that are active; `messagesProcessed`: messages that all kernels
   * have handled, also ended ones; `dispatches`: submissions to the GPU, drains, or messages to Workers.
   */
  get metrics() {
    const kernels = this.kernels();
    return {
      launched: kernels.length,
      active: kernels.filter(({ state }) => state === "active").length,
      messagesProcessed: this.#handled,
      dispatches: this.#backend.metrics.dispatches,
      uptimeMs: performance.now() - this.#since,
    };
  }

  /**
   * Launches a kernel; `activate` it then. An id has 1 to 64 bytes of letters, digits and . _ : , - Rejects with
   * KERNEL_EXISTS (an id is free again when its kernel has ended), INVALID_ARGUMENT, SHADER_INVALID, CLOSED,
   * HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY, and TIMEOUT or ABORTED. `timeoutMs` defaults to 30,000 for a module in a
   * Worker, and to Infinity otherwise. After an error the id is free and a Worker has ended; a compile of the driver
   * can't be interrupted, and its result is dropped.
   */
  async launch<Request extends Struct | undefined = undefined, Reply extends Struct | undefined = undefined>(
    id: string,
    options: LaunchOptions<Request, Reply>,
  ): Promise<Kernel<Request, Reply>> {
    const reasons = this.rejected.map(({ backend, reason }) => `${backend}: ${reason}`);
    const passedOver = reasons.length > 0 ? ` (${reasons.join("; ")})` : "";
    const plan = checkLaunch(
      id,
      options as LaunchOptions<never, never>,
      this.backend === "cpu" ? "cpu" : "gpu",
      passedOver,
    );
    if (this.#broker === null && plan.routes.length > 0)
      throw invalidArgument("routes", plan.routes.join(", "), "none, as this runtime was made with k2k: false");
    if (this.#shutdown)
      throw new LavaFlowError("CLOSED", `the runtime "${this.name}" was shut down`, { remedy: "Create another one" });
    if (this.#kernels.has(id)) {
      throw new LavaFlowError("KERNEL_EXISTS", `there is a kernel "${id}" in "${this.name}"`, {
        remedy: "Terminate it first, or choose another id",
      });
    }
    checkAborted(`kernel "${id}" was not launched`, options);
    const line = sourceLineOf(callOf(this.launch));
    const call = { stack: line && `\n    at KernelRuntime.launch (${line})` };
    const launch = this.#launch(id, plan, call, { timeoutMs: options.timeoutMs, signal: options.signal });
    this.#launches.add(launch);
    const kernel: unknown = await launch.finally(() => this.#launches.delete(launch));
    return kernel as Kernel<Request, Reply>;
  }

  /**
   * Ends all kernels. Active kernels first handle their messages, for at most `drainMs` (default 5,000). Resolves with
   * the outcomes of the messages that waited. Idempotent. `timeoutMs` defaults to Infinity. After TIMEOUT or ABORTED
   * the shutdown goes on, and the next call waits for the same report.
   */
  async shutdown(options: { drainMs?: number } & Limits = {}): Promise<ShutdownReport> {
    const drainMs = checkDrain("shutdown", options, DRAIN_MS);
    return limitedWork(
      `the runtime "${this.name}" was not shut down`,
      options,
      () => (this.#shutdown ??= this.#close(drainMs)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #launch(id: string, plan: LaunchPlan, call: Call, limits: Limits): Promise<RingKernel> {
    const number = this.#addresses.add(id);
    const kernel = new RingKernel(id, number, plan, this.#owner, call);
    this.#kernels.set(id, kernel);
    try {
      const { source, request, reply, routes, ...sizes } = plan;
      const body = bodyOf(id, plan, this.#addresses, this.#broker);
      const spec = { id, number, body, ...sizes, routeCount: routes.length };
      kernel.launched(await this.#backend.launch(spec, kernel.port, limits));
      this.#routes.add(kernel, routes);
      return kernel;
    } catch (error) {
      this.#ended(kernel);
      throw error;
    }
  }

  #ended(kernel: RingKernel): void {
    if (this.#kernels.get(kernel.id) === kernel) this.#kernels.delete(kernel.id);
    this.#routes.remove(kernel);
    this.#addresses.remove(kernel.number);
  }

  async #close(drainMs: number): Promise<ShutdownReport> {
    await Promise.allSettled(this.#launches);
    const all = [...this.#kernels.values()];
    const active = all.filter(({ state }) => state === "active");
    const limit = performance.now() + drainMs;
    const quiet = quietOf(active, limit);
    const kernels = await Promise.all(
      all.map(async (kernel) => {
        const ended = active.includes(kernel) ? kernel.end(limit, quiet) : kernel.terminate();
        // `end` rejects where the kernel has failed or is being terminated: its callers got that error.
        const none = async () => {
          await kernel[Symbol.asyncDispose]();
          return { drained: 0, rejected: 0 };
        };
        return { id: kernel.id, ...(await ended.catch(none)) };
      }),
    );
    try {
      await this.#broker?.close();
      await this.#backend.close();
    } finally {
      this.#device?.release();
    }
    const sum = (of: keyof Remains) => kernels.reduce((total, kernel) => total + kernel[of], 0);
    return { drained: sum("drained"), rejected: sum("rejected"), kernels };
  }
}

/** Resolves when no kernel has pending messages, and at `limit` at the latest. Kernels may send to each other. */
async function quietOf(kernels: RingKernel[], limit: number): Promise<void> {
  for (;;) {
    const busy = kernels.filter(({ pending }) => pending > 0);
    const left = limit - performance.now();
    if (busy.length === 0 || left <= 0) return;
    await Promise.all(busy.map((kernel) => kernel.drained(left)));
  }
}

async function openBackend(name: Backend | "auto", device: number | undefined, registry: Registry): Promise<Opened> {
  if (name !== "auto") {
    try {
      return { name, rejected: [], ...(await openNamed(name, device, false, registry)) };
    } catch (error) {
      if (!(error instanceof LavaFlowError)) throw error;
      throw unavailable(`no kernels on ${name}: ${error.reason}`, error);
    }
  }
  const rejected: Opened["rejected"] = [];
  for (const each of ["metal", "vulkan"] as const) {
    try {
      return { name: each, rejected, ...(await openNamed(each, device, true, registry)) };
    } catch (error) {
      if (!(error instanceof LavaFlowError)) throw error;
      rejected.push({ backend: each, reason: error.reason });
    }
  }
  return { name: "cpu", rejected, backend: openCpu(registry), device: null };
}

async function openNamed(
  name: Backend,
  device: number | undefined,
  auto: boolean,
  registry: Registry,
): Promise<Pick<Opened, "backend" | "device">> {
  if (name === "cpu") return { backend: openCpu(registry), device: null };
  if (name === "metal") {
    const reason = metalUnavailable();
    if (reason !== null) throw unavailable(reason);
    return { backend: await openMetal(registry.clock), device: null };
  }
  const gpu = GpuDevice.open(chooseGpu(device, auto).index);
  try {
    return { backend: await openVulkan(gpu, registry.clock), device: gpu };
  } catch (error) {
    gpu.release();
    throw error;
  }
}

/** The GPU with the index `device`, or the first hardware GPU. A software GPU is chosen unless `auto`. */
function chooseGpu(device: number | undefined, auto: boolean): GpuInfo {
  const gpus = listGpus();
  const usable = gpus.filter(({ missing }) => missing === null);
  const hardware = usable.find(({ type }) => type !== "cpu");
  const gpu =
    device === undefined ? (hardware ?? (auto ? undefined : usable[0])) : usable.find((each) => each.index === device);
  if (gpu) return gpu;
  const seen = gpus.map(({ index, name, missing, type }) => {
    return `GPU ${index} is ${name} (${missing ?? (type === "cpu" ? "a software device, used only when it is named" : "usable")})`;
  });
  const what = device === undefined ? "no GPU in hardware" : `no GPU ${device} that can be used`;
  throw unavailable(noVulkan()?.reason ?? `${what}: ${seen.join("; ")}`, noVulkan() ?? undefined);
}

function unavailable(reason: string, cause?: LavaFlowError): LavaFlowError {
  return new LavaFlowError("BACKEND_UNAVAILABLE", reason, { remedy: remedyFor("BACKEND_UNAVAILABLE"), cause });
}
