/** A runtime on the CPU that does what it is told, in a process or on a host of its own. */
import { type Kernel, KernelRuntime, type RuntimeOptions } from "../../src/kernel/index.ts";
import { type BodyName, handlers } from "../kernel/conformance/bodies.ts";
import type { Io } from "./peer.ts";

/** One thing to do; what is said then is its result, or { code, message } of the error. */
export type Order =
  | { connect: string; timeoutMs?: number }
  | { start: BodyName; id: string; inputCapacity?: number; outputCapacity?: number }
  | { route: [destination: string, nextHop: string] }
  | { send: [from: string, to: string, value: number]; times?: number }
  | { receive: string }
  | { metrics: true }
  | { quit: true };

async function obey(runtime: KernelRuntime, kernels: Map<string, Kernel>, order: Order): Promise<unknown> {
  const broker = runtime.k2k!;
  if ("connect" in order) {
    await broker.connect(order.connect, { timeoutMs: order.timeoutMs ?? 50_000 });
    return broker.connected;
  }
  if ("start" in order) {
    const { start, id, ...options } = order;
    const kernel = await runtime.launch(id, { source: { handler: handlers[start] }, ...options });
    await kernel.activate();
    kernels.set(id, kernel);
    return id;
  }
  if ("route" in order) return broker.addRoute(...order.route) ?? "routed";
  if ("send" in order) {
    const [from, to, value] = order.send;
    const statuses = [];
    for (let i = 0; i < (order.times ?? 1); i++) {
      statuses.push(await broker.send(from, to, new Uint8Array(Uint32Array.of(value + i).buffer)));
    }
    return [...new Set(statuses)].join();
  }
  if ("receive" in order) {
    const { payload, source } = await kernels.get(order.receive)!.receive();
    return { value: new DataView(payload.buffer).getUint32(0, true), source };
  }
  return broker.metrics;
}

export async function serve(io: Io, options: RuntimeOptions): Promise<void> {
  const runtime = await KernelRuntime.create({ backend: "cpu", ...options });
  const kernels = new Map<string, Kernel>();
  for (let order: Order = await io.hear(); !("quit" in order || "over" in order); order = await io.hear()) {
    try {
      io.say(await obey(runtime, kernels, order));
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      io.say({ code, message });
    }
  }
  await runtime.shutdown({ drainMs: 0 });
}
