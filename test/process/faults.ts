/** A side that runs on a Vulkan library which fails on demand (shim/test/support/fault_vulkan.c). */
import { dlopen, FFIType } from "bun:ffi";
import { LavaFlowError, MemoryAllocator, type MemoryBuffer, type MemoryLocation } from "../../src/index.ts";
import type { Io } from "./peer.ts";

/** How an attempt ended, as plain data. */
export interface Outcome {
  /** Of a LavaFlowError; "done" when there was none. */
  code: string;
  message?: string;
  remedy?: string;
  native?: { api: string; status: number; text: string };
  strategy?: string;
}

export async function attempt(what: () => unknown): Promise<Outcome> {
  try {
    const result = await what();
    return { code: "done", strategy: (result as MemoryBuffer | undefined)?.strategy };
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    const { code, message, remedy, native } = error;
    return { code, message, remedy, native };
  }
}

/** From now on Vulkan fails in this way, and in no other. */
export function fail(items: string): void {
  const library = dlopen(process.env.LAVA_FLOW_VULKAN as string, {
    lava_fault: { args: [FFIType.cstring], returns: FFIType.void },
  });
  library.symbols.lava_fault(Buffer.from(`${items}\0`));
}

interface Allocation {
  devices?: number[];
  location: MemoryLocation;
  fallback?: MemoryLocation;
  sizeBytes?: number;
  /** What fails after the allocator is there. */
  fault?: string;
}

/** What the machine seems to have. */
export async function topology(io: Io, { devices }: { devices?: number[] }): Promise<void> {
  using allocator = new MemoryAllocator(devices && { devices });
  io.say({ gpus: allocator.topology.gpus, unavailable: allocator.unavailable });
}

/** One allocation. What comes after a failure shows that it left nothing broken: host memory can still be had. */
export async function allocate(io: Io, { devices = [0], location, fallback, sizeBytes = 4096, fault }: Allocation) {
  let allocator: MemoryAllocator | undefined;
  const outcome = await attempt(() => {
    allocator = new MemoryAllocator({ devices });
    if (fault) {
      allocator.allocate(64, { kind: "gpu", device: devices[0] }).close(); // the GPU itself is opened
      fail(fault);
    }
    return allocator.allocate(sizeBytes, location, fallback && { fallback });
  });
  using host = new MemoryAllocator();
  host.allocate(64).bytes[0] = 1;
  io.say(outcome);
  allocator?.close();
}

/**
 * Memory that CUDA pins (LAVA_FLOW_CUDA is shim/test/support/fake_cuda.c): copies of every kind, and what CUDA keeps.
 */
export async function pinnedByCuda(io: Io): Promise<void> {
  const fake = dlopen(process.env.LAVA_FLOW_CUDA as string, { fake_open: { args: [], returns: FFIType.i32 } }).symbols;
  using allocator = new MemoryAllocator({ devices: [0] });
  let pinned: MemoryBuffer | undefined;
  io.say(
    await attempt(() => {
      pinned = allocator.allocate(100_003, { kind: "host", gpuPinned: true });
      return pinned;
    }),
  );
  if (!pinned) return;
  const registered = fake.fake_open();
  using own = allocator.allocate(pinned.sizeBytes, { kind: "gpu", device: 0 });
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  await pinned.write(bytes, 3);
  await pinned.copyTo(own);
  await pinned.fill(0, 0, 100_000);
  await own.copyTo(pinned);
  const got = new Uint8Array(bytes.length);
  await pinned.read(got, 3);
  const { reason } = pinned.decision;
  pinned.close();
  io.say({ same: Buffer.compare(got, bytes) === 0, registered, left: fake.fake_open(), reason });
}

