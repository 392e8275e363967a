/** Sides that get MemoryBuffers. */
import { type ChannelOptions, MemoryAllocator } from "../../src/index.ts";
import { openChannel } from "./open.ts";
import type { Io } from "./peer.ts";

/** Keeps the memory of frames and loans as its own, the way `postMessage` with a transfer list does. */
export async function transferAway(io: Io, { name, ...options }: Options & { name: string }): Promise<void> {
  const [producer, consumer] = await Promise.all([
    openChannel(name, { ...options, role: "producer" }),
    openChannel(name, { ...options, role: "consumer" }),
  ]);
  using allocator = new MemoryAllocator();
  const buffer = allocator.allocate(6000, { kind: "host", shared: true });
  const taken: { bytes: Uint8Array; offset: number; value: number }[] = [];
  const take = (bytes: Uint8Array<ArrayBuffer>, value: number) => {
    const offset = bytes.byteOffset;
    taken.push({ bytes: new Uint8Array(bytes.buffer.transfer()), offset, value });
  };
  const wrong: string[] = [];
  let frames = 0;
  const receive = async (size: number, value: number, keep: boolean) => {
    const frame = keep ? await consumer.recv() : consumer.recvSync()!;
    frames++;
    if (frame.sizeBytes !== size || frame.bytes[size - 1] !== value) wrong.push(`frame ${frame.sequence} of ${size}`);
    if (keep) take(frame.bytes, value);
    frame.release();
  };
  for (let i = 0; i < 10; i++) {
    for (const size of [50, 5000]) {
      await producer.send(new Uint8Array(size).fill(i));
      await receive(size, i, true);
      const loan = await producer.loan(size);
      loan.bytes.fill(i + 100);
      if (i % 2) take(loan.bytes, i + 100);
      try {
        loan.commit();
        await receive(size, i + 100, false);
      } catch (error) {
        // Where the loan was only to be copied from, there is nothing left to copy.
        if ((error as { code?: string }).code !== "CLOSED") throw error;
        await producer.send(new Uint8Array(size).fill(i));
        await receive(size, i, false);
      }
    }
    buffer.bytes[5999] = i;
    await producer.send(buffer);
    await receive(6000, i, i % 2 === 0);
    await producer.send(Uint8Array.of(i));
    await receive(1, i, false);
  }
  await Promise.all([producer.close(), consumer.close()]);
  // Some of it was written to by later frames, but all of it is still memory.
  for (const { bytes, offset } of taken) if (!(bytes[offset]! >= 0)) wrong.push(`nothing at ${offset}`);
  io.say({ frames, wrong });
}

type Options = Omit<ChannelOptions, "role">;

/** Adds one to every byte of every frame, in place. */
export async function addOne(_: Io, { name, ...options }: Options & { name: string }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "consumer" });
  for await (const frame of channel) {
    if (!frame.buffer) throw new Error("a copy came, not the buffer");
    const { bytes } = frame;
    for (let i = 0; i < bytes.length; i++) bytes[i]!++;
  }
}

/** Passes every buffer on, and releases it when the next one has. */
export async function forward(_: Io, { from, to, ...options }: Options & { from: string; to: string }): Promise<void> {
  await using input = await openChannel(from, { ...options, role: "consumer" });
  await using output = await openChannel(to, { ...options, role: "producer" });
  for await (const frame of input) {
    await output.send(frame.buffer!);
    await output.flush();
    if (output.stats.importsCached !== 1) throw new Error(`${output.stats.importsCached} imports of one buffer`);
  }
}

/** Holds every frame for a while, and then looks whether all of it is still what was written for it. */
export async function readSlowly(io: Io, { name, ...options }: Options & { name: string }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "consumer" });
  const wrong: string[] = [];
  let frames = 0;
  for await (const frame of channel) {
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    const is = frames++ % 256;
    if (!frame.bytes.every((byte) => byte === is)) wrong.push(`frame ${frames - 1} holds ${frame.bytes[0]}`);
  }
  io.say({ frames, wrong });
}

/** Receives one frame, and never releases it. */
export async function keep(io: Io, { name, ...options }: Options & { name: string }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "consumer" });
  const frame = await channel.recv();
  io.say({ sizeBytes: frame.sizeBytes });
  await io.hear();
}
