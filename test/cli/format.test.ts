import { describe, expect, test } from "bun:test";
import { binaryBytes, count, decimalBytes, duration, failure, row, threeDigits } from "../../src/cli/format.ts";
import { LavaFlowError } from "../../src/errors.ts";

describe("format", () => {
  test("numbers have three digits and a unit", () => {
    expect([0, 999, 1000, 1_500_000, 107_394_952].map(decimalBytes)).toEqual([
      "0 bytes",
      "999 bytes",
      "1 kB",
      "1.50 MB",
      "107 MB",
    ]);
    expect([4096, 2 ** 21, 2 ** 30 * 1.5].map(binaryBytes)).toEqual(["4 KiB", "2 MiB", "1.50 GiB"]);
    expect([1, 0.1234, 12.345, 123.45].map(threeDigits)).toEqual(["1", "0.12", "12.3", "123"]);
    expect([231.4, 1500, 2.5e6, 3e9].map(duration)).toEqual(["231 ns", "1.50 µs", "2.50 ms", "3 s"]);
    expect(count(1_000_000)).toBe("1,000,000");
  });

  test("texts wrap at their indent, and long labels have a line of their own", () => {
    const text = row("label", "word ".repeat(30).trim(), "next");
    const lines = text.split("\n");
    expect(lines[0]).toStartWith("label       word word");
    expect(lines[1]).toStartWith("            word");
    expect(lines.at(-1)).toBe("            next");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(row("a label that is long", "text")).toBe("a label that is long\n            text");
    const path = `/${"x".repeat(100)}`;
    expect(row("path", path)).toBe(`path        ${path}`);
  });

  test("a failure has one line, and a second one for the remedy", () => {
    expect(failure(new LavaFlowError("TIMEOUT", "no peer"))).toBe("lava-flow: TIMEOUT: no peer");
    const withRemedy = new LavaFlowError("NAME_IN_USE", "taken", { remedy: "Choose another name" });
    expect(failure(withRemedy)).toBe("lava-flow: NAME_IN_USE: taken\nChoose another name.");
    expect(failure(new LavaFlowError("SYSTEM", "a\u001b[2J\nb"))).toBe("lava-flow: SYSTEM: a [2J b");
    expect(failure(new TypeError("x is undefined"))).toStartWith("lava-flow: unexpected: TypeError: x is undefined\n");
  });
});
