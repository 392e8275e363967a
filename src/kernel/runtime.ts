/** KernelRuntime: a backend, the kernels that run on it, and what they know each other by. */
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
   * "auto" (the default) takes the first that works of metal, vulkan and cpu. A software GPU is used only where vulkan or
   * the device is named.
   */
  backend?: "auto" | Backend;
  /** Vulkan's GPU, as an index into `MemoryAllocator.topology.gpus`; default: the first in hardware. */
  device?: number;
  /** Whether kernels send to kernels; default true. */
  k2k?: boolean | Partial<K2kConfig>;
  /** What kernels of other runtimes know this one by, 1 to 28 bytes; default: one that no other has. */
  name?: string;
}

/** What became of the messages that waited at the shutdown: all together, and by kernel. */
export interface ShutdownReport extends Remains {
  kernels: (Remains & { id: string })[];
}

/** How long a shutdown lets kernels handle what waits, if nothing else is said. */
const DRAIN_MS = 5000;
const BACKENDS: readonly unknown[] = ["auto", "cpu", "vulkan", "metal"];

interface Opened {
  name: Backend;
  backend: KernelBackend;
  /** Vulkan's, held. */
  device: GpuDevice | null;
  rejected: { backend: Backend; reason: string }[];
}

/** Where kernels can run on this machine, in the order in which "auto" tries them: on what, or why not. */
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

/** The GPU of a runtime, whichever copy of the package made it. */
let deviceOf: (runtime: KernelRuntime) => GpuDevice | null;

/** Launches kernels on one backend and connects them with other runtimes. */
export class KernelRuntime implements AsyncDisposable {
  static {
    deviceOf = sharedBetweenCopies(KernelRuntime, "KernelRuntime", (runtime) => runtime.#device);
  }

  readonly name: string;
  readonly backend: Backend;
  /** Why not the backends that "auto" tried before this one. */
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
  /** By id, from the moment that one is launched. */
  readonly #kernels = new Map<string, RingKernel>();
  readonly #launches = new Set<Promise<unknown>>();
  readonly #since = performance.now();
  #handled = 0;
  #shutdown: Promise<ShutdownReport> | null = null;

  /**
   * Rejects with BACKEND_UNAVAILABLE and the reason where a backend that is named can't run here, and INVALID_ARGUMENT. What
   * "auto" passed over, and why, is in `rejected`.
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

  /** @internal The GPU that its kernels run on; null where it is none of Vulkan's. Whoever keeps it retains it. */
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
   * The kernels that are launched, in the order of their launches. One that was launched with structs sends and receives
   * values of them here too: say so with the type.
   */
  kernels(): Kernel[] {
    return [...this.#kernels.values()].filter(({ state }) => state !== "created");
  }

  /** Null where none has the id. */
  kernel<Request extends Struct | undefined = undefined, Reply extends Struct | undefined = undefined>(
    id: string,
  ): Kernel<Request, Reply> | null {
    const found: unknown = this.kernels().find((each) => each.id === id) ?? null;
    return found as Kernel<Request, Reply> | null;
  }

  /**
   * `launched`: kernels that are there, `active`: those of them that are active; `messagesProcessed`: what all kernels have
   * handled, those that have ended too; `dispatches`: times that messages were handed to what runs the bodies.
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
   * Makes a kernel, which is to be activated then. An id has 1 to 64 bytes of letters, digits and . _ : , -
   * Rejects with KERNEL_EXISTS (an id is free again once its kernel has ended), INVALID_ARGUMENT, SHADER_INVALID, CLOSED,
   * HOST_OUT_OF_MEMORY, GPU_OUT_OF_MEMORY, and TIMEOUT or ABORTED: `timeoutMs` defaults to 30,000 for a module in a Worker,
   * and to Infinity else. After an error the id is free, a Worker has ended, and a shader that is being compiled is given up
   * once the driver comes back.
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
    const place = sourceLineOf(callOf(this.launch));
    const call = { stack: place && `\n    at KernelRuntime.launch (${place})` };
    const launch = this.#launch(id, plan, call, { timeoutMs: options.timeoutMs, signal: options.signal });
    this.#launches.add(launch);
    const kernel: unknown = await launch.finally(() => this.#launches.delete(launch));
    return kernel as Kernel<Request, Reply>;
  }

  /**
   * Ends all kernels; those that are active first handle what waits, for `drainMs` (default 5,000) at the longest. Resolves
   * with what became of the messages that waited. Idempotent. `timeoutMs` defaults to Infinity. After TIMEOUT or ABORTED the
   * shutdown goes on, and the next call waits for the same report.
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
        // One that has failed, or was being terminated, has told that to whoever waited.
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

/** Resolves when no message waits for any of them, as they send to each other too; at `limit` at the latest. */
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

/** The one that is named; else the first in hardware, and if Vulkan was named a software one too. */
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
