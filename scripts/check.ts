/**
 * Everything that must pass, from a fresh clone on: `bun run check`. One line for each step; the output of a step only
 * when it failed; the last line is "N passed, N failed, N skipped". LAVA_FLOW_REQUIRE turns skips into failures (see
 * test/requires.ts).
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Feature, required } from "../test/requires.ts";
import { build, type Target } from "./build.ts";
import { type Finished, ROOT, run } from "./run.ts";
import { installDependencies } from "./setup.ts";
import { failed, finish, passed, type Result, skipped, step } from "./step.ts";
import { installPackages } from "./system.ts";
import { compiledExecutable, installedTarball, pack, SHIMS } from "./tarball.ts";
import { runUnderWine } from "./wine.ts";

type Environment = Record<string, string | undefined>;

const FIFTEEN_MINUTES = 900_000;

const asResult = ({ ok, output }: Finished): Result => (ok ? passed() : failed(output));

/** A program from node_modules, run by Bun: no Node is needed. */
const tool = (path: string, ...args: string[]) => run([process.execPath, join(ROOT, "node_modules", path), ...args]);

async function shimsForAllPlatforms(): Promise<Result> {
  const { ok, output } = await build("all");
  if (!ok) return failed(output);
  const missing = [...SHIMS.values()].filter((path) => !existsSync(join(ROOT, path)));
  if (missing.length > 0) return failed(`Not built: ${missing.join(", ")}`);
  return { ...passed(), passed: SHIMS.size };
}

/** Counts the `ok`, `FAIL` and `skip` lines of a C test program. */
function count(program: string, { ok, output }: Finished) {
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

interface CTests {
  target: Target;
  /** Where that target puts its programs, in shim/zig-out. */
  folder: string;
  platform?: string;
  /** What a machine may lack for them. */
  feature?: Feature;
  runOne?: (program: string, env: Environment) => Promise<Finished | { unavailable: string }>;
}

/** Builds the C tests, and runs every program of them, one after the other. */
async function cTests({ target, folder, platform, feature, runOne }: CTests, env: Environment): Promise<Result> {
  const place = join(ROOT, "shim/zig-out", folder);
  rmSync(place, { recursive: true, force: true }); // A program whose source is gone must not run again.
  const compiled = await build(target, platform);
  if (!compiled.ok) return failed(compiled.output);
  const sum = { passed: 0, failed: 0, skipped: 0, output: "" };
  const notes = new Set<string>();
  for (const name of readdirSync(place).sort()) {
    const program = join(place, name);
    const ran = await (runOne?.(program, env) ?? run([program], { env }));
    if ("unavailable" in ran) {
      const reason = `${feature}: ${ran.unavailable}`;
      if (feature && required().has(feature)) return failed(`LAVA_FLOW_REQUIRE asks for ${reason}`);
      notes.add(`skip ${reason}`);
      sum.skipped += 1;
      continue;
    }
    const result = count(name, ran);
    sum.passed += result.passed;
    sum.failed += result.failed;
    sum.skipped += result.skipped;
    for (const note of result.notes) notes.add(note);
    if (result.failed > 0) sum.output += result.output;
  }
  return { ...sum, notes: [...notes] };
}

const plain: CTests = { target: "tests", folder: "test" };

/** Some kernels lay memory out in a way that ThreadSanitizer can't work with, and forbid it to ask for another. */
const underThreadSanitizer: CTests = {
  target: "tests",
  folder: "test-tsan",
  feature: "tsan",
  async runOne(program, env) {
    const ran = await run([program], { env });
    const refusal = /ThreadSanitizer: (unexpected memory mapping|memory layout is incompatible).*/.exec(ran.output);
    return refusal ? { unavailable: refusal[0] } : ran;
  },
};

/** Linked with their own C library, so they run on any Linux. */
const withMusl: CTests = {
  target: "tests-platform",
  folder: `test-linux-${process.arch}-musl`,
  platform: `linux-${process.arch}-musl`,
};

const underWine: CTests = {
  target: "tests-windows",
  folder: "test-windows",
  feature: "wine",
  async runOne(program) {
    const ran = await runUnderWine(program);
    return "unavailable" in ran ? ran : { ok: ran.code === 0, output: ran.output };
  },
};

/** Gives the tests a folder for temporary files, and fails them when they leave something in it. */
async function leavingNothing(test: (env: Environment) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "lf-")); // Short: sockets are made in it.
  chmodSync(folder, 0o711); // Some tests become another user, and have to get through it.
  try {
    const result = await test({ ...process.env, TMPDIR: folder });
    const left = readdirSync(folder, { recursive: true });
    if (result.failed > 0 || left.length === 0) return result; // What fails may leave what it made.
    return { ...result, failed: 1, output: `Left among the temporary files: ${left.join(", ")}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Reads Bun's own summary: unlike its JUnit report, it also counts files that could not be loaded. */
async function bunTest(env: Environment): Promise<Result> {
  const { ok, output } = await run([process.execPath, "test"], { env, limitMs: FIFTEEN_MINUTES });
  const last = (word: string) => Number([...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))].at(-1)?.[1] ?? 0);
  const result = {
    passed: last("pass"),
    failed: last("fail"),
    skipped: last("skip") + last("todo"),
    notes: output.split("\n").filter((line) => /^skip [\w-]+: /.test(line)),
    output,
  };
  // A crash has no summary; a run of nothing is no success.
  if (result.failed === 0 && (!ok || result.passed === 0)) result.failed = 1;
  return result;
}

if (import.meta.main) {
  // A misspelt name is found now and not in the middle.
  const names = await step("required features", async () => passed([[...required()].join(", ") || "none"]));
  if (names.failed > 0) process.exit(finish());
  const dependencies = await step("dependencies", async () => asResult(await installDependencies()));
  if (dependencies.failed > 0) process.exit(finish());
  await step("system packages", async () => {
    const missing = await installPackages();
    return missing.length === 0 ? passed() : { ...skipped(""), skipped: missing.length, notes: missing };
  });
  await step("type check", async () => asResult(await tool("typescript/bin/tsc", "--noEmit")));
  await step("lint and format", async () =>
    asResult(await tool("@biomejs/biome/bin/biome", "ci", "--colors=off", "--error-on-warnings")),
  );
  await step("shims for all platforms", shimsForAllPlatforms);
  await step("C tests: UBSan", () => leavingNothing((env) => cTests(plain, env)));
  await step("C tests: ThreadSanitizer", () => leavingNothing((env) => cTests(underThreadSanitizer, env)));
  if (process.platform === "linux") await step("C tests: musl", () => leavingNothing((env) => cTests(withMusl, env)));
  await step("C tests: Windows, under Wine", () => leavingNothing((env) => cTests(underWine, env)));
  await step("bun test", () => leavingNothing(bunTest));
  const work = mkdtempSync(join(tmpdir(), "lava-flow-check-"));
  try {
    const packed = await step("tarball", () => pack(work));
    if (packed.failed === 0) {
      const installed = await step("tarball: installed, without Zig", () => installedTarball(work));
      if (installed.failed === 0) await step("tarball: compiled executable", () => compiledExecutable(work));
    }
  } finally {
    rmSync(work, { recursive: true });
  }
  process.exit(finish());
}
