/** Kernels on the CPU: handlers on this thread, and modules in Workers of their own. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import type { Limits } from "../../native/limits.ts";
import { deadlineOf } from "../base/compose.ts";
import type { Message } from "../base/message.ts";
import type { BackendKernel, Body, BodyContext, KernelBackend, KernelPort, KernelSpec, Sending } from "./backend.ts";
import { Input } from "./input.ts";
import type { Registry } from "./registry.ts";
import { replyTo } from "./reply.ts";
import { Scheduler } from "./scheduler.ts";
import { WorkerKernel } from "./worker.ts";

type Handler = NonNullable<Body["handler"]>;

class HandlerKernel implements BackendKernel {
  queued = false;
  readonly #spec: KernelSpec;
  readonly #port: KernelPort;
  readonly #backend: CpuBackend;
  readonly #handler: Handler;
  readonly #context: BodyContext;
  readonly #input: Input;
  #active = false;
  /** The handler runs. */
  #isHandling = false;

  constructor(spec: KernelSpec, port: KernelPort, backend: CpuBackend, handler: Handler) {
    this.#spec = spec;
    this.#port = port;
    this.#backend = backend;
    this.#handler = handler;
    const { clock } = backend.registry;
    this.#input = new Input(spec.inputCapacity, port, clock);
    this.#context = {
      state: new Uint8Array(spec.stateBytes),
      clock,
      sendTo: (destination, payload, options) => backend.pass(spec, destination, payload, options),
    };
  }

  get pending(): number {
    return this.#input.pending + (this.#isHandling ? 1 : 0);
  }

  trySend(message: Message): boolean {
    if (!this.#input.push(message)) return false;
    this.resume();
    return true;
  }

  step(): boolean {
    if (!this.#runnable()) return false;
    const message = this.#input.take();
    this.#isHandling = message !== null;
    this.#input.reportTaken();
    if (message !== null) this.#handle(message);
    return this.#runnable();
  }

  activate(): void {
    this.#active = true;
    this.resume();
  }

  async deactivate(): Promise<void> {
    this.#active = false;
  }

  resume(): void {
    if (this.#runnable()) this.#backend.scheduler.wake(this);
  }

  /** Handlers send by id, without routes. */
  setRoute(): void {}

  async close(): Promise<number> {
    this.#active = false;
    this.#backend.forget(this.#spec.number);
    return this.#input.pending;
  }

  #runnable(): boolean {
    return this.#active && this.#input.pending > 0 && this.#port.credits > 0;
  }

  #handle(message: Message): void {
    let reply: Message | null;
    try {
      reply = replyTo(message, this.#handler(message, this.#context), this.#spec, this.#backend.registry.clock);
    } catch (error) {
      this.#returned();
      this.#port.threw?.(message, error);
      return;
    }
    this.#returned();
    if (reply !== null) this.#port.deliver(reply);
    else if (message.correlationId !== 0) this.#port.silent?.(message.correlationId, 0);
  }

  #returned(): void {
    this.#isHandling = false;
    this.#port.handled(1);
  }
}

class CpuBackend implements KernelBackend {
  readonly registry: Registry;
  readonly scheduler = new Scheduler();
  readonly #kernels = new Map<number, { spec: KernelSpec; kernel: BackendKernel }>();
  #posted = 0;

  constructor(registry: Registry) {
    this.registry = registry;
  }

  get metrics() {
    return { dispatches: this.scheduler.drains + this.#posted };
  }

  async launch(spec: KernelSpec, port: KernelPort, limits?: Limits): Promise<BackendKernel> {
    const { handler, module } = spec.body;
    const kernel =
      module === undefined
        ? new HandlerKernel(spec, port, this, handler as Handler)
        : await WorkerKernel.launch(spec, port, this.registry, module, limits, {
            posted: () => this.#posted++,
            closed: () => this.forget(spec.number),
            sendTo: (destination, payload, options) => this.pass(spec, destination, payload, options),
          });
    this.#kernels.set(spec.number, { spec, kernel });
    return kernel;
  }

  forget(number: number): void {
    this.#kernels.delete(number);
  }

  /** Sends a handler's message to a kernel of this backend. */
  pass(from: KernelSpec, destination: number, payload: Uint8Array, options: Sending = {}): void {
    const { priority = 1, type = 0, correlationId = 0, deadlineMs = Number.POSITIVE_INFINITY } = options;
    const target = this.#kernels.get(destination);
    if (target === undefined)
      throw new LavaFlowError("KERNEL_NOT_ACTIVE", `"${from.id}" sends to kernel ${destination}, which does not exist`);
    const { id, payloadBytes } = target.spec;
    if (payload.byteLength > payloadBytes)
      throw invalidArgument(
        `the bytes that "${from.id}" sends to "${id}"`,
        payload.byteLength,
        `at most ${payloadBytes}`,
      );
    const { calls, clock } = this.registry;
    const timestamp = clock.tick();
    const message: Message = {
      id: this.registry.nextId(),
      type,
      priority,
      correlationId,
      payload,
      timestamp,
      deadlineMicros: deadlineOf(deadlineMs, timestamp),
      source: from.number,
      destination,
    };
    if (target.kernel.trySend(message)) {
      calls.passedOn(correlationId);
      return;
    }
    throw new LavaFlowError("QUEUE_FULL", `"${from.id}" sends to "${id}", whose input is full`, {
      remedy: "Send again later, or launch it with a larger inputCapacity",
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#kernels.values()].map(({ kernel }) => kernel.close()));
  }
}

export function openCpu(registry: Registry): KernelBackend {
  return new CpuBackend(registry);
}
