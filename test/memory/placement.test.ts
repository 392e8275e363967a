/** Where memory really is: the NUMA node, and the kind of page. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { MemoryAllocator } from "../../src/memory/allocator.ts";
import { nativeMemory } from "../../src/memory/buffer.ts";
import { MEMORY_INFO } from "../../src/native/layout.ts";
import { native } from "../../src/native/load.ts";
import { onLinux, requires } from "../requires.ts";
import {
  addressOf,
  failureOf,
  HUGEPAGES,
  hasNuma,
  isLinux,
  mappingOf,
  NODE_0,
  nodesOf,
  peerCommand,
  readText,
  shellLine,
  tellOf,
  transparentHugepages,
} from "./support.ts";

const MIB = 2 ** 20;
const allocator = new MemoryAllocator();
afterAll(() => allocator.close());

const isRoot = process.getuid?.() === 0;
const why = allocator.unavailable.find(({ feature }) => feature === "numa")?.reason ?? "";
const numa = requires("numa", isLinux && hasNuma, why || "the system does not say where pages are");

describe.skipIf(!numa)("numa", () => {
  const nodes = allocator.topology.numaNodes.filter(({ freeBytes }) => freeBytes > 64 * MIB);

  test.each(nodes.map(({ id }) => id))("memory of node %d is there, all of it, and bound to it", (id) => {
    using buffer = allocator.allocate(3 * MIB, { kind: "host", numaNode: id });
    expect(buffer.location).toEqual({ kind: "host", numaNode: id });
    expect(nodesOf(buffer, (3 * MIB) / 4096)).toEqual(Array((3 * MIB) / 4096).fill(id));
    const policies = readText("/proc/self/numa_maps");
    if (policies === "") return; // CONFIG_PROC_PAGE_MONITOR is off
    const mapping = policies.split("\n").find((line) => line.startsWith(`${addressOf(buffer).toString(16)} `));
    expect(mapping).toContain(`bind:${id}`);
  });

  test("a node that is not there is refused, with those that are", () => {
    for (const numaNode of [999, 1023, 1024, 0x7fffffff]) {
      const error = failureOf(() => allocator.allocate(64, { kind: "host", numaNode }));
      expect(error.code).toBe("NUMA_NODE_NOT_FOUND");
      expect(error.message).toContain(`${numaNode}`);
      expect(error.remedy).toContain("nodes of this machine: 0");
      using buffer = allocator.allocate(64, { kind: "host", numaNode }, { fallback: NODE_0 });
      expect(buffer.location).toEqual(NODE_0);
    }
  });

  test("the shim refuses it too, and picks the processor's own node when it may", () => {
    const info = new Int32Array(new ArrayBuffer(MEMORY_INFO.sizeof));
    const shim = native();
    for (const node of [999, 1023, 1024, 0x7fffffff]) expect(shim.lf_memory_allocate(1, 64, node, info)).toBe(-8);
    expect(shim.lf_memory_allocate(1, 64, -1, info)).toBe(0);
    expect(nodes.map(({ id }) => id)).toContain(info[MEMORY_INFO.numa_node / 4]!);
    expect(shim.lf_memory_close(info[MEMORY_INFO.handle / 4]!)).toBe(0);
  });

  test("no more pages are asked about than there are", () => {
    using buffer = allocator.allocate(8192, NODE_0);
    expect(native().lf_memory_nodes(nativeMemory(buffer), 3, new Int32Array(3))).toBe(-1);
    expect(native().lf_memory_nodes(nativeMemory(buffer), 0, new Int32Array(1))).toBe(-1);
    expect(native().lf_memory_nodes(nativeMemory(buffer), 2, null)).toBe(-1);
  });

  const library = /\S+libnuma\.so\S*/.exec(readText("/proc/self/maps"))?.[0] ?? "";
  const canHide = requires("root", isRoot && existsSync("/usr/bin/unshare"), "hiding a library takes root and unshare");
  test.skipIf(!canHide)("without libnuma is refused with the reason, and falls back as asked", async () => {
    const hide = `mount --bind /dev/null ${library} && exec ${shellLine(peerCommand("fallback", 64, NODE_0, "numa"))}`;
    const told = await tellOf(["unshare", "--mount", "sh", "-c", hide]);
    expect(told.code).toBe("NUMA_NODE_NOT_FOUND");
    expect(told.message).toContain("libnuma is not installed");
    expect(told.reason).toContain("libnuma is not installed");
    expect(told.strategy).toBe("standard");
  });
});

