/** A kernel whose handler is a module in a Worker of its own. Messages and replies are packed envelopes. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { type Limits, limited } from "../../native/limits.ts";
import { corrupt, pack, unpack } from "../base/envelope.ts";
import type { Message } from "../base/message.ts";
import { within } from "../base/waiter.ts";
import type { BackendKernel, BodyContext, KernelPort, KernelSpec } from "./backend.ts";
import { Input } from "./input.ts";
import type { Registry } from "./registry.ts";
import type { WorkerMessage, WorkerReport, WorkerStart } from "./worker-main.ts";

/** The interface of a kernel to its backend. */
interface WorkerOwner {
  /** A message was posted to the Worker. */
  posted(): void;
  closed(): void;
  /** Sends to a kernel of the backend. */
  sendTo: BodyContext["sendTo"];
}

/** Milliseconds that a deactivation or a close waits for the handler to return. */
const HANDLER_MS = 10_000;

export class WorkerKernel implements BackendKernel {
  readonly #spec: KernelSpec;
  readonly #port: KernelPort;
  readonly #registry: Registry;
  readonly #owner: WorkerOwner;
  readonly #worker: Worker;
  readonly #input: Input;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  /**
   * The message that the Worker handles. The Worker gets one at a time, so that each is chosen by priority when due.
   */
  #current: Message | null = null;
  #stopped: (() => void) | null = null;
  #active = false;
  #closed = false;
  /** The text of the error event, which comes before the close event. */
  #reason = "it ended by itself";

