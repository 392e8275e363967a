/**
 * Everything that must pass, from a fresh clone on: `bun run check`. One line for each step; the output of a step only
 * when it failed; the last line is "N passed, N failed, N skipped". LAVA_FLOW_REQUIRE turns skips into failures (see
 * test/requires.ts).
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Feature, GPU_FEATURES, required } from "../test/requires.ts";
import { build, type Target } from "./build.ts";
import { apiReference } from "./docs.ts";
import { type Finished, ROOT, run } from "./run.ts";
import { installDependencies } from "./setup.ts";
import { failed, finish, passed, type Result, skipped, step } from "./step.ts";
import { installPackages } from "./system.ts";
import { compiledExecutable, installedTarball, pack, project, SHIMS, tarball } from "./tarball.ts";
import { packageLinters, typesInProjects } from "./tarball-types.ts";
import { bunTest, countLines, type Environment, leavingNothing } from "./tests.ts";
import { runUnderWine } from "./wine.ts";

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

interface CTests {
  target: Target;
  /** Where that target puts its programs, in shim/zig-out. */
  folder: string;
  platform?: string;
  /** What a machine may lack for them. */
  feature?: Feature;
  runOne?: (program: string, env: Environment) => Promise<Finished | { unavailable: string }>;
}

/** The results are in the order of `items`; as many of them run at once as there are processors. */
async function sideBySide<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries(); // all lanes take from it
  const lane = async () => {
    for (const [i, item] of entries) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, lane));
  return results;
}

/** Builds the C tests, and runs every program of them. */
async function cTests({ target, folder, platform, feature, runOne }: CTests, env: Environment): Promise<Result> {
  const place = join(ROOT, "shim/zig-out", folder);
  rmSync(place, { recursive: true, force: true }); // A program whose source is gone must not run again.
  const compiled = await build(target, platform);
  if (!compiled.ok) return failed(compiled.output);
  const sum = { passed: 0, failed: 0, skipped: 0, output: "" };
  const notes = new Set<string>();
  const programs = readdirSync(place)
    .sort()
    .map((name) => join(place, name));
  const runs = await sideBySide(programs, async (program) => runOne?.(program, env) ?? run([program], { env }));
  for (const [i, ran] of runs.entries()) {
    if ("unavailable" in ran) {
      const reason = `${feature}: ${ran.unavailable}`;
      if (feature && required().has(feature)) return failed(`LAVA_FLOW_REQUIRE asks for ${reason}`);
      notes.add(`skip ${reason}`);
      sum.skipped += 1;
      continue;
    }
    const result = countLines(basename(programs[i] as string), ran);
    sum.passed += result.passed;
    sum.failed += result.failed;
    sum.skipped += result.skipped;
    for (const note of result.notes) notes.add(note);
    if (result.failed > 0) sum.output += result.output;
  }
  return { ...sum, notes: [...notes] };
}

/** For programs that can't open this system's Vulkan library: nothing of a GPU is asked of them. */
function noGpu(): Environment {
  const left = [...required()].filter((feature) => !GPU_FEATURES.includes(feature));
  return { LAVA_FLOW_VULKAN: "off", LAVA_FLOW_REQUIRE: left.join() };
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

/** Linked with their own C library, so they run on any Linux, and open no library of it. */
const withMusl: CTests = {
  target: "tests-platform",
  folder: `test-linux-${process.arch}-musl`,
  platform: `linux-${process.arch}-musl`,
  runOne: (program, env) => run([program], { env: { ...env, ...noGpu() } }),
};

const underWine: CTests = {
  target: "tests-windows",
  folder: "test-windows",
  feature: "wine",
  async runOne(program) {
    const ran = await runUnderWine(program, noGpu());
    return "unavailable" in ran ? ran : { ok: ran.code === 0, output: ran.output };
  },
};

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
  await step("API reference", async () => asResult(await apiReference("none")));
  await step("lint and format", async () =>
    asResult(await tool("@biomejs/biome/bin/biome", "ci", "--colors=off", "--error-on-warnings")),
  );
  await step("shims for all platforms", shimsForAllPlatforms);
  await step("C tests: UBSan", () => leavingNothing((env) => cTests(plain, env)));
  await step("C tests: ThreadSanitizer", () => leavingNothing((env) => cTests(underThreadSanitizer, env)));
  if (process.platform === "linux") await step("C tests: musl", () => leavingNothing((env) => cTests(withMusl, env)));
  await step("C tests: Windows, under Wine", () => leavingNothing((env) => cTests(underWine, env)));
  await step("C tests: MPI, for bun test to start", async () => asResult(await build("tests-mpi")));
  await step("support for tests", async () => asResult(await build("test-support")));
  await step("bun test", () => leavingNothing((env) => bunTest(env)));
  const work = mkdtempSync(join(tmpdir(), "lava-flow-check-"));
  try {
    const packed = await step("tarball", () => pack(work));
    if (packed.failed === 0) {
      await step("tarball: package linters", () => packageLinters(tarball(work)));
      const installed = await step("tarball: installed, without Zig", () => installedTarball(work));
      if (installed.failed === 0) {
        await step("tarball: types in projects", () => typesInProjects(project(work)));
        await step("tarball: compiled executable", () => compiledExecutable(work));
      }
    }
  } finally {
    rmSync(work, { recursive: true });
  }
  process.exit(finish());
}
