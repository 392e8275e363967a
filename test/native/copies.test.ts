/** Two copies of the package in one process: each accepts the other's objects, and they share one native part. */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Here from "../../src/index.ts";
import * as HereKernel from "../../src/kernel/index.ts";
import { shimPath } from "../../src/native/load.ts";
import { privateDirectory, unique } from "../channel/support.ts";

privateDirectory();
const ROOT = join(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "lava-flow-copies-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Another copy, with changed sources. */
async function copy(change: (file: (path: string) => string) => void = () => {}) {
  const root = mkdtempSync(join(folder, "copy-"));
  for (const part of ["src", "prebuilt", "package.json"])
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  change((path) => join(root, path));
  return {
    root,
    index: (await import(join(root, "src/index.ts"))) as typeof Here,
    kernel: (await import(join(root, "src/kernel/index.ts"))) as typeof HereKernel,
    load: (await import(join(root, "src/native/load.ts"))) as typeof import("../../src/native/load.ts"),
  };
}

const other = await copy();
const There = other.index;

describe("another copy of the package in the process", () => {
  test("uses the native part of the first", async () => {
    expect(There.MemoryBuffer).not.toBe(Here.MemoryBuffer);
    expect(other.load.shimPath()).toBe(shimPath());
  });

  test("uses it in a Worker too", async () => {
    const load = join(other.root, "src/native/load.ts");
    const worker = new Worker(
      `data:text/javascript,import { shimPath } from ${JSON.stringify(load)}; postMessage(shimPath());`,
    );
    const path = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    worker.terminate();
    expect(path).toBe(shimPath());
  });

  test("sends and receives the buffers of the other, whole and of parts", async () => {
    const name = unique();
    using memory = new There.MemoryAllocator();
    await using out = await open(Here, name, "producer", memory as Here.MemoryAllocator);
    const buffer = memory.allocate(4096, { kind: "host", shared: true });
    buffer.bytes.fill(7);
    await out.producer.send(buffer as Here.MemoryBuffer);
    const frame = await out.consumer.recv();
    expect(frame.buffer).toBeInstanceOf(Here.MemoryBuffer);
    expect(frame.buffer).toBeInstanceOf(There.MemoryBuffer);
    expect(frame.bytes[4095]).toBe(7);
    frame.release(); // Until then a copy into the buffer waits.
    const local = new Here.MemoryAllocator();
    const target = local.allocate(4096);
    await target.copyTo(buffer as Here.MemoryBuffer, { sizeBytes: 100, targetOffset: 10 });
    expect([...buffer.bytes.subarray(9, 11)]).toEqual([7, 0]);
    await expect(target.copyTo(buffer as Here.MemoryBuffer, { sizeBytes: 100, targetOffset: 4000 })).rejects.toThrow(
      "copyTo (target): 100 bytes at offset 4000 of 4096",
    );
    // A handle that the other exports is taken once.
    const handle = buffer.exportHandle();
    using imported = local.import(handle);
    expect(imported.sizeBytes).toBe(4096);
    expect(() => local.import(handle)).toThrow("disposed of, or imported before");
    local.close();
  });

  test("throws errors that are instances of the other's class, but not of its subclass", () => {
    class Mine extends Here.LavaFlowError {}
    const error = new There.LavaFlowError("CLOSED", "x");
    expect(error).toBeInstanceOf(Here.LavaFlowError);
    expect(new Here.LavaFlowError("CLOSED", "x")).toBeInstanceOf(There.LavaFlowError);
    expect(error instanceof Mine).toBe(false);
    expect(new Mine("CLOSED", "x") instanceof Mine).toBe(true);
    expect(new Error("x") instanceof Here.LavaFlowError).toBe(false);
    expect((null as unknown) instanceof Here.LavaFlowError).toBe(false);
    expect({} instanceof Here.MemoryBuffer).toBe(false);
  });

  test("accepts the other's runtime for its tiles", async () => {
    await using runtime = await other.kernel.KernelRuntime.create({ backend: "cpu" });
    const grid = { grid: [2, 1] as [number, number], tile: [4, 4] as [number, number], halo: 1 };
    await using halo = await HereKernel.HaloExchange.create(runtime as unknown as HereKernel.KernelRuntime, grid);
    expect(halo.tiles.size).toBe(2);
  });

  test("of another version is refused, with its path", async () => {
    const stranger = await copy((file) => {
      const path = file("src/native/copies.ts");
      writeFileSync(path, readFileSync(path, "utf8").replace(/const INSIDES = \d+/, "const INSIDES = 9999"));
    });
    using memory = new stranger.index.MemoryAllocator();
    const refused = await Here.Channel.open(unique(), {
      role: "producer",
      allocator: memory as Here.MemoryAllocator,
    }).catch((error) => error);
    expect(refused.message).toContain(
      "allocator is a MemoryAllocator of another copy of lava-flow, of another version",
    );
    expect(refused.message).toContain(join(stranger.root, "src"));
  });
});

async function open(from: typeof Here, name: string, _role: "producer", allocator: Here.MemoryAllocator) {
  const [producer, consumer] = await Promise.all([
    from.Channel.open(name, { role: "producer", allocator }),
    There.Channel.open(name, { role: "consumer" }),
  ]);
  return {
    producer,
    consumer,
    async [Symbol.asyncDispose]() {
      await Promise.all([producer.close(), consumer.close()]);
    },
  };
}
