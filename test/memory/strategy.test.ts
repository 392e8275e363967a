import { describe, expect, test } from "bun:test";
import {
  checkSize,
  chooseStrategy,
  type MemoryLocation,
  type MemoryStrategy,
  type Offer,
  type Purpose,
  planFor,
} from "../../src/memory/strategy.ts";
import { failureOf } from "./support.ts";

const MIB = 2 ** 20;
const ALL: MemoryStrategy[] = ["standard", "numa", "hugepages", "gpu-pinned", "shared", "gpu"];

describe("chooseStrategy", () => {
  const local: Purpose = { sizeBytes: 4096, scope: "local", mineOnGpu: false, peerOnGpu: false };
  const remote: Purpose = { ...local, scope: "remote" };
  const staging: Purpose = { ...local, mineOnGpu: true };
  const oneNode: Offer = { numaNodes: 1, missing: {} };
  const twoNodes: Offer = { numaNodes: 2, missing: {} };
  const noPinning: Offer = { numaNodes: 2, missing: { gpu: "no GPU", "gpu-pinned": "no GPU" } };
  const cases: [string, Purpose, Offer, MemoryStrategy, Partial<Record<MemoryStrategy, string>>?][] = [
    ["small, local", local, oneNode, "standard"],
    ["small, local, two nodes", local, twoNodes, "standard", { numa: "not over 1 MiB" }],
    ["1 MiB, two nodes", { ...local, sizeBytes: MIB }, twoNodes, "standard", { numa: "not over 1 MiB" }],
    ["over 1 MiB, two nodes", { ...local, sizeBytes: MIB + 1 }, twoNodes, "numa", { hugepages: "the peer is local" }],
    [
      "over 1 MiB, one node",
      { ...local, sizeBytes: MIB + 1 },
      oneNode,
      "standard",
      { numa: "the machine has one NUMA node" },
    ],
    ["over 1 MiB, nodes unknown", { ...local, sizeBytes: MIB + 1 }, { numaNodes: 0, missing: {} }, "standard"],
    ["remote, under 1 MiB", { ...remote, sizeBytes: MIB - 1 }, oneNode, "standard", { hugepages: "less than 1 MiB" }],
    ["remote, 1 MiB", { ...remote, sizeBytes: MIB }, oneNode, "hugepages"],
    [
      "remote, large, two nodes",
      { ...remote, sizeBytes: 8 * MIB },
      twoNodes,
      "hugepages",
      { numa: "hugepages comes first" },
    ],
    [
      "remote, large, no huge pages",
      { ...remote, sizeBytes: 8 * MIB },
      { numaNodes: 2, missing: { hugepages: "none free" } },
      "numa",
      { hugepages: "none free" },
    ],
    [
      "remote, large, neither huge pages nor a node's",
      { ...remote, sizeBytes: 8 * MIB },
      { numaNodes: 2, missing: { hugepages: "none free", numa: "no libnuma" } },
      "standard",
      { hugepages: "none free", numa: "no libnuma" },
    ],
    ["from GPU to CPU", staging, oneNode, "gpu-pinned"],
    ["from CPU to GPU", { ...local, peerOnGpu: true }, oneNode, "gpu-pinned"],
    ["staging, remote and large", { ...staging, scope: "remote", sizeBytes: 8 * MIB }, twoNodes, "gpu-pinned"],
    ["staging without pinning", staging, noPinning, "standard", { "gpu-pinned": "no GPU" }],
    [
      "staging without pinning, large",
      { ...staging, sizeBytes: 8 * MIB },
      noPinning,
      "numa",
      { "gpu-pinned": "no GPU" },
    ],
    ["GPU to GPU", { ...staging, peerOnGpu: true }, oneNode, "standard", { "gpu-pinned": "both sides work on a GPU" }],
    ["GPU to GPU, preferred", { ...staging, peerOnGpu: true, profile: "gpu-preferred" }, oneNode, "gpu"],
    [
      "GPU to GPU, preferred, no support",
      { ...staging, peerOnGpu: true, profile: "gpu-preferred" },
      noPinning,
      "standard",
      { gpu: "no GPU" },
    ],
    ["GPU preferred, no GPU", { ...local, profile: "gpu-preferred" }, oneNode, "standard"],
    ["shared, local", { ...local, profile: "cpu-shared" }, twoNodes, "shared"],
    [
      "shared, staging",
      { ...staging, profile: "cpu-shared" },
      oneNode,
      "shared",
      { "gpu-pinned": "shared comes first" },
    ],
    [
      "shared, remote",
      { ...remote, profile: "cpu-shared", sizeBytes: 8 * MIB },
      oneNode,
      "hugepages",
      { shared: "the peer is remote, and can't map this host's memory" },
    ],
    ["high throughput", { ...local, profile: "high-throughput" }, oneNode, "standard"],
    ["low latency", { ...local, profile: "low-latency" }, oneNode, "standard"],
  ];
  test.each(cases)("%s", (_name, purpose, offer, strategy, reasons = {}) => {
    const choice = chooseStrategy(purpose, offer);
    expect(choice.strategy).toBe(strategy);
    expect(choice.reason).not.toBe("");
    const rejected = Object.fromEntries(choice.rejected.map(({ strategy, reason }) => [strategy, reason]));
    expect(Object.keys(rejected).sort()).toEqual(ALL.filter((other) => other !== strategy).sort());
    expect(rejected).toMatchObject(reasons);
  });
});

