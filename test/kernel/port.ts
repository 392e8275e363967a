/** A port for tests: the events of a backend's kernel without a runtime. */

import type { LavaFlowError } from "../../src/errors.ts";
import type { GpuDevice } from "../../src/gpu/device.ts";
import type { BackendKernel, KernelBackend, KernelPort, KernelSpec } from "../../src/kernel/backend/backend.ts";
import { openMetal } from "../../src/kernel/backend/metal.ts";
import { openVulkan } from "../../src/kernel/backend/vulkan.ts";
import { HybridLogicalClock } from "../../src/kernel/base/clock.ts";
import type { Message, Priority } from "../../src/kernel/base/message.ts";

type Dropped = { id: number; correlationId: number; source: number; reason: "deadline" | "checksum" };

/** Records events in their order, and lets a test wait for them. */
export class Port implements KernelPort {
  /** Messages that may wait to be received. */
  capacity = 1024;
  readonly messages: Message[] = [];
  readonly drops: Dropped[] = [];
  readonly failures: LavaFlowError[] = [];
  takenCount = 0;
  handledCount = 0;
  #received = 0;
  readonly #waiting: (() => void)[] = [];

  get credits(): number {
    return this.capacity - (this.messages.length - this.#received);
  }

  deliver(message: Message): void {
    this.messages.push(message);
    this.#wake();
  }

  taken(count: number): void {
    this.takenCount += count;
    this.#wake();
  }

  handled(count: number): void {
    this.handledCount += count;
    this.#wake();
  }

  dropped({ id, correlationId, source }: Message, reason: "deadline" | "checksum"): void {
    this.drops.push({ id, correlationId, source, reason });
    this.#wake();
  }

  failed(error: LavaFlowError): void {
    this.failures.push(error);
    this.#wake();
  }

  /** Resolves when `condition` holds. Each event evaluates it. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The next message that was not received yet. */
  async receive(): Promise<Message> {
    await this.until(() => this.messages.length > this.#received || this.failures.length > 0);
    const message = this.messages[this.#received];
    if (!message) throw this.failures[0];
    this.#received++;
    return message;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export interface Launched {
  kernel: BackendKernel;
  port: Port;
  spec: KernelSpec;
}

/** Kernels on Vulkan without a runtime. */
export class Bare implements AsyncDisposable {
  readonly backend: KernelBackend;
  readonly clock: HybridLogicalClock;
  #ids = 0;
  #numbers = 0;

  private constructor(backend: KernelBackend, clock: HybridLogicalClock) {
    this.backend = backend;
    this.clock = clock;
  }

  static async open(device: GpuDevice): Promise<Bare> {
    const clock = new HybridLogicalClock({ nodeId: 7 });
    // test/kernel/metal-rings.test.ts runs the tests on the software Metal.
    const backend = process.env.LAVA_FLOW_METAL ? await openMetal(clock) : await openVulkan(device, clock);
    return Bare.over(backend, clock);
  }

  static over(backend: KernelBackend, clock: HybridLogicalClock): Bare {
    return new Bare(backend, clock);
  }

  /** Launches a kernel, and activates it unless `isActive` is false. */
  async launch(wgsl: string, more: Partial<KernelSpec> & { isActive?: boolean } = {}): Promise<Launched> {
    const { isActive = true, ...rest } = more;
    const number = ++this.#numbers;
    const spec: KernelSpec = {
      id: `kernel-${number}`,
      number,
      body: { wgsl },
      stateBytes: 64,
      inputCapacity: 64,
      outputCapacity: 64,
      payloadBytes: 256,
      workgroupSize: 1,
      routeCount: 4,
      ...rest,
    };
    const port = new Port();
    const kernel = await this.backend.launch(spec, port);
    if (isActive) kernel.activate();
    return { kernel, port, spec };
  }

  message(payload: Uint8Array, more: Partial<Message> = {}): Message {
    return {
      id: ++this.#ids,
      type: 0,
      priority: 1 as Priority,
      correlationId: 0,
      payload,
      timestamp: this.clock.tick(),
      deadlineMicros: 0,
      source: 0,
      destination: 0,
      ...more,
    };
  }

  send({ kernel, spec }: Launched, payload: Uint8Array, more: Partial<Message> = {}): boolean {
    return kernel.trySend(this.message(payload, { destination: spec.number, ...more }));
  }

  async call(launched: Launched, payload: Uint8Array, more: Partial<Message> = {}): Promise<Message> {
    if (!this.send(launched, payload, more)) throw new Error("its input is full");
    return launched.port.receive();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.backend.close();
  }
}

export const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
export const wordsOf = ({ payload }: Message): number[] => [...new Uint32Array(payload.slice().buffer)];
