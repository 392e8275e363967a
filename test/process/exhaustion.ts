/** Sides that run out of descriptors or of memory. */
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { Channel, type Consumer, LavaFlowError, MemoryAllocator, type Producer } from "../../src/index.ts";
import type { Io } from "./peer.ts";

function openFiles(): string[] {
  const files: string[] = [];
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      files.push(readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, "N"));
    } catch {
      // The descriptor that listed the others.
    }
  }
  return files.sort();
}

/** Opens files until none is left, then closes a number of them. */
function leaveOnly(count: number): number[] {
  const fillers: number[] = [];
  try {
    for (;;) fillers.push(openSync("/dev/null", "r"));
  } catch {
    for (const fd of fillers.splice(fillers.length - count)) closeSync(fd);
    return fillers;
  }
}

interface Ends {
  producer: Producer;
  consumer: Consumer;
}

async function both(name: string): Promise<Ends> {
  // A side whose peer failed has no peer to wait for.
  const failed = new AbortController();
  const open = async <Role extends "producer" | "consumer">(role: Role) => {
    try {
      return await Channel.open<Role>(name, { role, signal: failed.signal });
    } catch (error) {
      failed.abort();
      throw error;
    }
  };
  const sides = await Promise.allSettled([open("producer"), open("consumer")]);
  const [producer, consumer] = sides;
  if (producer.status === "fulfilled" && consumer.status === "fulfilled") {
    return { producer: producer.value, consumer: consumer.value };
  }
  for (const side of sides) if (side.status === "fulfilled") await side.value.close();
  const errors = sides.flatMap((side) => (side.status === "rejected" ? [side.reason] : []));
  throw errors.find((error) => error.code !== "ABORTED");
}

/** Opens both ends with 0, 1, 2, … descriptors left, until it succeeds. */
export async function openWithFew(io: Io, { name }: { name: string }): Promise<void> {
  const warm = await both(name);
  await warm.producer.close();
  await warm.consumer.close();
  await quiesce();
  const before = openFiles();
  const outcomes: string[] = [];
  const leaked: string[] = [];
  for (let left = 0; left < 40 && outcomes.at(-1) !== "open"; left++) {
    const fillers = leaveOnly(left);
    try {
      const { producer, consumer } = await both(name);
      try {
        await producer.send(new Uint8Array(100_000));
        (await consumer.recv()).release();
        outcomes.push("open");
      } finally {
        await Promise.all([producer.close(), consumer.close()]);
      }
    } catch (error) {
      if (!(error instanceof LavaFlowError)) outcomes.push(`${left} left: ${error}`);
      else outcomes.push(`${error.message} (${error.remedy})`);
    }
    for (const fd of fillers) closeSync(fd);
    await quiesce();
    const after = openFiles();
    if (after.join() !== before.join()) leaked.push(`with ${left}: ${after.join()} instead of ${before.join()}`);
  }
  io.say({ outcomes, leaked });
}

/** Sockets that were given up close in a later turn of the event loop. */
async function quiesce(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

/** Opens channels until that fails, then uses those that are open. */
export async function openMany(io: Io, { name }: { name: string }): Promise<void> {
  const channels: Ends[] = [];
  let failed: LavaFlowError | undefined;
  while (!failed) {
    try {
      channels.push(await both(`${name}-${channels.length}`));
    } catch (error) {
      failed = error as LavaFlowError;
    }
  }
  let works = 0;
  for (const { producer, consumer } of channels) {
    await producer.send(Uint8Array.of(9));
    const frame = await consumer.recv();
    works += Number(frame.bytes[0] === 9);
    frame.release();
  }
  io.say({ opened: channels.length, code: failed.code, remedy: failed.remedy, works });
  for (const { producer, consumer } of channels) await Promise.all([producer.close(), consumer.close()]);
}

/** Receives with no descriptor left. */
export async function receiveWithNone(io: Io, { name }: { name: string }): Promise<void> {
  await using channel = await Channel.open(name, { role: "consumer" });
  leaveOnly(0);
  io.say("full");
  try {
    for (;;) {
      using frame = await channel.recv();
      io.say({ byte: frame.bytes[frame.sizeBytes - 1] });
    }
  } catch (error) {
    const { code, remedy } = error as LavaFlowError;
    io.say({ code, remedy });
  }
}

/** Asks for more than its control group has, then for what there is. */
export async function sendTooMuch(io: Io, { name }: { name: string }): Promise<void> {
  await using channel = await Channel.open(name, { role: "producer" });
  using allocator = new MemoryAllocator();
  for (const act of [
    () => channel.loan(500 << 20),
    async () => allocator.allocate(500 << 20, { kind: "host", shared: true }),
  ]) {
    const { code, remedy } = await act().then(
      () => ({ code: "got it", remedy: "" }),
      (error) => error,
    );
    io.say({ code, remedy });
  }
  for (const size of [5 << 20, 10, 1000]) await channel.send(new Uint8Array(size).fill(3));
  await channel.flush();
}