const transparent = requires("transparent-hugepages", transparentHugepages(), "the kernel makes none");

describe.skipIf(!transparent)("transparent huge pages", () => {
  test.each([1, 64 * 1024, 2 * MIB, 5 * MIB, 16 * MIB])("%d bytes are in huge pages from end to end", (size) => {
    using buffer = allocator.allocate(size, HUGEPAGES);
    if (buffer.decision.reason.includes("reserved huge pages")) return; // the machine has some: tested below
    expect(buffer.decision.reason).toContain("transparent huge pages");
    expect(buffer.pageBytes).toBeGreaterThanOrEqual(64 * 1024);
    expect(addressOf(buffer) % buffer.pageBytes).toBe(0);
    const mapping = mappingOf(addressOf(buffer))!;
    expect(mapping.AnonHugePages).toBe(mapping.Size!);
    expect(mapping.Size).toBeGreaterThanOrEqual(size);
  });
});

describe.skipIf(!onLinux())("without any huge pages", () => {
  test("is refused with the reason, and falls back as asked", async () => {
    const told = await tellOf(peerCommand("fallback", 64 * MIB, HUGEPAGES, "hugepages"), {
      NO_TRANSPARENT_HUGEPAGES: "1",
    });
    if (!told.code) return expect(told.reason).toBeUndefined(); // the machine has reserved ones
    expect(told.code).toBe("HUGEPAGES_UNAVAILABLE");
    expect(told.message).toMatch(/too few reserved huge pages are free/);
    expect(told.remedy).toContain("nr_hugepages");
    expect(told.strategy).toBe("standard");
  });
});

const POOL = "/proc/sys/vm/nr_hugepages";
const pageBytes = Number(/^Hugepagesize:\s+(\d+) kB/m.exec(readText("/proc/meminfo"))?.[1] ?? 0) * 1024;
const poolBefore = Number(readText(POOL));

/** Makes sure of four free reserved pages, as far as this user may; false when they can't be had. */
function reserveFour(): boolean {
  setPool(poolBefore + 4);
  return Number(/^HugePages_Free:\s+(\d+)/m.exec(readText("/proc/meminfo"))?.[1] ?? 0) >= 4;
}

function setPool(pages: number): void {
  try {
    writeFileSync(POOL, String(pages));
  } catch {
    // Not ours to change: what is there has to do.
  }
}

const canReserve = isLinux && reserveFour();
setPool(poolBefore);
const reserved = requires("hugepages", canReserve, "four reserved huge pages can't be had here");

describe.skipIf(!reserved)("reserved huge pages", () => {
  beforeAll(() => void reserveFour());
  afterAll(() => setPool(poolBefore));

  test("are taken where enough are free", () => {
    const size = 3 * pageBytes - 100;
    const buffer = allocator.allocate(size, HUGEPAGES);
    expect(buffer.decision.reason).toContain("reserved huge pages");
    expect(buffer.decision.reason).not.toContain("transparent");
    expect(buffer.pageBytes).toBe(pageBytes);
    expect(buffer.bytes.every((byte) => byte === 0)).toBe(true);
    buffer.bytes[size - 1] = 1;
    const address = addressOf(buffer);
    const mapping = mappingOf(address)!;
    expect(mapping.Private_Hugetlb).toBe(3 * pageBytes);
    expect(mapping.KernelPageSize).toBe(pageBytes);

    // A second one does not fit: it must be transparent, or refused; never a promise that breaks later.
    if (poolBefore === 0 && transparentHugepages()) {
      using second = allocator.allocate(size, HUGEPAGES);
      expect(second.decision.reason).toContain("transparent huge pages");
      second.bytes.fill(1);
    }
    buffer.close();
    expect(mappingOf(address)?.Private_Hugetlb ?? 0).toBe(0);
  });

  test("come back with each close", () => {
    for (let round = 0; round < 20; round++) {
      using buffer = allocator.allocate(4 * pageBytes, HUGEPAGES);
      expect(buffer.pageBytes).toBe(pageBytes);
      expect(buffer.decision.reason).not.toContain("transparent");
    }
  });
});