/** An export that fails; the buffer works on. */
export async function exportHandle(io: Io, { fault }: { fault: string }): Promise<void> {
  using allocator = new MemoryAllocator({ devices: [0] });
  const buffer = allocator.allocate(4096, { kind: "gpu", device: 0 });
  fail(fault);
  io.say(await attempt(() => void buffer.exportHandle()));
  fail("");
  io.say(await attempt(() => buffer.fill(7)));
  io.say(await attempt(() => buffer.exportHandle()[Symbol.dispose]()));
}

/**
 * A GPU that is lost while work is under way and more waits behind it: how each of these ends, how work begun
 * afterwards ends, and what closing does. The process must end by itself.
 */
export async function lose(io: Io, { fault }: { fault: string }): Promise<void> {
  const allocator = new MemoryAllocator({ devices: [0] });
  const allocate = () => allocator.allocate(1 << 20, { kind: "gpu", device: 0 });
  const [one, other] = [allocate(), allocate()];
  const host = new Uint8Array(1 << 20);
  await one.fill(1);
  fail(fault);
  const under = [one.fill(2), one.copyTo(other), other.write(host), other.read(host), one.fill(3)];
  io.say(await Promise.all(under.map((work) => attempt(() => work))));
  io.say(await Promise.all([attempt(() => one.fill(4)), attempt(allocate), attempt(() => one.copyTo(other))]));
  io.say([await attempt(() => one.close()), await attempt(() => allocator.close())]);
}

/** A GPU that gets nothing done, and an allocator that closes all the same. The process must end by itself. */
export async function hang(io: Io, { fault }: { fault: string }): Promise<void> {
  const allocator = new MemoryAllocator({ devices: [0] });
  const buffer = allocator.allocate(4096, { kind: "gpu", device: 0 });
  await buffer.fill(1);
  fail(fault);
  const filling = attempt(() => buffer.fill(2));
  const closed = await attempt(() => allocator.close());
  io.say(await filling);
  io.say(closed);
}

/**
 * A GPU that gets nothing done: a call without a time of its own ends by that, and one with a time by its time or
 * signal.
 */
export async function stuck(io: Io, { fault }: { fault: string }): Promise<void> {
  using allocator = new MemoryAllocator({ devices: [0] });
  const buffer = allocator.allocate(4096, { kind: "gpu", device: 0 });
  await buffer.fill(1);
  fail(fault);
  const controller = new AbortController();
  const limits = { timeoutMs: Number.POSITIVE_INFINITY, signal: controller.signal };
  const patient = attempt(() => buffer.fill(2, 0, 4096, limits));
  const short = attempt(() => buffer.fill(3, 0, 4096, { timeoutMs: 1 }));
  io.say(await short);
  const plain = attempt(() => buffer.fill(4));
  const now = performance.now.bind(performance);
  performance.now = () => now() + 31_000;
  io.say(await plain);
  // Had that ended it too, it would have ended before the next call.
  const again = attempt(() => buffer.fill(5, 0, 4096, { timeoutMs: 1 }));
  io.say(await again);
  io.say((await Promise.race([patient, "goes on"])) as Outcome);
  controller.abort();
  io.say(await patient);
}

/** The same GPU once more, after it was lost and all was closed. */
export async function reopen(io: Io, { fault }: { fault: string }): Promise<void> {
  const allocator = new MemoryAllocator({ devices: [0] });
  const buffer = allocator.allocate(4096, { kind: "gpu", device: 0 });
  fail(fault);
  io.say(await attempt(() => buffer.fill(1)));
  allocator.close();
  fail("");
  using again = new MemoryAllocator({ devices: [0] });
  io.say(await attempt(() => again.allocate(4096, { kind: "gpu", device: 0 }).fill(1)));
}

/** Work of each sort, for what the validation layer says of it. */
export async function work(io: Io): Promise<void> {
  using allocator = new MemoryAllocator({ devices: [0] });
  const allocate = () => allocator.allocate(4096, { kind: "gpu", device: 0 });
  const [one, other] = [allocate(), allocate()];
  await one.fill(1);
  await one.copyTo(other);
  io.say("worked");
}
