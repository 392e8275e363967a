/** The output fits the terminal, and a failed write to standard output is reported. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { row, table } from "../../src/cli/format.ts";
import { progressLine } from "../../src/cli/progress.ts";
import { privateDirectory } from "../channel/support.ts";
import { requires } from "../requires.ts";
import { PATIENT } from "./cli.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const columns = process.stdout.columns;
const setColumns = (value: number) => Object.defineProperty(process.stdout, "columns", { value, configurable: true });
afterAll(() => setColumns(columns));

describe.each([20, 40, 80, 120, 200])("at %d columns", (width) => {
  test("a progress bar stays on its line", () => {
    for (const share of [0, 0.333, 1]) {
      const line = progressLine("verifying", share, "107 MB of 107 MB, 61.1 GB/s", width);
      expect(Bun.stringWidth(line)).toBeLessThan(width);
      expect(line).toContain(`${Math.floor(share * 100)} %`);
    }
    const bar = progressLine("verifying", 0.5, "text", width).match(/[█░]+/)?.[0] ?? "";
    expect(bar.length).toBe(width === 20 ? 0 : Math.min(30, width - 23));
  });
});

describe.each([40, 80, 120, 200])("at %d columns", (width) => {
  test("rows and tables fit with letters of any width", () => {
    setColumns(width);
    const text = "words of an ordinary length, 日本語 ".repeat(8);
    const cells = ["12", "a-host-with-a-long-name", "日本語", "0123abcd", "Open MPI 4.1.4"];
    const narrow = table(["rank", "host", "node", "host id", "mpi"], [cells, cells]);
    for (const line of [
      ...row("label", text).split("\n"),
      ...row("日本語日本語", text).split("\n"),
      ...narrow.split("\n"),
    ]) {
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(Math.min(width, 120));
    }
    for (const cell of cells) expect(narrow).toContain(cell);
    expect(narrow.split("\n").length).toBe(width >= 80 ? 3 : 11);
  });
});

describe.skipIf(!requires("proc", existsSync("/dev/full"), "no /dev/full, which is a full disk"))(
  "a failed write",
  () => {
    privateDirectory(); // `doctor` opens a name there
    const run = (args: string[], stdout: number | "pipe") =>
      Bun.spawn([process.execPath, MAIN, ...args], {
        stdout,
        stderr: "pipe",
        env: { ...process.env, LAVA_FLOW_DEBUG: "" },
      });

    test.each(["doctor", "doctor --json", "--help", "--version", "demo --help"])(
      "of %s to a full device is an error with exit code 1",
      async (line) => {
        const child = run(line.split(" "), openSync("/dev/full", "w"));
        expect(await new Response(child.stderr).text()).toContain(
          "can't write standard output: no space left on device",
        );
        expect(await child.exited).toBe(1);
      },
      PATIENT,
    );

    test(
      "to a closed pipe is not an error",
      async () => {
        const shell = Bun.spawn(
          ["sh", "-c", `"$0" "$1" doctor | true; "$0" "$1" --help | true`, process.execPath, MAIN],
          { stderr: "pipe", env: { ...process.env } },
        );
        expect(await new Response(shell.stderr).text()).toBe("");
        expect(await shell.exited).toBe(0);
      },
      PATIENT,
    );
  },
);
