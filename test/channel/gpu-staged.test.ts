/** Buffers on a GPU that the peer can't reach where they are: they are copied on the way, and the route says so. */
import { describe, expect, test } from "bun:test";
import { listGpus } from "../../src/gpu/device.ts";
import type { Route } from "../../src/index.ts";
import { faultLibrary } from "../gpu/fault.ts";
import { validationIsSilent, vulkan } from "../gpu/support.ts";
import { type Came, expectedOf, type Item } from "../process/gpu.ts";
import { requires } from "../requires.ts";
import { ProcessPeer } from "./peers.ts";
import { PATIENT, privateDirectory, unique } from "./support.ts";

privateDirectory();

const fault = await faultLibrary();
const elsewhere = requires("zig", fault.path !== null, fault.path === null ? fault.reason : "");
/** A process that sees the same GPU under another UUID. */
const OTHER = { LAVA_FLOW_VULKAN: fault.path ?? "", LAVA_FAULT: `uuid=${"0f".repeat(16)}` };
const NONE = { LAVA_FLOW_VULKAN: "off" };

const ITEMS: Item[] = [
  { as: "gpu", size: 1, seed: 1 },
  { as: "bytes", size: 30, seed: 2 },
  { as: "gpu", size: 100_000, seed: 3 },
  { as: "gpu", size: 7 << 20, seed: 4 },
  { as: "shared", size: 5000, seed: 5 },
  { as: "gpu-visible", size: 5000, seed: 6 },
  { as: "bytes", size: 500_000, seed: 7 },
  { as: "gpu", size: 5000, seed: 8 },
  { as: "gpu", size: 5000, seed: 9 },
  { as: "gpu", size: 5001, seed: 10, at: 37 },
  { as: "gpu", size: 7 << 20, seed: 11, at: 1_000_003 },
  { as: "gpu-visible", size: 500, seed: 12, at: 64 },
  { as: "shared", size: 5000, seed: 13, at: 1 },
];
/** They are sent twice. */
const ALL = [...ITEMS, ...ITEMS];

interface Side {
  env?: Record<string, string>;
  options?: object;
}

/** Sends them all from one process to another: the routes of both, and what came. */
async function exchange(
  how: string,
  producer: Side,
  consumer: Side,
  scenario = "gpu/consume",
): Promise<{ routes: Route[]; came: Came[] }> {
  const name = unique();
  const from = { name, items: ITEMS, ...producer.options };
  await using sender = new ProcessPeer("gpu/produce", from, { env: producer.env });
  await using receiver = new ProcessPeer(scenario, { name, how, ...consumer.options }, { env: consumer.env });
  const routes = [await sender.heard(), await receiver.heard()];
  expect(await sender.heard()).toEqual({ sent: ALL.length, queued: 0 });
  const came = await receiver.heard();
  if (scenario === "gpu/consumeByCopies") expect(await receiver.heard()).toEqual([]);
  await Promise.all([sender.done, receiver.done]);
  return { routes, came };
}

const pinned = { transport: "vulkan" };

for (const how of ["recv", "tryRecv", "recvSync"] as const) {
  describe.skipIf(!vulkan || !elsewhere)(`between two GPUs, received by ${how}`, () => {
    for (const [which, sender, receiver] of [
      ["sender", OTHER, {}],
      ["receiver", {}, OTHER],
    ] as const) {
      test(
        `buffers are staged through shared memory, the other one is the ${which}'s`,
        async () => {
          const { routes, came } = await exchange(
            how,
            { env: sender, options: pinned },
            { env: receiver, options: pinned },
          );
          for (const { transport, reason } of routes) {
            expect(transport).toBe("vulkan");
            expect(reason).toStartWith("two GPUs of one host (");
            expect(reason).toContain("staged through shared memory (no CUDA peer copy: ");
          }
          expect(came).toEqual(
            expectedOf(ALL, ({ as }) => (as === "bytes" ? null : as === "shared" ? "shared" : "gpu")),
          );
        },
        PATIENT,
      );
    }
  });
}

describe.skipIf(!vulkan || !elsewhere)("between two GPUs, with the GPU itself standing in for CUDA", () => {
  for (const how of ["recv", "tryRecv", "recvSync"] as const) {
    test(
      `buffers are copied by the receiver, received by ${how}, and nothing stays imported`,
      async () => {
        const { routes, came } = await exchange(
          how,
          { env: OTHER, options: pinned },
          { options: pinned },
          "gpu/consumeByCopies",
        );
        for (const { reason } of routes) expect(reason).toContain("CUDA peer copy");
        expect(came).toEqual(expectedOf(ALL, ({ as }) => (as === "bytes" ? null : as === "shared" ? "shared" : "gpu")));
      },
      PATIENT,
    );
  }
});

describe.skipIf(!vulkan)("to a process without a GPU", () => {
  for (const how of ["recv", "recvSync"] as const) {
    test(
      `buffers are staged as bytes, received by ${how}, and the route says so`,
      async () => {
        const wish = { profile: "gpu-preferred" };
        const { routes, came } = await exchange(how, { options: wish }, { env: NONE });
        for (const { transport, reason, rejected } of routes) {
          expect(transport).toBe("shm");
          expect(reason).toContain("buffers on a GPU are staged");
          const why = rejected.find((path) => path.transport === "vulkan")!.reason;
          expect(why).toStartWith("the consumer has no GPU: ");
          expect(why).toContain("LAVA_FLOW_VULKAN");
        }
        expect(came).toEqual(expectedOf(ALL, ({ as }) => (as === "shared" ? "shared" : null)));
      },
      PATIENT,
    );
  }

  test(
    "buffers are staged as bytes if the consumer requests no GPU",
    async () => {
      const { routes, came } = await exchange("recv", {}, { env: NONE });
      for (const { transport } of routes) expect(transport).toBe("shm");
      expect(came).toEqual(expectedOf(ALL, ({ as }) => (as === "shared" ? "shared" : null)));
    },
    PATIENT,
  );
});

const hardware = listGpus().filter(({ type, missing }) => type !== "cpu" && missing === null);
const two = requires("two-gpus", hardware.length >= 2, `${hardware.length} GPUs in hardware`);

describe.skipIf(!two)("between two GPUs in hardware", () => {
  for (const how of ["recv", "tryRecv", "recvSync"] as const) {
    test(
      `buffers are copied by CUDA, received by ${how}`,
      async () => {
        const [one, other] = hardware.map(({ index }) => ({
          env: { LAVA_FLOW_TEST_GPU: `${index}` },
          options: pinned,
        }));
        const { routes, came } = await exchange(how, one!, other!);
        for (const { transport, reason } of routes) {
          expect(transport).toBe("vulkan");
          expect(reason).toContain("CUDA peer copy");
          expect(reason).not.toContain("staged");
        }
        expect(came).toEqual(expectedOf(ALL, ({ as }) => (as === "bytes" ? null : as === "shared" ? "shared" : "gpu")));
      },
      PATIENT,
    );
  }
});

validationIsSilent();
