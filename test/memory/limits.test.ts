/** Exhausted memory is an error of allocate, and never kills the process later. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { onLinux, requires } from "../requires.ts";
import { isLinux, peerCommand, readText, SHARED, STRATEGIES, shellLine, tellOf } from "./support.ts";

const MIB = 2 ** 20;
const LIMIT = 320 * MIB; // Bun itself takes less than half of it

/** Makes a control group for memory, of version 2 or 1; null where that is not possible. */
function makeGroup(): string | null {
  const own = /^\d+:memory:(.*)$/m.exec(readText("/proc/self/cgroup"))?.[1];
  const version2 = own === undefined;
  const parent = version2 ? "/sys/fs/cgroup" : `/sys/fs/cgroup/memory${own}`;
  const group = `${parent}/lava-flow-test-${process.pid}`;
  try {
    mkdirSync(group);
  } catch {
    return null;
  }
  try {
    writeFileSync(`${group}/${version2 ? "memory.max" : "memory.limit_in_bytes"}`, String(LIMIT));
    if (version2) writeFileSync(`${group}/memory.swap.max`, "0");
    return group;
  } catch {
    rmdirSync(group); // without the controller for memory
    return null;
  }
}

const probe = isLinux ? makeGroup() : null;
if (probe) rmdirSync(probe);

describe.skipIf(!requires("cgroup", probe !== null, "this user can't make a control group for memory here"))(
  "in a control group",
  () => {
    let group: string;
    beforeAll(() => {
      group = makeGroup()!;
    });
    afterAll(() => rmdirSync(group));

    const cases = STRATEGIES.flatMap(([strategy, location]) =>
      [64 * 1024, 32 * MIB].map((size) => [strategy, size, location] as const),
    );
    test.each(cases)("%s memory in pieces of %d bytes ends in an error", async (_strategy, size, location) => {
      const command = peerCommand("exhaust", size, location, 2 * (LIMIT / size));
      const told = await tellOf(["sh", "-c", `echo $$ > '${group}/cgroup.procs' && exec ${shellLine(command)}`]);
      expect(told.code).toBe("HOST_OUT_OF_MEMORY");
      expect(told.message).toMatch(/\d+ bytes asked for, \d+ available in this control group/);
      expect(told.remedy).toMatch(/Close|smaller|less/);
      expect(told.made! * size).toBeLessThan(LIMIT);
      // 64 KiB of huge pages take a whole one.
      if (size === 32 * MIB) expect(told.made! * size).toBeGreaterThan(LIMIT / 4);
    });
  },
);

describe.skipIf(!onLinux())("descriptors", () => {
  test("that run out are an error with a remedy, and nothing is lost", async () => {
    const command = peerCommand("exhaust", 4096, SHARED, 1000);
    const told = await tellOf(["sh", "-c", `ulimit -n 128 && exec ${shellLine(command)}`]);
    expect(told.code).toBe("SYSTEM");
    expect(told.message).toContain("no descriptor is left");
    expect(told.remedy).toContain("ulimit -n");
    expect(told.made).toBeGreaterThan(10);
    expect(told.made).toBeLessThan(128);
  });
});

test("a buffer that is dropped without close is reported, once", async () => {
  const { warnings } = await tellOf(peerCommand("leak"));
  expect(warnings.match(/LAVA_FLOW_LEAK/g)).toHaveLength(1);
  expect(warnings).toContain("12345 bytes");
});
