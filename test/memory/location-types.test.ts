/** MemoryLocation at compile time (`tsc` checks this file's directives) and at run time, for callers in JavaScript. */
import { describe, expect, test } from "bun:test";
import type { MemoryLocation } from "../../src/index.ts";
import { planFor } from "../../src/memory/strategy.ts";
import { failureOf } from "./support.ts";

describe("a mixture that no memory can be does not type-check, and is refused at run time", () => {
  /** A mixture that type-checks leaves its directive unused, which tsc reports as an error. */
  const impossible: MemoryLocation[] = [
    // @ts-expect-error: two kinds of host memory
    { kind: "host", numaNode: 0, hugepages: true },
    // @ts-expect-error: two kinds of host memory
    { kind: "host", numaNode: 0, gpuPinned: true },
    // @ts-expect-error: two kinds of host memory
    { kind: "host", numaNode: 0, shared: true },
    // @ts-expect-error: two kinds of host memory
    { kind: "host", hugepages: true, gpuPinned: true },
    // @ts-expect-error: two kinds of host memory
    { kind: "host", hugepages: true, shared: true },
    // @ts-expect-error: two kinds of host memory
    { kind: "host", gpuPinned: true, shared: true },
    // @ts-expect-error: three kinds of host memory
    { kind: "host", numaNode: 0, hugepages: true, shared: true },
    // @ts-expect-error: two kinds of host memory, one with a device
    { kind: "host", gpuPinned: true, shared: true, device: 0 },
    // @ts-expect-error: a device of host memory that no GPU reaches
    { kind: "host", device: 0 },
    // @ts-expect-error: a device of host memory that no GPU reaches
    { kind: "host", gpuPinned: false, device: 0 },
    // @ts-expect-error: a device of host memory that no GPU reaches
    { kind: "host", numaNode: 0, device: 0 },
    // @ts-expect-error: a device of host memory that no GPU reaches
    { kind: "host", hugepages: true, device: 0 },
    // @ts-expect-error: a device of host memory that no GPU reaches
    { kind: "host", shared: true, device: 0 },
    // @ts-expect-error: host memory is always visible
    { kind: "host", hostVisible: true },
    // @ts-expect-error: host memory is always visible
    { kind: "host", gpuPinned: true, hostVisible: false },
    // @ts-expect-error: a NUMA node of GPU memory
    { kind: "gpu", numaNode: 0 },
    // @ts-expect-error: huge pages of GPU memory
    { kind: "gpu", hugepages: true },
    // @ts-expect-error: pinned GPU memory
    { kind: "gpu", gpuPinned: true, device: 0 },
    // @ts-expect-error: GPU memory that channels share has no flag
    { kind: "gpu", shared: true, hostVisible: true },
    // @ts-expect-error: no kind
    { hugepages: true },
    // @ts-expect-error: an unknown kind
    { kind: "disk" },
  ];
  test.each(impossible)("%j", (location) => {
    const error = failureOf(() => planFor(location));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.remedy).toMatch(/^(Give|There are) \S/);
  });

  test("also in a value that is not a literal", () => {
    const flags = { numaNode: 0, shared: true };
    const device = { device: 0 };
    // @ts-expect-error: two kinds of host memory
    expect(failureOf(() => planFor({ kind: "host", ...flags })).message).toContain("numaNode: 0, shared: true");
    // @ts-expect-error: a device of host memory that no GPU reaches
    expect(failureOf(() => planFor({ kind: "host", ...device })).message).toContain("location.device is 0");
    // @ts-expect-error: shared GPU memory
    expect(failureOf(() => planFor({ kind: "gpu", ...flags })).message).toContain('no option "numaNode"');
  });
});

describe("what memory can be type-checks", () => {
  const flag = Math.random() < 2;
  const node: number | undefined = flag ? 0 : undefined;
  const possible: MemoryLocation[] = [
    { kind: "host" },
    { kind: "host", numaNode: node },
    { kind: "host", hugepages: flag },
    { kind: "host", gpuPinned: flag },
    { kind: "host", shared: flag },
    { kind: "host", gpuPinned: true, device: node },
    { kind: "host", numaNode: 0, hugepages: false, gpuPinned: false, shared: false },
    { kind: "host", shared: true, numaNode: undefined, hugepages: false, device: undefined },
    { kind: "gpu" },
    { kind: "gpu", device: node, hostVisible: flag },
  ];
  test.each(possible)("%j", (location) => {
    expect(planFor(location).strategy).not.toBe("");
  });
});

test("a location is narrowed by its kind, and by its flags", () => {
  const told = (location: MemoryLocation): string => {
    if (location.kind === "gpu") {
      const visible: boolean = location.hostVisible ?? false;
      const none: undefined = location.numaNode;
      return `GPU ${location.device} ${visible} ${none}`;
    }
    if (location.gpuPinned) {
      const device: number | undefined = location.device;
      const none: undefined = location.numaNode;
      return `pinned for ${device} ${none}`;
    }
    const none: undefined = location.device;
    if (location.numaNode !== undefined) {
      const node: number = location.numaNode;
      const off: false | undefined = location.shared;
      return `node ${node} ${off} ${none}`;
    }
    return location.shared ? "shared" : "other";
  };
  expect(told({ kind: "gpu", device: 1 })).toBe("GPU 1 false undefined");
  expect(told({ kind: "host", gpuPinned: true, device: 2 })).toBe("pinned for 2 undefined");
  expect(told({ kind: "host", numaNode: 3 })).toBe("node 3 undefined undefined");
  expect(told({ kind: "host", shared: true })).toBe("shared");
  expect(told({ kind: "host" })).toBe("other");
});