  /**
   * Resolves when the module is loaded. Rejects with INVALID_ARGUMENT where the module can't be loaded or exports no
   * handler, TIMEOUT, ABORTED, and BACKEND_UNAVAILABLE in a bundle. After an error the Worker has ended.
   */
  static async launch(
    spec: KernelSpec,
    port: KernelPort,
    registry: Registry,
    module: string | URL,
    limits: Limits | undefined,
    owner: WorkerOwner,
  ): Promise<WorkerKernel> {
    if (import.meta.file !== "worker.ts") {
      // Bundlers do not include worker-main.ts.
      throw new LavaFlowError("BACKEND_UNAVAILABLE", `the module of "${spec.id}" would run in a Worker of a bundle`, {
        remedy: "Give a handler, or run the program from its sources",
      });
    }
    const kernel = new WorkerKernel(spec, port, registry, String(module), owner);
    try {
      await limited(`the module of "${spec.id}", ${module}, was not loaded`, kernel.#ready.promise, limits);
      return kernel;
    } catch (error) {
      await kernel.close();
      throw error;
    }
  }

  private constructor(spec: KernelSpec, port: KernelPort, registry: Registry, module: string, owner: WorkerOwner) {
    this.#spec = spec;
    this.#port = port;
    this.#registry = registry;
    this.#owner = owner;
    this.#input = new Input(spec.inputCapacity, port, registry.clock);
    // Without `env`, a Worker does not see this thread's changes of process.env.
    this.#worker = new Worker(new URL("./worker-main.ts", import.meta.url), { env: { ...process.env } as never });
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#reason = event.message;
      this.#worker.terminate();
    };
    this.#worker.addEventListener("close", () => {
      this.#ended.resolve();
      this.#fail("BACKEND_UNAVAILABLE", `the Worker of "${spec.id}" has ended: ${this.#reason}`);
    });
    const { id, number, payloadBytes, stateBytes } = spec;
    const { nodeId, memory } = registry.clock;
    const { request = null, reply = null } = spec.body;
    const start: WorkerStart = {
      module,
      request,
      reply,
      spec: { id, number, payloadBytes, stateBytes },
      clock: { nodeId, memory },
    };
    this.#worker.postMessage(start);
  }

  get pending(): number {
    return this.#input.pending + (this.#current === null ? 0 : 1);
  }

  trySend(message: Message): boolean {
    if (this.#closed || !this.#input.push(message)) return false;
    this.resume();
    return true;
  }

  activate(): void {
    this.#active = true;
    this.resume();
  }

  async deactivate(): Promise<void> {
    this.#active = false;
    if (this.#current === null || this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopped = resolve;
    const late = `the handler of "${this.#spec.id}" did not come back within ${HANDLER_MS} ms`;
    const timer = setTimeout(() => this.#fail("BACKEND_UNAVAILABLE", late), HANDLER_MS);
    await promise;
    clearTimeout(timer);
  }

  resume(): void {
    if (!this.#active || this.#closed || this.#current !== null || this.#port.credits === 0) return;
    this.#current = this.#input.take();
    if (this.#current !== null) {
      const bytes = pack(this.#current);
      const source = this.#registry.nameOf(this.#current.source);
      this.#worker.postMessage({ bytes, source } satisfies WorkerMessage, { transfer: [bytes.buffer] });
      this.#owner.posted();
    }
    this.#input.reportTaken();
  }

  /** Handlers send by id, without routes. */
  setRoute(): void {}

  async close(): Promise<number> {
    const left = this.pending;
    this.#end();
    this.#worker.terminate();
    await within(HANDLER_MS, this.#ended.promise);
    return left;
  }

  /** Receives a message of the Worker. The module can post anything from its thread: every message is checked. */
  #receive(report: WorkerReport): void {
    if (this.#closed) return;
    try {
      if ("ready" in report) this.#ready.resolve();
      else if ("unusable" in report) {
        this.#ready.reject(
          invalidArgument("source.module", this.#spec.body.module, `a module that can be used: ${report.unusable}`),
        );
      } else if ("sent" in report) this.#sent(report);
      else this.#done(report.done);
    } catch (error) {
      const reason = error instanceof LavaFlowError ? error.reason : String(error);
      this.#fail("CORRUPT_SEGMENT", `the Worker of "${this.#spec.id}" posted an invalid message: ${reason}`);
    }
  }

  #sent({ sent, to, options, isHandling }: Extract<WorkerReport, { sent: unknown }>): void {
    if (!(sent instanceof Uint8Array && typeof to === "string" && typeof options === "object" && options !== null))
      throw corrupt("a message without payload, destination or options");
    const correlationId = isHandling === true ? (this.#current?.correlationId ?? 0) : 0;
    this.#registry.post(this.#spec.number, to, sent, options, this.#owner, correlationId);
  }

  #done(result: Extract<WorkerReport, { done: unknown }>["done"]): void {
    const message = this.#current;
    if (message === null) throw corrupt("a result without a message");
    this.#current = null;
    this.#port.handled(1);
    if (result instanceof Uint8Array) this.#port.deliver(this.#reply(message, result));
    else if (typeof result?.threw === "string") this.#port.threw?.(message, new Error(result.threw));
    else if (result === null && message.correlationId !== 0) this.#port.silent?.(message.correlationId, 0);
    else if (result !== null) throw corrupt(`a result of type ${typeof result}`);
    this.#stopped?.();
    this.#stopped = null;
    this.resume();
  }

  #reply(message: Message, bytes: Uint8Array): Message {
    const reply = unpack(bytes);
    const size = reply.payload.byteLength;
    if (size > this.#spec.payloadBytes) throw corrupt(`a reply of ${size} bytes, above ${this.#spec.payloadBytes}`);
    return { ...reply, correlationId: message.correlationId, source: this.#spec.number, destination: 0 };
  }

  #fail(code: "BACKEND_UNAVAILABLE" | "CORRUPT_SEGMENT", reason: string): void {
    if (this.#closed) return;
    const error = new LavaFlowError(code, reason, { remedy: "Launch it again" });
    this.#end();
    this.#ready.reject(error);
    this.#worker.terminate();
    this.#port.failed(error);
  }

  #end(): void {
    this.#closed = true;
    this.#owner.closed();
    this.#stopped?.();
    this.#stopped = null;
  }
}
