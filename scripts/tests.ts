/** Runs tests, and checks that they leave no file and no message of the validation layer. */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { driverEnvironment, ValidationFile } from "./gpu.ts";
import { type Finished, run } from "./run.ts";
import type { Result } from "./step.ts";

export type Environment = Record<string, string | undefined>;

/** Limit of all tests together, milliseconds: three times their time on two busy processors. */
const LIMIT_MS = 2_400_000;

/**
 * Gives the tests a folder for temporary files, and has the validation layer check their Vulkan calls. They fail if they leave
 * a file in the folder, or if the layer has a message.
 */
export async function leavingNothing(test: (env: Environment) => Promise<Result>): Promise<Result> {
  using validation = new ValidationFile();
  const folder = mkdtempSync(join(tmpdir(), "lf-")); // Short: paths of sockets have a limit.
  chmodSync(folder, 0o711); // Some tests become another user and need access.
  try {
    // A test that opens a channel without a runtime directory of its own fails by its name: this one cannot be made.
    const noDirectory = { LAVA_FLOW_RUNTIME_DIR: join(folder, "no/runtime/directory"), XDG_RUNTIME_DIR: "" };
    const env = { ...process.env, ...driverEnvironment(), ...validation.environment, ...noDirectory, TMPDIR: folder };
    const result = await test(env);
    const messages = validation.messages();
    if (messages.length > 0) {
      const output = `${result.output ?? ""}\nVulkan's validation layer said:\n${messages.join("\n")}`;
      return { ...result, failed: result.failed + 1, output };
    }
    const left = readdirSync(folder, { recursive: true });
    if (result.failed > 0 || left.length === 0) return result; // A failed test may leave files.
    return { ...result, failed: 1, output: `Left among the temporary files: ${left.join(", ")}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Counts the `ok`, `FAIL` and `skip` lines of a C test program. */
export function countLines(program: string, { ok, output }: Finished) {
  const lines = output.split("\n");
  const result = {
    passed: lines.filter((line) => /^ok\b/.test(line)).length,
    failed: lines.filter((line) => /^FAIL\b/.test(line)).length,
    skipped: 0,
    notes: lines.filter((line) => /^skip\b/.test(line)),
    output: `--- ${program}\n${output}`,
  };
  result.skipped = result.notes.length;
  // A crash, a sanitizer's report, and a program without tests all end without a FAIL line.
  if (result.failed === 0 && (!ok || result.passed + result.skipped === 0)) result.failed = 1;
  return result;
}

/**
 * The output of `bun test` without the passed and skipped tests and their own output, so that a failure is easy to find
 * among more than a thousand tests.
 */
export function onlyFailures(output: string): string {
  const kept: string[] = [];
  let sinceLastTest: string[] = [];
  for (const line of output.split("\n")) {
    if (/^\((pass|skip|todo)\) /.test(line)) {
      sinceLastTest = sinceLastTest.filter((earlier) => /^\S+\.test\.ts:$/.test(earlier)).slice(-1); // the name of its file
      continue;
    }
    sinceLastTest.push(line);
    if (!line.startsWith("(fail) ")) continue;
    kept.push(...sinceLastTest);
    sinceLastTest = [];
  }
  return [...kept, ...sinceLastTest].join("\n");
}

/** Reads Bun's own summary of a run of tests: it also counts files that could not be loaded. */
export function summary({ ok, output }: Finished): Result {
  const last = (word: string) => Number([...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))].at(-1)?.[1] ?? 0);
  const result = {
    passed: last("pass"),
    failed: last("fail"),
    skipped: last("skip") + last("todo"),
    notes: output.split("\n").filter((line) => /^skip [\w-]+: /.test(line)),
    output: onlyFailures(output),
  };
  // A crash has no summary. A run without tests is no success.
  if (result.failed === 0 && (!ok || result.passed + result.skipped === 0)) result.failed = 1;
  return result;
}

/** Milliseconds. Bounds each test that sets no limit of its own. It only ends a hang: no test comes near it on a busy machine. */
const TEST_LIMIT_MS = 120_000;

/** The argument of `bun test` with that limit. */
export const TEST_LIMIT = `--timeout=${TEST_LIMIT_MS}`;

/** Most files that are tested at once: each may start a job of four ranks, or fill a GPU's memory. */
const FILES_MAX = 4;

/** Runs the files, or all if none is named. */
export async function bunTest(env: Environment, ...files: string[]): Promise<Result> {
  const atOnce = `--parallel=${Math.min(FILES_MAX, navigator.hardwareConcurrency)}`;
  const command = [process.execPath, "test", atOnce, TEST_LIMIT, ...files];
  return summary(await run(command, { env, limitMs: LIMIT_MS }));
}
