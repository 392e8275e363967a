/**
 * `bun run check`: everything that must pass, from a fresh clone on. Prints one line per step, and the output of a step that
 * failed. The last line is "N passed, N failed, N skipped". LAVA_FLOW_REQUIRE turns skips into failures (test/requires.ts).
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
  /** The folder of the target's programs, in shim/zig-out. */
  folder: string;
  platform?: string;
  /** The feature that a machine may lack for them. */
  feature?: Feature;
  runOne?: (program: string, env: Environment) => Promise<Finished | { unavailable: string }>;
}

/** Runs `work` on all items, one per processor at a time. The results have the order of `items`. */
async function sideBySide<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries(); // shared by all workers
  const worker = async () => {
    for (const [i, item] of entries) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, worker));
  return results;
}

/** Builds the C tests, and runs every program of them. */
async function cTests({ target, folder, platform, feature, runOne }: CTests, env: Environment): Promise<Result> {
  const programs = join(ROOT, "shim/zig-out", folder);
  rmSync(programs, { recursive: true, force: true }); // A program whose source is gone must not run again.
  const compiled = await build(target, platform);
  if (!compiled.ok) return failed(compiled.output);
  const sum = { passed: 0, failed: 0, skipped: 0, output: "" };
  const notes = new Set<string>();
  const paths = readdirSync(programs)
    .sort()
    .map((name) => join(programs, name));
  const runs = await sideBySide(paths, async (program) => runOne?.(program, env) ?? run([program], { env }));
  for (const [i, ran] of runs.entries()) {
    if ("unavailable" in ran) {
      const reason = `${feature}: ${ran.unavailable}`;
      if (feature && required().has(feature)) return failed(`LAVA_FLOW_REQUIRE asks for ${reason}`);
      notes.add(`skip ${reason}`);
      sum.skipped += 1;
      continue;
    }
    const result = countLines(basename(paths[i] as string), ran);
    sum.passed += result.passed;
    sum.failed += result.failed;
    sum.skipped += result.skipped;
    for (const note of result.notes) notes.add(note);
    if (result.failed > 0) sum.output += result.output;
  }
  return { ...sum, notes: [...notes] };
}

/** The environment of programs that can't open this system's Vulkan library: no feature of a GPU is required of them. */
function noGpu(): Environment {
  const left = [...required()].filter((feature) => !GPU_FEATURES.includes(feature));
  return { LAVA_FLOW_VULKAN: "off", LAVA_FLOW_REQUIRE: left.join() };
}

const plain: CTests = { target: "tests", folder: "test" };

/** Some kernels have a memory layout that ThreadSanitizer can't use, and refuse another one: then the tests are skipped. */
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

/** Statically linked with musl: they run on any Linux, and open none of its libraries. */
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
  // Finds a misspelt name before the long steps.
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
