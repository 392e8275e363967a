/**
 * Kernels on a GPU, as a runtime drives them: one call after the other, as many messages as go, and messages from kernel to
 * kernel.
 *
 *     kernel-gpu.ts call|throughput|k2k DEVICE
 */
import { type Kernel, KernelRuntime } from "../../src/kernel/index.ts";
import { type Figures, figureOf } from "../measure.ts";

const [kind = "", index] = Bun.argv.slice(2);
const CALLS = 5000;
const SAMPLES = 20;
const SAMPLE_NS = 1e8;
const BYTES = 64;

const runtime = await KernelRuntime.create({ backend: "vulkan", device: Number(index) });
const isSoftware = KernelRuntime.device(runtime)?.info.type === "cpu";

async function launch(wgsl: string, inputCapacity: number, id = kind, routes: string[] = []): Promise<Kernel> {
  const sizes = { stateBytes: 4, inputCapacity, outputCapacity: 16, payloadBytes: BYTES };
  return runtime.launch(id, { source: { wgsl }, routes, ...sizes });
}

const message = () => crypto.getRandomValues(new Uint8Array(BYTES));

/** Of 8 bytes, from the send to the reply. */
async function call(): Promise<Figures> {
  const kernel = await launch(
    "fn on_message(message: Message) { set_reply(0u, payload(0u)); set_reply(1u, payload(1u)); reply(8u); }",
    16,
  );
  await kernel.activate();
  const payload = message().slice(0, 8);
  const samples: number[] = [];
  for (let i = -CALLS / 5; i < CALLS; i++) {
    const start = Bun.nanoseconds();
    await kernel.call({ payload });
    if (i >= 0) samples.push((Bun.nanoseconds() - start) / 1000);
  }
  return { call: figureOf(samples) };
}

/** Millions of messages a second, in samples of a tenth of a second or of what one submission takes. */
async function rate(turn: () => Promise<void>) {
  const samples: number[] = [];
  for (let i = -SAMPLES / 4; i < SAMPLES; i++) {
    const [start, before] = [Bun.nanoseconds(), runtime.metrics.messagesProcessed];
    while (Bun.nanoseconds() - start < SAMPLE_NS || runtime.metrics.messagesProcessed === before) await turn();
    if (i >= 0) samples.push(((runtime.metrics.messagesProcessed - before) / (Bun.nanoseconds() - start)) * 1000);
  }
  return figureOf(samples, "higher");
}

const aTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Many kernels are kept busy, each by batches that wait for room. */
async function throughput(): Promise<Figures> {
  const [count, capacity] = isSoftware ? [32, 128] : [256, 1024];
  const body = "fn on_message(message: Message) { set_state(0u, state(0u) + payload(0u)); }";
  const kernels = await Promise.all(Array.from({ length: count }, (_, i) => launch(body, capacity, `k${i}`)));
  for (const kernel of kernels) await kernel.activate();
  const batch = Array.from({ length: capacity / 2 }, message);
  let isOver = false;
  const feed = async (kernel: Kernel) => {
    while (!isOver) await kernel.sendMany(batch);
  };
  const feeds = kernels.map(feed);
  const figure = await rate(aTurn);
  isOver = true;
  await Promise.all(feeds);
  return { throughput: figure };
}

/** A ring of kernels, with a message in one of them and then in each. */
async function k2k(): Promise<Figures> {
  const body = "fn on_message(message: Message) { set_out(0u, payload(0u)); _ = send_to(0u, message.bytes); }";
  const COUNT = 1024;
  const ring = await Promise.all(
    Array.from({ length: COUNT }, (_, i) => launch(body, 4, `k${i}`, [`k${(i + 1) % COUNT}`])),
  );
  for (const kernel of ring) await kernel.activate();
  await ring[0]?.send({ payload: message() });
  const one = await rate(aTurn);
  for (const kernel of ring.slice(1)) await kernel.send({ payload: message() });
  return { one, all: await rate(aTurn) };
}

const kinds: Record<string, () => Promise<Figures>> = { call, throughput, k2k };
console.log(JSON.stringify(await kinds[kind]?.()));
await runtime.shutdown({ drainMs: 0 });
