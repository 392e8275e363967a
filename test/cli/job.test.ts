/** The report of a rank comes from another process, and is checked. */
import { describe, expect, test } from "bun:test";
import { readReport } from "../../src/cli/job.ts";

const MACHINE = { gpus: [], missing: [], mpi: null, location: { hostname: "alpha", pid: 7 } };
const REPORT = { version: "1.2.3", processor: "alpha", directoryId: "p", capabilities: {}, machine: MACHINE };

describe("the report of a rank", () => {
  test("is returned unchanged", () => {
    expect(readReport(JSON.stringify(REPORT))).toEqual(REPORT as never);
  });

  test("loses its control characters", () => {
    const missing = [{ feature: "gpu\u001b[2J", reason: "a\nb", remedy: "\u0007" }];
    const machine = { ...MACHINE, missing, location: { hostname: "al\u009bpha" } };
    const report = readReport(JSON.stringify({ ...REPORT, processor: "x\u0000y", machine }));
    expect(report.processor).toBe("x y");
    expect(report.machine.location.hostname).toBe("al pha");
    expect(report.machine.missing).toEqual([{ feature: "gpu [2J", reason: "a b", remedy: " " }]);
  });

  for (const [what, value] of [
    ["no object", 3],
    ["null", null],
    ["no version", { ...REPORT, version: 3 }],
    ["no capabilities", { ...REPORT, capabilities: null }],
    ["no machine", { ...REPORT, machine: undefined }],
    ["no list of GPUs", { ...REPORT, machine: { ...MACHINE, gpus: {} } }],
    ["no list of missing features", { ...REPORT, machine: { ...MACHINE, missing: "all" } }],
    ["a malformed GPU", { ...REPORT, machine: { ...MACHINE, gpus: [null] } }],
    ["a malformed missing feature", { ...REPORT, machine: { ...MACHINE, missing: [{ feature: "gpu" }] } }],
    ["a malformed MPI", { ...REPORT, machine: { ...MACHINE, mpi: { implementation: "x" } } }],
    ["a malformed location", { ...REPORT, machine: { ...MACHINE, location: { hostname: 3 } } }],
  ] as const) {
    test(`${what}: CORRUPT_SEGMENT`, () => {
      expect(() => readReport(JSON.stringify(value))).toThrow(expect.objectContaining({ code: "CORRUPT_SEGMENT" }));
    });
  }

  test("no JSON: CORRUPT_SEGMENT", () => {
    expect(() => readReport("{")).toThrow(expect.objectContaining({ code: "CORRUPT_SEGMENT" }));
  });
});
