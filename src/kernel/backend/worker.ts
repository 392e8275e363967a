/** A kernel whose handler is a module, in a Worker of its own: messages go there and back as packed envelopes. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { type Limits, limited } from "../../native/limits.ts";
import { corrupt, pack, unpack } from "../base/envelope.ts";
import type { Message } from "../base/message.ts";
import { within } from "../base/waiter.ts";
import type { BackendKernel, BodyContext, KernelPort, KernelSpec } from "./backend.ts";
import { Input } from "./input.ts";
import type { Registry } from "./registry.ts";
import type { WorkerMessage, WorkerStart, WorkerWord } from "./worker-main.ts";

/** What it needs of its backend. */
interface Ledger {
  /** Something was handed to the Worker. */
  posted(): void;
  closed(): void;
  /** To a kernel of the backend. */
  sendTo: BodyContext["sendTo"];
}

/** A handler that has not come back after this long is not waited for any more. */
const PATIENCE_MS = 10_000;

export class WorkerKernel implements BackendKernel {
  readonly #spec: KernelSpec;
  readonly #port: KernelPort;
  readonly #registry: Registry;
  readonly #ledger: Ledger;
  readonly #worker: Worker;
  readonly #input: Input;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  /** What the Worker has now: one at a time, so that the next one is the one that matters most by then. */
  #current: Message | null = null;
  #resting: (() => void) | null = null;
  #active = false;
  #closed = false;
  /** What the error event told, before the Worker is gone. */
  #reason = "it ended by itself";

  /**
   * Resolves when the module is loaded. INVALID_ARGUMENT where it can't be, or exports no handler; TIMEOUT, ABORTED;
   * BACKEND_UNAVAILABLE in a bundle. After an error the Worker has ended.
   */
  static async launch(
    spec: KernelSpec,
    port: KernelPort,
    registry: Registry,
    module: string | URL,
    limits: Limits | undefined,
    ledger: Ledger,
  ): Promise<WorkerKernel> {
    if (import.meta.file !== "worker.ts") {
      // Bundlers do not carry what a Worker starts with.
      throw new LavaFlowError("BACKEND_UNAVAILABLE", `the module of "${spec.id}" would run in a Worker of a bundle`, {
        remedy: "Give a handler, or run the program from its sources",
      });
    }
    const kernel = new WorkerKernel(spec, port, registry, String(module), ledger);
    try {
      await limited(`the module of "${spec.id}", ${module}, was not loaded`, kernel.#ready.promise, limits);
      return kernel;
    } catch (error) {
      await kernel.close();
      throw error;
    }
  }

  private constructor(spec: KernelSpec, port: KernelPort, registry: Registry, module: string, ledger: Ledger) {
    this.#spec = spec;
    this.#port = port;
    this.#registry = registry;
    this.#ledger = ledger;
    this.#input = new Input(spec.inputCapacity, port, registry.clock);
    // A Worker does not see what this thread changed in its environment.
    this.#worker = new Worker(new URL("./worker-main.ts", import.meta.url), { env: { ...process.env } as never });
    this.#worker.onmessage = ({ data }) => this.#heard(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#reason = event.message;
      this.#worker.terminate();
    };
    this.#worker.addEventListener("close", () => {
      this.#ended.resolve();
      this.#fail("BACKEND_UNAVAILABLE", `the Worker of "${spec.id}" is gone: ${this.#reason}`);
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
    this.#resting = resolve;
    const late = `the handler of "${this.#spec.id}" did not come back within ${PATIENCE_MS} ms`;
    const timer = setTimeout(() => this.#fail("BACKEND_UNAVAILABLE", late), PATIENCE_MS);
    await promise;
    clearTimeout(timer);
  }

  resume(): void {
    if (!this.#active || this.#closed || this.#current !== null || this.#port.room === 0) return;
    this.#current = this.#input.take();
    if (this.#current !== null) {
      const bytes = pack(this.#current);
      const source = this.#registry.nameOf(this.#current.source);
      this.#worker.postMessage({ bytes, source } satisfies WorkerMessage, { transfer: [bytes.buffer] });
      this.#ledger.posted();
    }
    this.#input.tellRoom();
  }

  /** A handler names the kernels that it sends to. */
  setRoute(): void {}

  async close(): Promise<number> {
    const left = this.pending;
    this.#end();
    this.#worker.terminate();
    await within(PATIENCE_MS, this.#ended.promise);
    return left;
  }

  /** The module has the run of its thread: what comes from there is looked at as if it came from elsewhere. */
  #heard(word: WorkerWord): void {
    if (this.#closed) return;
    try {
      if ("ready" in word) this.#ready.resolve();
      else if ("unusable" in word) {
        this.#ready.reject(
          invalidArgument("source.module", this.#spec.body.module, `a module that can be used: ${word.unusable}`),
        );
      } else if ("sent" in word) this.#sent(word);
      else this.#done(word.done);
    } catch (error) {
      const reason = error instanceof LavaFlowError ? error.reason : String(error);
      this.#fail("CORRUPT_SEGMENT", `the Worker of "${this.#spec.id}" said what it can't say: ${reason}`);
    }
  }

  #sent({ sent, to, options, isHandling }: Extract<WorkerWord, { sent: unknown }>): void {
    if (!(sent instanceof Uint8Array && typeof to === "string" && typeof options === "object" && options !== null))
      throw corrupt("a message without payload, destination or options");
    const correlationId = isHandling === true ? (this.#current?.correlationId ?? 0) : 0;
    this.#registry.post(this.#spec.number, to, sent, options, this.#ledger, correlationId);
  }

  #done(result: Extract<WorkerWord, { done: unknown }>["done"]): void {
    const message = this.#current;
    if (message === null) throw corrupt("a result, of no message");
    this.#current = null;
    this.#port.handled(1);
    if (result instanceof Uint8Array) this.#port.deliver(this.#reply(message, result));
    else if (typeof result?.threw === "string") this.#port.threw?.(message, new Error(result.threw));
    else if (result === null && message.correlationId !== 0) this.#port.silent?.(message.correlationId, 0);
    else if (result !== null) throw corrupt(`${typeof result} for what became of a message`);
    this.#resting?.();
    this.#resting = null;
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
    this.#ledger.closed();
    this.#resting?.();
    this.#resting = null;
  }
}
