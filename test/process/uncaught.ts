/** `uncaught.ts MODE NAME`: a program that catches nothing. The line that fails ends with a comment that names its mode. */
import { Channel, type Consumer, type Frame, MemoryAllocator, type Producer } from "../../src/index.ts";
import { KernelRuntime } from "../../src/kernel/index.ts";

const [mode, name] = process.argv.slice(2) as [string, string];
const bytes = new Uint8Array(8);

const open = <Role extends "producer" | "consumer">(role: Role) => Channel.open<Role>(name, { role });

async function both(): Promise<{ producer: Producer; consumer: Consumer }> {
  const [producer, consumer] = await Promise.all([open("producer"), open("consumer")]);
  return { producer, consumer };
}

async function receive(consumer: Consumer): Promise<Frame> {
  return await consumer.recv({ timeoutMs: 20 }); // fails: function
}

if (mode === "hold") {
  const producer = await open("producer");
  await producer.send(bytes);
  await new Promise(() => setInterval(() => {}, 1000));
}
if (mode === "recv") {
  const { consumer } = await both();
  await consumer.recv({ timeoutMs: 20 }); // fails: recv
}
if (mode === "function") {
  const { consumer } = await both();
  await receive(consumer);
}
if (mode === "abort") {
  const { consumer } = await both();
  const stop = new AbortController();
  setImmediate(() => stop.abort());
  await consumer.recv({ signal: stop.signal }); // fails: abort
}
if (mode === "loop") {
  const consumer = await open("consumer");
  // biome-ignore format: the loop's own line fails
  for await (const frame of consumer) console.log(frame.sequence); // fails: loop
}
if (mode === "send") {
  const { producer } = await both();
  for (;;) {
    await producer.send(bytes, { timeoutMs: 20 }); // fails: send
  }
}
if (mode === "loan") {
  const { producer } = await both();
  while (producer.trySend(bytes));
  await producer.loan(8, { timeoutMs: 20 }); // fails: loan
}
if (mode === "flush") {
  const { producer } = await both();
  producer.trySend(bytes);
  await producer.flush({ timeoutMs: 20 }); // fails: flush
}
if (mode === "open") {
  await Channel.open(name, { role: "consumer", timeoutMs: 20 }); // fails: open
}
if (mode === "taken") {
  await both();
  await Channel.open(name, { role: "consumer" }); // fails: taken
}
if (mode === "closed") {
  const { producer } = await both();
  await producer.close();
  producer.trySend(bytes); // fails: closed
}
if (mode === "timer") {
  const { producer } = await both();
  await producer.close();
  setTimeout(() => {
    producer.tryLoan(8); // fails: timer
  }, 0);
}
if (mode.startsWith("kernel")) {
  const runtime = await KernelRuntime.create({ backend: "cpu" });
  const handler = () => {
    if (mode === "kernelThrows") throw new Error("of the handler");
  };
  if (mode === "kernelCall") {
    const slow = new URL("kernel/slow.ts", import.meta.url);
    const kernel = await runtime.launch(name, { source: { module: slow } });
    await kernel.activate();
    await kernel.call({ payload: Uint32Array.of(60_000) }, { timeoutMs: 20 }); // fails: kernelCall
  }
  const kernel = await runtime.launch(name, { source: { handler } });
  await kernel.activate();
  if (mode === "kernelReceive") {
    await kernel.receive({ timeoutMs: 20 }); // fails: kernelReceive
  }
  if (mode === "kernelThrows") {
    await kernel.call({ payload: bytes }); // fails: kernelThrows
  }
  await kernel.call({ payload: bytes }); // fails: kernelSilent
}
if (mode.startsWith("gpu")) {
  const memory = new MemoryAllocator();
  const buffer = memory.allocate(4096, { kind: "gpu", device: 0 });
  const other = memory.allocate(4096, { kind: "gpu", device: 0 });
  const host = new Uint8Array(4096);
  // The memory is closed before the event loop could see the end of the work.
  queueMicrotask(() => buffer.close());
  if (mode === "gpuWrite") {
    await buffer.write(host); // fails: gpuWrite
  }
  if (mode === "gpuRead") {
    await buffer.read(host); // fails: gpuRead
  }
  if (mode === "gpuFill") {
    await buffer.fill(1); // fails: gpuFill
  }
  if (mode === "gpuCopy") {
    await other.copyTo(buffer); // fails: gpuCopy
  }
}
if (mode === "payload") {
  const { producer } = await both();
  // @ts-expect-error: no payload
  producer.trySend("text"); // fails: payload
}
