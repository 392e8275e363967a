/** Memory that is closed while something reads it that can't be stopped: it stays for as long as that can read it. */
import { describe, expect, test } from "bun:test";
import { gunzipSync, gzip } from "node:zlib";
import { MemoryAllocator } from "../../src/memory/allocator.ts";
import { eventually, hasProc, held, PATIENT, pair, privateDirectory } from "../channel/support.ts";
import { vulkan } from "../gpu/support.ts";
import { APIS, KINDS } from "../process/pinned.ts";
import { SHARED } from "./support.ts";

const directory = privateDirectory();

/** In a process of its own, which a fault would kill. */
async function closed(kind: string, api: string) {
  const program = new URL("../process/pinned.ts", import.meta.url).pathname;
  const env = { ...process.env, LAVA_FLOW_RUNTIME_DIR: directory.path };
  const child = Bun.spawn([process.execPath, program, kind, api], { env, stdout: "pipe", stderr: "pipe" });
  const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  if (code !== 0) throw new Error(`${kind}, ${api}: exit ${code} ${child.signalCode}: ${error}`);
  return JSON.parse(out) as { left: number; same: boolean; read: boolean | string | null };
}

describe.each(Object.keys(KINDS))("%s, closed", (kind) => {
  const all = kind === "a frame" || kind === "shared memory";
  const skipped = !vulkan && /GPU|pinned/.test(kind);
  test.skipIf(skipped).each(all ? Object.keys(APIS) : ["none", "gzip", "worker"])(
    "in the hands of %s",
    async (api) => {
      const { left, same, read } = await closed(kind, api);
      expect({ same, read: read ?? true }).toEqual({ same: true, read: true });
      // Detached, as nothing has it; but what a consumer holds is its own when the producer closes.
      if (api === "none") expect(left > 0).toBe(kind === "a frame, by its producer");
    },
    PATIENT,
  );
});

/** What is left of the channel memory of this process, once the collector has been there. */
async function backAt(before: { descriptors: number; mappings: number }): Promise<void> {
  await eventually(() => {
    Bun.gc(true);
    const { descriptors, mappings } = held();
    return descriptors <= before.descriptors && mappings <= before.mappings;
  }, "the memory is given back");
}

const packed = (bytes: Uint8Array) =>
  new Promise<Buffer>((resolve, reject) => gzip(bytes, (error, done) => (error ? reject(error) : resolve(done))));

describe.skipIf(!hasProc)("it is given back", () => {
  test("when what read it has ended, and its views were collected", async () => {
    using allocator = new MemoryAllocator();
    const before = held();
    const sizes = await (async () => {
      const buffer = allocator.allocate(4 << 20, SHARED);
      buffer.bytes.fill(7);
      const packing = packed(buffer.bytes);
      buffer.close();
      expect(held().mappings).toBeGreaterThan(before.mappings);
      return gunzipSync(await packing).length;
    })();
    expect(sizes).toBe(4 << 20);
    await backAt(before);
  });

  test("when a frame's bytes were transferred, and what they became was collected", async () => {
    const before = held();
    await (async () => {
      await using ends = await pair({ transport: "shm" });
      await ends.producer.send(new Uint8Array(100_000).fill(9));
      const frame = await ends.consumer.recv();
      const { byteOffset } = frame.bytes;
      const mine = new Uint8Array(frame.bytes.buffer.transfer());
      await ends.consumer.close();
      await ends.producer.close();
      expect(mine[byteOffset + 99_999]).toBe(9);
    })();
    await backAt(before);
  });

  test("of a thread that has ended, when the one that got it has done with it", async () => {
    const before = held();
    await (async () => {
      const source = new URL("../../src/index.ts", import.meta.url).href;
      const code = `
        const { MemoryAllocator } = await import(${JSON.stringify(source)});
        const { bytes } = new MemoryAllocator().allocate(1 << 20, { kind: "host", shared: true });
        bytes.fill(3);
        postMessage(bytes.buffer, [bytes.buffer]);
      `;
      const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "application/typescript" })));
      const buffer = await new Promise<ArrayBuffer>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = reject;
      });
      const ended = new Promise((resolve) => worker.addEventListener("close", resolve));
      await worker.terminate();
      await ended;
      await eventually(() => held().descriptors === before.descriptors, "the thread has closed what it made");
      expect(new Uint8Array(buffer).every((byte) => byte === 3)).toBe(true);
    })();
    await backAt(before);
  });
});
