/** Processes that die with buffers of a GPU in flight or in hand: the other one keeps what it has, and nothing leaks. */
import { afterAll, describe, expect, test } from "bun:test";
import { GpuDevice } from "../../src/gpu/device.ts";
import { keepBusy } from "../gpu/busy.ts";
import { contentOf, device, newAllocator, timeline, validationIsSilent, vulkan } from "../gpu/support.ts";
import { openChannel } from "../process/open.ts";
import { ProcessPeer } from "./peers.ts";
import { count, eventually, failure, hasProc, openDescriptors, PATIENT, privateDirectory, unique } from "./support.ts";

privateDirectory();

const allocator = newAllocator();
afterAll(() => allocator.close());

const transport = "vulkan";
const size = 4 << 20;
const LOCAL = { kind: "gpu", device } as const;

function allAre(bytes: Uint8Array, value: number): boolean {
  return new Uint32Array(bytes.buffer).every((word) => word === value);
}

describe.skipIf(!vulkan)("the exporter dies", () => {
  test(
    "imported memory stays valid until the importer releases it",
    async () => {
      const name = unique();
      await using peer = new ProcessPeer("gpu/sendAndStay", { name, transport, size });
      await using consumer = await openChannel(name, { role: "consumer", transport, allocator });
      using frame = await consumer.recv();
      const buffer = frame.buffer!;
      expect(await peer.heard()).toBe("sent");
      await peer.kill();
      await failure("PEER_DIED", () => consumer.recv());
      expect(allAre(await contentOf(buffer), 7)).toBe(true);
      await buffer.fill(8);
      expect(allAre(await contentOf(buffer), 8)).toBe(true);
    },
    PATIENT,
  );

  test(
    "a committed buffer is received after the exporter died",
    async () => {
      const name = unique();
      await using peer = new ProcessPeer("gpu/sendAndStay", { name, transport, size });
      await using consumer = await openChannel(name, { role: "consumer", transport, allocator });
      expect(await peer.heard()).toBe("sent");
      await peer.kill();
      const frame = await consumer.recv();
      expect(allAre(await contentOf(frame.buffer!), 7)).toBe(true);
      frame.release();
      await failure("PEER_DIED", () => consumer.recv());
    },
    PATIENT,
  );

  test.skipIf(!timeline)(
    "the importer's queue continues after the exporter died with work that it waits for",
    async () => {
      const name = unique();
      const large = 2 ** 30;
      await using peer = new ProcessPeer("gpu/sendBusyAndStay", { name, transport, size: large, rounds: 200 });
      await using consumer = await openChannel(name, { role: "consumer", transport, allocator });
      using frame = await consumer.recv();
      using target = allocator.allocate(large, LOCAL);
      const copying = frame.buffer!.copyTo(target);
      expect(await peer.heard()).toBe("sent");
      await peer.kill();
      await copying;
    },
    PATIENT,
  );
});

describe.skipIf(!vulkan)("the importer dies", () => {
  test(
    "the exporter gets its buffers back from an importer that died with frames and work on them",
    async () => {
      const name = unique();
      await using peer = new ProcessPeer("gpu/holdAndStay", { name, transport });
      await using producer = await openChannel(name, { role: "producer", transport, allocator });
      const buffer = allocator.allocate(size, LOCAL);
      await buffer.fill(3);
      for (let i = 0; i < 3; i++) {
        await producer.send(buffer);
        expect(await peer.heard()).toBe("held");
      }
      const waiting = failure("PEER_DIED", () => producer.flush());
      await peer.kill();
      await waiting;
      await failure("PEER_DIED", () => producer.send(buffer));
      await buffer.fill(4);
      expect(allAre(await contentOf(buffer), 4)).toBe(true);
      buffer.close();
    },
    PATIENT,
  );
});

const crashes = count("LAVA_FLOW_CRASHES", 40);

describe.skipIf(!vulkan || !hasProc)(`${crashes} rounds of making, sending and dying`, () => {
  /** One of the two is killed with the buffer in flight; the other one closes. */
  async function round(dies: "producer" | "consumer"): Promise<void> {
    const name = unique();
    if (dies === "producer") {
      await using peer = new ProcessPeer("gpu/sendAndStay", { name, transport, size: 4096 });
      await using consumer = await openChannel(name, { role: "consumer", transport, allocator });
      const frame = await consumer.recv();
      await peer.kill();
      expect(allAre(await contentOf(frame.buffer!), 7)).toBe(true);
      return;
    }
    await using peer = new ProcessPeer("gpu/holdAndStay", { name, transport });
    await using producer = await openChannel(name, { role: "producer", transport, allocator });
    const buffer = allocator.allocate(4096, LOCAL);
    await producer.send(buffer);
    expect(await peer.heard()).toBe("held");
    await peer.kill();
    buffer.close();
  }

  /** Of the GPU's own memory; where the driver does not say, there is nothing to compare. */
  function freeBytes(): number {
    const gpu = GpuDevice.open(device);
    try {
      return gpu.availableBytes ?? 0;
    } finally {
      gpu.release();
    }
  }

  for (const dies of ["producer", "consumer"] as const) {
    test(
      `the death of the ${dies} leaks no descriptor and no GPU memory`,
      async () => {
        // The queue's event fd is opened at the first wait for the GPU that parks.
        await keepBusy(allocator);
        await round(dies);
        const before = openDescriptors();
        const free = freeBytes();
        for (let i = 1; i < crashes / 2; i++) await round(dies);
        // The pipes to a process that has ended go a moment later.
        await eventually(() => openDescriptors() <= before, "no descriptor more than before");
        // The driver takes back the memory of the killed in its own time.
        await eventually(() => freeBytes() >= free, "as much GPU memory free as before");
      },
      PATIENT + crashes * 2000,
    );
  }
});

validationIsSilent();
