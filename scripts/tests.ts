/** Runs tests, with all around them that has to be right too. */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { driverEnvironment, ValidationFile } from "./gpu.ts";
import { type Finished, run } from "./run.ts";
import type { Result } from "./step.ts";

export type Environment = Record<string, string | undefined>;

/** Milliseconds that all tests together may take: three times what they take on two busy processors. */
const LIMIT_MS = 2_400_000;

/**
 * Gives the tests a folder for temporary files and has all their Vulkan calls checked. Fails them when they leave
 * something there, or when the validation layer had something to say.
 */
export async function leavingNothing(test: (env: Environment) => Promise<Result>): Promise<Result> {
  using validation = new ValidationFile();
  const folder = mkdtempSync(join(tmpdir(), "lf-")); // Short: sockets are made in it.
  chmodSync(folder, 0o711); // Some tests become another user, and have to get through it.
  try {
    const env = { ...process.env, ...driverEnvironment(), ...validation.environment, TMPDIR: folder };
    const result = await test(env);
    const messages = validation.messages();
    if (messages.length > 0) {
      const output = `${result.output ?? ""}\nVulkan's validation layer said:\n${messages.join("\n")}`;
      return { ...result, failed: result.failed + 1, output };
    }
    const left = readdirSync(folder, { recursive: true });
    if (result.failed > 0 || left.length === 0) return result; // What fails may leave what it made.
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
  // A crash, a sanitizer's complaint, and a program that tested nothing all end without a FAIL line.
  if (result.failed === 0 && (!ok || result.passed + result.skipped === 0)) result.failed = 1;
  return result;
}

/**
 * What Bun printed of a run of tests, without the tests that passed or were skipped and what was printed during them: of
 * more than a thousand tests, nobody finds the one that failed.
 */
export function onlyFailures(output: string): string {
  const kept: string[] = [];
  let sinceLastTest: string[] = [];
  for (const line of output.split("\n")) {
    if (/^\((pass|skip|todo)\) /.test(line)) {
      sinceLastTest = sinceLastTest.filter((earlier) => /^\S+\.test\.ts:$/.test(earlier)).slice(-1); // Its file's name.
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
  // A crash has no summary; a run of nothing is no success.
  if (result.failed === 0 && (!ok || result.passed + result.skipped === 0)) result.failed = 1;
  return result;
}

/** Milliseconds. Bounds each test that sets no limit of its own. It only ends a hang: no test comes near it on a busy machine. */
const TEST_LIMIT_MS = 120_000;

/** The argument of `bun test` with that limit. Every run of `bun test` gets them. */
export const TEST_LIMIT = `--timeout=${TEST_LIMIT_MS}`;

/** Files that are tested at once, at the most: each may start a job of four ranks, or fill a GPU's memory. */
const FILES_MAX = 4;

/** Runs the files, all where none is named. */
export async function bunTest(env: Environment, ...files: string[]): Promise<Result> {
  const atOnce = `--parallel=${Math.min(FILES_MAX, navigator.hardwareConcurrency)}`;
  const command = [process.execPath, "test", atOnce, TEST_LIMIT, ...files];
  return summary(await run(command, { env, limitMs: LIMIT_MS }));
}