describe("planFor", () => {
  const good: [MemoryLocation, MemoryStrategy, number, object?][] = [
    [{ kind: "host" }, "standard", -1],
    [{ kind: "host", hugepages: false, shared: false, gpuPinned: false }, "standard", -1],
    [{ kind: "host", numaNode: undefined }, "standard", -1],
    [{ kind: "host", numaNode: 0 }, "numa", 0],
    [{ kind: "host", numaNode: 3 }, "numa", 3],
    [{ kind: "host", hugepages: true }, "hugepages", -1],
    [{ kind: "host", gpuPinned: true }, "gpu-pinned", -1],
    [{ kind: "host", shared: true }, "shared", -1],
    [{ kind: "host", gpuPinned: true, device: 3 }, "gpu-pinned", -1, { device: 3 }],
    [{ kind: "gpu" }, "gpu", -1],
    [{ kind: "gpu", device: 0, hostVisible: false }, "gpu", -1, { device: 0 }],
    [{ kind: "gpu", hostVisible: true }, "gpu", -1, { hostVisible: true }],
  ];
  test.each(good)("%j", (location, strategy, numaNode, more = {}) => {
    expect(planFor(location)).toEqual({ strategy, numaNode, hostVisible: false, device: undefined, ...more });
  });

  const bad: [string, unknown, string][] = [
    ["null", null, "location.kind is undefined"],
    ["a string", "host", "location.kind is undefined"],
    ["no kind", {}, "location.kind is undefined"],
    ["an unknown kind", { kind: "disk" }, 'location.kind is "disk"'],
    ["a negative node", { kind: "host", numaNode: -1 }, "location.numaNode is -1"],
    ["a fractional node", { kind: "host", numaNode: 0.5 }, "location.numaNode is 0.5"],
    ["NaN as node", { kind: "host", numaNode: Number.NaN }, "location.numaNode is NaN"],
    ["a node past 31 bits", { kind: "host", numaNode: 2 ** 31 }, "location.numaNode is 2147483648"],
    ["a string as node", { kind: "host", numaNode: "0" }, 'location.numaNode is "0"'],
    ["a number as flag", { kind: "host", hugepages: 1 }, "location.hugepages is 1"],
    ["null as flag", { kind: "host", shared: null }, "location.shared is null"],
    ["a negative device", { kind: "gpu", device: -1 }, "location.device is -1"],
    ["a string as device", { kind: "gpu", device: "0" }, 'location.device is "0"'],
    ["a number as hostVisible", { kind: "gpu", hostVisible: 1 }, "location.hostVisible is 1"],
    ["a device of host memory", { kind: "host", device: 0 }, "location.device is 0"],
    [
      "two kinds at once",
      { kind: "host", hugepages: true, shared: true },
      "hugepages: true, shared: true: these exclude",
    ],
    [
      "three kinds at once",
      { kind: "host", hugepages: true, gpuPinned: true, numaNode: 0 },
      "numaNode: 0, hugepages: true, gpuPinned: true",
    ],
  ];
  test.each(bad)("refuses %s", (_name, location, words) => {
    const error = failureOf(() => planFor(location as MemoryLocation));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain(words);
    expect(error.remedy).toMatch(/^Give \S/);
  });
});

describe("checkSize", () => {
  test.each([1, 4096, 4097, 2 ** 32])("takes %p", (size) => {
    expect(() => checkSize(size)).not.toThrow();
  });

  test.each([0, -0, -1, -4096, 0.5, 4096.5, 2 ** 32 + 1, Number.NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER])(
    "refuses %p",
    (size) => {
      const error = failureOf(() => checkSize(size));
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toContain(`sizeBytes is ${size}`);
    },
  );

  test("takes more where it is not for an ArrayBuffer", () => {
    expect(() => checkSize(2 ** 40, Number.MAX_SAFE_INTEGER)).not.toThrow();
    expect(failureOf(() => checkSize(2 ** 53, Number.MAX_SAFE_INTEGER)).code).toBe("INVALID_ARGUMENT");
  });

  test.each([[undefined], [null], ["4096"], [4096n], [true], [[4096]], [{}]])("refuses %p", (size: unknown) => {
    expect(failureOf(() => checkSize(size as number)).code).toBe("INVALID_ARGUMENT");
  });
});
