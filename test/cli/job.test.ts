/** What a rank says of itself is the word of another process. */
import { describe, expect, test } from "bun:test";
import { readSaid } from "../../src/cli/job.ts";

const MACHINE = { gpus: [], missing: [], mpi: null, location: { hostname: "alpha", pid: 7 } };
const SAID = { version: "1.2.3", processor: "alpha", place: "p", abilities: {}, machine: MACHINE };

describe("what a rank reports", () => {
  test("is taken as it is", () => {
    expect(readSaid(JSON.stringify(SAID))).toEqual(SAID as never);
  });

  test("reaches no terminal with control characters in it", () => {
    const missing = [{ feature: "gpu\u001b[2J", reason: "a\nb", remedy: "\u0007" }];
    const machine = { ...MACHINE, missing, location: { hostname: "al\u009bpha" } };
    const said = readSaid(JSON.stringify({ ...SAID, processor: "x\u0000y", machine }));
    expect(said.processor).toBe("x y");
    expect(said.machine.location.hostname).toBe("al pha");
    expect(said.machine.missing).toEqual([{ feature: "gpu [2J", reason: "a b", remedy: " " }]);
  });

  for (const [what, value] of [
    ["no object", 3],
    ["null", null],
    ["no version", { ...SAID, version: 3 }],
    ["no abilities", { ...SAID, abilities: null }],
    ["no machine", { ...SAID, machine: undefined }],
    ["no list of GPUs", { ...SAID, machine: { ...MACHINE, gpus: {} } }],
    ["no list of what is missing", { ...SAID, machine: { ...MACHINE, missing: "all" } }],
    ["a GPU that can't be", { ...SAID, machine: { ...MACHINE, gpus: [null] } }],
    ["something missing that can't be", { ...SAID, machine: { ...MACHINE, missing: [{ feature: "gpu" }] } }],
    ["an MPI that can't be", { ...SAID, machine: { ...MACHINE, mpi: { implementation: "x" } } }],
    ["a location that can't be", { ...SAID, machine: { ...MACHINE, location: { hostname: 3 } } }],
  ] as const) {
    test(`${what}: CORRUPT_SEGMENT`, () => {
      expect(() => readSaid(JSON.stringify(value))).toThrow(expect.objectContaining({ code: "CORRUPT_SEGMENT" }));
    });
  }

  test("no JSON: CORRUPT_SEGMENT", () => {
    expect(() => readSaid("{")).toThrow(expect.objectContaining({ code: "CORRUPT_SEGMENT" }));
  });
});
