/**
 * Buffers on a GPU through MPI: rank 0 runs this and sends, other ranks receive. Started by ../gpu.test.ts.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { Channel, type Producer } from "../../../src/index.ts";
import { failure, PATIENT, unique } from "../../channel/support.ts";
import { device, newAllocator, randomBytes, validationIsSilent, vulkan } from "../../gpu/support.ts";
import { checksum } from "../../process/payload.ts";
import { helpers } from "./helpers.ts";

const coordinator = await helpers();

const allocator = newAllocator();
afterAll(async () => {
  allocator.close();
  await coordinator[Symbol.asyncDispose](); // the other ranks exit
});

const FRAGMENT = 4 << 20;
const LOCAL = { kind: "gpu", device } as const;

async function filled(bytes: Uint8Array) {
  const buffer = allocator.allocate(bytes.length, LOCAL);
  await buffer.write(bytes);
  return buffer;
}

function open(name: string): Promise<Producer> {
  return Channel.open(name, { role: "producer", transport: "mpi", allocator, profile: "gpu-preferred" });
}

describe.skipIf(!vulkan)("buffers on a GPU", () => {
  for (const [what, args] of [
    ["into another GPU's memory", { gpu: true }],
    ["for a receiver that blocks", { gpu: true, blocking: true }],
    ["as bytes for a receiver without a GPU", { gpu: false }],
  ] as const) {
    test(
      `of every size around a fragment, in order with all other frames: ${what}`,
      async () => {
        const name = unique();
        await using peer = coordinator.start("mpi-gpu/receive", { name, ...args });
        const channel = await open(name);
        const staged = args.gpu ? /in fragments through pinned memory$/ : /as the consumer uses none$/;
        expect(channel.route.reason).toMatch(staged);
        let sequence = 0;
        const expected: unknown[] = [];
        for (const size of [
          4,
          1000,
          5000,
          FRAGMENT - 4,
          FRAGMENT,
          FRAGMENT + 4,
          3 * FRAGMENT,
          5 * FRAGMENT + 12,
          40_000_000,
        ]) {
          const bytes = randomBytes(size);
          const buffer = await filled(bytes);
          await channel.send(buffer);
          expected.push({ size, sum: checksum(bytes), onGpu: args.gpu, sequence: sequence++ });
          // What send has resolved for may be written again, and closed.
          await buffer.fill(0);
          buffer.close();
          const between = randomBytes(size % 100_003);
          await channel.send(between);
          expected.push({ size: between.length, sum: checksum(between), onGpu: false, sequence: sequence++ });
        }
        await channel.flush();
        expect(channel.stats).toMatchObject({ framesSent: sequence, queued: 0 });
        await channel.close();
        const got: unknown[] = [];
        for (let i = 0; i < sequence; i++) got.push(await peer.heard());
        expect(got).toEqual(expected);
        await peer.done;
      },
      PATIENT,
    );
  }

  test(
    "several sends at once keep their order, and work on a buffer that was asked for before comes first",
    async () => {
      const name = unique();
      await using peer = coordinator.start("mpi-gpu/receive", { name, gpu: true });
      const channel = await open(name);
      const size = 2 * FRAGMENT + 8;
      const buffers = [1, 2, 3].map(() => allocator.allocate(size, LOCAL));
      const works: Promise<void>[] = [];
      for (const [i, buffer] of buffers.entries()) {
        works.push(buffer.fill(i + 1), channel.send(buffer), channel.send(Uint8Array.of(i)));
      }
      await Promise.all(works);
      await channel.close();
      for (let i = 0; i < 3; i++) {
        const sum = checksum(new Uint8Array(new Uint32Array(size / 4).fill(i + 1).buffer));
        expect(await peer.heard()).toEqual({ size, sum, onGpu: true, sequence: 2 * i });
        expect(await peer.heard()).toMatchObject({ size: 1, sequence: 2 * i + 1 });
      }
      for (const buffer of buffers) buffer.close();
      await peer.done;
    },
    PATIENT,
  );

  test(
    "a buffer that is closed in the middle arrives all the same",
    async () => {
      const name = unique();
      await using peer = coordinator.start("mpi-gpu/receive", { name, gpu: true });
      const channel = await open(name);
      const bytes = randomBytes(6 * FRAGMENT);
      const buffer = await filled(bytes);
      const sending = channel.send(buffer);
      buffer.close();
      await sending;
      await failure("CLOSED", () => channel.send(buffer));
      await channel.close();
      expect(await peer.heard()).toMatchObject({ size: bytes.length, sum: checksum(bytes) });
      await peer.done;
    },
    PATIENT,
  );

  test(
    "the receiver is killed in the middle: the sender learns, and its buffer and GPU are whole",
    async () => {
      const name = unique();
      await using peer = coordinator.start("mpi-gpu/hold", { name });
      const channel = await open(name);
      const buffer = allocator.allocate(FRAGMENT, LOCAL);
      await buffer.fill(7);
      await channel.send(buffer);
      expect(await peer.heard()).toEqual({ size: FRAGMENT });
      await peer.kill();
      await failure("PEER_DIED", async () => {
        for (;;) await channel.send(buffer);
      });
      const word = new Uint32Array(1);
      await buffer.read(word, FRAGMENT - 4);
      expect(word[0]).toBe(7);
      buffer.close();
      await channel.close();
    },
    PATIENT,
  );
});

validationIsSilent();
