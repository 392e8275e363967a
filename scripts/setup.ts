/**
 * Sets a fresh clone up: the dependencies of the lock file, and the shim for this machine; with --bench also the C programs
 * of the benches. Needs Bun only.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.ts";
import { type Finished, ROOT, run } from "./run.ts";

/** The `prepare` step builds the shim too, unless the user's settings forbid such steps. */
export function installDependencies(): Promise<Finished> {
  return run([process.execPath, "install", "--frozen-lockfile"]);
}

if (import.meta.main) {
  const orStop = ({ ok, output }: Finished) => {
    if (ok) return;
    console.error(output.trimEnd());
    process.exit(1);
  };
  if (!existsSync(join(ROOT, "node_modules"))) console.error("Setting up: dependencies and the native part, once");
  orStop(await installDependencies());
  orStop(await build("platform"));
  if (process.argv.includes("--bench")) orStop(await build("bench"));
}
