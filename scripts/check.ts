/**
 * Everything that must pass, from a fresh clone on: `bun run check`. One line for each step; the output of a step only
 * when it failed; the last line is "N passed, N failed, N skipped". LAVA_FLOW_REQUIRE turns skips into failures (see
 * test/requires.ts).
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { required } from "../test/requires.ts";
import { build } from "./build.ts";
import { type Finished, ROOT, run } from "./run.ts";
import { installDependencies } from "./setup.ts";
import { failed, finish, passed, type Result, skipped, step } from "./step.ts";
import { installPackages } from "./system.ts";
import { compiledExecutable, installedTarball, pack } from "./tarball.ts";

const FIFTEEN_MINUTES = 900_000;

const asResult = ({ ok, output }: Finished): Result => (ok ? passed() : failed(output));

/** A program from node_modules, run by Bun: no Node is needed. */
const tool = (path: string, ...args: string[]) => run([process.execPath, join(ROOT, "node_modules", path), ...args]);

async function shimsForAllPlatforms(): Promise<Result> {
  const { ok, output } = await build("all");
  const folders = ok ? readdirSync(join(ROOT, "prebuilt")) : [];
  return ok ? { ...passed(), passed: folders.length } : failed(output);
}

/** Counts the `ok`, `FAIL` and `skip` lines of a C test program. */
function count(program: string, { ok, output }: Finished): Result {
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

/** Every program of shim/test that was built into `folder`, one after the other. */
async function cTests(folder: string, runOne: (program: string) => Promise<Finished>): Promise<Result> {
  const sum = { passed: 0, failed: 0, skipped: 0, notes: [] as string[], output: "" };
  const names = readdirSync(join(ROOT, "shim/test")).filter((name) => name.endsWith(".c"));
  for (const name of names) {
    const program = join(ROOT, "shim/zig-out", folder, name.slice(0, -2));
    const result = count(program, await runOne(program));
    sum.passed += result.passed;
    sum.failed += result.failed;
    sum.skipped += result.skipped;
    sum.notes.push(...(result.notes ?? []));
    if (result.failed > 0) sum.output += result.output;
  }
  return names.length > 0 ? sum : failed("There is no C test in shim/test");
}

async function bunTest(): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "lava-flow-junit-"));
  try {
    const report = join(folder, "junit.xml");
    const { ok, output } = await run([process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`], {
      limitMs: FIFTEEN_MINUTES,
    });
    const head = (await Bun.file(report).exists()) ? /<testsuites [^>]*>/.exec(readFileSync(report, "utf8"))?.[0] : "";
    const number = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head ?? "")?.[1] ?? 0);
    const result = {
      passed: number("tests") - number("failures") - number("skipped"),
      failed: number("failures"),
      skipped: number("skipped"),
      notes: output.split("\n").filter((line) => /^skip [\w-]+: /.test(line)),
      output,
    };
    // A crash, a file that can't be loaded, and a run of nothing are failures that no test reports.
    if (result.failed === 0 && (!ok || result.passed === 0)) result.failed = 1;
    return result;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) {
  required(); // A misspelt name is found now and not in the middle.
  const dependencies = await step("dependencies", async () => asResult(await installDependencies()));
  if (dependencies.failed > 0) process.exit(finish());
  await step("system packages", async () => {
    const missing = await installPackages();
    return missing.length === 0 ? passed() : { ...skipped(""), skipped: missing.length, notes: missing };
  });
  await step("type check", async () => asResult(await tool("typescript/bin/tsc", "--noEmit")));
  await step("lint and format", async () => asResult(await tool("@biomejs/biome/bin/biome", "ci")));
  await step("shims for all platforms", shimsForAllPlatforms);
  await step("C tests: build", async () => asResult(await build("tests")));
  await step("C tests: UBSan", () => cTests("test", (program) => run([program])));
  await step("C tests: ThreadSanitizer", () => cTests("test-tsan", (program) => run([program])));
  await step("bun test", bunTest);
  const work = mkdtempSync(join(tmpdir(), "lava-flow-check-"));
  try {
    const packed = await step("tarball", () => pack(work));
    if (packed.failed === 0) {
      await step("tarball: installed, without Zig", () => installedTarball(work));
      await step("tarball: compiled executable", () => compiledExecutable(work));
    }
  } finally {
    rmSync(work, { recursive: true });
  }
  process.exit(finish());
}
