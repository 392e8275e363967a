/** No descriptor and no memory left: an error that says what to do, and nothing lost but the call. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Channel, MemoryAllocator } from "../../src/index.ts";
import { requires } from "../requires.ts";
import { ProcessPeer } from "./peers.ts";
import { hasProc, PATIENT, privateDirectory, unique } from "./support.ts";

privateDirectory();

describe("no descriptors", () => {
  /** A process with a limit of open files. */
  function limited(files: number): string[] {
    return ["bash", "-c", `ulimit -n ${files}; exec "$@"`, "bash"];
  }

  test.skipIf(!hasProc)(
    "an open without descriptors rejects with a remedy, leaks nothing, and succeeds once descriptors are free",
    async () => {
      await using peer = new ProcessPeer("exhaustion/openWithFew", { name: unique() }, { through: limited(120) });
      const { outcomes, leaked } = await peer.heard();
      expect(outcomes.filter((outcome: string) => outcome === "open").length).toBeGreaterThan(0);
      const failures = outcomes.filter((outcome: string) => outcome !== "open");
      expect(failures.length).toBeGreaterThan(3);
      for (const failure of failures)
        expect(failure).toMatch(/^(SYSTEM|NO_ROUTE): .*Too many open files.* \((Raise the limit|See)/);
      expect(leaked).toEqual([]);
      await peer.done;
    },
    PATIENT,
  );

  test.skipIf(!hasProc)(
    "an open without descriptors leaves open channels working",
    async () => {
      await using peer = new ProcessPeer("exhaustion/openMany", { name: unique() }, { through: limited(100) });
      const { opened, code, remedy, works } = await peer.heard();
      expect(opened).toBeGreaterThan(2);
      expect(works).toBe(opened);
      expect(["SYSTEM", "NO_ROUTE"]).toContain(code);
      expect(remedy).toBeString();
      await peer.done;
    },
    PATIENT,
  );

  test.skipIf(!hasProc)(
    "a receiver without descriptors gets pooled frames, and an error with a remedy for a MemoryBuffer",
    async () => {
      const name = unique();
      using allocator = new MemoryAllocator();
      await using peer = new ProcessPeer("exhaustion/receiveWithNone", { name }, { through: limited(100) });
      await using producer = await Channel.open(name, { role: "producer" });
      expect(await peer.heard()).toBe("full");
      for (const size of [1000, 1 << 20, 3 << 20]) await producer.send(new Uint8Array(size).fill(7));
      for (const _ of [1, 2, 3]) expect(await peer.heard()).toMatchObject({ byte: 7 });
      // The first buffer uses the descriptor that was kept free for it. None is left for the second.
      let answer: { byte?: number; code?: string; remedy?: string };
      do {
        await producer.send(allocator.allocate(4096, { kind: "host", shared: true }));
        answer = await peer.heard();
      } while (answer.byte !== undefined);
      expect(answer.code).toBe("SYSTEM");
      expect(answer.remedy).toContain("ulimit");
    },
    PATIENT,
  );
});

describe("no memory", () => {
  const MIB = 1 << 20;

  /** A control group for memory below this process's own, with a limit; null where there can be none. */
  function makeGroup(limitBytes: number): string | null {
    for (const line of readFileSync("/proc/self/cgroup", "utf8").split("\n")) {
      const [, controllers, path] = line.split(":");
      if (path === undefined || (controllers !== "memory" && controllers !== "")) continue;
      const own = join("/sys/fs/cgroup", controllers as string, path);
      const group = join(own, `lava-flow-test-${process.pid}-${limitBytes}`);
      try {
        mkdirSync(group);
        writeFileSync(
          join(group, controllers === "memory" ? "memory.limit_in_bytes" : "memory.max"),
          String(limitBytes),
        );
        return group;
      } catch {
        try {
          rmdirSync(group);
        } catch {
          // It was not made.
        }
      }
    }
    return null;
  }

  const probe = hasProc ? makeGroup(400 * MIB) : null;
  if (probe) rmdirSync(probe);
  const groups = requires("cgroup", probe !== null, "no control group with a memory limit can be made");

  test.skipIf(!groups)(
    "a frame or buffer that is too large is HOST_OUT_OF_MEMORY, and smaller frames still pass",
    async () => {
      const name = unique();
      const group = makeGroup(400 * MIB) as string;
      const through = ["bash", "-c", `echo $$ > ${group}/cgroup.procs; exec "$@"`, "bash"];
      {
        await using peer = new ProcessPeer("exhaustion/sendTooMuch", { name }, { through });
        await using consumer = await Channel.open(name, { role: "consumer" });
        for (const what of ["loan", "buffer"]) {
          const { code, remedy } = await peer.heard();
          expect({ what, code }).toEqual({ what, code: "HOST_OUT_OF_MEMORY" });
          expect(remedy).toContain("Ask for less");
        }
        for (const size of [5 * MIB, 10, 1000]) {
          using frame = await consumer.recv();
          expect([frame.sizeBytes, frame.bytes[0]]).toEqual([size, 3]);
        }
        await peer.done;
      }
      rmdirSync(group);
    },
    PATIENT,
  );
});
