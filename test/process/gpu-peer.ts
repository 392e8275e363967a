/**
 * A second process for the tests of GPU memory. It runs what its first argument names, and prints what came of it as
 * one line of JSON.
 */
import { GpuDevice } from "../../src/gpu/device.ts";
import { LavaFlowError, MemoryAllocator, type MemoryLocation } from "../../src/index.ts";
import { keepBusy } from "../gpu/busy.ts";

const [task, ...args] = process.argv.slice(2);

function randomBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

const GPU: MemoryLocation = { kind: "gpu" };

/** What an allocation that fails says. */
function refused(devices: "auto" | number[], location: MemoryLocation) {
  try {
    using allocator = new MemoryAllocator({ devices });
    allocator.allocate(64, location);
    return {};
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    const { code, message, remedy } = error;
    return { code, message, remedy };
  }
}

const tasks: Record<string, () => unknown> = {
  gpu: () => refused("auto", GPU),
  "gpu-0": () => refused("auto", { kind: "gpu", device: 0 }),
  "devices-0": () => refused([0], GPU),
  pinned: () => refused("auto", { kind: "host", gpuPinned: true }),

  topology() {
    using allocator = new MemoryAllocator();
    return { gpus: allocator.topology.gpus, unavailable: allocator.unavailable };
  },

  fallback() {
    using allocator = new MemoryAllocator();
    using buffer = allocator.allocate(64, GPU, { fallback: { kind: "host" } });
    buffer.bytes[0] = 1;
    return { message: buffer.decision.rejected[0]?.reason };
  },

  /** Imports descriptor 3 as GPU memory, adds up what is in it, and fills it with another value. */
  async import() {
    const described = JSON.parse(args[0]!);
    using allocator = new MemoryAllocator();
    using buffer = allocator.import({ ...described, fd: 3, [Symbol.dispose]() {} });
    const bytes = new Uint8Array(buffer.sizeBytes);
    await buffer.read(bytes);
    await buffer.write(bytes.map((byte) => byte ^ 0xff));
    return { sum: bytes.reduce((total, byte) => total + byte, 0), location: buffer.location };
  },

  /** Copies between two GPUs, in every way; each buffer is written again before the copy from it can have ended. */
  async across() {
    const devices = args.map(Number);
    using allocator = new MemoryAllocator({ devices });
    const size = 40 * 2 ** 20 + 7; // more pieces than go at once
    const kinds = devices.flatMap((device): MemoryLocation[] => [
      { kind: "gpu", device },
      { kind: "gpu", device, hostVisible: true },
      { kind: "host", gpuPinned: true, device },
    ]);
    const wrong: unknown[] = [];
    for (const from of kinds) {
      for (const to of kinds.filter(({ device }) => device !== from.device)) {
        using source = allocator.allocate(size, from);
        using target = allocator.allocate(size, to);
        const [first, second] = [randomBytes(size), randomBytes(size)];
        const got = new Uint8Array(size);
        await Promise.all([
          source.write(first),
          source.copyTo(target),
          source.write(second),
          target.copyTo(source, { sourceOffset: 3, targetOffset: 1_000_001, sizeBytes: 5_000_000 }),
          target.read(got),
          target.fill(0, 0, 4),
        ]);
        const now = new Uint8Array(size);
        await source.read(now);
        second.set(first.subarray(3, 5_000_003), 1_000_001);
        if (Buffer.compare(got, first) !== 0 || Buffer.compare(now, second) !== 0) wrong.push([from, to]);
      }
    }
    // A copy that ends early, in any of its pieces: both GPUs and their queues go on.
    const [one, other] = devices.map((device) => allocator.allocate(size, { kind: "gpu", device }));
    const early = new Set<string>();
    for (let turns = 0; turns < 12; turns++) {
      const controller = new AbortController();
      const copy = one!.copyTo(other!, { signal: controller.signal }).then(
        () => "done",
        ({ code }) => code,
      );
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      controller.abort();
      early.add(await copy);
      await Promise.all([one!.fill(turns), other!.fill(turns)]);
    }
    // One whose time is up before its turn has come.
    const opened = GpuDevice.open(devices[1]!);
    const lock = opened.queue.lock();
    const late = await one!.copyTo(other!, { timeoutMs: 1 }).then(
      () => "done",
      ({ code }) => code,
    );
    lock.release();
    opened.release();
    // A buffer that closes meanwhile: the other GPU and its queue go on.
    const copying = one!.copyTo(other!).then(String, ({ code }) => code);
    one!.close();
    const code = await copying;
    await other!.fill(0x01010101, 0, 4);
    const bytes = new Uint8Array(4);
    await other!.read(bytes);
    return { wrong, code, late, early: early.has("ABORTED"), bytes: [...bytes] };
  },

  /** Submits work, and ends without waiting for it, or for anything else. */
  leave() {
    const allocator = new MemoryAllocator({ devices: [Number(args[0])] });
    const buffer = allocator.allocate(2 ** 20, GPU);
    void keepBusy(allocator);
    for (let round = 0; round < 100; round++) void buffer.fill(round);
    return {};
  },

  /** Waits for the last of much work, with nothing else that keeps the process alive. */
  async stay() {
    const allocator = new MemoryAllocator({ devices: [Number(args[0])] });
    const buffer = allocator.allocate(2 ** 26, GPU);
    let done = 0;
    void keepBusy(allocator);
    const works = Array.from({ length: 8 }, (_, round) => buffer.fill(round).then(() => done++));
    await works.at(-1);
    await Promise.all(works);
    return { done };
  },
};

process.stdout.write(`${JSON.stringify(await tasks[task!]!())}\n`);
